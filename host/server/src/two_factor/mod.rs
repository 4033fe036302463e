//! The second factor of players: turned on by a code that comes back from the player's chat; then the chat is asked whether
//! it is the player. The rules are those of [`questline_core::account::factor`]; here they meet the store, the codes, the
//! conversations and the audit log.

mod challenge;
mod device;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use questline_core::account::challenge::{ChallengeId, NamedDevice};
use questline_core::account::chat::BY_TWO_FACTOR;
use questline_core::account::factor::{Enrolment, NotPushed, RecoveryUse, TwoFactorRules};
use questline_core::account::push::TwoFactorEvent;
use questline_core::account::recovery_codes::{RECOVERY_CODES, RecoveryCode, RecoveryTry};
use questline_core::account::{Account, ContactKey, ContactRecord};
use questline_core::audit::{Action, Actor, AuditRecord};
use questline_core::contact::{Address, Contact};
use questline_core::event::Event;
use questline_core::id::{DeviceId, GameId, PlayerId};
use questline_core::port::{AccountKeys, Accounts, Audit, Batch, DedupKey, Desk, Incoming, StoreError};
use questline_core::time::UnixMs;
use questline_core::verification::book::{Checked, Issued, Status};
use questline_core::verification::code::{Code, CodeDigest};
use questline_core::verification::{Purpose, VerificationId};
use zeroize::Zeroizing;

use crate::game::LoadedGame;
use crate::verification::{CodeDesk, CodeWish, Keyring, NoCode, Proof as ChatProof};

pub use challenge::{ChallengeWish, Entered, Entry};

/// All that the second factor needs.
pub struct TwoFactorDesk {
    /// What is known of players.
    pub accounts: Arc<dyn Accounts>,
    /// What was done, and by whom.
    pub audit: Arc<dyn Audit>,
    /// Where players talk.
    pub desk: Arc<dyn Desk>,
    /// One-time codes, with their keys, inbox, clock and figures.
    pub codes: Arc<CodeDesk>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// A one-time code.
    #[error(transparent)]
    Code(#[from] NoCode),
    /// It is on already.
    #[error("two-factor is on for this player: turn it off first, with a proof")]
    AlreadyOn,
    /// It is off.
    #[error("two-factor is off for this player")]
    Off,
    /// No such thing.
    #[error("there is no such thing, or it is long over")]
    Unknown,
    /// Too many challenges.
    #[error(transparent)]
    Limit(#[from] NotPushed),
    /// Too many wrong recovery codes.
    #[error("too many wrong recovery codes")]
    RecoveryLocked(UnixMs),
    /// The proof does not count.
    #[error(
        "the proof does not count: it takes a challenge for high-value that was approved within the time for it and has proven nothing else, or a recovery code"
    )]
    NotProven,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Codes as the player is shown them, once.
pub type ShownCodes = Vec<Zeroizing<String>>;

/// A wish to turn it on.
pub struct EnrolmentWish {
    /// The chat that becomes the second factor; none where nobody can be reached: then no code is ever right.
    pub to: Option<Address>,
    /// The device on which the player asked.
    pub device: NamedDevice,
    /// The player's address on the network.
    pub ip: Option<IpAddr>,
    /// BCP 47.
    pub locale: Option<String>,
}

/// What came of a code that was to turn it on.
pub struct Confirmed {
    /// Of the code.
    pub checked: Checked,
    /// Recovery codes, where it is on now.
    pub codes: Option<ShownCodes>,
}

/// Shows that it is the player who wants the second factor changed.
pub enum Proof {
    /// An approved challenge.
    Challenge(ChallengeId),
    /// A recovery code; it is used up.
    RecoveryCode(RecoveryCode),
}

/// What came of a proof.
#[derive(Clone, Copy)]
enum Proven {
    Yes,
    No,
    Locked(UnixMs),
}

impl TwoFactorDesk {
    fn now(&self) -> UnixMs {
        self.codes.clock.now()
    }

    fn rules(&self, game: &LoadedGame) -> Result<(TwoFactorRules, Arc<Keyring>), NotDone> {
        if game.rules.verification.is_none() {
            return Err(NoCode::NotConfigured.into());
        }
        Ok((game.rules.two_factor, self.codes.keys.clone().ok_or(NoCode::NoKeys)?))
    }

    /// What is known of a player.
    pub async fn account(&self, game: &GameId, player: &PlayerId) -> Result<Account, StoreError> {
        let pages = self.accounts.accounts(game, AccountKeys::player(player)).await?;
        Ok(pages.players.into_iter().next().unwrap_or_default())
    }

