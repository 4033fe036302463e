//! What the product promises, seen from outside: the real host as a process of its own, on either store, between Meta's
//! webhooks and Meta's Graph API.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[macro_use]
mod support;

mod audit;
mod authentication;
mod broadcasts;
mod broadcasts_kept;
mod broadcasts_large;
mod broadcasts_local;
mod broadcasts_takeover;
mod clicks;
mod code_channels;
mod code_numbers;
mod consents;
mod contract;
mod credentials;
mod experiments;
mod failing_flows;
mod game_events;
mod holds;
mod ingress;
mod lifecycle;
mod links;
mod links_second;
mod measures;
mod media;
mod misuse;
mod operations;
mod overload;
mod pacing;
mod permits;
mod privacy;
mod refusals;
mod releases;
mod releases_mid_flow;
mod releases_refused;
mod rescue;
mod sealing;
mod sending;
mod starfall;
mod starfall_flows;
mod starfall_words;
mod studio;
mod studio_http;
mod templates;
mod threats;
mod tidy;
mod tokens;
mod two_factor;
mod verifications;
mod waiting;

// Flows in WebAssembly text: this room uses a part of what they can do.
#[allow(dead_code)]
#[path = "../../../host/wasm/tests/it/guest.rs"]
mod guest;
