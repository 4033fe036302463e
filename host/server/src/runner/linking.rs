//! Where links come into a step: what they concern is done before all else, and who is linked is known without the studio.

use questline_core::authentication::BY_CODE;
use questline_core::contact::Contact;
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::flow::FlowFailure;
use questline_core::id::PlayerId;
use questline_core::port::{InboxEntry, Profile, ServiceError, StoreError};
use questline_core::time::UnixMs;

use super::Stepper;
use crate::game::LoadedGame;
use crate::links::{Turn, Turned};

impl Stepper {
    /// What the host does alone because links concern it.
    pub(super) async fn link(
        &self,
        game: &LoadedGame,
        conversation: Conversation,
        entry: &InboxEntry,
        now: UnixMs,
    ) -> Result<Turned, StoreError> {
        match &self.links {
            Some(desk) => Turn::take(desk, game, conversation, entry, now).await,
            None => Ok(Turned::Others(conversation)),
        }
    }

    /// What waited for a proof that came.
    pub(super) async fn proven(
        &self,
        game: &LoadedGame,
        conversation: Conversation,
        entry: &InboxEntry,
        now: UnixMs,
    ) -> Result<Turned, StoreError> {
        match (&self.links, &*entry.event) {
            (Some(desk), Event::Authenticated(proof)) if proof.method == BY_CODE => {
                Turn::proven(desk, game, conversation, entry, proof, now).await
            }
            _ => Ok(Turned::Others(conversation)),
        }
    }

    /// Who is behind a contact by the host's own links.
    pub(super) async fn by_link(&self, game: &LoadedGame, contact: &Contact) -> Result<Option<(PlayerId, Profile)>, FlowFailure> {
        let Some(desk) = &self.links else { return Ok(None) };
        let player = desk.owner(game, contact).await.map_err(|problem| FlowFailure::Transient(problem.to_string()))?;
        let Some(player) = player else { return Ok(None) };
        match game.services.players.profile(&player).await {
            Ok(profile) => Ok(Some((player, profile))),
            // The account is gone: the contact may be somebody else's.
            Err(ServiceError::NotFound | ServiceError::NotGranted(_) | ServiceError::Invalid(_)) => Ok(None),
            Err(ServiceError::Unavailable(reason)) => Err(FlowFailure::Transient(format!("the players' database: {reason}"))),
        }
    }

    /// A linked contact has to prove itself again.
    pub(super) async fn unproven(&self, game: &LoadedGame, conversation: &Conversation) -> Result<(), StoreError> {
        match &self.links {
            Some(desk) => desk.prove(game, conversation, true).await,
            None => Ok(()),
        }
    }
}
