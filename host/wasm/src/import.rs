//! What flows import, a file for each interface: reads are answered and recorded, nothing is ever written.

mod backend;
mod clock;
mod copy;
mod intents;
mod log;
mod players;
mod random;
