//! Messages of broadcasts that are paused or cancelled: they are set aside as soon as they come into hand, so that they take no
//! place of a number's pace, and asked about again right before they are begun.

use questline_core::outbox::OutboxMessage;
use questline_core::send::ParkReason;
use tokio::sync::mpsc;

use super::{Sender, record};
use crate::broadcast::Gated;

impl Sender {
    /// Whether a message is held back with its broadcast; what becomes of it is noted then.
    pub(super) fn is_held_back(&self, message: &OutboxMessage, recorder: &mpsc::UnboundedSender<record::Entry>) -> bool {
        let Some(campaign) = &message.message.campaign else { return false };
        match self.gate.ask(campaign, self.clock.now()) {
            Gated::Open => false,
            Gated::Park { until } => {
                self.park(message, until, ParkReason::CampaignPaused, message.attempts, recorder);
                true
            }
            Gated::Drop => {
                self.give_up(message, "cancelled", "its broadcast was cancelled", recorder);
                true
            }
        }
    }
}
