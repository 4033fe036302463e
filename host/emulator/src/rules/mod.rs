//! Meta's rules, each in a room of its own. All are pure: they look at a request and a state, and say yes or a code.

pub(crate) mod check;
pub(crate) mod content;
pub(crate) mod interactive;
pub(crate) mod rate;
pub(crate) mod recipient;
pub(crate) mod template;
pub(crate) mod window;
