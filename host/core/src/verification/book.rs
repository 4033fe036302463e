//! What a contact has open, and how it moves. A store reads what a change concerns, has it changed here, and writes it in
//! one go.

mod ending;

use serde::{Deserialize, Serialize};

use super::code::{CodeDigest, SealedCode};
use super::guard::{Dial, GuardReason, GuardRules, Refused, Window, resend_wait_ms};
use super::way::Way;
use super::{CodeRules, NewCode, NewVerification, Purpose, VerificationId};
use crate::contact::Address;
use crate::id::{DeviceId, PlayerId};
use crate::time::{HOUR_MS, UnixMs};

/// Ended verifications are still answered for so long after their time.
const KEPT_MS: u64 = HOUR_MS;
/// Verifications of a contact that are kept; the oldest ended ones go first.
const KEPT_MAX: usize = 32;

/// A verification as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verification {
    /// Its name.
    pub id: VerificationId,
    /// What for.
    pub purpose: Purpose,
    /// Whose account it is for, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// Where its codes go; none where nobody can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// The device that it was asked for on, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// BCP 47, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What the code is compared with.
    pub digest: CodeDigest,
    /// What the code is sent from.
    pub sealed: SealedCode,
    /// When its first code was made.
    pub created_at: UnixMs,
    /// When the code that counts was made.
    pub made_at: UnixMs,
    /// When that code dies.
    pub expires_at: UnixMs,
    /// Wrong tries that are left.
    pub attempts_left: u8,
    /// Codes made so far.
    pub sends: u32,
    /// The channels that the code that counts was given to, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
    /// How it stands.
    pub state: State,
    /// What started it, where a start can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How a verification stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its code counts until it dies.
    Open,
    /// The code came.
    Approved {
        /// What entered it, where that can be repeated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Too many wrong codes.
    UsedUp,
    /// A newer one for the same purpose took its place.
    Replaced,
    /// The player proved themselves by another one.
    Superseded,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was the code.
    Approved,
    /// It was not the code, and more tries are left.
    Rejected,
    /// Too late.
    Expired,
    /// No tries are left.
    AttemptsUsedUp,
    /// It was used before.
    AlreadyUsed,
    /// Another one took its place, or was used in its stead.
    Replaced,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Approved, Self::Rejected, Self::Expired, Self::AttemptsUsedUp, Self::AlreadyUsed, Self::Replaced];

    /// The name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::AttemptsUsedUp => "attempts-used-up",
            Self::AlreadyUsed => "already-used",
            Self::Replaced => "replaced",
        }
    }
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Of which verification.
    pub id: VerificationId,
    /// What for.
    pub purpose: Purpose,
    /// Whose account, if it was named.
    pub player: Option<PlayerId>,
    /// Where its codes went; none where nobody could be reached.
    pub to: Option<Address>,
    /// The device that it was asked for on, if it was named.
    pub device: Option<DeviceId>,
    /// What.
    pub status: Status,
    /// Wrong tries that are left.
    pub attempts_left: u8,
    /// When its first code was asked for.
    pub asked_at: UnixMs,
    /// The channel that its code was given to last.
    pub channel: Option<Box<str>>,
}

/// What came of a start or a resend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Which verification.
    pub id: VerificationId,
    /// What for.
    pub purpose: Purpose,
    /// The how manieth code of it.
    pub send: u32,
    /// Where it goes.
    pub to: Option<Address>,
    /// BCP 47, if it is known.
    pub locale: Option<String>,
    /// The code, sealed.
    pub sealed: SealedCode,
    /// When it was made.
    pub made_at: UnixMs,
    /// When the code dies.
    pub expires_at: UnixMs,
    /// How long the next one has to wait.
    pub resend_after_ms: u64,
    /// It is what an earlier call with the same key made.
    pub repeated: bool,
}

/// Why there is no further code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResendRefusal {
    /// It has ended; a new verification has to be started.
    #[error("the verification has ended: {}", .0.as_str())]
    Ended(Status),
    /// A guard.
    #[error(transparent)]
    Guard(#[from] Refused),
}

/// When a player last proved themselves: what was open for them before counts no more, whatever contact it went to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerMark {
    /// When.
    pub approved_at: UnixMs,
    /// By which verification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<VerificationId>,
    /// When all that was open was ended without a proof; 0 if it never was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended_at: UnixMs,
}

fn is_zero(at: &UnixMs) -> bool {
    at.0 == 0
}

impl PlayerMark {
    fn ends(&self, verification: &Verification) -> bool {
        self.by.is_some_and(|by| by != verification.id) && verification.made_at <= self.approved_at
            || self.ended_at.0 > 0 && verification.made_at <= self.ended_at
    }

    /// Ends all that the player has open, whatever contact it went to.
    pub fn end(&mut self, now: UnixMs) {
        self.ended_at = self.ended_at.max(now);
    }

