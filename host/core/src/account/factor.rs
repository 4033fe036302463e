//! The second factor of an account: the chat in which the player proved, when they turned it on, that it is theirs, and
//! recovery codes for the day on which that chat is gone. What an account without it is asked for is kept in the same way
//! and answered alike, but reaches nobody and is never right.

mod rules;

use serde::{Deserialize, Serialize};

use super::challenge::{Challenge, ChallengeId, ChallengeStatus, Denial, NamedDevice, NewChallenge, State, Way};
use super::recovery_codes::{RecoveryCodes, RecoveryTry};
use super::strikes::Strikes;
use super::{Account, ContactRecord};
use crate::contact::{Address, Contact};
use crate::time::UnixMs;
use crate::verification::code::CodeDigest;
use crate::verification::guard::Window;
use crate::verification::{Purpose, VerificationId};

pub use rules::TwoFactorRules;

/// Challenges of an account that are kept; the oldest go first.
const CHALLENGES_MAX: usize = 16;

/// Turned on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Since when.
    pub since: UnixMs,
    /// The chat that was proven to be the player's.
    pub to: Address,
}

/// Begun, and not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Whose code confirms it.
    pub id: VerificationId,
    /// The chat that the code went to; none where nobody can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// The device on which it was begun.
    pub device: NamedDevice,
    /// BCP 47, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Until when.
    pub expires_at: UnixMs,
}

/// What an account keeps of its second factor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Whether it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<Enrolled>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrolment: Option<Enrolment>,
    #[serde(default, skip_serializing_if = "RecoveryCodes::is_none")]
    recovery: RecoveryCodes,
    /// Open ones, and those that ended lately; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    challenges: Vec<Challenge>,
    #[serde(default)]
    pushes: Window,
    #[serde(default, skip_serializing_if = "Strikes::is_none")]
    denials: Strikes,
}

/// Why no challenge is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushLimit {
    /// The player denied too many.
    Denied,
    /// Too many for this player.
    Player,
    /// Too many to this contact.
    Contact,
}

impl PushLimit {
    /// The name in problem details, audit and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied-too-often",
            Self::Player => "challenges",
            Self::Contact => "challenges-of-contact",
        }
    }
}

/// A challenge is not begun, and when it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", limit.as_str())]
pub struct NotPushed {
    /// Which limit.
    pub limit: PushLimit,
    /// Not before.
    pub retry_at: UnixMs,
}

/// What the player did with a challenge in the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Tapped this number.
    Number(u8),
    /// Said that it was not them.
    NotMe,
}

/// What came of an answer in the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What was asked for.
    pub purpose: Purpose,
    /// On which device.
    pub device: NamedDevice,
    /// How the challenge stands now.
    pub status: ChallengeStatus,
    /// This answer made it so; else it was over before.
    pub counts: bool,
    /// No challenges before then: there were too many denials.
    pub locked_until: Option<UnixMs>,
}

/// What came of a one-time code before it is compared: the try is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeTry {
    /// It is over.
    Ended(ChallengeStatus),
    /// Counted.
    Counted {
        /// Whose code it may be; none where no code was sent: then none is right.
        verification: Option<VerificationId>,
        /// Wrong codes that are left.
        attempts_left: u8,
    },
}

/// What came of a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryUse {
    /// The challenge is over.
    Ended(ChallengeStatus),
    /// It was compared.
    Tried(RecoveryTry),
}

impl Factor {
    /// Whether nothing is kept.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Since when it is on, and the chat; none when it is off.
    pub fn on(&self) -> Option<&Enrolled> {
        self.on.as_ref()
    }

    /// Recovery codes that were not used.
    pub fn recovery_codes_left(&self) -> usize {
        self.recovery.left()
    }

    /// What was begun and can be confirmed by this verification's code.
    pub fn enrolment(&self, id: &VerificationId, now: UnixMs) -> Option<&Enrolment> {
        self.enrolment.as_ref().filter(|begun| begun.id == *id && now < begun.expires_at)
    }

    /// One of its challenges.
    pub fn challenge(&self, id: &ChallengeId) -> Option<&Challenge> {
        self.challenges.iter().find(|known| known.id == *id)
    }

    /// Challenges that can be answered.
    pub fn pending(&self, now: UnixMs) -> impl Iterator<Item = &Challenge> {
        self.challenges.iter().filter(move |known| known.status(now) == ChallengeStatus::Pending)
    }

    /// When it can be forgotten, where it is off.
    pub(super) fn forget_at(&self) -> UnixMs {
        let ends = self.challenges.iter().map(Challenge::forget_at);
        let begun = self.enrolment.iter().map(|begun| begun.expires_at);
        let start = UnixMs(0);
        let counted = [self.pushes.forget_at(start), self.denials.forget_at(start), self.recovery.forget_at(start)];
        ends.chain(begun).chain(counted).max().unwrap_or(start)
    }

