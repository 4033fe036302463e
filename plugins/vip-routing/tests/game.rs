//! The sample game fits the flow: what it asks for is granted, its events are routed, its settings are understood.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;

use common::of;
use questline_sdk::Flow as _;
use questline_testing::{grants, routed};
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
