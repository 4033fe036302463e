//! Dead letters as they lie: whole, or, where a script makes one of a message that lies there already, in two sealed parts.

use questline_core::commit::{DeadLetter, Letter};
use questline_core::id::{ConversationId, GameId};
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::value;
use crate::codec::decode;
use crate::seal::{Kind, Owner, Sealer};

/// What is known of a message that is given up; the script adds tries and content.
#[derive(Serialize, Deserialize)]
pub(super) struct LetterHead {
    reason: String,
    detail: String,
    at: UnixMs,
}

fn owner(conversation: ConversationId) -> Owner<'static> {
    Owner::number(Kind::DeadLetter, conversation.0)
}

impl LetterHead {
    pub(super) fn seal(
        sealer: &Sealer,
        conversation: ConversationId,
        reason: &str,
        detail: &str,
        at: UnixMs,
    ) -> Result<Vec<u8>, StoreError> {
        sealer.seal_json(owner(conversation), &Self { reason: reason.to_owned(), detail: detail.to_owned(), at })
    }
}

/// A letter as it is kept whole.
pub(super) fn seal(sealer: &Sealer, letter: &DeadLetter) -> Result<Vec<u8>, StoreError> {
    let mut kept = format!("F{} {} ", letter.conversation, letter.game).into_bytes();
    kept.extend(sealer.seal_json(owner(letter.conversation), letter)?);
    Ok(kept)
}

/// A kept letter, taken apart.
struct Kept<'a> {
    conversation: ConversationId,
    game: GameId,
    /// Tries, head and message, where they are apart.
    apart: Option<(u32, &'a [u8])>,
    /// The letter, or the message.
    sealed: &'a [u8],
}

impl<'a> Kept<'a> {
    /// None for one that lies open, from before anything was sealed.
    fn read(kept: &'a [u8]) -> Result<Option<Self>, StoreError> {
        let odd = || StoreError::Corrupt("a dead letter cannot be read: it is not as it was written".to_owned());
        let Some((kind @ (b'F' | b'L'), rest)) = kept.split_first() else { return Ok(None) };
        let fields = if *kind == b'F' { 2 } else { 4 };
        let mut parts = rest.splitn(fields + 1, |byte| *byte == b' ');
        let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok()).ok_or_else(odd);
        let conversation = ConversationId(value::parse_number(text()?)?);
        let game = GameId::parse(text()?).map_err(|_| odd())?;
        let counts = if fields == 4 { Some((value::parse_number(text()?)?, value::parse_number(text()?)?)) } else { None };
        let sealed = parts.next().ok_or_else(odd)?;
        let Some((attempts, head_len)) = counts else {
            return Ok(Some(Self { conversation, game, apart: None, sealed }));
        };
        let split = usize::try_from(head_len).ok().and_then(|len| sealed.split_at_checked(len));
        let (head, sealed) = split.ok_or_else(odd)?;
        let attempts = attempts.try_into().unwrap_or(u32::MAX);
        Ok(Some(Self { conversation, game, apart: Some((attempts, head)), sealed }))
    }
}

/// The letter that was kept.
pub(super) fn open(sealer: &Sealer, kept: &[u8]) -> Result<DeadLetter, StoreError> {
    let Some(Kept { conversation, game, apart, sealed, .. }) = Kept::read(kept)? else {
        return if sealer.has_plain() {
            decode(Kind::DeadLetter.what(), kept)
        } else {
            Err(StoreError::Corrupt("a dead letter cannot be read: it is not sealed".to_owned()))
        };
    };
    let Some((attempts, head)) = apart else { return sealer.open(owner(conversation), sealed) };
    let LetterHead { reason, detail, at } = sealer.open(owner(conversation), head)?;
    let message = sealer.open(Owner::number(Kind::Message, conversation.0), sealed)?;
    Ok(DeadLetter { game, conversation, letter: Letter::Message(message), reason, detail, attempts, at })
}

/// The same letter under the first key, whole; none if it is there.
pub(super) fn reseal(sealer: &Sealer, kept: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let stays = |kept: &Kept<'_>| sealer.is_first(kept.sealed) && kept.apart.is_none_or(|(_, head)| sealer.is_first(head));
    if Kept::read(kept)?.is_some_and(|kept| stays(&kept)) {
        return Ok(None);
    }
    seal(sealer, &open(sealer, kept)?).map(Some)
}
