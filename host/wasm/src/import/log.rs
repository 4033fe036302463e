//! `log`: lines for the studio's eyes, bounded. They do not count as calls of imports: they have a limit of their own.

use questline_core::port::LogLevel;

use crate::bindings::log::{Host, Level};
use crate::state::State;

impl Host for State {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log(level, &message);
        Ok(())
    }
}
