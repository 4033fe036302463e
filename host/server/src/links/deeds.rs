//! What came of a token, a proof, an answer or a command, in the conversation where it came.

use questline_core::account::ContactKey;
use questline_core::account::link::token::InText;
use questline_core::account::link::{
    Answer, Answered, Arrival, Attempt, Book, Deed, LinkId, Linked, LinkedContact, PendingLink, Presented, Wish, WrongToken, same, shown,
};
use questline_core::audit::{Action, Actor};
use questline_core::contact::{Address, Contact};
use questline_core::conversation::{Authentication, Conversation};
use questline_core::event::{AskedLink, AuthenticationEvent, LinkNotice};
use questline_core::id::PlayerId;
use questline_core::port::{AccountKeys, ServiceError, StoreError};
use questline_core::time::MINUTE_MS;
use questline_core::verification::Purpose;
use serde::Deserialize;

use super::turn::Turn;
use super::{LinkDesk, new_id};
use crate::game::LoadedGame;

/// How a link proves who the player is, to flows and in the audit.
const BY_LINK: &str = "link";
/// A proof of that age is fresh enough to end a link.
const FRESH_MS: u64 = 5 * MINUTE_MS;

impl LinkDesk {
    /// Notes that a conversation's contact has proven itself, or has to do so again.
    pub(crate) async fn prove(&self, game: &LoadedGame, conversation: &Conversation, unproven: bool) -> Result<(), StoreError> {
        if game.rules.links.is_none() {
            return Ok(());
        }
        let contact = conversation.contact.clone();
        let keys = AccountKeys { contacts: ContactKey::all(&contact), ..AccountKeys::default() };
        self.change(&game.rules.id, keys, move |book| book.prove(&contact, unproven)).await
    }
}

/// What the timer carries.
#[derive(Deserialize)]
struct Woken {
    player: PlayerId,
    id: LinkId,
}

