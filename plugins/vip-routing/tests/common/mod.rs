//! A sample player who chats with the flow: real texts, words, settings and data.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)]

use questline_sdk::mock;
use questline_sdk::prelude::*;
use questline_testing as starfall;
use serde_json::{Value, json};
use vip_routing::VipRouting;

pub type Chat = mock::Chat<VipRouting>;

/// The first sample player of the tier, with their data, in English.
pub fn of(tier: &str) -> Chat {
    with(&starfall::player_of(tier))
}

/// A sample player, written as in players.json.
pub fn with(player: &Value) -> Chat {
    let transactions = json!({ "transactions": player["transactions"] });
    let events = json!({ "events": starfall::data()["active_events"] });
    let mut chat: Chat = starfall::chat("vip-routing", player);
    let balances = chat.host.balances.clone().unwrap();
    let (mut premium, mut free) = (balances.premium, balances.free);
    let mut rewards = player["rewards"].as_array().unwrap().clone();
    chat.host = chat
        .host
        .with_json_operation("transactions", move |_| Ok(transactions.clone()))
        .with_json_operation("active-events", move |_| Ok(events.clone()))
        .with_json_operation("claim-rewards", move |_| {
            let claimed = std::mem::take(&mut rewards);
            premium += claimed.iter().map(|reward| reward["premium"].as_u64().unwrap()).sum::<u64>();
            free += claimed.iter().map(|reward| reward["free"].as_u64().unwrap()).sum::<u64>();
            Ok(json!({ "claimed": claimed, "premium": premium, "free": free }))
        });
    chat
}

/// A contact that nobody knows.
pub fn unknown() -> Chat {
    let mut chat = of("standard");
    chat.conversation.player = None;
    chat.host.profile = Err(ImportError::NotFound);
    chat
}

/// Presses a button that stood in an older message.
pub fn press_older(chat: &mut Chat, id: &str) -> mock::Answer {
    chat.send(Inbound::Button(Choice { id: id.to_owned(), title: "-".to_owned() }))
}
