//! `questline serve`: the host, until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Outcome};
use crate::app::{Host, StartError, Stopped};
use crate::config::Config;
use crate::release::StartProblem;
use crate::telemetry;

pub(super) async fn run(config: Config) -> Outcome {
    telemetry::start(&config.log).map_err(Failure::config)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    let host = Host::start(&config).await.map_err(|problem| match problem {
        StartError::Store(ref store) if store.is_configuration() => Failure::config(problem),
        StartError::Store(_) | StartError::Listen { .. } | StartError::Releases(StartProblem::Store { .. }) => Failure::new(problem),
        problem => Failure::config(problem),
    })?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to stop: what is in hand is finished first; a second signal ends at once");
    tokio::select! {
        stopped = host.stop() => match stopped {
            Stopped::Drained => Ok(()),
            Stopped::Cut => Err(Failure::new("stopped before all was done; nothing is lost, the rest is done after the next start")),
        },
        _ = terminate.recv() => Err(Failure::new("ended at once; nothing is lost, the rest is done after the next start")),
        _ = interrupt.recv() => Err(Failure::new("ended at once; nothing is lost, the rest is done after the next start")),
    }
}
