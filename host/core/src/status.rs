//! How far a message of ours came. Webhooks arrive late, doubled and out of order; the state only moves forward.

use serde::{Deserialize, Serialize};

/// Rank of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Meta took it (HTTP 200).
    Accepted,
    /// It left Meta.
    Sent,
    /// It is on a device.
    Delivered,
    /// The player opened it.
    Read,
    /// The player played the voice note.
    Played,
    /// It will not arrive.
    Failed,
}

impl DeliveryState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Accepted, Self::Sent, Self::Delivered, Self::Read, Self::Played, Self::Failed];

    /// The state after hearing of `news`: monotone, whatever the order in which news arrive. A failure counts only
    /// while the message was not seen on a device, and is final.
    pub fn advance(self, news: Self) -> Self {
        match (self, news) {
            (Self::Failed, _) => Self::Failed,
            (Self::Accepted | Self::Sent, Self::Failed) => Self::Failed,
            (_, Self::Failed) => self,
            (old, new) if new.number() > old.number() => new,
            (old, _) => old,
        }
    }

    /// A small stable number, for stores.
    pub fn number(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Played => 4,
            Self::Failed => 5,
        }
    }

    /// The state with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The name in logs, metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_state() -> impl Strategy<Value = DeliveryState> {
        prop::sample::select(DeliveryState::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn never_back(old in any_state(), news in any_state()) {
            let new = old.advance(news);
            prop_assert!(new == old || new == news);
            prop_assert!(new.number() >= old.number());
            prop_assert_eq!(new.advance(news), new, "hearing it twice changes nothing");
        }

        #[test]
        fn the_order_of_progress_does_not_matter(news in prop::collection::vec(0u8..5, 0..8)) {
            let states = news.iter().filter_map(|n| DeliveryState::from_number(*n)).collect::<Vec<_>>();
            let forward = states.iter().fold(DeliveryState::Accepted, |s, n| s.advance(*n));
            let backward = states.iter().rev().fold(DeliveryState::Accepted, |s, n| s.advance(*n));
            prop_assert_eq!(forward, backward);
        }
    }

    #[test]
    fn what_was_delivered_cannot_fail() {
        assert_eq!(DeliveryState::Delivered.advance(DeliveryState::Failed), DeliveryState::Delivered);
        assert_eq!(DeliveryState::Sent.advance(DeliveryState::Failed), DeliveryState::Failed);
        assert_eq!(DeliveryState::Failed.advance(DeliveryState::Read), DeliveryState::Failed);
    }
}
