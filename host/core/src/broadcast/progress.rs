//! How far a broadcast's messages came. The store counts each as it moves; here is what is counted, and what that means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Broadcast, Skip, State};
use crate::experiment::Deed;
use crate::id::OutboxRef;
use crate::send::ParkReason;
use crate::status::DeliveryState;
use crate::time::UnixMs;

/// Messages of unknown outcome that are listed by name; more are counted.
pub const UNKNOWN_LISTED_MAX: usize = 2_000;

/// What a store counts of a campaign, by name: `queued`, `accepted`, `sent`, `delivered`, `read`, `failed:<code>`,
/// `dropped:<reason>`, and `parked:<reason>`, which goes down again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By name.
    pub counts: BTreeMap<String, i64>,
}

impl Tally {
    /// Messages that came into the outbox.
    pub const QUEUED: &'static str = "queued";
    /// Those that Meta took.
    pub const ACCEPTED: &'static str = "accepted";
    /// In front of the code with which Meta refused one.
    pub const FAILED: &'static str = "failed:";
    /// In front of the reason for which one was not sent.
    pub const DROPPED: &'static str = "dropped:";
    /// In front of the reason for which one waits.
    pub const PARKED: &'static str = "parked:";

    /// Adds to a count.
    pub fn add(&mut self, name: &str, by: i64) {
        match self.counts.get_mut(name) {
            Some(count) => *count += by,
            None => drop(self.counts.insert(name.to_owned(), by)),
        }
    }

    /// All of them together.
    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for (name, count) in tallies.into_iter().flat_map(|tally| &tally.counts) {
            sum.add(name, *count);
        }
        sum
    }

    /// A count, and all that are counted under it by the hour.
    pub fn total(&self, name: &str) -> u64 {
        if name.ends_with(':') { self.under(name).values().sum() } else { self.get(name) }
    }

    fn get(&self, name: &str) -> u64 {
        self.counts.get(name).map_or(0, |count| u64::try_from(*count).unwrap_or(0))
    }

    fn under(&self, prefix: &str) -> BTreeMap<String, u64> {
        let under = self.counts.iter().filter_map(|(name, count)| Some((name.strip_prefix(prefix)?, u64::try_from(*count).ok()?)));
        under.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// Messages that are in the outbox still: neither at Meta, nor refused, nor dropped.
    pub fn waiting(&self) -> u64 {
        let gone = self.get(Self::ACCEPTED) + self.get(Self::REFUSED_AT_ONCE) + self.under(Self::DROPPED).values().sum::<u64>();
        self.get(Self::QUEUED).saturating_sub(gone)
    }

    /// Those of them that wait for something else than their turn.
    pub fn parked(&self) -> u64 {
        self.under(Self::PARKED).values().sum()
    }

    /// Those that wait in front of whoever comes next: all but those that wait for something of their own player.
    pub fn ahead(&self) -> u64 {
        let of_one = |name: &str| ParkReason::parse(name).is_some_and(ParkReason::is_of_one_player);
        let parked = self.under(Self::PARKED).into_iter().filter(|(name, _)| of_one(name)).map(|(_, count)| count);
        self.waiting().saturating_sub(parked.sum())
    }

    /// Refusals in the answer to a request; others come later, by webhook.
    pub const REFUSED_AT_ONCE: &'static str = "refused";
}

/// What a receipt passes on its way from one state to another: each is counted once for each message.
pub fn passed(before: DeliveryState, after: DeliveryState) -> impl Iterator<Item = &'static str> {
    let stations = [(DeliveryState::Sent, "sent"), (DeliveryState::Delivered, "delivered"), (DeliveryState::Read, "read")];
    let is_failure = after == DeliveryState::Failed;
    stations
        .into_iter()
        .filter(move |(state, _)| !is_failure && before.number() < state.number() && state.number() <= after.number())
        .map(|(_, name)| name)
}

/// How well messages do: parts of one, 0 to 1, to four places; none where there is nothing to be a part of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rates {
    /// On a device, of those that Meta took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<f64>,
    /// Opened, of those on a device; who has turned receipts off opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<f64>,
    /// Their link was followed, of those on a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clicked: Option<f64>,
    /// Their player took no marketing any more within a day, of those on a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_out: Option<f64>,
}

