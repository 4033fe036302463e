//! What arrives: repetitions are told apart, contacts become conversations, events get their places.

use std::sync::Arc;

use questline_core::contact::{Address, Bsuid, Contact, PhoneNumber};
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId};
use questline_core::port::{Appended, DedupKey, StoreError};
use questline_core::time::UnixMs;

use crate::alias::{Alias, AliasChange};
use crate::codec::encode;

use super::op::{Answer, AppendOp};
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
            let conversation = self.conversation_of(&new.address)?;
            self.arrive(conversation, new.address.game, append.received_at, new.event, &new.json)?;
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
    fn is_first(&self, key: DedupKey, arrived_at: UnixMs) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO seen(sent_s, digest, arrived_s) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        Ok(self.execute(sql, (key.sent_s, &key.digest.to_be_bytes()[..], arrived_at.as_s()))? == 1)
    }

    /// The conversation behind a contact, as [`crate::alias`] has the rules; a new one if there is none.
    fn conversation_of(&mut self, address: &Address) -> Result<ConversationId, Failure> {
        let phone = Alias::of_phone(&address.number, &address.contact);
        let bsuid = Alias::of_bsuid(&address.number, &address.contact);
        let by_phone = self.look_up(phone.as_ref())?;
        let by_bsuid = self.look_up(bsuid.as_ref())?;
        let Some(conversation) = by_phone.or(by_bsuid) else { return self.begin_conversation(address, phone, bsuid) };
        let known = |alias: &Option<Alias>, found| alias.is_none() || found == Some(conversation);
        if !(known(&phone, by_phone) && known(&bsuid, by_bsuid)) {
            self.learn(conversation, address)?;
        }
        Ok(conversation)
    }

    fn look_up(&mut self, alias: Option<&Alias>) -> rusqlite::Result<Option<ConversationId>> {
        let Some(alias) = alias else { return Ok(None) };
        if let Some(conversation) = self.aliases.get(alias.as_str()) {
            return Ok(Some(*conversation));
        }
        let found = self.row("SELECT conversation FROM alias WHERE name = ?1", [alias.as_str()], |row| row.get(0).map(ConversationId))?;
        if let Some(conversation) = found {
            self.aliases.put(alias.as_str().into(), conversation);
        }
        Ok(found)
    }

    fn begin_conversation(&mut self, address: &Address, phone: Option<Alias>, bsuid: Option<Alias>) -> Result<ConversationId, Failure> {
        let id = ConversationId(self.ids.conversation + 1);
        let conversation = Conversation::new(id, address.clone());
        let json = encode("a conversation", &conversation).map_err(Failure::Refused)?;
        self.ids.conversation = id.0;
        let sql = "INSERT INTO conversation(id, version, game, number, phone, bsuid, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (phone_text, bsuid_text) = texts(&address.contact);
        self.execute(sql, (id.0, conversation.version, address.game.as_str(), address.number.as_str(), phone_text, bsuid_text, &json))?;
        for alias in phone.into_iter().chain(bsuid) {
            self.point(&alias, id)?;
        }
        self.staged.conversations += 1;
        self.staged.hot.push((Arc::new(conversation), json.len()));
        Ok(id)
    }

    /// Takes over what an arriving contact adds or changes.
    fn learn(&mut self, id: ConversationId, address: &Address) -> rusqlite::Result<()> {
        let Some(known) = self.contact_of(id)? else { return Ok(()) };
        let mut contact = known.clone();
        if contact.learn(&address.contact) {
            let (phone, bsuid) = texts(&contact);
            self.execute("UPDATE conversation SET version = version + 1, phone = ?2, bsuid = ?3 WHERE id = ?1", (id.0, phone, bsuid))?;
            self.staged.cold.push(id);
        }
        self.move_aliases(id, &AliasChange::between(&address.number, &known, &contact))?;
        // Also those that the contact had, and another conversation took.
        for alias in Alias::all(&address.number, &address.contact) {
            self.point(&alias, id)?;
        }
        Ok(())
    }

    /// Makes names follow a contact.
    pub(super) fn move_aliases(&mut self, id: ConversationId, change: &AliasChange) -> rusqlite::Result<()> {
        for alias in &change.forget {
            self.execute("DELETE FROM alias WHERE name = ?1 AND conversation = ?2", (alias.as_str(), id.0))?;
            self.aliases.pop(alias.as_str());
        }
        for alias in &change.add {
            self.point(alias, id)?;
        }
        Ok(())
    }

    fn point(&mut self, alias: &Alias, id: ConversationId) -> rusqlite::Result<()> {
        let sql = "INSERT INTO alias(name, conversation) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET conversation = excluded.conversation";
        self.execute(sql, (alias.as_str(), id.0))?;
        self.aliases.put(alias.as_str().into(), id);
        Ok(())
    }

    /// The contact in a conversation's row.
    pub(super) fn contact_of(&self, id: ConversationId) -> rusqlite::Result<Option<Contact>> {
        let found = self.row("SELECT phone, bsuid FROM conversation WHERE id = ?1", [id.0], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        Ok(found.and_then(|(phone, bsuid)| contact_from(phone.as_deref(), bsuid.as_deref())))
    }
}

/// A contact as the columns hold it.
pub(super) fn texts(contact: &Contact) -> (Option<&str>, Option<&str>) {
    (contact.phone().map(PhoneNumber::digits), contact.bsuid().map(Bsuid::as_str))
}

/// The contact that the columns hold; none if they make no sense.
pub(super) fn contact_from(phone: Option<&str>, bsuid: Option<&str>) -> Option<Contact> {
    Contact::new(phone.and_then(|phone| PhoneNumber::parse(phone).ok()), bsuid.and_then(|bsuid| Bsuid::parse(bsuid).ok()))
}
