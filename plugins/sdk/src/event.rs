//! What a flow reads from events.
use serde::de::DeserializeOwned;

use crate::FlowError;
use crate::types::{Form, GameEvent, HandedOver, Inbound, Timer};

impl Inbound {
    /// What the player wrote: a text, or the words under a picture, film or document.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Image(media) | Self::Video(media) | Self::Audio(media) | Self::Document(media) | Self::Sticker(media) => {
                media.caption.as_deref()
            }
            _ => None,
        }
    }

    /// What the player picked, whatever kind of button or list it stood on.
    ///
    /// An id that begins with a flow's name and a colon, for instance `tournament-replies:accept:m-7`, comes to that flow
    /// first, whichever flow holds the conversation by then.
    #[must_use]
    pub fn picked(&self) -> Option<Picked<'_>> {
        match self {
            Self::Button(choice) | Self::ListItem(choice) => Some(Picked { id: &choice.id, title: &choice.title }),
            Self::QuickReply(reply) => Some(Picked { id: &reply.payload, title: &reply.text }),
            _ => None,
        }
    }
}

/// A button or row that the player picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked<'a> {
    /// The id that the flow gave it. Of a template's button the payload, which is its title where the flow gave none.
    pub id: &'a str,
    /// What the player read on it.
    pub title: &'a str,
}

impl GameEvent {
    /// What the game's backend told.
    ///
    /// # Errors
    /// Permanent where it is no `P`.
    pub fn read_payload<P: DeserializeOwned>(&self) -> Result<P, FlowError> {
        serde_json::from_str(&self.payload).map_err(|error| FlowError::permanent(format!("the game event {}: {error}", self.name)))
    }
}

impl Timer {
    /// What was given to the timer when it was set.
    ///
    /// # Errors
    /// Permanent where it is no `P`.
    pub fn read_payload<P: DeserializeOwned>(&self) -> Result<P, FlowError> {
        serde_json::from_str(&self.payload).map_err(|error| FlowError::permanent(format!("the timer {}: {error}", self.id)))
    }
}

impl HandedOver {
    /// What the other flow left, if anything.
    ///
    /// # Errors
    /// Permanent where it is no `N`.
    pub fn read_note<N: DeserializeOwned>(&self) -> Result<Option<N>, FlowError> {
        let note = self.note.as_deref().map(serde_json::from_str).transpose();
        note.map_err(|error| FlowError::permanent(format!("the note of the flow {}: {error}", self.from)))
    }
}

impl Form {
    /// What the player filled in.
    ///
    /// # Errors
    /// Permanent where it is no `R`.
    pub fn read_response<R: DeserializeOwned>(&self) -> Result<R, FlowError> {
        serde_json::from_str(&self.response).map_err(|error| FlowError::permanent(format!("the form {}: {error}", self.name)))
    }
}
