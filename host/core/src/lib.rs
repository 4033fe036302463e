//! The rules, pure: ids, events, effects, sessions, decisions, and the ports that the outside implements.
