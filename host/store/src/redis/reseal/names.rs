//! What is found by digests and lies in slots of its own: names of contacts, players' conversations, pages.

use std::sync::Arc;

use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId};
use questline_core::port::StoreError;
use redis::Value;

use super::super::conversations::doc_of;
use super::super::moves::forget;
use super::super::names::{alias_places, player_places};
use super::super::pages::expect;
use super::super::script::Script;
use super::super::session::Session;
use super::super::{RedisStore, value};
use super::{CHUNK, LIFE_MS, Walk, odd};
use crate::alias::Alias;
use crate::pages::{PageKey, open_named_page};
use crate::seal::Index;

impl RedisStore {
    /// Gives the names of conversations, and their players' places, the digests of the first key.
    pub(super) async fn names_anew(&self, session: &Arc<Session>, conversations: &[Conversation]) -> Result<(), StoreError> {
        let aliases: Vec<(ConversationId, Alias)> =
            conversations.iter().flat_map(|of| Alias::all(&of.number, &of.contact).map(|alias| (of.id, alias))).collect();
        let _held = self.names.hold(aliases.iter().map(|(_, alias)| alias)).await;
        let places: Vec<Vec<Box<[u8]>>> = aliases.iter().map(|(_, alias)| alias_places(&self.sealer, alias)).collect();
        let reads = places.iter().flat_map(|places| places.iter().skip(1)).map(|place| {
            let mut read = redis::cmd("HGET");
            read.arg(self.keys.names(place)).arg(&place[..]);
            read
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let mut answers = answers.iter();
        let (mut commands, mut moved) = (Vec::new(), Vec::new());
        for ((id, alias), places) in aliases.iter().zip(&places) {
            let Some((first, older)) = places.split_first() else { continue };
            let found = answers.by_ref().take(older.len()).map(value::optional_number).collect::<Result<Vec<_>, _>>()?;
            if found.contains(&Some(id.0)) {
                let mut add = redis::cmd("HSETNX");
                add.arg(self.keys.names(first)).arg(&first[..]).arg(id.0);
                commands.push(add);
                commands.extend(older.iter().map(|place| forget(&self.keys, &self.scripts, place, *id)));
                moved.push((*id, alias, first));
            }
        }
        for conversation in conversations {
            let Some(player) = &conversation.session.player else { continue };
            let places = player_places(&self.sealer, &conversation.game, player);
            let Some((first, older)) = places.split_first() else { continue };
            let mut add = redis::cmd("ZADD");
            add.arg(self.keys.player(first)).arg("GT").arg(conversation.version).arg(conversation.id.0);
            commands.push(add);
            commands.extend(older.iter().map(|place| {
                let mut remove = redis::cmd("ZREM");
                remove.arg(self.keys.player(place)).arg(conversation.id.0);
                remove
            }));
        }
        self.link.call(session, commands, None).await?;
        // A step may have taken a name away in between, before it was written here.
        let reads = moved.iter().map(|(id, ..)| {
            let mut read = redis::cmd("HGET");
            read.arg(self.keys.of(*id, "c")).arg("d");
            read
        });
        let answers = self.link.call(session, reads.collect(), None).await?;
        let mut gone = Vec::new();
        for ((id, alias, first), doc) in moved.iter().zip(&answers) {
            let Some(doc) = value::optional_bytes(doc)? else { continue };
            let now: Conversation = self.sealer.open(doc_of(*id), doc)?;
            if Alias::all(&now.number, &now.contact).all(|name| name != **alias) {
                gone.push(forget(&self.keys, &self.scripts, first, *id));
            }
        }
        self.link.call(session, gone, None).await.map(drop)
    }

    /// Names that are left under older keys in these buckets are of no conversation, unless one could not be read.
    pub(super) async fn names_of(&self, session: &Arc<Session>, buckets: &[u16], walk: &mut Walk) -> Result<(), StoreError> {
        let mut open: Vec<(u16, u64)> = buckets.iter().map(|bucket| (*bucket, 0)).collect();
        while !open.is_empty() {
            let scans = open.iter().map(|(bucket, cursor)| {
                let mut scan = redis::cmd("HSCAN");
                scan.arg(self.keys.names_in(*bucket)).arg(*cursor).arg("COUNT").arg(CHUNK);
                scan
            });
            let answers = self.link.call(session, scans.collect(), None).await?;
            let (mut commands, mut more) = (Vec::new(), Vec::new());
            for ((bucket, _), answer) in open.iter().zip(&answers) {
                let [next, fields] = value::exactly(value::list(answer)?)?;
                for pair in value::list(fields)?.chunks(2) {
                    let [name, conversation] = value::exactly(pair)?;
                    let (name, conversation) = (value::bytes(name)?, value::conversation(conversation)?);
                    walk.tally.looked_at += 1;
                    if self.sealer.is_first(name) {
                        walk.tally.first(&self.sealer);
                    } else if walk.conversations_unreadable {
                        let problem = StoreError::Corrupt("a contact's name whose conversation may not be readable".to_owned());
                        walk.tally.unreadable(name, &problem);
                    } else {
                        walk.tally.rewritten += 1;
                        commands.push(forget(&self.keys, &self.scripts, name, conversation));
                    }
                }
                let next = value::number(next)?;
                if next != 0 {
                    more.push((*bucket, next));
                }
            }
            self.link.call(session, commands, None).await?;
            open = more;
        }
        Ok(())
    }

    pub(super) async fn page_anew(&self, session: &Arc<Session>, key: &str, walk: &mut Walk) -> Result<(), StoreError> {
        let Some((game, name)) = key.strip_prefix(&self.keys.pages()).and_then(|rest| rest.split_once("}:")) else { return Ok(()) };
        walk.tally.looked_at += 1;
        let index = Index::from_hex(name);
        if index.is_some_and(|index| self.sealer.is_first(index.as_bytes())) {
            walk.tally.first(&self.sealer);
            return Ok(());
        }
        let game = GameId::parse(game).map_err(|_| odd())?;
        let _turn = self.page_turn(&game).await;
        let (mut read, mut life) = (redis::cmd("GET"), redis::cmd("PTTL"));
        read.arg(key);
        life.arg(key);
        let answers = self.link.call(session, vec![read, life], None).await?;
        let [before, life] = value::exactly(&answers)?;
        let Some(before) = value::optional_bytes(before)? else { return Ok(()) };
        let life_ms = match life {
            Value::Int(life) if *life > 0 => *life as u64,
            _ => LIFE_MS,
        };
        let opened = open_named_page(&self.sealer, index, before).and_then(|(known, value)| {
            let known = known.unwrap_or_else(|| format!("{game}/{name}"));
            let (_, name) = known.split_once('/').ok_or_else(odd)?;
            let page = PageKey::new(&self.sealer, &game, name);
            let sealed = page.seal(&self.sealer, &value)?;
            Ok((self.keys.page(&game, &page.index.to_hex()), sealed))
        });
        match opened {
            Ok((place, sealed)) => {
                let mut write = self.scripts.call(Script::Pages, &[&place, key], sealed.len() + before.len());
                expect(&mut write, None);
                write.arg(life_ms).arg(sealed);
                expect(&mut write, Some(before));
                write.arg("gone").arg("");
                walk.tally.rewritten += value::number(&self.ask(session, write).await?)?;
                walk.tally.first(&self.sealer);
            }
            Err(problem) => walk.tally.unreadable(before, &problem),
        }
        Ok(())
    }

    /// Releases and tokens of studios.
    pub(super) async fn documents(&self, session: &Arc<Session>, keys: Vec<String>, walk: &mut Walk) -> Result<(), StoreError> {
        for key in keys {
            let Some(name) = key.strip_prefix(&self.keys.document("")) else { continue };
            let Some((lies, anew)) = self.document_anew(session, name).await? else { continue };
            walk.look(self, &lies, || anew.map(|is_new| is_new.then(Vec::new)));
        }
        Ok(())
    }

    /// Players' places under older keys: every conversation has taken its new one by now, so what is left is nobody's.
    pub(super) async fn players(&self, session: &Arc<Session>, keys: Vec<String>, walk: &mut Walk) -> Result<(), StoreError> {
        let mut gone = redis::cmd("DEL");
        let mut some = false;
        for key in keys {
            let Some(name) = self.keys.in_bucket(&key).and_then(|name| name.strip_prefix("player:")) else { continue };
            walk.tally.looked_at += 1;
            let index = Index::from_hex(name);
            if index.is_some_and(|index| self.sealer.is_first(index.as_bytes())) {
                walk.tally.first(&self.sealer);
            } else if walk.conversations_unreadable {
                let bytes = index.map(|index| index.as_bytes().to_vec()).unwrap_or_default();
                walk.tally.unreadable(&bytes, &StoreError::Corrupt("a player's place whose conversation may not be readable".to_owned()));
            } else {
                gone.arg(key);
                some = true;
                walk.tally.rewritten += 1;
            }
        }
        if some {
            self.link.call(session, vec![gone], None).await?;
        }
        Ok(())
    }
}