    /// When it can be forgotten.
    pub fn forget_at(&self, life_ms: u64) -> UnixMs {
        self.approved_at.max(self.ended_at).plus_ms(life_ms.max(KEPT_MS))
    }
}

/// The pages of guards that a start or a resend counts in.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// Of the address, if it is known.
    pub ip: Option<Window>,
    /// Of the device, if it is known.
    pub device: Option<Window>,
    /// Of the numbers around, if there is a number.
    pub prefix: Option<Window>,
    /// Of the country, if there is a number.
    pub dial: Option<Dial>,
}

impl Guards {
    /// Asks all before any counts: what is refused counts nowhere.
    fn take(&mut self, rules: &GuardRules, now: UnixMs) -> Result<(), Refused> {
        let windows = [
            (&self.ip, rules.ip_per_hour, GuardReason::Ip),
            (&self.device, rules.device_per_hour, GuardReason::Device),
            (&self.prefix, rules.prefix_per_hour, GuardReason::NumberPrefix),
        ];
        for (window, per_hour, reason) in windows {
            if let Some(window) = window {
                window.allows(per_hour, now).map_err(|retry_at| Refused { reason, retry_at })?;
            }
        }
        if let Some(dial) = &self.dial {
            dial.allows(rules, now)?;
        }
        for window in [&mut self.ip, &mut self.device, &mut self.prefix].into_iter().flatten() {
            window.take(now);
        }
        if let Some(dial) = &mut self.dial {
            dial.take(now);
        }
        Ok(())
    }
}

/// A wrong entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tried {
    /// What entered it.
    pub by: String,
    /// What it was counted on.
    pub id: VerificationId,
}

/// All verifications of one contact in one game.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Subject {
    /// Codes within the last hour.
    #[serde(default)]
    pub requests: Window,
    /// Codes in a row that were not used.
    #[serde(default)]
    pub streak: u32,
    /// When the last one was made.
    #[serde(default)]
    pub last_at: UnixMs,
    /// The last entry that was wrong, where the same may ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
    /// Those that count, and those that ended lately; oldest first.
    #[serde(default)]
    pub verifications: Vec<Verification>,
}

impl Subject {
    /// Begins a verification, in place of one for the same purpose.
    pub fn start(
        &mut self,
        guards: &mut Guards,
        wish: NewVerification,
        rules: CodeRules,
        limits: &GuardRules,
        now: UnixMs,
    ) -> Result<Issued, Refused> {
        if let Some(key) = &wish.key
            && let Some(made) = self.verifications.iter().find(|known| known.key.as_ref() == Some(key))
        {
            return Ok(Issued { repeated: true, ..self.issued(made, limits) });
        }
        self.take(guards, limits, now)?;
        for known in &mut self.verifications {
            if known.purpose == wish.purpose && known.state == State::Open {
                known.state = State::Replaced;
            }
        }
        let verification = Verification {
            id: wish.id,
            purpose: wish.purpose,
            player: wish.player,
            to: wish.to,
            device: wish.device,
            locale: wish.locale,
            digest: wish.code.digest,
            sealed: wish.code.sealed,
            created_at: now,
            made_at: now,
            expires_at: now.plus_ms(rules.life_ms()),
            attempts_left: rules.attempts,
            sends: 1,
            ways: Vec::new(),
            state: State::Open,
            key: wish.key,
        };
        let issued = self.issued(&verification, limits);
        self.verifications.push(verification);
        self.forget(now);
        Ok(issued)
    }

    /// Makes a new code count in place of the one before. None when the verification is not known. `make` makes the code
    /// that is the given number of its verification, and says what it is like.
    pub fn resend(
        &mut self,
        guards: &mut Guards,
        id: &VerificationId,
        mark: Option<&PlayerMark>,
        make: impl FnOnce(u32, Purpose) -> Option<(NewCode, CodeRules)>,
        limits: &GuardRules,
        now: UnixMs,
    ) -> Option<Result<Issued, ResendRefusal>> {
        let place = self.verifications.iter().position(|known| known.id == *id)?;
        // A code that died of age, or of wrong tries, may be replaced; what was used or replaced may not.
        match self.verifications[place].status(mark, now) {
            None | Some(Status::Expired | Status::AttemptsUsedUp) => {}
            Some(ended) => return Some(Err(ResendRefusal::Ended(ended))),
        }
        if let Err(refused) = self.take(guards, limits, now) {
            return Some(Err(refused.into()));
        }
        let known = &mut self.verifications[place];
        let (made, rules) = make(known.sends + 1, known.purpose)?;
        known.sends += 1;
        known.ways.clear();
        known.digest = made.digest;
        known.sealed = made.sealed;
        known.made_at = now;
        known.expires_at = now.plus_ms(rules.life_ms());
        known.attempts_left = rules.attempts;
        known.state = State::Open;
        let issued = self.issued(&self.verifications[place], limits);
        Some(Ok(issued))
    }

