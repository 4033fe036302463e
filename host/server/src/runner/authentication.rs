//! What proves who the player is, on its way through a step: a code that the player typed, a code that a flow asks for, a
//! proof that came.

use questline_core::authentication::{AskedCode, AuthenticationRefusal, BY_CODE};
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::event::{AuthenticationEvent, Event, Inbound, SystemChange};
use questline_core::port::{InboxEntry, StoreError};
use questline_core::send::Reaction;
use questline_core::step::Step;
use questline_core::time::UnixMs;
use questline_core::verification::Purpose;
use questline_core::verification::book::{Checked, Status};
use questline_core::verification::code::Code;

use super::Stepper;
use crate::game::LoadedGame;
use crate::verification::{CodeWish, NoCode, event_of};

impl Stepper {
    /// Tries a message that is a code and nothing else, while one is open for the contact; what came of it. A message that
    /// is tried again is answered alike and counts once.
    pub(super) async fn typed_code(
        &self,
        game: &LoadedGame,
        conversation: &mut Conversation,
        entry: &InboxEntry,
        now: UnixMs,
    ) -> Result<Option<Event>, StoreError> {
        let (Some(codes), Some(_)) = (&self.codes, &game.rules.verification) else { return Ok(None) };
        let Event::Message(message) = &*entry.event else { return Ok(None) };
        let Inbound::Text(text) = &message.content else { return Ok(None) };
        let Some(code) = Code::parse(text).filter(|_| conversation.secured.is_none()) else { return Ok(None) };
        let is_known = conversation.recent.iter().any(|recent| recent.wamid == message.wamid);
        // Whoever writes from another device proves nothing by a code that went to the one before.
        if is_known || conversation.is_of_another_identity(message) {
            return Ok(None);
        }
        let by = format!("{}.{}", conversation.id, entry.seq);
        let Some(checked) = codes.check_typed(game, &conversation.contact, code, by).await? else { return Ok(None) };
        conversation.touch(now);
        conversation.hear(entry.seq, message, now);
        if checked.status == Status::Approved {
            conversation.session.note_proof(&checked.id);
        }
        conversation.remember_identity(message.identity_key_hash.as_deref());
        let Checked { purpose, status, attempts_left, player, device, .. } = checked;
        let proof = AuthenticationEvent {
            purpose: purpose.as_str().to_owned(),
            method: BY_CODE.to_owned(),
            attempts_left: attempts_left.into(),
            player,
            device,
        };
        Ok(Some(if status == Status::Approved { Event::Authenticated(proof) } else { Event::CodeRejected(proof) }))
    }

    /// Whether by this event somebody else may be behind the contact.
    pub(super) fn ends_trust(&self, conversation: &Conversation, entry: &InboxEntry) -> bool {
        match &*entry.event {
            Event::Message(message) => conversation.is_of_another_identity(message),
            Event::System(change) => !matches!(change, SystemChange::Other(_)),
            Event::Status(status) => status.error.as_ref().is_some_and(|error| (self.react)(error.code).0 == Reaction::RevokeTrust),
            _ => false,
        }
    }

    /// No code that went to whoever was there until now counts any more.
    pub(super) async fn end_codes(&self, game: &LoadedGame, conversation: &Conversation) -> Result<(), StoreError> {
        match &self.codes {
            Some(codes) => codes.end(game, conversation.session.player.as_ref(), std::slice::from_ref(&conversation.contact)).await,
            None => Ok(()),
        }
    }

    /// Begins the code that a flow's answer asks for. A step that runs again gets the code that it began before: its key is
    /// the event's place.
    pub(super) async fn begin_code(&self, game: &LoadedGame, step: &Step<'_>, purpose: Purpose) -> Result<AskedCode, StoreError> {
        let Some(codes) = &self.codes else { return Ok(AskedCode::None) };
        let Conversation { id, game: name, number, contact, session, .. } = &step.conversation;
        let wish = CodeWish {
            to: Some(Address { game: name.clone(), number: number.clone(), contact: contact.clone() }),
            player: session.player.clone(),
            purpose,
            ip: None,
            device: None,
            locale: session.locale.clone(),
            key: Some(format!("{id}.{}", step.entry.seq)),
        };
        Ok(match codes.begin(game, wish).await {
            Ok(issued) => AskedCode::Begun(event_of(&issued)),
            Err(NoCode::NotConfigured | NoCode::NoKeys) => AskedCode::Refused(AuthenticationRefusal::NotConfigured),
            Err(NoCode::NoPhone) => AskedCode::Refused(AuthenticationRefusal::NoPhone),
            Err(NoCode::Guard(refused)) => AskedCode::Refused(AuthenticationRefusal::guard(refused, step.now)),
            Err(NoCode::Store(problem)) => return Err(problem),
            Err(problem @ (NoCode::Ended(_) | NoCode::Unknown | NoCode::NoRandomness)) => {
                return Err(StoreError::Unavailable(problem.to_string()));
            }
        })
    }
}