    fn open(&mut self, id: &ChallengeId, now: UnixMs) -> Result<Option<&mut Challenge>, ChallengeStatus> {
        let Some(known) = self.challenges.iter_mut().find(|known| known.id == *id) else { return Ok(None) };
        match known.status(now) {
            ChallengeStatus::Pending => Ok(Some(known)),
            ended => Err(ended),
        }
    }

    fn forget(&mut self, now: UnixMs) {
        self.challenges.retain(|known| now < known.forget_at());
        while self.challenges.len() > CHALLENGES_MAX {
            self.challenges.remove(0);
        }
    }
}

/// Whether two descriptions of a contact are of the same one: by number where both have one, else by user id.
fn is_same(one: &Contact, other: &Contact) -> bool {
    match (one.phone().zip(other.phone()), one.bsuid().zip(other.bsuid())) {
        (Some((one, other)), _) => one == other,
        (None, Some((one, other))) => one == other,
        (None, None) => false,
    }
}

impl Account {
    /// Begins to turn the second factor on, in place of what was begun before. False where it is on.
    pub fn begin_two_factor(&mut self, enrolment: Enrolment) -> bool {
        if self.factor.on.is_some() {
            return false;
        }
        self.factor.enrolment = Some(enrolment);
        true
    }

    /// Turns it on, and binds the device: the code that confirms what was begun has come. None where that was not begun,
    /// cannot reach anybody, or is too old, and while the account is frozen.
    pub fn confirm_two_factor(&mut self, id: &VerificationId, codes: Vec<CodeDigest>, now: UnixMs) -> Option<Enrolment> {
        self.factor.enrolment(id, now).filter(|begun| begun.to.is_some() && self.frozen.is_none())?;
        let begun = self.factor.enrolment.take()?;
        let to = begun.to.clone()?;
        self.factor.on = Some(Enrolled { since: now, to });
        self.factor.recovery.replace(codes);
        self.factor.challenges.clear();
        self.bind(&begun.device, now);
        Some(begun)
    }

    /// Turns it off; gives what was on. Devices stay bound, and what was counted stays counted.
    pub fn turn_two_factor_off(&mut self) -> Option<Enrolled> {
        let on = self.factor.on.take()?;
        self.factor.recovery.replace(Vec::new());
        self.factor.challenges.clear();
        self.factor.enrolment = None;
        Some(on)
    }

    /// Makes these the recovery codes, in place of all before. False where the second factor is off.
    pub fn renew_recovery_codes(&mut self, codes: Vec<CodeDigest>) -> bool {
        if self.factor.on.is_some() {
            self.factor.recovery.replace(codes);
        }
        self.factor.on.is_some()
    }

    /// Whether anything that the player shows can be right: it is on, and the account is not frozen.
    fn is_answered_for(&self) -> bool {
        self.factor.on.is_some() && self.frozen.is_none()
    }

    fn bind(&mut self, device: &NamedDevice, now: UnixMs) {
        self.devices.bind(device.id.clone(), device.name.as_deref(), now);
    }

    /// Begins a challenge, in place of one for the same purpose and device; `contact` is what is kept of whom it goes to.
    /// What is refused counts nowhere.
    pub fn begin_challenge(
        &mut self,
        contact: Option<&mut ContactRecord>,
        new: NewChallenge,
        rules: &TwoFactorRules,
        now: UnixMs,
    ) -> Result<Challenge, NotPushed> {
        let factor = &mut self.factor;
        let refused = |limit| move |retry_at| NotPushed { limit, retry_at };
        if let Some(until) = factor.denials.holds_until(now) {
            return Err(refused(PushLimit::Denied)(until));
        }
        factor.pushes.allows(rules.pushes_per_hour, now).map_err(refused(PushLimit::Player))?;
        if let Some(contact) = contact {
            contact.pushes.allows(rules.pushes_per_contact_per_hour, now).map_err(refused(PushLimit::Contact))?;
            contact.pushes.take(now);
        }
        factor.pushes.take(now);
        for known in &mut factor.challenges {
            if known.status(now) == ChallengeStatus::Pending && known.purpose == new.purpose && known.device.id == new.device.id {
                known.state = State::Replaced;
            }
        }
        let challenge = Challenge {
            id: new.id,
            purpose: new.purpose,
            device: new.device,
            numbers: new.numbers,
            expires_at: now.plus_ms(TwoFactorRules::ms(rules.life_s)),
            attempts_left: rules.attempts,
            verification: None,
            state: State::Open,
            by: None,
        };
        factor.challenges.push(challenge.clone());
        factor.forget(now);
        Ok(challenge)
    }

    /// Notes that this verification's code was sent for a challenge: it approves it too.
    pub fn sent_code(&mut self, id: &ChallengeId, verification: VerificationId) {
        if let Some(known) = self.factor.challenges.iter_mut().find(|known| known.id == *id) {
            known.verification = Some(verification);
        }
    }

