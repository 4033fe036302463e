//! What a flow is written with.
