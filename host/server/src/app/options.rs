//! What a caller may put in place of what production has.

use std::sync::Arc;

use questline_core::port::Clock;

use super::GameLoader;
use crate::clock::SystemClock;
use crate::runner::Observe;

/// What production leaves as it is.
pub struct HostOptions {
    /// The time that all parts go by.
    pub clock: Arc<dyn Clock>,
    /// Is told what each step did.
    pub observer: Option<Arc<dyn Observe>>,
    /// Loads games for a caller that puts them into play itself, through [`super::Host::games`]; none plays the games of the
    /// configuration.
    pub loader: Option<GameLoader>,
}

impl Default for HostOptions {
    /// The system's clock, nobody who looks on, and the games of the configuration.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), observer: None, loader: None }
    }
}
