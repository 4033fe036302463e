//! The Graph client against a server on loopback that answers, hangs, breaks off and lies.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod media;
mod send;
mod server;

use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage, OutboxMessage, SendState};
use questline_core::time::UnixMs;
use questline_whatsapp::graph::{AccessToken, GraphClient, GraphOptions, GraphSetupError, NumberDirectory};

const TOKEN: &str = "EAAJ-very-secret";

fn number() -> NumberId {
    NumberId::parse("1001").unwrap()
}

fn options(base_url: &str) -> GraphOptions {
    GraphOptions { base_url: base_url.to_owned(), timeout_ms: 10_000, in_flight_max: 64, ..GraphOptions::default() }
}

fn client_with(options: GraphOptions) -> GraphClient {
    let mut numbers = NumberDirectory::default();
    numbers.insert(number(), AccessToken::new(TOKEN));
    GraphClient::new(options, numbers).unwrap()
}

fn client(base_url: &str) -> GraphClient {
    client_with(options(base_url))
}

fn text(seq: u64) -> OutboxMessage {
    let message = NewMessage {
        game: GameId::parse("starfall").unwrap(),
        number: number(),
        contact: Contact::new(PhoneNumber::parse("16505550123").ok(), None).unwrap(),
        class: MessageClass::Normal,
        content: Content::Reply { message: Outbound::Text { body: "Hi".into(), preview: false }, reply_to: None },
        committed_at: UnixMs(0),
        expires_at: None,
        campaign: None,
        known: None,
    };
    let id = OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(seq) };
    OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued }
}

#[test]
fn tokens_go_over_https_or_loopback_only() {
    let refused = |base_url: &str, version: &str| {
        let options = GraphOptions { version: version.to_owned(), ..options(base_url) };
        GraphClient::new(options, NumberDirectory::default()).err()
    };
    for good in [
        "https://graph.facebook.com",
        "https://graph.facebook.com/",
        "http://127.0.0.1:9000",
        "http://localhost:1",
        "http://[::1]:9000",
        "https://proxy.example/meta",
    ] {
        assert_eq!(refused(good, "v25.0"), None, "{good}");
    }
    for bad in [
        "http://graph.facebook.com",
        "http://127.0.0.1.evil.example",
        "graph.facebook.com",
        "ftp://127.0.0.1",
        "https://user@graph.facebook.com",
        "https://graph.facebook.com/?a=b",
        "",
    ] {
        assert_eq!(refused(bad, "v25.0"), Some(GraphSetupError::BaseUrl(bad.to_owned())), "{bad}");
    }
    for bad in ["", "25.0", "v25", "v25.0/..", "v25.0.0", "vx.y", "v25.", "v2555.0"] {
        assert_eq!(refused("https://graph.facebook.com", bad), Some(GraphSetupError::Version(bad.to_owned())), "{bad}");
    }
}

#[test]
fn unusable_tokens_are_named_by_their_number_only() {
    for bad in ["", " ", "a b", "a\nb", "tök"] {
        let mut numbers = NumberDirectory::default();
        numbers.insert(number(), AccessToken::new(bad));
        let error = GraphClient::new(options("https://graph.facebook.com"), numbers).unwrap_err();
        assert_eq!(error, GraphSetupError::Token(number()));
        assert!(bad.trim().is_empty() || !error.to_string().contains(bad));
    }
    assert!(!format!("{:?}", client("https://graph.facebook.com")).contains("secret"));
}
