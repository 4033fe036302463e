//! Who is asking, and how soon they are served.
use questline_sdk::log::Level;
use questline_sdk::prelude::*;

use crate::step::Step;

/// A known player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Player {
    /// None where the game does not grant the profile.
    pub(crate) name: Option<String>,
    /// For instance `diamond`.
    pub(crate) tier: String,
    /// 1 first.
    pub(crate) priority: u8,
}

impl Player {
    /// The conversation's player; none while nobody knows who is writing, or where the player database does not.
    pub(crate) fn of(step: &Step<'_>) -> Result<Option<Self>, FlowError> {
        if step.conversation.player.is_none() {
            return Ok(None);
        }
        match players::profile() {
            Ok(profile) => Ok(Some(Self::new(step, Some(profile.name), profile.tier))),
            Err(ImportError::NotFound) => Ok(None),
            Err(ImportError::NotGranted(_)) => Ok(Some(Self::new(step, None, "standard".to_owned()))),
            Err(error) => Err(error.into()),
        }
    }

    fn new(step: &Step<'_>, name: Option<String>, tier: String) -> Self {
        let priority = step.settings.priority(&tier).unwrap_or_else(|| {
            log::write(Level::Warn, &format!("the tier `{tier}` has no priority: served as standard"));
            step.settings.priority_others()
        });
        let name = name.filter(|name| !name.trim().is_empty());
        Self { name, tier, priority }
    }
}
