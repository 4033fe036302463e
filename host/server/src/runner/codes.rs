//! Codes that are watched: whether they came to the player, and what follows if they did not.

use questline_core::event::StatusEvent;
use questline_core::outbox::Content;
use questline_core::port::{Receipt, StoreError};
use questline_core::send::Reaction;
use questline_core::status::DeliveryState;
use questline_core::step::{CodeNews, Followed, Step};
use questline_core::time::UnixMs;
use questline_core::verification::book::Status;
use questline_core::verification::trail::CodeWatch;
use questline_core::verification::way::CodeStanding;

use super::stepper::{Stepped, Stepper};
use crate::game::LoadedGame;

impl Stepper {
    /// Time is up for a code to arrive by a channel.
    pub(super) async fn code_watched(&self, game: &LoadedGame, step: Step<'_>, watch: &CodeWatch) -> Result<Stepped, StoreError> {
        const OUTCOME: &str = "code-watched";
        let is_followed = step.conversation.codes.iter().any(|trail| watch.is_of(trail));
        let (Some(codes), true) = (&self.codes, is_followed) else { return Ok(Stepped::commit(step.go_by(), OUTCOME)) };
        let standing = codes.standing(game, watch).await?;
        let channel = self.channel(game, watch);
        let delivered_at = match &standing {
            Some(standing) => self.arrival(standing, step.now).await?,
            None => None,
        };
        let why = "not delivered in its time".to_owned();
        let news = match delivered_at {
            Some(at) => {
                codes.delivered(game, &step.conversation.contact, watch, &channel, at).await?;
                CodeNews::Delivered
            }
            None => {
                self.metrics.code_send(&game.rules.id, Some(&step.conversation.contact), &channel, "undelivered");
                CodeNews::Undelivered { why: why.clone() }
            }
        };
        let counts = standing.is_some_and(|standing| standing.status.is_none());
        Ok(match step.follow_code(watch, &news, counts) {
            Followed::Done(commit) => Stepped::commit(*commit, OUTCOME),
            Followed::Last(step) => Stepped::commit(step.give_up_code(watch, &why), OUTCOME),
        })
    }

    /// A message failed: if it is a code, it goes on to the next channel.
    pub(super) async fn code_failed<'a>(
        &self,
        game: &LoadedGame,
        step: Step<'a>,
        status: &StatusEvent,
        receipt: Option<&Receipt>,
        reaction: Reaction,
    ) -> Result<Followed<'a>, StoreError> {
        let last = |step| Ok(Followed::Last(Box::new(step)));
        let Some(Content::Code(promise)) = receipt.and_then(|receipt| Some(&receipt.message.as_ref()?.content)) else { return last(step) };
        // Somebody else may be behind the number: nothing follows the code there.
        let (Some(codes), false) = (&self.codes, reaction == Reaction::RevokeTrust) else { return last(step) };
        self.metrics.code_send(&game.rules.id, Some(&step.conversation.contact), promise.by.name(), "failed");
        if promise.is_last {
            return last(step);
        }
        let watch = CodeWatch::of(promise);
        let counts = codes.standing(game, &watch).await?.is_some_and(|standing| standing.status.is_none());
        let why = match &status.error {
            Some(error) if error.code != 0 => format!("failed, meta-{}", error.code),
            Some(_) => "refused by the studio's backend".to_owned(),
            None => "failed".to_owned(),
        };
        Ok(step.follow_code(&watch, &CodeNews::Undelivered { why }, counts))
    }

    /// When the code came to the player, if it did. Whoever has entered it has it.
    async fn arrival(&self, standing: &CodeStanding, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
        let Some(way) = &standing.way else { return Ok(None) };
        if way.delivered_at.is_some() {
            return Ok(way.delivered_at);
        }
        let receipt = self.receipts.receipt(way.message).await?;
        let has = |state| matches!(state, DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Played);
        let entered = (standing.status == Some(Status::AlreadyUsed)).then_some(now);
        Ok(receipt.filter(|receipt| has(receipt.state)).map(|receipt| receipt.at).or(entered))
    }

    /// The channel's name, as game.toml gives it.
    fn channel(&self, game: &LoadedGame, watch: &CodeWatch) -> String {
        let rules = game.rules.verification.as_ref();
        let channel = rules.and_then(|rules| rules.channels.get(usize::from(watch.place)));
        channel.map_or_else(|| "gone".to_owned(), |channel| channel.by.name().to_owned())
    }
}
