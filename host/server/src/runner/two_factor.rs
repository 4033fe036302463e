//! The second factor in a step: a tap on a number, NO, DEVICES, and a challenge that goes out as a code. An ordinary message
//! costs a look at itself, and nothing of the store.

use std::sync::Arc;

use questline_core::account::chat::Meant;
use questline_core::account::device::Device;
use questline_core::account::factor::Answer;
use questline_core::account::push::{DeviceKey, OpenChallenge, Push, Route, Tap, TwoFactorEvent};
use questline_core::audit::Actor;
use questline_core::commit::Commit;
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::event::{AuthenticationEvent, CodeIssued, Event, Message};
use questline_core::id::PlayerId;
use questline_core::port::{InboxEntry, StoreError};
use questline_core::step::{HandledBy, Opened, Step};
use questline_core::time::UnixMs;
use questline_core::verification::Purpose;

use super::stepper::{Ran, Stepped, Stepper};
use crate::game::LoadedGame;
use crate::two_factor::TwoFactorDesk;
use crate::verification::{CodeWish, NoCode, event_of};

/// A code that a step begins, or why there is none.
type Begun = Result<Result<CodeIssued, String>, StoreError>;

fn handled(commit: Commit) -> Stepped {
    Stepped::commit(commit, HandledBy::TwoFactor.as_str())
}

impl Stepper {
    /// Handles what is the second factor's alone, before any flow. None for all else.
    pub(super) async fn second_factor(
        &self,
        game: &LoadedGame,
        conversation: &mut Conversation,
        entry: &InboxEntry,
        now: UnixMs,
    ) -> Result<Option<Stepped>, StoreError> {
        let Some(desk) = self.two_factor.as_ref().filter(|_| game.rules.verification.is_some()) else { return Ok(None) };
        match &*entry.event {
            Event::Message(message) => {
                let waits = !conversation.session.challenges.is_empty();
                if conversation.secured.is_some()
                    || !Step::may_be_meant(waits, message)
                    || conversation.reference_of(&message.wamid).is_some()
                {
                    return Ok(None);
                }
                Box::pin(self.said(desk, game, conversation.clone(), entry, message, now)).await
            }
            Event::TwoFactor(TwoFactorEvent::Challenged(push)) if conversation.route(push, now) == Route::Code => {
                Box::pin(self.push_by_code(desk, game, conversation.clone(), entry, push, now)).await.map(Some)
            }
            Event::Authenticated(proof) => Box::pin(self.proof_came(desk, game, conversation, entry, proof, now)).await,
            _ => Ok(None),
        }
    }

    /// The player said or tapped something that may be meant for the second factor.
    async fn said(
        &self,
        desk: &TwoFactorDesk,
        game: &LoadedGame,
        conversation: Conversation,
        entry: &InboxEntry,
        message: &Message,
        now: UnixMs,
    ) -> Result<Option<Stepped>, StoreError> {
        let copy = &*game.services.copy;
        let mut step = Step::new(&game.rules, conversation, entry, now);
        step.conversation.touch(now);
        let Some(meant) = step.meant(message, copy) else { return Ok(None) };
        step.conversation.hear(entry.seq, message, now);
        let answers = match meant {
            Meant::Tapped(Tap::Number(id, number)) => match step.conversation.take_challenge(&id, now) {
                Some(open) => vec![(open, Answer::Number(number))],
                None => return Ok(Some(handled(step.stray_tap(copy)))),
            },
            Meant::NotMe => {
                let open = std::mem::take(&mut step.conversation.session.challenges);
                open.into_iter().filter(|open| now < open.expires_at).map(|open| (open, Answer::NotMe)).collect()
            }
            Meant::Devices | Meant::Tapped(Tap::Device(_)) => {
                let known_before = step.conversation.session.player.clone();
                if let Err(failure) = self.recognise(game, &mut step).await {
                    return Ok(Some(self.failed(step, failure, Ran::default())));
                }
                let step = match self.arrived(game, step, known_before.as_ref()).await? {
                    Ok(step) => step,
                    Err(stepped) => return Ok(Some(stepped)),
                };
                return match meant {
                    Meant::Tapped(Tap::Device(key)) => self.remove(desk, game, step, key).await.map(Some),
                    _ => {
                        let account = match &step.conversation.session.player {
                            Some(player) => Some(desk.account(&game.rules.id, player).await?),
                            None => None,
                        };
                        Ok(Some(handled(step.list_devices(account.as_ref(), copy))))
                    }
                };
            }
        };
        let by = format!("{}.{}", step.conversation.id, entry.seq);
        let mut answered = Vec::with_capacity(answers.len());
        for (open, answer) in answers {
            let OpenChallenge { id, player, .. } = &open;
            let outcome = desk.answer(game, player, *id, &step.conversation.contact, answer, &by).await?;
            answered.push((open, outcome));
        }
        Ok(Some(handled(step.challenges_answered(answered, copy))))
    }

