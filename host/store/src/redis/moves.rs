//! Names and players that moved: a commit cannot write outside of its slot, so its script leaves a note, and the note is
//! carried out at once, or when the partition is taken next.

use questline_core::contact::Contact;
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId, NumberId, PlayerId};
use questline_core::port::StoreError;
use redis::Cmd;
use serde::Deserialize;

use super::conversations::doc_of;
use super::keys::{Keys, Partition};
use super::names::{alias_places, player_places};
use super::script::{Script, Scripts};
use crate::alias::AliasChange;
use crate::codec::decode;
use crate::seal::Sealer;

/// A note as the scripts write it: the conversation as it lay, and as it lies.
pub(super) fn note(conversation: ConversationId, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut note = format!("m{conversation} {} ", before.len()).into_bytes();
    note.extend_from_slice(before);
    note.extend_from_slice(after);
    note
}

/// What a note says: how it lay and how it lies.
fn noted(note: &[u8]) -> Option<(ConversationId, &[u8], &[u8])> {
    let mut parts = note.strip_prefix(b"m")?.splitn(3, |byte| *byte == b' ');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    let (conversation, len) = (ConversationId(number()?), usize::try_from(number()?).ok()?);
    let (before, after) = parts.next()?.split_at_checked(len)?;
    Some((conversation, before, after))
}

/// What carries out a note that was left, and takes it away.
pub(super) fn replay_noted(
    keys: &Keys,
    scripts: &Scripts,
    sealer: &Sealer,
    partition: Partition,
    record: &[u8],
) -> Result<Vec<Cmd>, StoreError> {
    if sealer.has_plain() && record.first() == Some(&b'{') {
        return replay_open(keys, scripts, sealer, partition, record);
    }
    let odd = || StoreError::Corrupt("a note of names that moved cannot be read".to_owned());
    let (id, before, after) = noted(record).ok_or_else(odd)?;
    let (before, after) = (sealer.open(doc_of(id), before)?, sealer.open(doc_of(id), after)?);
    Ok(replay(keys, scripts, sealer, partition, &before, &after, record))
}

/// What carries out a note of a change, and takes it away. Doing it twice, or late, does no harm.
pub(super) fn replay(
    keys: &Keys,
    scripts: &Scripts,
    sealer: &Sealer,
    partition: Partition,
    before: &Conversation,
    after: &Conversation,
    record: &[u8],
) -> Vec<Cmd> {
    let mut commands =
        name_commands(keys, scripts, sealer, after.id, &AliasChange::between(&after.number, &before.contact, &after.contact));
    let players = (before.session.player.as_ref(), after.session.player.as_ref());
    commands.extend(player_commands(keys, scripts, sealer, (after.id, &after.game, after.version), players));
    commands.push(done(keys, partition, record));
    commands
}

fn name_commands(keys: &Keys, scripts: &Scripts, sealer: &Sealer, conversation: ConversationId, change: &AliasChange) -> Vec<Cmd> {
    let mut commands: Vec<Cmd> = change.add.iter().flat_map(|alias| point(keys, &alias_places(sealer, alias), conversation)).collect();
    for place in change.forget.iter().flat_map(|alias| alias_places(sealer, alias)) {
        commands.push(forget(keys, scripts, &place, conversation));
    }
    commands
}

/// Forgets what stands for a name, if it points here.
pub(super) fn forget(keys: &Keys, scripts: &Scripts, place: &[u8], conversation: ConversationId) -> Cmd {
    let mut command = scripts.call(Script::Forget, &[&keys.names(place)], 64);
    command.arg(place).arg(conversation.0);
    command
}

fn player_commands(
    keys: &Keys,
    scripts: &Scripts,
    sealer: &Sealer,
    (conversation, game, version): (ConversationId, &GameId, u64),
    (before, after): (Option<&PlayerId>, Option<&PlayerId>),
) -> Vec<Cmd> {
    let mut commands = Vec::new();
    if before == after {
        return commands;
    }
    if let Some(place) = after.and_then(|player| player_places(sealer, game, player).into_iter().next()) {
        let mut command = redis::cmd("ZADD");
        command.arg(keys.player(&place)).arg("GT").arg(version).arg(conversation.0);
        commands.push(command);
    }
    for place in before.into_iter().flat_map(|player| player_places(sealer, game, player)) {
        let mut command = scripts.call(Script::Unplace, &[&keys.player(&place)], 32);
        command.arg(conversation.0).arg(version);
        commands.push(command);
    }
    commands
}

fn done(keys: &Keys, partition: Partition, record: &[u8]) -> Cmd {
    let mut done = redis::cmd("LREM");
    done.arg(keys.key(partition, "moves")).arg(1).arg(record);
    done
}

/// A note from before anything was sealed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Move {
    /// The contact changed: its names move.
    Names { conversation: ConversationId, number: NumberId, before: Contact, after: Contact },
    /// The player changed.
    Player { conversation: ConversationId, game: GameId, version: u64, player_before: Option<PlayerId>, player_after: Option<PlayerId> },
}

fn replay_open(keys: &Keys, scripts: &Scripts, sealer: &Sealer, partition: Partition, record: &[u8]) -> Result<Vec<Cmd>, StoreError> {
    let mut commands = match decode("a change of names", record)? {
        Move::Names { conversation, number, before, after } => {
            name_commands(keys, scripts, sealer, conversation, &AliasChange::between(&number, &before, &after))
        }
        Move::Player { conversation, game, version, player_before, player_after } => {
            let players = (player_before.as_ref(), player_after.as_ref());
            player_commands(keys, scripts, sealer, (conversation, &game, version), players)
        }
    };
    commands.push(done(keys, partition, record));
    Ok(commands)
}

/// Has a name point here: what is written does, and nothing else stands for it any more.
pub(super) fn point(keys: &Keys, places: &[Box<[u8]>], conversation: ConversationId) -> Vec<Cmd> {
    let mut commands = Vec::with_capacity(places.len());
    for (n, place) in places.iter().enumerate() {
        let mut command = redis::cmd(if n == 0 { "HSET" } else { "HDEL" });
        command.arg(keys.names(place)).arg(&place[..]);
        if n == 0 {
            command.arg(conversation.0);
        }
        commands.push(command);
    }
    commands
}
