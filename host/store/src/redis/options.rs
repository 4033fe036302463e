//! How to reach Redis and how much to take; why a store does not open; where its server is set up to lose data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use questline_core::port::{Clock, StoreError};

use crate::audit::AuditKey;
use crate::seal::{MissingKeys, StoreKeys};

/// How to open a store over Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/db` or `redis+unix:///path/to.sock?db=0`. It may hold a password: never shown.
    pub url: String,
    /// What all keys begin with: several stores may share a database under different ones. 1 to 32 of a-z, 0-9, - and _.
    pub prefix: String,
    /// Events that may wait, of all games; then appends are refused as overloaded.
    pub inbox_max: u64,
    /// Events of one game that may wait, so that one game's flood does not shut out the others.
    pub inbox_per_game_max: u64,
    /// Memory for what waits and for what was used last, in bytes. What does not fit is read back from Redis.
    pub cache_bytes_max: usize,
    /// Contacts whose conversation is remembered, which saves a round trip for each of their messages. One takes about
    /// 150 bytes.
    pub names_max: usize,
    /// Recorded steps kept of each of the 1,024 partitions, roughly.
    pub steps_max: u64,
    /// How long Redis may take to answer before the connection is given up as dead.
    pub call_timeout: Duration,
    /// How long Redis keeps this process's hold on the data when it hears nothing more from it.
    pub lease_ttl: Duration,
    /// How long opening waits for another process's hold to end.
    pub lease_wait: Duration,
    /// Of the audit log's pseudonyms. It is the same for all who use this data, and has to be set.
    pub audit_key: Option<AuditKey>,
    /// What is personal is sealed under the first, and opens under all. They are the same for all who use this data, and have
    /// to be set.
    pub keys: Option<StoreKeys>,
    /// For delays, and for the time at which follow-up events come.
    pub clock: Arc<dyn Clock>,
}

impl RedisOptions {
    /// The defaults: 100,000 events, half of them for one game, and 12 MiB of caches.
    pub fn new(url: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            url: url.into(),
            prefix: "ql".to_owned(),
            inbox_max: 100_000,
            inbox_per_game_max: 50_000,
            cache_bytes_max: 12 << 20,
            names_max: 50_000,
            steps_max: 100,
            call_timeout: Duration::from_secs(5),
            lease_ttl: Duration::from_secs(10),
            lease_wait: Duration::ZERO,
            audit_key: None,
            keys: None,
            clock,
        }
    }

    /// Gives the keys if all is right.
    pub(super) fn validate(&self) -> Result<(AuditKey, StoreKeys), OpenError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if self.prefix.is_empty() || self.prefix.len() > 32 || !self.prefix.bytes().all(allowed) {
            return Err(OpenError::Options("the prefix must be 1 to 32 characters of a-z, 0-9, - and _"));
        }
        if self.lease_ttl < Duration::from_millis(500) {
            return Err(OpenError::Options("the lease must live for at least 500 ms"));
        }
        let audit_key = self.audit_key.clone().ok_or(OpenError::Options("a store over Redis needs the key of the audit log"))?;
        let keys = self.keys.clone().ok_or(OpenError::Options("a store over Redis needs a key that seals what it holds"))?;
        Ok((audit_key, keys))
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("url", &"hidden")
            .field("prefix", &self.prefix)
            .field("inbox_max", &self.inbox_max)
            .field("inbox_per_game_max", &self.inbox_per_game_max)
            .field("cache_bytes_max", &self.cache_bytes_max)
            .field("names_max", &self.names_max)
            .field("steps_max", &self.steps_max)
            .field("call_timeout", &self.call_timeout)
            .field("lease_ttl", &self.lease_ttl)
            .field("lease_wait", &self.lease_wait)
            .finish_non_exhaustive()
    }
}

/// Why a store over Redis does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The options make no sense.
    #[error("{0}")]
    Options(&'static str),
    /// The URL is none.
    #[error("the Redis URL is not usable: {0}. Expected redis://[user:password@]host[:port][/db] or redis+unix:///path")]
    Url(String),
    /// Nobody answers.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// Too old.
    #[error("Redis {found} is too old: 7.0 or later is needed, or Valkey")]
    TooOld {
        /// What the server says it is.
        found: String,
    },
    /// It is a replica.
    #[error("this Redis is a replica and takes no writes: give the primary's address")]
    Replica,
    /// It is a node of a Cluster.
    #[error("this Redis is a node of a Cluster, which this version cannot serve from: give a single server")]
    Cluster,
    /// The data was written by another version of Questline.
    #[error(
        "the data under this prefix has layout {found}, and this version reads layout {supported}: use the version that wrote it, or another prefix"
    )]
    Schema {
        /// The layout found.
        found: String,
        /// The layout that this version reads.
        supported: u64,
    },
    /// Another process serves from this data.
    #[error(
        "this data is in use by {holder}; its hold ends in {ends_in_ms} ms unless it is renewed. Stop that process, or use another prefix"
    )]
    Held {
        /// Host and process id.
        holder: String,
        /// Time left.
        ends_in_ms: u64,
    },
    /// A key is gone that the data needs.
    #[error(transparent)]
    Keys(#[from] MissingKeys),
    /// The data cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A way in which a server is set up to lose what was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurabilityWarning {
    /// No append-only file.
    NoAppendOnlyFile,
    /// The append-only file reaches the disk once a second.
    FsyncEverySecond,
    /// The append-only file reaches the disk when the system likes.
    FsyncNever,
    /// Keys are thrown away when memory is full.
    Eviction {
        /// `maxmemory-policy`.
        policy: String,
    },
    /// The server does not tell how it is set up.
    Unknown {
        /// What it does not tell.
        setting: &'static str,
    },
}

impl DurabilityWarning {
    /// Whether accepted messages are lost by a mere restart or when memory is full, not only by a crash at a bad moment.
    pub fn is_severe(&self) -> bool {
        matches!(self, Self::NoAppendOnlyFile | Self::Eviction { .. })
    }
}

impl fmt::Display for DurabilityWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAppendOnlyFile => {
                f.write_str("Redis keeps no append-only file: what was accepted is lost when Redis stops. Set appendonly yes")
            }
            Self::FsyncEverySecond => f.write_str(
                "Redis writes to the disk once a second: what was accepted in the last second is lost when the machine stops. Set appendfsync always",
            ),
            Self::FsyncNever => f.write_str(
                "Redis leaves it to the system when to write to the disk: what was accepted lately is lost when the machine stops. Set appendfsync always",
            ),
            Self::Eviction { policy } => {
                write!(f, "Redis throws data away when its memory is full ({policy}). Set maxmemory-policy noeviction")
            }
            Self::Unknown { setting } => {
                write!(f, "Redis does not tell its {setting}: whether what was accepted survives a crash is not known")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_never_shown() {
        struct NoClock;
        impl Clock for NoClock {
            fn now(&self) -> questline_core::time::UnixMs {
                questline_core::time::UnixMs(0)
            }
        }
        let options = RedisOptions::new("redis://user:secret@localhost", Arc::new(NoClock));
        assert!(!format!("{options:?}").contains("secret"));
    }
}