    /// Tries a code on one verification, or on all that are open where none is named. None when there is none.
    ///
    /// The try is counted before `is_right` compares; `by` names what entered the code, where the same may ask again.
    pub fn check(
        &mut self,
        mark: &mut PlayerMark,
        dial: Option<&mut Dial>,
        id: Option<&VerificationId>,
        by: Option<&str>,
        is_right: impl Fn(&Verification) -> bool,
        now: UnixMs,
    ) -> Option<Checked> {
        if let Some((entry, known)) = by.zip(self.tried.as_ref())
            && entry == known.by
            && let Some(known) = self.verifications.iter().find(|other| other.id == known.id)
            && matches!(known.state, State::Open | State::UsedUp)
        {
            // This very entry was counted before.
            return Some(known.wrong());
        }
        if let Some(by) = by
            && let Some(done) =
                self.verifications.iter().find(|known| matches!(&known.state, State::Approved { by: Some(known) } if known == by))
        {
            return Some(done.checked(Status::Approved));
        }
        let mut tried = Vec::new();
        for (place, known) in self.verifications.iter_mut().enumerate() {
            let is_meant = id.map_or(known.status(Some(mark), now).is_none(), |id| known.id == *id);
            if !is_meant {
                continue;
            }
            if let Some(ended) = known.status(Some(mark), now) {
                return Some(known.checked(ended));
            }
            known.attempts_left = known.attempts_left.saturating_sub(1);
            if known.attempts_left == 0 {
                known.state = State::UsedUp;
            }
            tried.push(place);
        }
        let last = *tried.last()?;
        // All are compared, also after one was right.
        let right = tried.into_iter().filter(|place| is_right(&self.verifications[*place])).fold(None, |_, place| Some(place));
        let Some(right) = right else {
            let known = &self.verifications[last];
            self.tried = by.map(|by| Tried { by: by.to_owned(), id: known.id });
            return Some(known.wrong());
        };
        if let Some(dial) = dial {
            dial.approve(self.verifications[right].made_at);
        }
        for (place, known) in self.verifications.iter_mut().enumerate() {
            if place == right {
                known.state = State::Approved { by: by.map(str::to_owned) };
            } else if matches!(known.state, State::Open | State::UsedUp) {
                known.state = State::Superseded;
            }
        }
        self.streak = 0;
        let known = &self.verifications[right];
        (mark.approved_at, mark.by) = (now, Some(known.id));
        Some(known.checked(Status::Approved))
    }

    /// Forgets what was asked for in a player's name; says how much that was. How many were asked for stays.
    pub fn forget_player(&mut self, player: &PlayerId) -> usize {
        let before = self.verifications.len();
        self.verifications.retain(|known| known.player.as_ref() != Some(player));
        before - self.verifications.len()
    }

    /// Ends all that is open for the contact: none of its codes counts any more. Says whether there was anything.
    pub fn end(&mut self) -> bool {
        let open = self.verifications.iter_mut().filter(|known| matches!(known.state, State::Open | State::UsedUp));
        open.map(|known| known.state = State::Superseded).count() > 0
    }

    /// Whether any code counts.
    pub fn is_open(&self, mark: Option<&PlayerMark>, now: UnixMs) -> bool {
        self.verifications.iter().any(|known| known.status(mark, now).is_none())
    }

    /// When all of it can be forgotten.
    pub fn forget_at(&self, now: UnixMs) -> UnixMs {
        let ends = self.verifications.iter().map(|known| known.expires_at.plus_ms(KEPT_MS)).max().unwrap_or(now);
        ends.max(self.requests.forget_at(now))
    }

    fn take(&mut self, guards: &mut Guards, limits: &GuardRules, now: UnixMs) -> Result<(), Refused> {
        if self.requests.len(now) == 0 {
            self.streak = 0;
        }
        let due_at = self.last_at.plus_ms(resend_wait_ms(limits, self.streak));
        if now < due_at {
            return Err(Refused { reason: GuardReason::ResendWait, retry_at: due_at });
        }
        let refused = |retry_at| Refused { reason: GuardReason::Contact, retry_at };
        self.requests.allows(limits.contact_per_hour, now).map_err(refused)?;
        guards.take(limits, now)?;
        self.requests.take(now);
        self.streak = self.streak.saturating_add(1);
        self.last_at = now;
        Ok(())
    }

    fn issued(&self, verification: &Verification, limits: &GuardRules) -> Issued {
        Issued {
            id: verification.id,
            purpose: verification.purpose,
            send: verification.sends,
            to: verification.to.clone(),
            locale: verification.locale.clone(),
            sealed: verification.sealed.clone(),
            made_at: verification.made_at,
            expires_at: verification.expires_at,
            resend_after_ms: resend_wait_ms(limits, self.streak),
            repeated: false,
        }
    }

    fn forget(&mut self, now: UnixMs) {
        self.verifications.retain(|known| now < known.expires_at.plus_ms(KEPT_MS));
        while self.verifications.len() > KEPT_MAX {
            self.verifications.remove(0);
        }
    }
}
