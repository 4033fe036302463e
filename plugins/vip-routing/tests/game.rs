//! The sample game fits the flow: what it asks for is granted, its settings are understood, its texts are whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;

use common::of;
use questline_sdk::Flow as _;
use questline_sdk::limits::BUTTON_TITLE_MAX;
use questline_testing::{LOCALES, Texts, data, grants, keys, routed};
use vip_routing::VipRouting;

#[test]
fn the_game_grants_what_the_flow_needs_and_no_more() {
    let description = VipRouting::describe();
    assert_eq!(description.capabilities.into_iter().collect::<BTreeSet<_>>(), grants("vip-routing"));
    assert_eq!(description.name, "vip-routing");
}

#[test]
fn the_game_routes_all_that_the_flow_wants() {
    assert_eq!(VipRouting::describe().events.into_iter().collect::<BTreeSet<_>>(), routed("vip-routing"));
}

#[test]
fn settings_that_are_misspelt_are_refused() {
    let mut chat = of("gold");
    chat.conversation.settings = r#"{"critical_prio": 3}"#.to_owned();
    let error = chat.event(questline_sdk::mock::message(questline_sdk::types::Inbound::Text("hi".into()))).err().unwrap();
    assert!(error.to_string().contains("critical_prio"), "{error}");
}

#[test]
fn both_languages_have_the_same_texts_with_the_same_variables() {
    assert_eq!(keys("en"), keys("de"));
}

#[test]
fn every_button_fits_whatsapp_in_both_languages() {
    for locale in LOCALES {
        let texts = Texts::of(locale);
        let buttons = keys(locale).into_keys().filter(|key| key.starts_with("button-"));
        let titles: Vec<String> = buttons.map(|key| texts.text(&key, &[]).unwrap()).collect();
        assert!(titles.len() >= 8);
        for title in &titles {
            assert!(title.chars().count() <= BUTTON_TITLE_MAX, "{locale}: {title} is too long");
        }
        assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), titles.len(), "{locale}: two buttons read the same");
    }
}

#[test]
fn sample_players_cover_every_tier_and_promise_what_they_have() {
    let data = data();
    let players = data["players"].as_array().unwrap();
    let tiers: BTreeSet<&str> = players.iter().map(|player| player["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers, BTreeSet::from(["bronze", "diamond", "gold", "platinum", "silver", "standard"]));
    let phones: BTreeSet<&str> = players.iter().map(|player| player["phone"].as_str().unwrap()).collect();
    assert_eq!(phones.len(), players.len(), "a phone number belongs to one player");
    for player in players {
        let phone = player["phone"].as_str().unwrap();
        assert!(phone.starts_with("+1555") || phone.starts_with("+49155"), "{phone} may be somebody's");
        let rewards = player["rewards"].as_array().unwrap().len();
        assert_eq!(player["balances"]["pending_rewards"], rewards, "{}", player["id"]);
        let times: Vec<u64> = player["transactions"].as_array().unwrap().iter().map(|entry| entry["at_ms"].as_u64().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a > b), "{}: transactions are newest first", player["id"]);
    }
}
