//! An account that its player has frozen: nothing of it is told, sent or done in any conversation, until the ticket that
//! says so is closed.

use serde::{Deserialize, Serialize};

use super::Account;
use crate::contact::Address;
use crate::id::{ConversationId, InboxSeq, TicketNumber};
use crate::time::UnixMs;

/// Conversations in which a player is remembered; the one in which they came first makes room.
pub const SEEN_IN_MAX: usize = 64;

/// Why an account is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// It lasts until this ticket is closed.
    pub ticket: TicketNumber,
    /// In which conversation the player asked for it.
    pub conversation: ConversationId,
    /// By which event there.
    pub event: InboxSeq,
    /// When.
    pub at: UnixMs,
}

impl Frozen {
    /// Whether this very event froze it: also when it is handled a second time.
    pub fn is_by(&self, conversation: ConversationId, event: InboxSeq) -> bool {
        (self.conversation, self.event) == (conversation, event)
    }
}

/// A conversation in which the player was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenIn {
    /// Which.
    pub conversation: ConversationId,
    /// Between whom.
    pub address: Address,
}

impl Account {
    /// Whether the player is known to be in a conversation under this address.
    pub fn is_seen_in(&self, conversation: ConversationId, address: &Address) -> bool {
        self.seen_in.iter().any(|seen| seen.conversation == conversation && seen.address == *address)
    }

    /// Notes that the player was recognised in a conversation: whoever freezes the account finds it there, however close
    /// the two come.
    pub fn see_in(&mut self, conversation: ConversationId, address: &Address) {
        if self.is_seen_in(conversation, address) {
            return;
        }
        self.seen_in.retain(|seen| seen.conversation != conversation);
        if self.seen_in.len() >= SEEN_IN_MAX {
            self.seen_in.remove(0);
        }
        self.seen_in.push(SeenIn { conversation, address: address.clone() });
    }

    /// Freezes the account, unless it is; gives why it is frozen now. A link on its way ends.
    pub fn freeze(&mut self, frozen: Frozen) -> Frozen {
        // Who wants to join has to ask anew.
        self.linking.pending = None;
        self.frozen.get_or_insert(frozen).clone()
    }

    /// Ends a freeze, if it is the one that this ticket is about.
    pub fn release(&mut self, ticket: &TicketNumber) -> bool {
        self.frozen.take_if(|frozen| frozen.ticket == *ticket).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contact::{Contact, PhoneNumber};
    use crate::id::{GameId, NumberId};

    fn address(n: u64) -> Address {
        Address {
            game: GameId::parse("starfall").unwrap(),
            number: NumberId::parse("100").unwrap(),
            contact: Contact::new(PhoneNumber::parse(&format!("1555{n:04}")).ok(), None).unwrap(),
        }
    }

    fn frozen(ticket: &str, event: u64) -> Frozen {
        let ticket = TicketNumber::parse(ticket).unwrap();
        Frozen { ticket, conversation: ConversationId(1), event: InboxSeq(event), at: UnixMs(9) }
    }

    #[test]
    fn the_first_freeze_holds_until_its_own_ticket_is_closed() {
        let mut account = Account::default();
        assert_eq!(account.freeze(frozen("T-1", 1)), frozen("T-1", 1));
        assert_eq!(account.freeze(frozen("T-1", 1)), frozen("T-1", 1), "the same event, handled again");
        assert_eq!(account.freeze(frozen("T-2", 2)), frozen("T-1", 1), "another phone of the player's");
        assert!(!account.release(&frozen("T-2", 2).ticket), "another ticket");
        assert!(account.release(&frozen("T-1", 1).ticket) && account.is_empty());
        assert!(!account.release(&frozen("T-1", 1).ticket));
    }

    #[test]
    fn conversations_are_remembered_once_each_and_bounded() {
        let mut account = Account::default();
        for n in 0..100 {
            account.see_in(ConversationId(n), &address(n));
            account.see_in(ConversationId(n), &address(n));
        }
        assert_eq!(account.seen_in.len(), SEEN_IN_MAX);
        assert!(account.is_seen_in(ConversationId(99), &address(99)) && !account.is_seen_in(ConversationId(0), &address(0)));
        account.see_in(ConversationId(99), &address(5));
        assert_eq!(account.seen_in.len(), SEEN_IN_MAX, "the player has moved to another number");
        assert!(account.is_seen_in(ConversationId(99), &address(5)) && !account.is_seen_in(ConversationId(99), &address(99)));
    }
}
