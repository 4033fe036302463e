//! What a webhook held, counted: labels come from fixed sets, so that no sender can make up new ones.

use questline_core::event::Inbound;
use questline_core::status::DeliveryState;

use super::notice::Reason;

/// The names of [`Inbound::kind`].
const KINDS: [&str; 16] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "button",
    "list-item",
    "quick-reply",
    "form",
    "reaction",
    "order",
    "unsupported",
    "extension",
];

/// Counts of one POST.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecodeStats {
    messages: [u32; KINDS.len()],
    statuses: [u32; DeliveryState::ALL.len()],
    kept: [u32; Reason::ALL.len()],
    /// Changes of users: other number, other id, other device.
    pub system: u32,
    /// Marketing preferences.
    pub preferences: u32,
    /// Errors that belong to no message.
    pub errors: u32,
    /// Updates of fields that we know, kept with a summary.
    pub fields: u32,
    /// Updates of fields that we do not know, kept as they came.
    pub fields_unknown: u32,
}

impl DecodeStats {
    pub(super) fn message(&mut self, content: &Inbound) {
        let kind = content.kind();
        if let Some(at) = KINDS.iter().position(|known| *known == kind) {
            self.messages[at] += 1;
        }
    }

    pub(super) fn status(&mut self, state: DeliveryState) {
        self.statuses[usize::from(state.number())] += 1;
    }

    pub(super) fn keep(&mut self, reason: Reason, updates: u32) {
        self.kept[reason as usize] += updates;
    }

    /// Messages by the name of their type.
    pub fn messages(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        KINDS.into_iter().zip(self.messages)
    }

    /// Statuses by how far they say a message came.
    pub fn statuses(&self) -> impl Iterator<Item = (DeliveryState, u32)> + '_ {
        DeliveryState::ALL.into_iter().zip(self.statuses)
    }

    /// What was kept instead of handled, by why.
    pub fn kept(&self) -> impl Iterator<Item = (Reason, u32)> + '_ {
        Reason::ALL.into_iter().zip(self.kept)
    }

    /// Messages in all.
    pub fn messages_total(&self) -> u32 {
        self.messages.iter().sum()
    }

    /// Statuses in all.
    pub fn statuses_total(&self) -> u32 {
        self.statuses.iter().sum()
    }

    /// What was kept instead of handled, in all.
    pub fn kept_total(&self) -> u32 {
        self.kept.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_stand_at_their_numbers() {
        for (at, state) in DeliveryState::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(state.number()), at);
        }
    }
}
