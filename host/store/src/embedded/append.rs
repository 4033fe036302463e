//! What arrives: repetitions are told apart, contacts become conversations, events get their places.

use std::sync::Arc;

use questline_core::contact::{Address, Bsuid, Contact, PhoneNumber};
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId};
use questline_core::port::{Appended, DedupKey, StoreError};
use questline_core::time::UnixMs;

use crate::alias::{Alias, AliasChange};
use crate::seal::{Index, Kind, Named, Owner, Sealer};

use super::names::Looked;
use super::op::{Answer, AppendOp};
use super::read;
use super::sealing::broken;
use super::writer::{Failure, Writer};

impl Writer {
    pub(super) fn append(&mut self, append: &mut AppendOp) -> Result<Answer, Failure> {
        self.admit(append).map_err(Failure::Refused)?;
        let mut appended = Appended::default();
        for (place, new) in append.events.drain(..).enumerate() {
            if let Some(key) = new.dedup
                && !self.is_first(key, append.received_at)?
            {
                appended.duplicates += 1;
                appended.known.push(place as u32);
                continue;
            }
            let conversation = self.conversation_of(&new.address, true)?;
            self.arrive(conversation, new.address.game, append.received_at, new.event, new.draft)?;
            appended.events += 1;
        }
        for status in append.statuses.drain(..) {
            match self.status(status, append.received_at)? {
                true => appended.statuses += 1,
                false => appended.statuses_unknown += 1,
            }
        }
        for notice in append.notices.drain(..) {
            self.execute("INSERT INTO notice(received_ms, doc) VALUES (?1, ?2)", (append.received_at.0, notice))?;
            appended.notices += 1;
        }
        Ok(Answer::Appended(appended))
    }

    /// Counts all as new: whether they are is known only once their keys are written, and then nothing can be refused.
    fn admit(&mut self, append: &AppendOp) -> Result<(), StoreError> {
        let mut games: Vec<(&GameId, u64)> = Vec::new();
        for new in &append.events {
            match games.iter_mut().find(|(game, _)| *game == &new.address.game) {
                Some((_, count)) => *count += 1,
                None => games.push((&new.address.game, 1)),
            }
        }
        let mut staged = self.staged.admitted();
        {
            let pending = self.shared.pending();
            for (game, count) in &games {
                pending.admit(game, *count, staged, self.staged.admitted_of(game))?;
                staged += count;
            }
        }
        for (game, count) in games {
            self.staged.admit(game, count);
        }
        Ok(())
    }

    /// Notes a key; false when it was known.
    pub(super) fn is_first(&self, key: DedupKey, arrived_at: UnixMs) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO seen(sent_s, digest, arrived_s) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        Ok(self.execute(sql, (key.sent_s, &key.digest.to_be_bytes()[..], arrived_at.as_s()))? == 1)
    }

    /// The conversation behind a contact, as [`crate::alias`] has the rules; a new one if there is none. `soon`: it is about
    /// to be loaded.
    pub(super) fn conversation_of(&mut self, address: &Address, soon: bool) -> Result<ConversationId, Failure> {
        let phone = self.look_up(Alias::of_phone(&address.number, &address.contact), soon)?;
        let bsuid = self.look_up(Alias::of_bsuid(&address.number, &address.contact), soon)?;
        let Some(conversation) = phone.conversation().or(bsuid.conversation()) else {
            return self.begin_conversation(address, [phone, bsuid], soon);
        };
        if !(phone.agrees(conversation) && bsuid.agrees(conversation)) {
            self.learn(conversation, address)?;
        }
        Ok(conversation)
    }

    fn begin_conversation(&mut self, address: &Address, names: [Looked; 2], soon: bool) -> Result<ConversationId, Failure> {
        let id = ConversationId(self.ids.conversation + 1);
        let conversation = Conversation::new(id, address.clone());
        let sealer = &self.shared.sealer;
        let doc = sealer.seal_json(Owner::number(Kind::Conversation, id.0), &conversation).map_err(broken)?;
        let contact = contact_index(sealer, id, &address.contact);
        self.ids.conversation = id.0;
        let sql = "INSERT INTO conversation(id, version, game, number, contact, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (game, number) = (address.game.as_str(), address.number.as_str());
        self.execute(sql, (id.0, conversation.version, game, number, contact.as_bytes(), &doc))?;
        for name in names {
            if let Looked::New(alias, name) = name {
                self.begin_name(&alias, name, id, soon)?;
            }
        }
        self.staged.conversations += 1;
        if soon {
            self.staged.hot.push((Arc::new(conversation), doc.len()));
        }
        Ok(id)
    }

    /// Takes over what an arriving contact adds or changes.
    fn learn(&mut self, id: ConversationId, address: &Address) -> rusqlite::Result<()> {
        let Some(mut conversation) = self.conversation(id) else { return Ok(()) };
        let known = conversation.contact.clone();
        if conversation.contact.learn(&address.contact) {
            conversation.version += 1;
            let sealer = &self.shared.sealer;
            let doc = sealer.seal_json(Owner::number(Kind::Conversation, id.0), &conversation).map_err(broken)?;
            let index = contact_index(sealer, id, &conversation.contact);
            let sql = "UPDATE conversation SET version = ?2, contact = ?3, phone = NULL, bsuid = NULL, doc = ?4 WHERE id = ?1";
            self.execute(sql, (id.0, conversation.version, index.as_bytes(), doc))?;
            self.staged.cold.push(id);
        }
        self.move_aliases(id, &AliasChange::between(&address.number, &known, &conversation.contact))?;
        // Also those that the contact had, and another conversation took.
        for alias in Alias::all(&address.number, &address.contact) {
            self.point(&alias, id)?;
        }
        Ok(())
    }

    /// A conversation as its row has it; none if there is none, or if it cannot be read, which is told.
    pub(super) fn conversation(&self, id: ConversationId) -> Option<Conversation> {
        read::known_conversation(&self.connection, &self.shared.sealer, id).unwrap_or_else(|error| {
            tracing::error!(%error, conversation = %id, "a conversation's contact is not known");
            None
        })
    }
}

/// The digest that stands for a contact in its conversation's row.
pub(super) fn contact_index(sealer: &Sealer, id: ConversationId, contact: &Contact) -> Index {
    let (phone, bsuid) = (contact.phone().map_or("", PhoneNumber::digits), contact.bsuid().map_or("", Bsuid::as_str));
    sealer.index(Named::Who, &[&id.to_string(), phone, bsuid])
}

/// The contact that the columns held before version 6; none if they make no sense.
pub(super) fn contact_from(phone: Option<&str>, bsuid: Option<&str>) -> Option<Contact> {
    Contact::new(phone.and_then(|phone| PhoneNumber::parse(phone).ok()), bsuid.and_then(|bsuid| Bsuid::parse(bsuid).ok()))
}
