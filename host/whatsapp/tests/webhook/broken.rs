//! Bodies that no one would send on purpose: nothing panics, and what is sound stays sound.

use proptest::prelude::*;
use questline_core::port::Incoming;
use serde_json::{Value, json};

use crate::check::{decode, fixture, fixtures, try_decode};

fn any_fixture() -> impl Strategy<Value = String> {
    let mut names = fixtures();
    names.retain(|name| name != "no_entries");
    prop::sample::select(names).prop_map(|name| fixture(&name).trim_end().to_owned())
}

/// JSON of any type, a little deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(id|from|type|text|body|contacts|.{0,4})", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces one part of a document, found by counting, with another.
fn replace(document: &mut Value, at: &mut usize, with: &Value) -> bool {
    if *at == 0 {
        *document = with.clone();
        return true;
    }
    *at -= 1;
    match document {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, at, with)),
        Value::Object(parts) => parts.values_mut().any(|part| replace(part, at, with)),
        _ => false,
    }
}

fn without_key(document: &mut Value, at: &mut usize) -> bool {
    match document {
        Value::Array(items) => items.iter_mut().any(|item| without_key(item, at)),
        Value::Object(parts) => {
            let keys: Vec<String> = parts.keys().cloned().collect();
            for key in keys {
                if *at == 0 {
                    parts.remove(&key);
                    return true;
                }
                *at -= 1;
                if parts.get_mut(&key).is_some_and(|part| without_key(part, at)) {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}

/// A message of some fixture that has one.
fn any_message() -> impl Strategy<Value = Value> {
    let messages: Vec<Value> = fixtures()
        .iter()
        .filter_map(|name| {
            let body: Value = serde_json::from_str(&fixture(name)).unwrap();
            Some(body.pointer("/entry/0/changes/0/value/messages/0")?.clone())
        })
        .collect();
    assert!(messages.len() > 60);
    prop::sample::select(messages)
}

/// Two sound messages with one between them.
fn among_siblings(middle: &Value) -> Value {
    let text = |id: &str, from: &str| json!({"id": id, "from": from, "timestamp": "1789000000", "type": "text", "text": {"body": id}});
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": "100000000000001"},
        "contacts": [{"wa_id": "16505550123", "profile": {"name": "Ada"}}, {"wa_id": "4915550100", "profile": {"name": "Bo"}}],
        "messages": [text("wamid.before", "16505550123"), middle, text("wamid.after", "4915550100")],
    }}]}]})
}

fn siblings(events: &[Incoming]) -> (Incoming, Incoming) {
    (events.first().unwrap().clone(), events.last().unwrap().clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn truncated_bodies_fail_or_decode(body in any_fixture(), share in 0.0f64..1.0) {
        let end = (body.len() as f64 * share).min(body.len() as f64 - 1.0) as usize;
        // Every proper start of an object is no JSON.
        prop_assert!(try_decode(&body.as_bytes()[..end]).is_err());
    }

    #[test]
    fn flipped_bytes_never_panic(body in any_fixture(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = body.into_bytes();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = try_decode(&bytes);
    }

    #[test]
    fn replaced_parts_never_fail_a_batch(body in any_fixture(), at in 3usize..60, with in any_json()) {
        let mut document: Value = serde_json::from_str(&body).unwrap();
        let mut left = at;
        replace(&mut document["entry"][0], &mut left, &with);
        let decoded = decode(&document.to_string());
        let seen = decoded.batch.events.len() + decoded.batch.statuses.len() + decoded.batch.notices.len();
        // A field that we do not know makes the whole body go the long way: what comes out is the same.
        document["entry"].as_array_mut().unwrap().push(json!({"id": "1", "changes": [{"field": "odd", "value": 1}]}));
        let long_way = decode(&document.to_string());
        prop_assert_eq!(&long_way.batch.events, &decoded.batch.events);
        prop_assert_eq!(&long_way.batch.statuses, &decoded.batch.statuses);
        prop_assert_eq!(&long_way.batch.notices[..decoded.batch.notices.len()], &decoded.batch.notices[..]);
        prop_assert!(seen > 0 || document.pointer("/entry/0").is_none_or(|entry| entry.pointer("/changes/0").is_none()), "{document}");
    }

    #[test]
    fn a_broken_message_leaves_its_siblings_alone(mut message in any_message(), at in 0usize..40, with in any_json(), remove: bool) {
        let whole = siblings(&decode(&among_siblings(&json!(7)).to_string()).batch.events);
        let mut left = at;
        if remove { without_key(&mut message, &mut left) } else { replace(&mut message, &mut left, &with) };
        let decoded = decode(&among_siblings(&message).to_string());
        prop_assert_eq!(siblings(&decoded.batch.events), whole);
        prop_assert_eq!(decoded.batch.events.len() + decoded.batch.notices.len(), 3, "kept or handled, never lost: {}", message);
    }
}
