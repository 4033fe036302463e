//! A panic's message and place go to the host's log before the trap: a trap alone has no words.
use core::fmt::Write as _;

use crate::log::{self, Level};

/// Most bytes of a panic's message that are told.
const MESSAGE_BYTES_MAX: usize = 2048;

/// Takes over from the standard hook, which writes to a standard error that a guest does not have.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let mut message = Bounded(String::with_capacity(128));
        // A message that does not fit is cut: writing to `Bounded` fails there, and that is all.
        let _ = write!(message, "{panic}");
        log::write(Level::Error, &message.0);
    }));
}

/// Takes at most [`MESSAGE_BYTES_MAX`] bytes.
struct Bounded(String);

impl core::fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        let room = MESSAGE_BYTES_MAX - self.0.len();
        if part.len() <= room {
            self.0.push_str(part);
            return Ok(());
        }
        self.0.push_str(&part[..part.floor_char_boundary(room)]);
        Err(core::fmt::Error)
    }
}
