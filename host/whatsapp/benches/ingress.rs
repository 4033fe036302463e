//! What a webhook costs before the store sees it: signature and decoding.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use questline_core::id::{GameId, NumberId};
use questline_core::time::UnixMs;
use questline_whatsapp::signature::AppSecrets;
use questline_whatsapp::webhook::{self, DecodeContext};
use std::hint::black_box;

/// A text as Meta sends it, compact; 1.1 kB with the name and text padded to what is usual at the long end.
fn text(ids: std::ops::Range<usize>) -> String {
    let message = |id: usize| {
        format!(
            r#"{{"from":"16505550123","from_user_id":"US.4711000000000000001","id":"wamid.HBgLMTY1MDU1NTAxMjMVAgASGBQ{id:020}AA==","timestamp":"1789000000","type":"text","text":{{"body":"{}"}}}}"#,
            r"I bought the Starfall season pass yesterday evening, paid with my card, and the \u2728 gems \u2728 are still not there. "
                .repeat(4)
        )
    };
    let messages = ids.map(message).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"200000000000002","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"15550100001","phone_number_id":"100000000000001"}},"contacts":[{{"profile":{{"name":"Sheena Nelson"}},"wa_id":"16505550123","user_id":"US.4711000000000000001"}}],"messages":[{messages}]}},"field":"messages"}}]}}]}}"#
    )
}

fn ingress(c: &mut Criterion) {
    let secrets = AppSecrets::new(["0123456789abcdef0123456789abcdef"]).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"0123456789abcdef0123456789abcdef");
    let game = GameId::parse("starfall").unwrap();
    let directory = |number: &NumberId| (number.as_str() == "100000000000001").then(|| game.clone());
    let context = DecodeContext { app: "demo", now: UnixMs(1_789_000_001_000), directory: &directory };
    for (name, body) in [("text-1", text(0..1)), ("texts-1000", text(0..1_000))] {
        let header = format!("sha256={}", hex::encode(ring::hmac::sign(&key, body.as_bytes())));
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("verify", |b| {
            b.iter(|| secrets.verify(black_box(body.as_bytes()), Some(header.as_bytes())).unwrap());
        });
        let verified = secrets.verify(body.as_bytes(), Some(header.as_bytes())).unwrap();
        group.bench_function("decode", |b| b.iter(|| webhook::decode(black_box(&verified), &context).unwrap()));
        group.finish();
    }
}

criterion_group!(benches, ingress);
criterion_main!(benches);
