//! Template rules.
