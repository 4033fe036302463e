//! Challenges: begun by the game, answered in the chat, or by a code that is entered in the game.

use std::net::IpAddr;

use questline_core::account::Account;
use questline_core::account::challenge::{Challenge, ChallengeId, ChallengeStatus, NamedDevice, NewChallenge, Numbers, Way};
use questline_core::account::factor::{Answer, Answered, CodeTry, RecoveryUse};
use questline_core::account::push::{Push, TwoFactorEvent};
use questline_core::account::recovery_codes::{RecoveryCode, RecoveryTry};
use questline_core::audit::{Action, Actor};
use questline_core::contact::Contact;
use questline_core::id::{GameId, PlayerId};
use questline_core::port::StoreError;
use questline_core::verification::book::Status;
use questline_core::verification::code::{Code, CodeDigest};
use questline_core::verification::{Purpose, VerificationId};

use super::{NotDone, TwoFactorDesk};
use crate::game::LoadedGame;
use crate::verification::NoCode;

/// Tries to begin one while two-factor is turned on or off at the same time.
const TRIES: u32 = 4;

/// A wish to ask the player.
pub struct ChallengeWish {
    /// What for.
    pub purpose: Purpose,
    /// On which device.
    pub device: NamedDevice,
    /// What the player is told that it is about.
    pub detail: Option<String>,
    /// The address of that device on the network.
    pub ip: Option<IpAddr>,
    /// BCP 47.
    pub locale: Option<String>,
    /// By a one-time code, whatever else is possible.
    pub by_code: bool,
}

/// What was entered in the game.
pub enum Entry {
    /// A one-time code.
    Code(Code),
    /// A recovery code.
    RecoveryCode(RecoveryCode),
}

/// What came of it.
pub struct Entered {
    /// How the challenge stands.
    pub status: ChallengeStatus,
    /// It was wrong, and the challenge goes on.
    pub rejected: bool,
    /// Wrong one-time codes that are left, where one was entered.
    pub attempts_left: Option<u8>,
    /// Recovery codes that are left, where one was used.
    pub codes_left: Option<usize>,
}

impl TwoFactorDesk {
    /// Begins a challenge and sends it to the player's chat. Who has no second factor is answered alike.
    pub async fn challenge(&self, game: &LoadedGame, player: &PlayerId, wish: ChallengeWish, actor: &Actor) -> Result<Challenge, NotDone> {
        let (rules, keys) = self.rules(game)?;
        let name = &game.rules.id;
        let ChallengeWish { purpose, device, detail, ip, locale, by_code } = wish;
        let id = ChallengeId::from_bytes(keys.random().ok_or(NoCode::NoRandomness)?);
        let numbers = Numbers::draw(|| keys.random::<1>().map(|[byte]| byte).ok_or(NoCode::NoRandomness))?;
        let new = NewChallenge { id, purpose, device, numbers };
        for _ in 0..TRIES {
            let on = self.account(name, player).await?.factor.on().cloned();
            let (to, new, now) = (on.clone().map(|on| on.to), new.clone(), self.now());
            let contact = to.as_ref().map(|to| to.contact.clone());
            let begun = self
                .change(name, player, contact.as_ref(), move |account, record| {
                    let is_same = account.factor.on() == on.as_ref();
                    is_same.then(|| account.begin_challenge(record, new.clone(), &rules, now))
                })
                .await?;
            let challenge = match begun {
                None => continue,
                Some(Ok(challenge)) => challenge,
                Some(Err(limit)) => {
                    let detail = format!("for {}: {}", purpose.as_str(), limit.limit.as_str());
                    self.note(name, player, contact.as_ref(), actor, [(Action::ChallengeRefused, detail)]).await?;
                    return Err(limit.into());
                }
            };
            if let Some(to) = &to {
                let push = Push {
                    id,
                    player: player.clone(),
                    purpose,
                    device: challenge.device.clone(),
                    detail,
                    ip,
                    numbers: numbers.offered(),
                    by_code,
                    locale,
                    expires_at: challenge.expires_at,
                };
                self.tell(to, TwoFactorEvent::Challenged(push), Some(&id.to_string())).await?;
            }
            let detail = format!("for {}", purpose.as_str());
            self.note(name, player, contact.as_ref(), actor, [(Action::ChallengeBegun, detail)]).await?;
            return Ok(challenge);
        }
        Err(StoreError::Unavailable("two-factor of this player changes all the time".to_owned()).into())
    }

    /// Tries what was entered in the game for a challenge.
    pub async fn enter(
        &self,
        game: &LoadedGame,
        player: &PlayerId,
        id: ChallengeId,
        entry: Entry,
        actor: &Actor,
    ) -> Result<Entered, NotDone> {
        match entry {
            Entry::Code(code) => self.enter_code(game, player, id, code, actor).await,
            Entry::RecoveryCode(code) => self.enter_recovery_code(game, player, id, code, actor).await,
        }
    }