impl Turn<'_> {
    fn arrival(&self, known: Option<PlayerId>, proven: Option<PlayerId>) -> Result<Arrival, StoreError> {
        let of = &self.conversation;
        let (contact, number) = (of.contact.clone(), of.number.clone());
        Ok(Arrival { contact, number, by: self.by(), known, proven, id: new_id()?, now: self.now })
    }

    fn keys(&self) -> AccountKeys {
        AccountKeys { contacts: ContactKey::all(&self.conversation.contact), ..AccountKeys::default() }
    }

    /// The player sent a token, or what is left of one.
    pub(super) async fn token(&mut self, found: InText) -> Result<(), StoreError> {
        let known = match self.conversation.session.player.clone() {
            Some(player) => Some(player),
            None => match self.game.services.players.by_contact(&self.conversation.contact).await {
                Ok((player, _)) => Some(player),
                Err(ServiceError::Unavailable(reason)) => {
                    // Whoever this contact belongs to would not be asked: the token stays as it is.
                    tracing::warn!(%reason, "nothing is linked while the players' database does not answer");
                    self.say("host-link-later", &[]);
                    return Ok(());
                }
                Err(_) => None,
            },
        };
        let hash = match &found {
            InText::Token(token) => Some(token.hash()),
            _ => None,
        };
        let (arrival, rules, mut keys) = (self.arrival(known, None)?, self.rules.clone(), self.keys());
        keys.tokens.extend(hash);
        let present = move |book: &mut Book<'_>| book.present(hash.as_ref(), &arrival, &rules);
        match self.desk.change(&self.game.rules.id, keys, present).await? {
            Presented::TooMany => self.refuse("guarded", "too many wrong tokens", "host-link-many"),
            Presented::Wrong(wrong) => {
                let key = match wrong {
                    WrongToken::Unknown => "host-link-wrong",
                    WrongToken::Used => "host-link-used",
                    WrongToken::Expired => "host-link-expired",
                };
                self.refuse(wrong.as_str(), wrong.as_str(), key);
            }
            Presented::Good(wish, attempt) => self.attempted(wish, attempt).await?,
        }
        Ok(())
    }

    fn refuse(&mut self, outcome: &'static str, detail: &str, key: &str) {
        self.count(outcome);
        self.audit(Action::LinkRefused, Actor::Player, detail);
        self.say(key, &[]);
    }

    /// The contact has proven itself for the account that it leaves.
    pub(super) async fn moving(&mut self, first: PlayerId, wish: Wish) -> Result<(), StoreError> {
        let (arrival, rules, of) = (self.arrival(Some(first.clone()), Some(first))?, self.rules.clone(), wish.clone());
        let attempt = move |book: &mut Book<'_>| book.attempt(&of, &arrival, &rules);
        let attempt = self.desk.change(&self.game.rules.id, self.keys(), attempt).await?;
        self.attempted(wish, attempt).await
    }

    async fn attempted(&mut self, wish: Wish, attempt: Attempt) -> Result<(), StoreError> {
        match attempt {
            Attempt::Linked(linked) => self.linked(&wish, linked, "by a token").await?,
            Attempt::ProveFirst(first) => {
                let deed = Deed::Move { first: first.clone(), wish };
                if self.await_proof(first, Purpose::HighValue, deed).await? {
                    self.count("proof-asked");
                    self.audit(Action::LinkAsked, Actor::Player, "the contact is another account's: that has to be proven first");
                    self.say("host-link-prove", &[]);
                } else {
                    self.refuse("no-proof", "the contact is another account's, and no code can be sent", "host-link-other");
                }
            }
            Attempt::Asked { pending, of } => self.ask_others(*pending, of).await?,
            Attempt::Full => self.refuse("full", "the account has as many contacts as it may have", "host-link-full"),
            Attempt::Frozen => self.refuse("frozen", "an account is frozen", "host-link-frozen"),
        }
        Ok(())
    }

    /// All contacts of the account are asked; a code goes to the newest one only.
    async fn ask_others(&mut self, pending: PendingLink, of: Vec<LinkedContact>) -> Result<(), StoreError> {
        let newest = of.len().saturating_sub(1);
        let place = of.last().map(|linked| shown(&linked.contact)).unwrap_or_default();
        for (nth, linked) in of.into_iter().enumerate() {
            let asked = AskedLink {
                id: pending.id.clone(),
                player: pending.wish.player.clone(),
                shown: shown(&pending.contact),
                by_code: nth == newest,
                unproven: linked.unproven,
                expires_at: pending.expires_at,
            };
            let address = Address { game: self.game.rules.id.clone(), number: linked.number, contact: linked.contact };
            self.desk.tell(address, LinkNotice::Ask(asked), &[pending.id.as_str(), linked.id.as_str()]).await?;
        }
        self.wake(pending.expires_at, &pending.wish.player, &pending.id)?;
        self.count("asked");
        self.audit(Action::LinkAsked, Actor::Player, "the account has a contact: that has to approve");
        let minutes = (u64::from(self.rules.approval_s)).div_ceil(60).to_string();
        self.say("host-link-asked", &[("contact", &place), ("minutes", &minutes)]);
        Ok(())
    }

    /// The contact is the account's: the session is the player's.
    async fn linked(&mut self, wish: &Wish, linked: Linked, how: &str) -> Result<(), StoreError> {
        let Linked { id, again, left } = linked;
        let player = &wish.player;
        let by = self.by();
        // Whoever freezes the account finds this conversation; who was faster is told so.
        let (here, address, of) = (self.conversation.id, self.address(), player.clone());
        let see = move |book: &mut Book<'_>| {
            let account = book.account(&of)?;
            account.see_in(here, &address);
            Ok(account.frozen.is_some())
        };
        if self.desk.change(&self.game.rules.id, AccountKeys::player(player), see).await? {
            self.refuse("frozen", "the account is frozen", "host-link-frozen");
            return Ok(());
        }
        if let Some(left) = &left {
            self.desk.end_sessions_elsewhere(self.game, left, &self.conversation, &by).await?;
        }
        let profile = self.game.services.players.profile(player).await.ok();
        let name = profile.as_ref().map_or_else(|| player.to_string(), |profile| profile.name.clone());
        if self.conversation.session.player.as_ref() != Some(player) {
            // What flows keep is of whoever was here before.
            self.forget_player();
        }
        let session = &mut self.conversation.session;
        match profile {
            Some(profile) => session.recognise(player.clone(), profile),
            None => (session.player, session.unknown_since) = (Some(player.clone()), None),
        }
        session.locale = wish.locale.clone().or(session.locale.take());
        let device = wish.device.as_ref().map(|device| device.id.clone());
        session.authentication = Authentication::Authenticated { method: BY_LINK.to_owned(), at: self.now };
        session.device.clone_from(&device);
        session.awaited = None;
        self.count("linked");
        self.audit(Action::ContactLinked, Actor::Player, if again { format!("{how}, again") } else { how.to_owned() });
        if !again {
            self.tell_studio("linked", player, id.as_str(), &by);
        }
        self.say("host-linked", &[("game", &self.game.rules.name), ("player", &name)]);
        let (purpose, method) = (Purpose::Login.as_str().to_owned(), BY_LINK.to_owned());
        self.tell_flows(AuthenticationEvent { purpose, method, attempts_left: 0, player: Some(player.clone()), device });
        Ok(())
    }

    /// This contact is asked whether another may join.
    pub(super) async fn asked(&mut self, asked: &AskedLink) -> Result<(), StoreError> {
        if self.now >= asked.expires_at {
            return Ok(());
        }
        if !asked.unproven && self.conversation.window.closes_at(self.now).is_some() {
            self.ask(asked);
        } else if asked.by_code {
            self.await_proof(asked.player.clone(), Purpose::SecurityAlert, Deed::Ask(asked.clone())).await?;
        }
        Ok(())
    }

    /// This contact has answered whether another may join.
    pub(super) async fn answer(&mut self, id: LinkId, answer: Answer) -> Result<(), StoreError> {
        let (contact, by, now) = (self.conversation.contact.clone(), self.by(), self.now);
        let make = {
            let id = id.clone();
            move |book: &mut Book<'_>| book.answer(&contact, &id, answer, &by, now)
        };
        match self.desk.change(&self.game.rules.id, self.keys(), make).await? {
            Answered::Joined(pending, linked) => {
                let contact = shown(&pending.contact);
                let address = Address { game: self.game.rules.id.clone(), number: pending.number, contact: pending.contact };
                self.desk.tell(address, LinkNotice::Joined { wish: pending.wish, linked }, &[id.as_str(), "joined"]).await?;
                self.count("approved");
                self.audit(Action::LinkApproved, Actor::Player, "another contact may join the account");
                self.say("host-link-approved", &[("contact", &contact)]);
            }
            Answered::Denied(pending) => {
                let contact = shown(&pending.contact);
                let address = Address { game: self.game.rules.id.clone(), number: pending.number, contact: pending.contact };
                self.desk.tell(address, LinkNotice::Denied, &[id.as_str(), "denied"]).await?;
                self.count("denied");
                self.audit(Action::LinkRefused, Actor::Player, "a contact of the account denied it");
                self.say("host-link-denied", &[("contact", &contact)]);
            }
            Answered::Gone => self.say("host-link-gone", &[]),
            Answered::Unproven => self.refuse("unproven", "whoever answered has to prove themselves first", "host-link-gone"),
        }
        Ok(())
    }

    /// A contact of the account has let this one in.
    pub(super) async fn joined(&mut self, wish: &Wish, linked: Linked) -> Result<(), StoreError> {
        // What was ended since is not begun anew.
        if self.desk.owner(self.game, &self.conversation.contact).await?.as_ref() != Some(&wish.player) {
            return Ok(());
        }
        self.conversation.touch(self.now);
        self.linked(wish, linked, "approved by a contact of the account").await
    }

    /// Nobody has answered whether this contact may join.
    pub(super) async fn time_is_up(&mut self, payload: &str) -> Result<(), StoreError> {
        let Ok(Woken { player, id }) = serde_json::from_str(payload) else { return Ok(()) };
        let (keys, now) = (AccountKeys::player(&player), self.now);
        let expired = self.desk.change(&self.game.rules.id, keys, move |book| book.expire(&player, &id, now)).await?;
        if expired.is_some() {
            self.refuse("unanswered", "nobody has approved it in time", "host-link-unanswered");
        }
        Ok(())
    }

    /// The player wrote UNLINK: who writes is proven first, unless that was only now.
    pub(super) async fn unlink_asked(&mut self) -> Result<(), StoreError> {
        let Some(player) = self.desk.owner(self.game, &self.conversation.contact).await? else {
            self.say("host-unlink-none", &[]);
            return Ok(());
        };
        let session = &self.conversation.session;
        let is_fresh = match &session.authentication {
            Authentication::Authenticated { at, .. } => session.player.as_ref() == Some(&player) && self.now.since_ms(*at) < FRESH_MS,
            _ => false,
        };
        if is_fresh {
            return self.unlink(player).await;
        }
        match self.await_proof(player.clone(), Purpose::HighValue, Deed::Unlink(player)).await? {
            true => self.say("host-unlink-prove", &[]),
            false => self.say("host-unlink-elsewhere", &[]),
        }
        Ok(())
    }

    /// Ends the link of this contact, and all that was trusted for it.
    pub(super) async fn unlink(&mut self, player: PlayerId) -> Result<(), StoreError> {
        let (of, contact, by) = (player.clone(), self.conversation.contact.clone(), self.by());
        let make = move |book: &mut Book<'_>| {
            let mut ended = None;
            while let Some(linked) = book.unlink(&of, |linked| same(&linked.contact, &contact))? {
                ended = Some(linked);
            }
            Ok(ended)
        };
        let ended = self.desk.change(&self.game.rules.id, self.keys(), make).await?;
        self.desk.codes.end_all(self.game, &player, std::slice::from_ref(&self.conversation.contact)).await?;
        self.desk.end_sessions_elsewhere(self.game, &player, &self.conversation, &by).await?;
        self.count("unlinked");
        self.audit(Action::ContactUnlinked, Actor::Player, "in chat");
        let id = ended.map(|linked| linked.id);
        self.tell_studio("unlinked", &player, id.as_ref().map_or("", LinkId::as_str), &by);
        self.say("host-unlinked", &[("game", &self.game.rules.name)]);
        self.forget_player();
        Ok(())
    }

    /// The link of this contact was ended elsewhere.
    pub(super) fn unlinked(&mut self, player: &PlayerId, by: &str) {
        if self.conversation.session.player.as_ref() == Some(player) {
            self.forget_player();
        }
        if by.starts_with("api.") {
            self.tell_studio("unlinked", player, by.trim_start_matches("api."), by);
            self.say("host-unlinked", &[("game", &self.game.rules.name)]);
        }
    }
}

impl LinkDesk {
    /// Ends what this conversation's contact has open for a player in other conversations.
    async fn end_sessions_elsewhere(&self, game: &LoadedGame, player: &PlayerId, here: &Conversation, by: &str) -> Result<(), StoreError> {
        let there = self.desk.conversations_of(&game.rules.id, player).await?;
        let is_theirs = |contact: &Contact| same(contact, &here.contact);
        for found in there.into_iter().filter(|found| found.id != here.id && is_theirs(&found.address.contact)) {
            let notice = LinkNotice::Unlinked { player: player.clone(), by: by.to_owned() };
            self.tell(found.address, notice, &[by, "unlinked"]).await?;
        }
        Ok(())
    }
}
