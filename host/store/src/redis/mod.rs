//! The ports over Redis.
