//! One-time codes: made here, kept by the store as digests, and sent sealed through inbox and outbox until the sender opens
//! them for Meta. A code is drawn by the system and sealed, rather than derived from its verification's name: so it is as
//! random as the system's generator, and the key alone, without what is stored, tells no code.

mod keys;
mod proof;
mod send;

use std::net::IpAddr;
use std::sync::Arc;

use questline_core::authentication::BY_CODE_IN_GAME;
use questline_core::contact::{Address, Contact};
use questline_core::day::Day;
use questline_core::event::{CodeIssued, Event};
use questline_core::id::{DeviceId, GameId, PlayerId};
use questline_core::port::{
    AccountKeys, Accounts, Batch, CheckVerification, Clock, DedupKey, Desk, EndVerifications, ForgetVerifications, Inbox, Incoming,
    MakeCode, Place, Places, ResendVerification, StartVerification, StoreError, Verifications,
};
use questline_core::time::UnixMs;
use questline_core::verification::book::{Checked, Issued, ResendRefusal, Status};
use questline_core::verification::code::{Code, CodeKeys};
use questline_core::verification::country::{OTHER, country_of};
use questline_core::verification::guard::{Refused, dial_code, number_prefix};
use questline_core::verification::measure::{DayMeasures, Measured};
use questline_core::verification::{NewCode, NewVerification, Purpose, VerificationId, VerificationRules};

use crate::game::{Games, LoadedGame};
use crate::metrics::Metrics;
pub use keys::{Keyring, UnusableKeys};
pub use proof::Proof;
pub(crate) use proof::dedup_key;