    /// The player answered in the chat with this contact. `by` names what answered: the same is answered alike. None where
    /// there is no such challenge, or the second factor is another chat.
    pub fn answer_challenge(
        &mut self,
        id: &ChallengeId,
        contact: &Contact,
        answer: Answer,
        by: &str,
        rules: &TwoFactorRules,
        now: UnixMs,
    ) -> Option<Answered> {
        let on = self.factor.on.as_ref()?;
        if !is_same(&on.to.contact, contact) || self.frozen.is_some() {
            return None;
        }
        let locked_until = self.factor.denials.holds_until(now);
        let known = self.factor.challenges.iter_mut().find(|known| known.id == *id)?;
        let (purpose, device) = (known.purpose, known.device.clone());
        let status = known.status(now);
        let answered = |status, counts, locked_until| Some(Answered { purpose, device: device.clone(), status, counts, locked_until });
        if status != ChallengeStatus::Pending {
            return answered(status, known.by.as_deref() == Some(by), locked_until);
        }
        known.by = Some(by.to_owned());
        let why = match answer {
            Answer::Number(number) if number == known.numbers.right() => {
                known.state = State::Approved { way: Way::Number, at: now, spent: false };
                self.bind(&device, now);
                return answered(ChallengeStatus::Approved(Way::Number), true, None);
            }
            Answer::Number(_) => Denial::WrongNumber,
            Answer::NotMe => Denial::NotMe,
        };
        known.state = State::Denied { why };
        self.factor.denials.count(rules.denials, TwoFactorRules::ms(rules.lock_s), now);
        let locked_until = self.factor.denials.holds_until(now);
        if locked_until.is_some() {
            // What else is open goes too: somebody is at it.
            self.factor
                .challenges
                .iter_mut()
                .filter(|known| known.status(now) == ChallengeStatus::Pending)
                .for_each(|known| known.state = State::Denied { why });
        }
        answered(ChallengeStatus::Denied(why), true, locked_until)
    }

    /// Counts a one-time code that was entered for a challenge, before anything compares it. None where there is no such
    /// challenge.
    pub fn try_code(&mut self, id: &ChallengeId, now: UnixMs) -> Option<CodeTry> {
        let is_on = self.is_answered_for();
        let known = match self.factor.open(id, now) {
            Ok(known) => known?,
            Err(ended) => return Some(CodeTry::Ended(ended)),
        };
        known.attempts_left = known.attempts_left.saturating_sub(1);
        Some(CodeTry::Counted { verification: known.verification.filter(|_| is_on), attempts_left: known.attempts_left })
    }

    /// The code that was counted by [`Self::try_code`] was right. False where the challenge was answered meanwhile.
    pub fn approve_by_code(&mut self, id: &ChallengeId, verification: &VerificationId, now: UnixMs) -> bool {
        let fits = |known: &&mut Challenge| known.id == *id && known.verification == Some(*verification);
        let is_on = self.is_answered_for();
        let Some(known) = self.factor.challenges.iter_mut().find(fits).filter(|_| is_on) else { return false };
        if known.state != State::Open || now >= known.expires_at {
            return false;
        }
        known.state = State::Approved { way: Way::Code, at: now, spent: false };
        let device = known.device.clone();
        self.bind(&device, now);
        true
    }

    /// Tries a recovery code, on a challenge or by itself; a right one is used up, and approves the challenge. None where
    /// there is no such challenge.
    pub fn use_recovery_code(
        &mut self,
        challenge: Option<&ChallengeId>,
        is_right: impl Fn(&CodeDigest) -> bool,
        rules: &TwoFactorRules,
        now: UnixMs,
    ) -> Option<RecoveryUse> {
        if let Some(id) = challenge {
            match self.factor.open(id, now) {
                Ok(known) => drop(known?),
                Err(ended) => return Some(RecoveryUse::Ended(ended)),
            }
        }
        let is_on = self.is_answered_for();
        let tried = self.factor.recovery.take(
            |digest| is_right(digest) && is_on,
            rules.recovery_attempts,
            TwoFactorRules::ms(rules.recovery_lock_s),
            now,
        );
        if let (RecoveryTry::Right { .. }, Some(id)) = (tried, challenge)
            && let Ok(Some(known)) = self.factor.open(id, now)
        {
            known.state = State::Approved { way: Way::RecoveryCode, at: now, spent: false };
            let device = known.device.clone();
            self.bind(&device, now);
        }
        Some(RecoveryUse::Tried(tried))
    }

    /// Takes an approved challenge as the proof for a change of the second factor itself: once, while it is fresh, and if it
    /// was asked for such a thing; an approval of a sign-in turns nothing off.
    pub fn spend_challenge(&mut self, id: &ChallengeId, rules: &TwoFactorRules, now: UnixMs) -> bool {
        let is_on = self.is_answered_for();
        let known = self.factor.challenges.iter_mut().find(|known| known.id == *id && known.purpose == Purpose::HighValue);
        let Some(Challenge { state: State::Approved { at, spent, .. }, .. }) = known.filter(|_| is_on) else { return false };
        let counts = !*spent && rules.is_fresh(*at, now);
        *spent |= counts;
        counts
    }
}

#[cfg(test)]
mod tests;
