//! The way of a code out of a step: to the first of the game's channels that reaches the contact, followed until it arrives.

use crate::audit::Action;
use crate::commit::TimerChange;
use crate::conversation::Conversation;
use crate::event::CodeIssued;
use crate::game::Game;
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::permit::Known;
use crate::time::{SECOND_MS, UnixMs};
use crate::verification::CodePromise;
use crate::verification::trail::{CodeTrail, CodeWatch, TRAILS_MAX, Whereabouts};

/// A code that was given to a channel, on its way into a commit; and what the audit says of it.
pub(crate) struct Sending {
    /// None where no channel reaches the contact.
    pub(crate) message: Option<NewMessage>,
    /// Wakes the host to see whether it arrived.
    pub(crate) timer: Option<TimerChange>,
    pub(crate) action: Action,
    pub(crate) detail: String,
}

/// Gives a code to the first channel from a place on that reaches the contact; `why` tells why it is not with the one before.
pub(crate) fn give_to_channel(
    game: &Game,
    conversation: &mut Conversation,
    issued: CodeIssued,
    from: usize,
    why: Option<&str>,
    now: UnixMs,
) -> Sending {
    let reached = game.verification.as_ref().and_then(|rules| {
        let (place, channel) = rules.next_channel(&game.templates, &conversation.contact, from)?;
        let is_last = rules.next_channel(&game.templates, &conversation.contact, usize::from(place) + 1).is_none();
        Some((place, channel, is_last))
    });
    let told = told(&issued);
    let Some((place, channel, is_last)) = reached else {
        let detail = format!("{told}; no channel reaches the contact");
        return Sending { message: None, timer: None, action: Action::CodeUndelivered, detail };
    };
    let (action, detail) = match why {
        None => (Action::CodeSent, format!("{told}; by {}", channel.by.name())),
        Some(why) => (Action::CodeMovedOn, format!("{told}; on to {}: {why}", channel.by.name())),
    };
    let locale = issued.locale.as_ref().or(conversation.session.locale.as_ref()).unwrap_or(&game.locale);
    let promise = CodePromise {
        id: issued.id,
        send: issued.send,
        purpose: issued.purpose,
        by: channel.by.clone(),
        place,
        is_last,
        locale: locale.clone(),
        life_s: u32::try_from(issued.expires_at.since_ms(issued.made_at) / SECOND_MS).unwrap_or(u32::MAX),
        expires_at: issued.expires_at,
        sealed: issued.sealed.clone(),
        identity_key_hash: conversation.identity_key_hash.clone(),
    };
    let watch = CodeWatch::of(&promise);
    let message = message(conversation, Content::Code(promise), issued.expires_at, now);
    let due_at = now.plus_ms(channel.delivered_within_ms);
    follow(conversation, CodeTrail { issued, at: Whereabouts::Channel(place) }, now);
    conversation.expect_code();
    Sending { message: Some(message), timer: watch.timer().map(|timer| TimerChange::Set { due_at, timer }), action, detail }
}

/// Remembers where a code is, in place of where it was.
pub(crate) fn follow(conversation: &mut Conversation, trail: CodeTrail, now: UnixMs) {
    let codes = &mut conversation.codes;
    codes.retain(|known| known.issued.id != trail.issued.id && now < known.issued.expires_at);
    if codes.len() >= TRAILS_MAX {
        codes.remove(0);
    }
    codes.push(trail);
}

/// A message about a code.
pub(crate) fn message(conversation: &Conversation, content: Content, expires_at: UnixMs, now: UnixMs) -> NewMessage {
    NewMessage {
        game: conversation.game.clone(),
        number: conversation.number.clone(),
        contact: conversation.contact.clone(),
        class: MessageClass::Critical,
        content,
        committed_at: now,
        expires_at: Some(expires_at),
        campaign: None,
        known: Some(Box::new(Known::of(conversation, false, now))),
    }
}

/// What the audit says of a code.
pub(crate) fn told(issued: &CodeIssued) -> String {
    format!("for {}; code {} of its verification", issued.purpose.as_str(), issued.send)
}
