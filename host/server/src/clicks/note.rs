//! Notes clicks in the store, many side by side, so that one write holds many.

use std::sync::Arc;

use futures_util::future::join_all;
use questline_core::port::StoreError;
use tokio_util::sync::CancellationToken;

use super::{Click, ClickDesk, Noter};

/// Clicks noted side by side.
const AT_ONCE_MAX: usize = 256;

impl Noter {
    /// Runs until `stop`; then notes what waits, and returns.
    pub async fn run(mut self, desk: Arc<ClickDesk>, stop: CancellationToken) {
        let mut clicks = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = self.clicks.recv_many(&mut clicks, AT_ONCE_MAX) => if count == 0 {
                    return;
                },
                () = stop.cancelled() => return,
            }
            join_all(clicks.drain(..).map(|click| desk.note(click))).await;
        }
    }
}

impl ClickDesk {
    async fn note(&self, click: Click) {
        match self.count(&click).await {
            Ok(()) => self.metrics.templates.click("followed"),
            Err(problem) => {
                tracing::warn!(%problem, "a click could not be noted");
                self.forget(click.digest);
                self.metrics.templates.click("dropped");
            }
        }
    }

    async fn count(&self, click: &Click) -> Result<(), StoreError> {
        self.metrics.templates.message(&click.game, &click.button.template, "clicked");
        let conversation = click.link.message.conversation;
        match &click.link.campaign {
            Some(campaign) => self.deeds.click(&click.game, &campaign.id, conversation, click.at).await?,
            None => self.deeds.click_of_flow(&click.game, &click.button.template, conversation, click.at).await?,
        };
        Ok(())
    }
}
