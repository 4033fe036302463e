//! The store's side of permits: places in sliding windows, taken one by one, whoever else asks at the same time. What a
//! message needs is said by [`crate::permit`].

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::time::UnixMs;

/// The name of a window is at most this long, in bytes; so is that of a member.
pub const PERMIT_NAME_BYTES_MAX: usize = 256;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(Box<str>);

            impl $name {
                /// From its parts; what is too long is cut, which only makes windows stricter.
                pub fn new(parts: &[&str]) -> Self {
                    let mut name = parts.join("/");
                    if name.len() > PERMIT_NAME_BYTES_MAX {
                        let end = (0..=PERMIT_NAME_BYTES_MAX).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
                        name.truncate(end);
                    }
                    Self(name.into())
                }

                /// The name. It may tell of people: for digests only.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(concat!(stringify!($name), "(hidden)"))
                }
            }
        )*
    };
}

names! {
    /// What is limited: the contacts of a portfolio, the marketing that a player gets. Stores keep a keyed digest of it.
    PermitWindow
    /// Who takes a place: a contact, a message. Stores keep a keyed digest of it.
    PermitMember
}

/// One place that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitAsk {
    /// In which window.
    pub window: PermitWindow,
    /// For whom. Who holds a place already is given it again, and keeps it from now on.
    pub member: PermitMember,
    /// Places in the window.
    pub max: u32,
    /// How long a place is held, in milliseconds.
    pub span_ms: u64,
    /// How many wait for a place already: the answer says when it is this one's turn after them.
    pub behind: u32,
}

/// What was answered to one ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitAnswer {
    /// A place was free, and is taken from now on.
    New,
    /// The member held one; it is held from now on, and the window is no fuller.
    Held,
    /// None is free. Nothing is taken; it is this one's turn then, not before.
    NotBefore(UnixMs),
}

impl PermitAnswer {
    /// Whether the member has a place.
    pub fn is_granted(self) -> bool {
        !matches!(self, Self::NotBefore(_))
    }
}

/// A place that is given back: one that was answered [`PermitAnswer::New`], and came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitReturn {
    /// In which window.
    pub window: PermitWindow,
    /// Whose.
    pub member: PermitMember,
    /// When it was taken. A place that was taken again since stays.
    pub taken_at: UnixMs,
}

/// Sliding windows.
#[async_trait]
pub trait Permits: Send + Sync {
    /// Takes places, durably, each for itself and in their order; answers in that order. However many ask at once, no
    /// window ever holds more than its `max` of members new in its span.
    async fn take_permits(&self, asks: Vec<PermitAsk>, now: UnixMs) -> Result<Vec<PermitAnswer>, StoreError>;

    /// Gives places back. One that is not there any more is no harm.
    async fn return_permits(&self, returns: Vec<PermitReturn>) -> Result<(), StoreError>;

    /// How many places are taken in each of these windows, given with their spans.
    async fn permits_used(&self, windows: Vec<(PermitWindow, u64)>, now: UnixMs) -> Result<Vec<u32>, StoreError>;
}