impl Rates {
    /// From what was counted.
    pub fn of(tally: &Tally) -> Self {
        let (accepted, delivered) = (tally.total(Tally::ACCEPTED), tally.total("delivered"));
        // A player without a receipt of delivery may still follow a link or opt out.
        let part = |count: u64, of: u64| (of > 0).then(|| ((count.min(of) as f64 / of as f64) * 1e4).round() / 1e4);
        Self {
            delivered: part(delivered, accepted),
            read: part(tally.total("read"), delivered),
            clicked: part(tally.total(Deed::Click.counted_as()), delivered),
            opted_out: part(tally.total(Deed::OptOut.counted_as()), delivered),
        }
    }
}

/// How far a broadcast is, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// Where it stands.
    pub state: State,
    /// On the list; none where the audience is a segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients: Option<u64>,
    /// Recipients, or conversations of a segment, that were looked at.
    pub seen: u64,
    /// Every one was.
    pub is_fed: bool,
    /// When it goes on with those whose own time comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<UnixMs>,
    /// Those who do not get it, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Messages that were made.
    pub messages: u64,
    /// Those that wait for their turn.
    pub queued: u64,
    /// Those that wait for something else, by reason.
    pub parked: BTreeMap<String, u64>,
    /// Those that Meta took.
    pub accepted: u64,
    /// Of them, those that left Meta.
    pub sent: u64,
    /// Those that are on a device.
    pub delivered: u64,
    /// Those that were opened.
    pub read: u64,
    /// Players who followed its link.
    pub clicked: u64,
    /// Players who did what an experiment hopes for, in time.
    pub converted: u64,
    /// Players who took no marketing any more within a day.
    pub opted_out: u64,
    /// Those that Meta refused, at once or later, by its code.
    pub failed: BTreeMap<String, u64>,
    /// Those that were not sent, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Those that were sent again, for nobody knows whether the first time came through: a player may have them twice.
    pub unknown: u64,
    /// How well it does.
    pub rates: Rates,
}

impl Progress {
    /// Of a broadcast, with what was counted of its messages.
    pub fn of(broadcast: &Broadcast, tally: &Tally, unknown: u64) -> Self {
        Self {
            state: broadcast.state,
            recipients: broadcast.list.as_ref().map(|list| list.recipients),
            seen: broadcast.feed.seen,
            is_fed: broadcast.feed.is_over,
            next_at: broadcast.next_round_at(),
            skipped: broadcast.feed.skipped.clone(),
            messages: tally.get(Tally::QUEUED),
            queued: tally.waiting().saturating_sub(tally.parked()),
            parked: tally.under(Tally::PARKED),
            accepted: tally.get(Tally::ACCEPTED),
            sent: tally.get("sent"),
            delivered: tally.get("delivered"),
            read: tally.get("read"),
            clicked: tally.total(Deed::Click.counted_as()),
            converted: tally.total(Deed::Conversion.counted_as()),
            opted_out: tally.total(Deed::OptOut.counted_as()),
            failed: tally.under(Tally::FAILED),
            dropped: tally.under(Tally::DROPPED),
            unknown,
            rates: Rates::of(tally),
        }
    }
}

/// A message that was sent again although the first time may have come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownOutcome {
    /// Which.
    pub message: OutboxRef,
    /// When that was noted.
    pub at: UnixMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_parts_of_what_could_be() {
        let tally = |counts: &[(&str, i64)]| Tally { counts: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect() };
        assert_eq!(Rates::of(&Tally::default()), Rates::default(), "of nothing there is no part");
        let none = Rates::of(&tally(&[("accepted", 4)]));
        assert_eq!((none.delivered, none.read), (Some(0.0), None));
        let counted = [("accepted", 8), ("delivered", 6), ("read", 3), ("clicked:10", 1), ("clicked:11", 1), ("opted-out:10", 1)];
        let rates = Rates::of(&tally(&counted));
        let expected = Rates { delivered: Some(0.75), read: Some(0.5), clicked: Some(0.3333), opted_out: Some(0.1667) };
        assert_eq!(rates, expected);
        // A click without a receipt of delivery is no rate over one.
        assert_eq!(Rates::of(&tally(&[("accepted", 1), ("delivered", 1), ("clicked:1", 2)])).clicked, Some(1.0));
    }
}
