//! The ports of core over an embedded engine and over Redis.