    async fn enter_code(
        &self,
        game: &LoadedGame,
        player: &PlayerId,
        id: ChallengeId,
        code: Code,
        actor: &Actor,
    ) -> Result<Entered, NotDone> {
        self.rules(game)?;
        let (name, now) = (&game.rules.id, self.now());
        let tried = self.change(name, player, None, move |account, _| account.try_code(&id, now)).await?;
        let (verification, attempts_left) = match tried.ok_or(NotDone::Unknown)? {
            CodeTry::Ended(status) => return Ok(Entered { status, rejected: false, attempts_left: None, codes_left: None }),
            CodeTry::Counted { verification, attempts_left } => (verification, attempts_left),
        };
        let approved = match verification {
            Some(verification) => {
                let checked = self.codes.compare(game, verification, code).await?;
                let is_right = checked.is_some_and(|checked| checked.status == Status::Approved);
                let now = self.now();
                is_right
                    && self.change_devices(name, player, actor, move |account| account.approve_by_code(&id, &verification, now)).await?
            }
            None => false,
        };
        let account = self.account(name, player).await?;
        let known = account.factor.challenge(&id).ok_or(NotDone::Unknown)?;
        let status = known.status(self.now());
        if approved {
            if let Some(on) = account.factor.on() {
                self.proven(&on.to, player, &known.device.id, known.purpose, &id.to_string()).await?;
            }
            let how = format!("by {}, for {}", Way::Code.as_str(), known.purpose.as_str());
            self.note(name, player, None, actor, [(Action::ChallengeApproved, how)]).await?;
        } else {
            let how = format!("for {}; {attempts_left} tries left", known.purpose.as_str());
            self.note(name, player, None, actor, [(Action::CodeRejected, how)]).await?;
        }
        Ok(Entered { status, rejected: !approved, attempts_left: Some(attempts_left), codes_left: None })
    }

    async fn enter_recovery_code(
        &self,
        game: &LoadedGame,
        player: &PlayerId,
        id: ChallengeId,
        code: RecoveryCode,
        actor: &Actor,
    ) -> Result<Entered, NotDone> {
        let (rules, keys) = self.rules(game)?;
        let (name, now) = (&game.rules.id, self.now());
        let whose = (name.clone(), player.clone());
        let change = move |account: &mut Account| {
            let is_right = |digest: &CodeDigest| keys.is_recovery_code(&whose.0, &whose.1, &code, digest);
            let used = account.use_recovery_code(Some(&id), is_right, &rules, now)?;
            let known = account.factor.challenge(&id)?;
            Some((used, known.status(now), known.purpose))
        };
        let (used, status, purpose) = self.change_devices(name, player, actor, change).await?.ok_or(NotDone::Unknown)?;
        let (done, outcome) = match used {
            RecoveryUse::Ended(status) => return Ok(Entered { status, rejected: false, attempts_left: None, codes_left: None }),
            RecoveryUse::Tried(RecoveryTry::Right { codes_left }) => (
                vec![
                    (Action::RecoveryCodeUsed, format!("{codes_left} are left")),
                    (Action::ChallengeApproved, format!("by {}, for {}", Way::RecoveryCode.as_str(), purpose.as_str())),
                ],
                Ok(Entered { status, rejected: false, attempts_left: None, codes_left: Some(codes_left) }),
            ),
            RecoveryUse::Tried(RecoveryTry::Wrong) => (
                vec![(Action::RecoveryCodeRejected, format!("for {}", purpose.as_str()))],
                Ok(Entered { status, rejected: true, attempts_left: None, codes_left: None }),
            ),
            RecoveryUse::Tried(RecoveryTry::Locked(until)) => {
                (vec![(Action::RecoveryCodeRejected, "locked".to_owned())], Err(NotDone::RecoveryLocked(until)))
            }
        };
        self.note(name, player, None, actor, done).await?;
        outcome
    }

    /// The player answered in the chat with this contact.
    pub(crate) async fn answer(
        &self,
        game: &LoadedGame,
        player: &PlayerId,
        id: ChallengeId,
        contact: &Contact,
        answer: Answer,
        by: &str,
    ) -> Result<Option<Answered>, StoreError> {
        let (rules, now) = (game.rules.two_factor, self.now());
        let (contact, by) = (contact.clone(), by.to_owned());
        let name = &game.rules.id;
        let change = move |account: &mut Account| account.answer_challenge(&id, &contact, answer, &by, &rules, now);
        let answered = self.change_devices(name, player, &Actor::Player, change).await?;
        let outcome = answered.as_ref().filter(|answered| answered.counts).map_or("tap-ignored", |answered| answered.status.as_str());
        self.codes.metrics.two_factor(name, outcome);
        Ok(answered)
    }

    /// A one-time code goes out for a challenge.
    pub(crate) async fn sent_code(
        &self,
        game: &GameId,
        player: &PlayerId,
        id: ChallengeId,
        code: VerificationId,
    ) -> Result<(), StoreError> {
        self.change(game, player, None, move |account, _| account.sent_code(&id, code)).await
    }
}