    /// Changes what is known of a player, and of a contact if one is named, in one go.
    async fn change<T: Send + 'static>(
        &self,
        game: &GameId,
        player: &PlayerId,
        contact: Option<&Contact>,
        mut apply: impl FnMut(&mut Account, Option<&mut ContactRecord>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let contacts = contact.into_iter().filter_map(|contact| ContactKey::all(contact).into_iter().next()).collect();
        let keys = AccountKeys { contacts, ..AccountKeys::player(player) };
        let answer = Arc::new(Mutex::new(None));
        let told = Arc::clone(&answer);
        let change = move |pages: &mut questline_core::port::AccountPages| {
            if let Some(account) = pages.players.first_mut() {
                let answer = apply(account, pages.contacts.first_mut());
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            }
        };
        self.accounts.change_accounts(game, keys, Box::new(change)).await?;
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.ok_or_else(|| StoreError::Unavailable("the change was not made".to_owned()))
    }

    /// Tells a conversation; a repetition with the same key has no effect.
    async fn tell(&self, address: &Address, event: TwoFactorEvent, key: Option<&str>) -> Result<(), StoreError> {
        let dedup = key.map(|key| {
            let digest = ring::digest::digest(&ring::digest::SHA256, format!("two-factor\0{}\0{key}", address.game).as_bytes());
            let digest = digest.as_ref().iter().take(16).fold(0, |digest: u128, byte| digest << 8 | u128::from(*byte));
            DedupKey { sent_s: 0, digest }
        });
        let incoming = Incoming { address: address.clone(), dedup, event: Event::TwoFactor(event) };
        self.codes.inbox.append(Batch { events: vec![incoming], received_at: self.now(), ..Batch::default() }).await.map(drop)
    }

    /// The player's chat session is authenticated too, and its flow hears of it; once for each key.
    async fn proven(&self, to: &Address, player: &PlayerId, device: &DeviceId, purpose: Purpose, key: &str) -> Result<(), StoreError> {
        let (player, device) = (Some(player.clone()), Some(device.clone()));
        let proof = ChatProof { address: to.clone(), method: BY_TWO_FACTOR, purpose, player, device, key: key.to_owned() };
        proof.tell(&*self.codes.inbox, &*self.codes.clock).await
    }

    /// Writes what was done into the audit log, and counts it.
    async fn note(
        &self,
        game: &GameId,
        player: &PlayerId,
        to: Option<&Contact>,
        actor: &Actor,
        done: impl IntoIterator<Item = (Action, String)>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let record = |(action, detail): (Action, String)| {
            self.codes.metrics.two_factor(game, action.as_str());
            let record = AuditRecord::new(now, game.clone(), actor.clone(), action, detail);
            AuditRecord { player: Some(player.clone()), contact: to.cloned(), ..record }
        };
        self.audit.append_audit(done.into_iter().map(record).collect()).await
    }

    /// Draws recovery codes: as they are shown, and as they are kept.
    fn draw_codes(keys: &Keyring, game: &GameId, player: &PlayerId) -> Result<(ShownCodes, Vec<CodeDigest>), NotDone> {
        let (mut shown, mut digests) = (Vec::with_capacity(RECOVERY_CODES), Vec::with_capacity(RECOVERY_CODES));
        for _ in 0..RECOVERY_CODES {
            let code = RecoveryCode::from_bytes(keys.random().ok_or(NoCode::NoRandomness)?);
            digests.push(keys.recovery_digest(game, player, &code));
            shown.push(code.shown());
        }
        Ok((shown, digests))
    }

    /// Begins to turn it on: a code goes to the chat that is to be the second factor.
    pub async fn begin(&self, game: &LoadedGame, player: &PlayerId, wish: EnrolmentWish, actor: &Actor) -> Result<Issued, NotDone> {
        self.rules(game)?;
        let name = &game.rules.id;
        if self.account(name, player).await?.factor.on().is_some() {
            return Err(NotDone::AlreadyOn);
        }
        let EnrolmentWish { to, device, ip, locale } = wish;
        let wish = CodeWish {
            to,
            player: Some(player.clone()),
            purpose: Purpose::DeviceAuthorisation,
            ip,
            device: Some(device.id.clone()),
            locale: locale.clone(),
            key: None,
        };
        let issued = self.codes.begin(game, wish).await?;
        let enrolment = Enrolment { id: issued.id, to: issued.to.clone(), device, locale, expires_at: issued.expires_at };
        if !self.change(name, player, None, move |account, _| account.begin_two_factor(enrolment.clone())).await? {
            return Err(NotDone::AlreadyOn);
        }
        self.codes.send(name, &issued).await?;
        let to = issued.to.as_ref().map(|to| &to.contact);
        self.note(name, player, to, actor, [(Action::TwoFactorBegun, "a code confirms it".to_owned())]).await?;
        Ok(issued)
    }