    /// The player chose a device to be removed: at once if they proved themselves lately, else a code goes out first.
    async fn remove(&self, desk: &TwoFactorDesk, game: &LoadedGame, step: Step<'_>, key: DeviceKey) -> Result<Stepped, StoreError> {
        let (copy, name) = (&*game.services.copy, &game.rules.id);
        let Some(player) = step.conversation.session.player.clone() else { return Ok(handled(step.list_devices(None, copy))) };
        let account = desk.account(name, &player).await?;
        let chosen = account.devices.iter().find(|device| DeviceKey::of(&device.id) == key);
        let Some(device) = chosen else { return Ok(handled(step.device_removed(&player, None, copy))) };
        if step.conversation.proven_at().is_some_and(|at| game.rules.two_factor.is_fresh(at, step.now)) {
            desk.remove_device(name, &player, &device.id, &Actor::Player).await?;
            return Ok(handled(step.device_removed(&player, Some(device), copy)));
        }
        let key = format!("device.{}.{}", step.conversation.id, step.entry.seq);
        let wish = self.wish(&step.conversation, &player, Purpose::DeviceAuthorisation, key);
        let code = match self.begin(desk, game, wish).await? {
            Ok(code) => Some(code),
            Err(why) => {
                tracing::warn!(why, "no code could be sent before a device is removed");
                None
            }
        };
        Ok(handled(step.ask_before_removal(player, device.clone(), code, copy)))
    }

    /// The player proved who they are: the session is bound to the device of the proof if that is bound to the account, and a
    /// device that waits for the proof is removed.
    async fn proof_came(
        &self,
        desk: &TwoFactorDesk,
        game: &LoadedGame,
        conversation: &mut Conversation,
        entry: &InboxEntry,
        proof: &AuthenticationEvent,
        now: UnixMs,
    ) -> Result<Option<Stepped>, StoreError> {
        let session = &mut conversation.session;
        if let (Some(player), Some(device)) = (proof.player.as_ref().or(session.player.as_ref()), &proof.device)
            && session.player.as_ref().is_none_or(|known| known == player)
        {
            let account = desk.account(&game.rules.id, player).await?;
            session.bound_device = account.devices.has(device).then(|| device.clone());
        }
        let Some(removing) = session.removing.take_if(|removing| removing.is_proven_by(proof, now)) else { return Ok(None) };
        let copy = &*game.services.copy;
        match Step::open(&game.rules, conversation.clone(), entry, now, copy) {
            Opened::Ask(mut step) => {
                let known_before = step.conversation.session.player.clone();
                if let Err(failure) = self.recognise(game, &mut step).await {
                    return Ok(Some(self.failed(step, failure, Ran::default())));
                }
                if !step.authenticate(proof) {
                    return Ok(Some(handled(step.go_by())));
                }
                let step = match self.arrived(game, step, known_before.as_ref()).await? {
                    Ok(step) => step,
                    Err(stepped) => return Ok(Some(stepped)),
                };
                let (player, device): (PlayerId, Device) = (removing.player, removing.device);
                desk.remove_device(&game.rules.id, &player, &device.id, &Actor::Player).await?;
                Ok(Some(handled(step.device_removed(&player, Some(&device), copy))))
            }
            _ => Ok(None),
        }
    }

    /// A challenge goes out as a one-time code: the service window is closed, or the game wants it so.
    async fn push_by_code(
        &self,
        desk: &TwoFactorDesk,
        game: &LoadedGame,
        conversation: Conversation,
        entry: &InboxEntry,
        push: &Push,
        now: UnixMs,
    ) -> Result<Stepped, StoreError> {
        let mut wish = self.wish(&conversation, &push.player, push.purpose, format!("challenge.{}", push.id));
        wish.device = Some(push.device.id.clone());
        wish.locale = push.locale.clone().or(wish.locale);
        let mut code = match self.begin(desk, game, wish).await? {
            Ok(code) => code,
            Err(why) => {
                let mut step = Step::new(&game.rules, conversation, entry, now);
                step.conversation.touch(now);
                return Ok(handled(step.not_asked(push, &why)));
            }
        };
        desk.sent_code(&game.rules.id, &push.player, push.id, code.id).await?;
        // It is worth nothing once the challenge is over.
        code.expires_at = code.expires_at.min(push.expires_at);
        let issued = InboxEntry { event: Arc::new(Event::CodeIssued(code)), ..entry.clone() };
        match Step::open(&game.rules, conversation, &issued, now, &*game.services.copy) {
            Opened::Done(commit, by) => Ok(Stepped::commit(*commit, by.as_str())),
            _ => Err(StoreError::Unavailable("a code that was issued is not sent".to_owned())),
        }
    }

    fn wish(&self, conversation: &Conversation, player: &PlayerId, purpose: Purpose, key: String) -> CodeWish {
        let Conversation { game, number, contact, session, .. } = conversation;
        CodeWish {
            to: Some(Address { game: game.clone(), number: number.clone(), contact: contact.clone() }),
            player: Some(player.clone()),
            purpose,
            ip: None,
            device: None,
            locale: session.locale.clone(),
            key: Some(key),
        }
    }

    /// Begins a code; says why where there is none.
    async fn begin(&self, desk: &TwoFactorDesk, game: &LoadedGame, wish: CodeWish) -> Begun {
        match desk.codes.begin(game, wish).await {
            Ok(issued) => Ok(Ok(event_of(&issued))),
            Err(NoCode::Store(problem)) => Err(problem),
            Err(refused) => Ok(Err(refused.to_string())),
        }
    }
}
