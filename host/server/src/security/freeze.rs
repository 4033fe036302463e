//! Freezes and releases accounts. Everything here may be done again by a step that runs again, and is then done once: the
//! account first, so that nothing begins any more; then the codes; then the other conversations, each by an event of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use questline_core::account::freeze::Frozen;
use questline_core::contact::{Address, Contact};
use questline_core::conversation::Conversation;
use questline_core::event::{AccountFrozen, Event};
use questline_core::id::{ConversationId, GameId, PlayerId, TicketNumber};
use questline_core::port::{AccountKeys, AccountPages, Accounts, Batch, Clock, DedupKey, Desk, Inbox, Incoming, StoreError};

use super::Lockout;
use crate::game::LoadedGame;
use crate::verification::CodeDesk;

/// What it needs.
pub struct AccountGuard {
    /// What is known of players.
    pub accounts: Arc<dyn Accounts>,
    /// Where players are.
    pub desk: Arc<dyn Desk>,
    /// How conversations hear of it.
    pub inbox: Arc<dyn Inbox>,
    /// What ends codes.
    pub codes: Arc<CodeDesk>,
    /// What counts tries to recover accounts.
    pub lockout: Arc<Lockout>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

fn address(conversation: &Conversation) -> Address {
    let Conversation { game, number, contact, .. } = conversation;
    Address { game: game.clone(), number: number.clone(), contact: contact.clone() }
}

impl AccountGuard {
    /// A player was recognised in a conversation: it is remembered, so that a freeze finds it there. Gives why the account
    /// is frozen, if it is.
    pub async fn arrive(&self, conversation: &Conversation, player: &PlayerId) -> Result<Option<Frozen>, StoreError> {
        let (game, id, address) = (&conversation.game, conversation.id, address(conversation));
        let known = self.accounts.accounts(game, AccountKeys::player(player)).await?;
        if let Some(account) = known.players.into_iter().next().filter(|account| account.is_seen_in(id, &address)) {
            return Ok(account.frozen);
        }
        // Noted and read in one go: whoever freezes the account now either is seen here, or sees this conversation.
        let note = move |pages: &mut AccountPages| pages.players.iter_mut().for_each(|account| account.see_in(id, &address));
        let noted = self.accounts.change_accounts(game, AccountKeys::player(player), Box::new(note)).await?;
        Ok(noted.players.into_iter().next().and_then(|account| account.frozen))
    }

    /// Freezes a player's account, unless it is frozen: then for the reason that it is. Its codes are dead, and its other
    /// conversations hear of it.
    pub async fn freeze(
        &self,
        game: &LoadedGame,
        conversation: &Conversation,
        player: &PlayerId,
        wish: Frozen,
    ) -> Result<Frozen, StoreError> {
        let (name, id, here) = (&game.rules.id, conversation.id, address(conversation));
        let (ours, seen) = (wish.clone(), here.clone());
        let change = move |pages: &mut AccountPages| {
            for account in &mut pages.players {
                account.see_in(id, &seen);
                account.freeze(ours.clone());
            }
        };
        let account = self.accounts.change_accounts(name, AccountKeys::player(player), Box::new(change)).await?.players.into_iter().next();
        let account = account.unwrap_or_default();
        let frozen = account.frozen.clone().unwrap_or(wish);
        let mut places: BTreeMap<ConversationId, Address> =
            account.seen_in.into_iter().map(|seen| (seen.conversation, seen.address)).collect();
        places.extend(self.desk.conversations_of(name, player).await?.into_iter().map(|found| (found.id, found.address)));
        let linked = account.contacts.into_iter().map(|linked| linked.contact);
        let mut contacts: Vec<Contact> = places.values().map(|place| place.contact.clone()).chain([here.contact]).chain(linked).collect();
        contacts.dedup();
        self.codes.end_all(game, player, &contacts).await?;
        let event = Event::AccountFrozen(AccountFrozen { player: player.clone(), ticket: frozen.ticket.clone() });
        self.tell_others(name, id, places, "account-frozen", &frozen.ticket, &event).await?;
        Ok(frozen)
    }

    /// The ticket of a frozen account was closed: the account is as it was, and its other conversations hear of it.
    pub async fn release(&self, conversation: &Conversation, player: &PlayerId, ticket: &TicketNumber) -> Result<(), StoreError> {
        let game = &conversation.game;
        let known = self.accounts.accounts(game, AccountKeys::player(player)).await?.players.into_iter().next();
        let is_by_it = |account: &questline_core::account::Account| account.frozen.as_ref().is_some_and(|frozen| frozen.ticket == *ticket);
        let Some(account) = known.filter(is_by_it) else { return Ok(()) };
        let places = account.seen_in.into_iter().map(|seen| (seen.conversation, seen.address)).collect();
        let event = Event::AccountReleased(ticket.clone());
        self.tell_others(game, conversation.id, places, "account-released", ticket, &event).await?;
        let closed = ticket.clone();
        let change = move |pages: &mut AccountPages| {
            for account in &mut pages.players {
                account.release(&closed);
            }
        };
        self.accounts.change_accounts(game, AccountKeys::player(player), Box::new(change)).await.map(drop)
    }

    /// Puts an event into the inboxes of all conversations but one, once for each ticket.
    async fn tell_others(
        &self,
        game: &GameId,
        but: ConversationId,
        places: BTreeMap<ConversationId, Address>,
        what: &str,
        ticket: &TicketNumber,
        event: &Event,
    ) -> Result<(), StoreError> {
        let others = places.into_iter().filter(|(id, _)| *id != but);
        let incoming = |(id, address): (ConversationId, Address)| {
            let text = format!("{what}\0{game}\0{ticket}\0{id}");
            Incoming { address, dedup: Some(key(&text)), event: event.clone() }
        };
        let events: Vec<Incoming> = others.map(incoming).collect();
        if events.is_empty() {
            return Ok(());
        }
        self.inbox.append(Batch { events, received_at: self.clock.now(), ..Batch::default() }).await.map(drop)
    }
}

fn key(text: &str) -> DedupKey {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    DedupKey { sent_s: 0, digest: digest.as_ref().iter().take(16).fold(0, |digest: u128, byte| digest << 8 | u128::from(*byte)) }
}
