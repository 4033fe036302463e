//! Begins sends: notes them in the store, and sends them side by side.

use std::sync::Arc;
use std::time::Instant;

use questline_core::broadcast::UnknownOutcome;
use questline_core::id::OutboxRef;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::port::{Begun, StoreError, Untold};
use questline_core::send::SendOutcome;
use tokio::sync::mpsc;

use super::back::{Back, Sent};
use super::{STORE_WAIT, Sender};

fn ids(messages: &[OutboxMessage]) -> Vec<OutboxRef> {
    messages.iter().map(|message| message.id).collect()
}

/// It has left the outbox meanwhile, settled by a status.
fn gone(message: OutboxMessage, back: &mpsc::UnboundedSender<Back>) {
    let _ = back.send(Back::Checked { message: Box::new(message), settled: true });
}

async fn not_begun(messages: Vec<OutboxMessage>, problem: &StoreError, back: &mpsc::UnboundedSender<Back>) {
    tracing::error!(%problem, "sends could not be noted and are not begun");
    tokio::time::sleep(STORE_WAIT).await;
    let _ = back.send(Back::NotBegun(messages));
}

impl Sender {
    /// Notes that these sends begin, then sends them side by side. Marketing begins only while the player agrees: that is
    /// asked in the write that notes it, so that a STOP comes before it or after, and never in between.
    pub(super) fn begin(self: &Arc<Self>, messages: Vec<OutboxMessage>, back: mpsc::UnboundedSender<Back>) {
        let (marketing, messages): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.message.is_marketing());
        if !messages.is_empty() {
            let (sender, back) = (self.clone(), back.clone());
            tokio::spawn(async move {
                match sender.outbox.begin(ids(&messages), sender.clock.now()).await {
                    Ok(begun) => messages.into_iter().for_each(|message| match begun.contains(&message.id) {
                        true => sender.start(message, &back),
                        false => gone(message, &back),
                    }),
                    Err(problem) => not_begun(messages, &problem, &back).await,
                }
            });
        }
        if !marketing.is_empty() {
            let sender = self.clone();
            tokio::spawn(async move {
                match sender.outbox.begin_marketing(ids(&marketing), sender.clock.now()).await {
                    Ok(begun) => marketing.into_iter().zip(begun).for_each(|(message, begun)| match begun {
                        Begun::Yes => sender.start(message, &back),
                        Begun::Gone => gone(message, &back),
                        Begun::Unwanted(unwanted) => {
                            let _ = back.send(Back::Unwanted(Box::new(message), unwanted));
                        }
                    }),
                    Err(problem) => not_begun(marketing, &problem, &back).await,
                }
            });
        }
    }

    /// Sends one that is begun.
    fn start(self: &Arc<Self>, message: OutboxMessage, back: &mpsc::UnboundedSender<Back>) {
        let (sender, back) = (self.clone(), back.clone());
        tokio::spawn(async move {
            let started = Instant::now();
            let outcome = sender.send(&message).await;
            let _ = back.send(Back::Sent(Box::new(Sent { message, outcome, took: started.elapsed() })));
        });
    }

    /// Sends a message once. Credentials are put into words only here, and codes opened, and forgotten at once.
    async fn send(&self, message: &OutboxMessage) -> Result<SendOutcome, Untold> {
        match &message.message.content {
            Content::Credentials(promise) => {
                let text = self.credentials.tell(&message.message.game, message.id.conversation, promise).await?;
                Ok(self.graph.send_secret(message, &text).await)
            }
            Content::Code(promise) => {
                let template = self.codes.tell(message, promise).await?;
                Ok(self.graph.send_secret_template(message, &template).await)
            }
            _ => {
                let with_tokens = self.clicks.with_tokens(message)?;
                self.media.send(&*self.graph, with_tokens.as_ref().unwrap_or(message)).await
            }
        }
    }

    /// Asks whether a status has told meanwhile that Meta has the message.
    pub(super) fn check(self: &Arc<Self>, message: OutboxMessage, back: mpsc::UnboundedSender<Back>) {
        let sender = self.clone();
        tokio::spawn(async move {
            let settled = loop {
                match sender.outbox.settled(vec![message.id]).await {
                    Ok(settled) => break !settled.is_empty(),
                    Err(problem) => {
                        tracing::error!(%problem, "the store cannot tell what became of a send");
                        tokio::time::sleep(STORE_WAIT).await;
                    }
                }
            };
            if !settled {
                sender.list_unknown(&message).await;
            }
            let _ = back.send(Back::Checked { message: Box::new(message), settled });
        });
    }

    /// Lists a message of a broadcast that is about to be sent again, before it is: a player may have it twice.
    async fn list_unknown(&self, message: &OutboxMessage) {
        let Some(campaign) = &message.message.campaign else { return };
        let outcome = UnknownOutcome { message: message.id, at: self.clock.now() };
        while let Err(problem) = self.broadcasts.note_unknown(&message.message.game, &campaign.id, vec![outcome]).await {
            tracing::error!(%problem, "a message that may be sent twice could not be listed");
            tokio::time::sleep(STORE_WAIT).await;
        }
    }
}
