//! What a flow reads from the snapshot of its conversation.
use serde::de::DeserializeOwned;

use crate::FlowError;
use crate::types::{Authentication, Buttons, Conversation, ImportError, Refusal};

impl Conversation {
    /// The state that this flow kept with its last outcome; none on the first event.
    ///
    /// # Errors
    /// Permanent where the kept document is not an `S`: the state's meaning changed without a new state version.
    pub fn read_state<S: DeserializeOwned>(&self) -> Result<Option<S>, FlowError> {
        self.state
            .as_deref()
            .map(|state| {
                serde_json::from_str(state).map_err(|error| FlowError::permanent(format!("the kept state cannot be read: {error}")))
            })
            .transpose()
    }

    /// The flow's `settings` table of `game.toml`.
    ///
    /// # Errors
    /// Permanent where the table is not an `S`.
    pub fn read_settings<S: DeserializeOwned>(&self) -> Result<S, FlowError> {
        serde_json::from_str(&self.settings).map_err(|error| FlowError::permanent(format!("the flow's settings in game.toml: {error}")))
    }

    /// A text of the game in the player's locale, with its variables filled in.
    ///
    /// # Errors
    /// What the import answers; `not-found` for a key that no locale has is told with the key.
    pub fn copy(&self, key: &str, arguments: &[(&str, &str)]) -> Result<String, ImportError> {
        copy_in(&self.locale, key, arguments)
    }

    /// `body` above reply buttons: of each the id, and the key of its title in the game's texts.
    ///
    /// # Errors
    /// As [`Conversation::copy`].
    pub fn buttons(&self, body: impl Into<String>, buttons: &[(&str, &str)]) -> Result<Buttons, ImportError> {
        let mut message = Buttons::new(body);
        for (id, key) in buttons {
            message = message.button(*id, self.copy(key, &[])?);
        }
        Ok(message)
    }

    /// The refusal of an effect by its name (for instance `open-ticket`), if this is the second time that the event is
    /// handed in and that effect of the first answer was refused.
    #[must_use]
    pub fn refusal(&self, effect: &str) -> Option<&Refusal> {
        self.refused.iter().find(|refusal| refusal.effect == effect)
    }

    /// Whether anything but a template can be sent now.
    #[must_use]
    pub fn is_window_open(&self) -> bool {
        self.window_closes_at.is_some()
    }

    /// Whether the player proved who they are.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(self.authentication, Authentication::Authenticated(_))
    }
}

/// A text of the game in the locale nearest to `locale`, for readers other than the player.
///
/// # Errors
/// As [`Conversation::copy`].
pub fn copy_in(locale: &str, key: &str, arguments: &[(&str, &str)]) -> Result<String, ImportError> {
    let owned: Vec<(String, String)> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    crate::copy::text(key, locale, &owned).map_err(|error| match error {
        ImportError::NotFound => ImportError::Invalid(format!("no text has the key {key}")),
        other => other,
    })
}