    /// Turns it on, if the code is right: the chat is told, the device bound, and recovery codes are made.
    pub async fn confirm(
        &self,
        game: &LoadedGame,
        player: &PlayerId,
        id: VerificationId,
        code: Code,
        actor: &Actor,
    ) -> Result<Confirmed, NotDone> {
        let (_, keys) = self.rules(game)?;
        let name = &game.rules.id;
        let account = self.account(name, player).await?;
        let begun = account.factor.enrolment(&id, self.now()).cloned().ok_or(NotDone::Unknown)?;
        let checked = self.codes.compare(game, id, code).await?.ok_or(NotDone::Unknown)?;
        if checked.status != Status::Approved {
            let detail = format!("for {}; {} tries left", checked.purpose.as_str(), checked.attempts_left);
            self.note(name, player, None, actor, [(Action::CodeRejected, detail)]).await?;
            return Ok(Confirmed { checked, codes: None });
        }
        let to = begun.to.ok_or(NotDone::Unknown)?;
        let (shown, digests) = Self::draw_codes(&keys, name, player)?;
        // First the chat: if all ends here, it is trusted for an account that has no second factor, and that is nothing.
        self.tell(&to, TwoFactorEvent::On { player: player.clone(), locale: begun.locale }, Some(&id.to_string())).await?;
        let now = self.now();
        let confirm = move |account: &mut Account| account.confirm_two_factor(&id, digests.clone(), now).is_some();
        if !self.change_devices(name, player, actor, confirm).await? {
            return Err(NotDone::Unknown);
        }
        self.proven(&to, player, &begun.device.id, checked.purpose, &id.to_string()).await?;
        let done =
            [(Action::TwoFactorOn, "confirmed by a code".to_owned()), (Action::RecoveryCodesMade, format!("{RECOVERY_CODES} of them"))];
        self.note(name, player, Some(&to.contact), actor, done).await?;
        Ok(Confirmed { checked, codes: Some(shown) })
    }

    /// Takes a proof, and if it counts makes a change, in one go.
    async fn with_proof<T: Send + 'static>(
        &self,
        game: &LoadedGame,
        player: &PlayerId,
        proof: Proof,
        actor: &Actor,
        mut apply: impl FnMut(&mut Account) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (rules, keys) = self.rules(game)?;
        let (name, now) = (&game.rules.id, self.now());
        let whose = (name.clone(), player.clone());
        let is_recovery = matches!(proof, Proof::RecoveryCode(_));
        let change = move |account: &mut Account, _: Option<&mut ContactRecord>| {
            if account.factor.on().is_none() {
                return Err(NotDone::Off);
            }
            let proven = match &proof {
                Proof::Challenge(id) if account.spend_challenge(id, &rules, now) => Proven::Yes,
                Proof::Challenge(_) => Proven::No,
                Proof::RecoveryCode(code) => {
                    let is_right = |digest: &CodeDigest| keys.is_recovery_code(&whose.0, &whose.1, code, digest);
                    match account.use_recovery_code(None, is_right, &rules, now) {
                        Some(RecoveryUse::Tried(RecoveryTry::Right { .. })) => Proven::Yes,
                        Some(RecoveryUse::Tried(RecoveryTry::Locked(until))) => Proven::Locked(until),
                        _ => Proven::No,
                    }
                }
            };
            match proven {
                Proven::Yes => Ok(apply(account)),
                Proven::No => Err(NotDone::NotProven),
                Proven::Locked(until) => Err(NotDone::RecoveryLocked(until)),
            }
        };
        let outcome = self.change(name, player, None, change).await?;
        let done = match &outcome {
            Ok(_) if is_recovery => Some((Action::RecoveryCodeUsed, "to change the second factor")),
            Ok(_) | Err(NotDone::Off) => None,
            Err(_) if is_recovery => Some((Action::RecoveryCodeRejected, "to change the second factor")),
            Err(_) => Some((Action::TwoFactorRefused, "the challenge proves nothing")),
        };
        self.note(name, player, None, actor, done.map(|(action, detail)| (action, detail.to_owned()))).await?;
        outcome
    }

    /// Turns it off.
    pub async fn turn_off(&self, game: &LoadedGame, player: &PlayerId, proof: Proof, actor: &Actor) -> Result<(), NotDone> {
        let on = self.with_proof(game, player, proof, actor, Account::turn_two_factor_off).await?.ok_or(NotDone::Off)?;
        let name = &game.rules.id;
        self.note(name, player, Some(&on.to.contact), actor, [(Action::TwoFactorOff, "with a proof".to_owned())]).await?;
        self.tell(&on.to, TwoFactorEvent::Off { player: player.clone() }, None).await?;
        Ok(())
    }

    /// Makes new recovery codes, in place of all before.
    pub async fn renew_codes(&self, game: &LoadedGame, player: &PlayerId, proof: Proof, actor: &Actor) -> Result<ShownCodes, NotDone> {
        let (_, keys) = self.rules(game)?;
        let name = &game.rules.id;
        let (shown, digests) = Self::draw_codes(&keys, name, player)?;
        let renew = move |account: &mut Account| account.renew_recovery_codes(digests.clone());
        if !self.with_proof(game, player, proof, actor, renew).await? {
            return Err(NotDone::Off);
        }
        self.note(name, player, None, actor, [(Action::RecoveryCodesMade, format!("{RECOVERY_CODES} of them"))]).await?;
        Ok(shown)
    }
}