/// All that codes need.
pub struct CodeDesk {
    /// The games.
    pub games: Arc<Games>,
    /// What is open.
    pub store: Arc<dyn Verifications>,
    /// Whose accounts are frozen.
    pub accounts: Arc<dyn Accounts>,
    /// Where codes begin their way to the player.
    pub inbox: Arc<dyn Inbox>,
    /// Whether a player can be asked for their number; without it nobody is.
    pub desk: Option<Arc<dyn Desk>>,
    /// The operator's keys; none where there are no codes.
    pub keys: Option<Arc<Keyring>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// A wish for a code.
pub struct CodeWish {
    /// Whom it goes to; none where nobody can be reached: then it is answered alike, and no code is ever right.
    pub to: Option<Address>,
    /// Whose account it is for, if it was named.
    pub player: Option<PlayerId>,
    /// What for.
    pub purpose: Purpose,
    /// The player's address on the network.
    pub ip: Option<IpAddr>,
    /// The device, in the studio's words.
    pub device: Option<DeviceId>,
    /// BCP 47.
    pub locale: Option<String>,
    /// A repetition with the same key gives what the first gave.
    pub key: Option<String>,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum NoCode {
    /// The game has none.
    #[error("game.toml has no [verification]")]
    NotConfigured,
    /// The operator has no keys for them.
    #[error("the host has no keys for codes: set [verification] keys in questline.toml")]
    NoKeys,
    /// Meta sends authentication templates to phone numbers only (error 131062).
    #[error("the contact is known by its user id alone, and Meta sends codes to phone numbers only (131062): ask for the number first")]
    NoPhone,
    /// A guard.
    #[error(transparent)]
    Guard(#[from] Refused),
    /// It has ended.
    #[error(transparent)]
    Ended(ResendRefusal),
    /// No such verification.
    #[error("there is no such verification")]
    Unknown,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// Draws a code, and makes what is kept of it.
fn make(keys: &Keyring, id: &VerificationId, send: u32, digits: u8) -> Option<NewCode> {
    let code = Code::draw(digits, || keys.random().map(u64::from_le_bytes).ok_or(())).ok()?;
    Some(NewCode { digest: keys.digest(id, send, &code), sealed: keys.seal(id, send, &code)? })
}

impl CodeDesk {
    fn ready<'g>(&self, game: &'g LoadedGame) -> Result<(&'g VerificationRules, &Arc<Keyring>), NoCode> {
        let rules = game.rules.verification.as_ref().ok_or(NoCode::NotConfigured)?;
        Ok((rules, self.keys.as_ref().ok_or(NoCode::NoKeys)?))
    }

    /// Starts a verification, durably, and sends its code on its way.
    pub async fn start(&self, game: &LoadedGame, wish: CodeWish) -> Result<Issued, NoCode> {
        let issued = self.begin(game, wish).await?;
        self.send(&game.rules.id, &issued).await?;
        Ok(issued)
    }

    /// Starts a verification, durably; its code stays here.
    pub async fn begin(&self, game: &LoadedGame, mut wish: CodeWish) -> Result<Issued, NoCode> {
        let (rules, keys) = self.ready(game)?;
        let name = &game.rules.id;
        if self.is_frozen(name, wish.player.as_ref()).await? {
            // Answered like any other, and no code of it is sent or ever right.
            wish.to = None;
        }
        if let Some(to) = &wish.to
            && rules.next_channel(&game.rules.templates, &to.contact, 0).is_none()
            && !self.can_be_asked(to, wish.player.as_ref()).await?
        {
            self.metrics.verification(name, "no-phone");
            return Err(NoCode::NoPhone);
        }
        let places = places(keys, name, &wish, self.clock.now()).ok_or(NoCode::NoRandomness)?;
        let id = VerificationId::from_bytes(keys.random().ok_or(NoCode::NoRandomness)?);
        let code_rules = rules.of(wish.purpose);
        let code = make(keys, &id, 1, code_rules.digits).ok_or(NoCode::NoRandomness)?;
        let CodeWish { to, player, purpose, device, locale, key, .. } = wish;
        let start = StartVerification {
            game: name.clone(),
            places,
            wish: NewVerification { id, purpose, player, to, device, locale, code, key },
            rules: code_rules,
            limits: rules.guards,
            now: self.clock.now(),
        };
        self.told(name, self.store.start_verification(start).await?.map_err(NoCode::from))
    }

    /// Whether a player whom no channel reaches without a number can be asked for it: they wrote within the last day.
    async fn can_be_asked(&self, to: &Address, player: Option<&PlayerId>) -> Result<bool, StoreError> {
        let (Some(player), Some(desk)) = (player, &self.desk) else { return Ok(false) };
        for known in desk.conversations_of(&to.game, player).await? {
            if known.address == *to {
                let found = desk.conversation(known.id).await?;
                return Ok(found.is_some_and(|found| found.window.closes_at(self.clock.now()).is_some()));
            }
        }
        Ok(false)
    }

    /// Makes a new code count in place of the one before, and sends it on its way.
    pub async fn resend(&self, game: &LoadedGame, id: VerificationId) -> Result<Issued, NoCode> {
        let (rules, keys) = self.ready(game)?;
        let make_code: MakeCode = {
            let (rules, keys) = (rules.clone(), Arc::clone(keys));
            Arc::new(move |send, purpose| Some((make(&keys, &id, send, rules.of(purpose).digits)?, rules.of(purpose))))
        };
        let name = &game.rules.id;
        let resend = ResendVerification { game: name.clone(), id, make: make_code, limits: rules.guards, now: self.clock.now() };
        let resent = self.store.resend_verification(resend).await?.ok_or(NoCode::Unknown)?.map_err(|refusal| match refusal {
            ResendRefusal::Guard(refused) => NoCode::Guard(refused),
            ended => NoCode::Ended(ended),
        });
        let issued = self.told(name, resent)?;
        self.send(name, &issued).await?;
        Ok(issued)
    }

    /// Tries a code. None when there is no such verification. When it is right, the contact's chat session is authenticated
    /// too, and its flow hears of it.
    pub async fn check(&self, game: &LoadedGame, id: VerificationId, code: Code) -> Result<Option<Checked>, NoCode> {
        let checked = self.compare(game, id, code).await?;
        if let Some(Checked { status: Status::Approved, purpose, player, to: Some(address), device, .. }) = checked.clone() {
            let proof = Proof { address, method: BY_CODE_IN_GAME, purpose, player, device, key: id.to_string() };
            proof.tell(&*self.inbox, &*self.clock).await?;
        }
        Ok(checked)
    }

    /// Tries a code, and nobody hears of it: for what has more to do before it means something.
    pub(crate) async fn compare(&self, game: &LoadedGame, id: VerificationId, code: Code) -> Result<Option<Checked>, NoCode> {
        let (_, keys) = self.ready(game)?;
        let name = &game.rules.id;
        let keys: Arc<dyn CodeKeys> = keys.clone();
        let check = CheckVerification { game: name.clone(), id: Some(id), contact: None, code, by: None, keys, now: self.clock.now() };
        let checked = self.unless_frozen(name, self.store.check_verification(check).await?).await?;
        match &checked {
            Some(checked) => self.count(name, checked),
            None => self.metrics.verification(name, "unknown"),
        }
        Ok(checked)
    }

    /// Tries a code that the player typed, on all that is open for the contact. None when nothing is.
    pub async fn check_typed(&self, game: &LoadedGame, contact: &Contact, code: Code, by: String) -> Result<Option<Checked>, StoreError> {
        let Ok((_, keys)) = self.ready(game) else { return Ok(None) };
        let name = &game.rules.id;
        // A code may be older than what is known of the contact: their number came while it was waited for.
        let by_user_id = contact.phone().and(contact.bsuid()).and_then(|bsuid| Contact::new(None, Some(bsuid.clone())));
        for contact in std::iter::once(contact).chain(&by_user_id) {
            let contact = contact_place(keys, name, contact);
            let (code, by, keys): (_, _, Arc<dyn CodeKeys>) = (code.clone(), Some(by.clone()), keys.clone());
            let check = CheckVerification { game: name.clone(), id: None, contact, code, by, keys, now: self.clock.now() };
            if let Some(checked) = self.unless_frozen(name, self.store.check_verification(check).await?).await? {
                self.count(name, &checked);
                return Ok(Some(checked));
            }
        }
        Ok(None)
    }

    /// Counts what a check came to.
    fn count(&self, game: &GameId, checked: &Checked) {
        self.metrics.verification(game, checked.status.as_str());
        if checked.status == Status::Approved {
            let contact = checked.to.as_ref().map(|to| &to.contact);
            let channel = checked.channel.as_deref().unwrap_or(OTHER);
            let seconds = self.clock.now().since_ms(checked.asked_at) as f64 / 1e3;
            self.metrics.time_to_authenticate(game, contact, channel, seconds);
            self.metrics.code_send(game, contact, channel, "approved");
        }
    }

    async fn is_frozen(&self, game: &GameId, player: Option<&PlayerId>) -> Result<bool, StoreError> {
        let Some(player) = player else { return Ok(false) };
        let known = self.accounts.accounts(game, AccountKeys::player(player)).await?;
        Ok(known.players.iter().any(|account| account.frozen.is_some()))
    }

    /// What was right opens no frozen account, also where code and freeze crossed one another.
    async fn unless_frozen(&self, game: &GameId, checked: Option<Checked>) -> Result<Option<Checked>, StoreError> {
        let right = checked.as_ref().filter(|checked| checked.status == Status::Approved);
        if !self.is_frozen(game, right.and_then(|right| right.player.as_ref())).await? {
            return Ok(checked);
        }
        Ok(checked.map(|checked| Checked { status: Status::Replaced, ..checked }))
    }

    /// Ends all codes that a player has open, with any contact, and those of these contacts for anybody.
    pub async fn end_all(&self, game: &LoadedGame, player: &PlayerId, contacts: &[Contact]) -> Result<(), StoreError> {
        self.end(game, Some(player), contacts).await
    }

    /// As [`Self::end_all`], where it may be that no player is known.
    pub async fn end(&self, game: &LoadedGame, player: Option<&PlayerId>, contacts: &[Contact]) -> Result<(), StoreError> {
        let Ok((_, keys)) = self.ready(game) else { return Ok(()) };
        let name = &game.rules.id;
        let player = player.and_then(|player| keys.place(name, "player", player.as_str()));
        let contacts = contacts.iter().filter_map(|contact| contact_place(keys, name, contact)).collect();
        let end = EndVerifications { game: name.clone(), player, contacts, now: self.clock.now() };
        self.store.end_verifications(end).await
    }

    /// How well codes of a game did on these days, both included.
    pub async fn measures(&self, game: &GameId, first: Day, last: Day) -> Result<Vec<DayMeasures>, StoreError> {
        self.store.code_measures(game, first, last).await
    }

    /// Forgets what was asked for in a player's name; says how much that was.
    pub async fn forget_player(&self, game: &LoadedGame, player: &PlayerId, contacts: &[Contact]) -> Result<u64, StoreError> {
        let Ok((_, keys)) = self.ready(game) else { return Ok(0) };
        let name = &game.rules.id;
        // What is open ends first: with a contact that nobody knows of any more it would be found by nobody.
        self.end_all(game, player, &[]).await?;
        let Some(nobody) = keys.place(name, "nobody", player.as_str()) else { return Ok(0) };
        let contacts = contacts.iter().filter_map(|contact| contact_place(keys, name, contact)).collect();
        let forget = ForgetVerifications { game: name.clone(), player: player.clone(), nobody, contacts, now: self.clock.now() };
        self.store.forget_verifications(forget).await
    }

    /// Counts and logs what became of a wish.
    fn told(&self, game: &GameId, outcome: Result<Issued, NoCode>) -> Result<Issued, NoCode> {
        match &outcome {
            Ok(_) => self.metrics.verification(game, "issued"),
            Err(NoCode::Guard(refused)) => {
                self.metrics.verification(game, refused.reason.as_str());
                tracing::warn!(%game, guard = refused.reason.as_str(), retry_at_ms = refused.retry_at.0, "a one-time code was refused");
            }
            Err(_) => {}
        }
        outcome
    }

    /// Puts a code into its conversation's inbox, once.
    pub(crate) async fn send(&self, game: &GameId, issued: &Issued) -> Result<(), StoreError> {
        let Some(address) = issued.to.clone() else { return Ok(()) };
        let event = Event::CodeIssued(event_of(issued));
        let incoming = Incoming { address, dedup: Some(key_of(game, issued)), event };
        self.inbox.append(Batch { events: vec![incoming], received_at: self.clock.now(), ..Batch::default() }).await.map(drop)
    }
}

/// What the conversation hears of a code.
pub(crate) fn event_of(issued: &Issued) -> CodeIssued {
    CodeIssued {
        id: issued.id,
        send: issued.send,
        purpose: issued.purpose,
        sealed: issued.sealed.clone(),
        made_at: issued.made_at,
        expires_at: issued.expires_at,
        locale: issued.locale.clone(),
    }
}

fn key_of(game: &GameId, issued: &Issued) -> DedupKey {
    proof::dedup_key("code", game, &[&issued.id.to_string(), &issued.send.to_string()])
}

/// Where a wish counts.
fn places(keys: &Keyring, game: &GameId, wish: &CodeWish, now: UnixMs) -> Option<Places> {
    let phone = wish.to.as_ref().and_then(|to| to.contact.phone());
    let place = |kind: &str, what: &str| keys.place(game, kind, what);
    let contact = match (&wish.to, &wish.player) {
        (Some(to), _) => contact_place(keys, game, &to.contact)?,
        (None, player) => place("nobody", player.as_ref().map_or("", |player| player.as_str()))?,
    };
    Some(Places {
        contact,
        player: wish.player.as_ref().and_then(|player| place("player", player.as_str())),
        ip: wish.ip.and_then(|ip| place("ip", &network(ip))),
        device: wish.device.as_ref().and_then(|device| place("device", device.as_str())),
        prefix: phone.and_then(|phone| place("prefix", number_prefix(phone))),
        dial: phone.and_then(|phone| place("dial", dial_code(phone))),
        measured: wish.to.as_ref().map(|to| Measured { day: Day::of(now), country: country_of(&to.contact).into() }),
    })
}

/// A contact's place: its number, where that is known.
fn contact_place(keys: &Keyring, game: &GameId, contact: &Contact) -> Option<Place> {
    match (contact.phone(), contact.bsuid()) {
        (Some(phone), _) => keys.place(game, "phone", phone.digits()),
        (None, Some(bsuid)) => keys.place(game, "bsuid", bsuid.as_str()),
        (None, None) => None,
    }
}

/// Whose address it is: of IPv6 the network, for one household has as many addresses as it likes.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
