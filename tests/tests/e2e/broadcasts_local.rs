//! Broadcasts in each recipient's own time: nobody has one before their own clock shows it, nobody twice, whatever happens to
//! the host between two zones. The host runs in this process, on a clock that can be moved forward.

use std::collections::BTreeSet;
use std::sync::Arc;

use questline::app::HostOptions;
use questline::clock::MovableClock;
use questline::config::Config;
use questline_core::broadcast::{LocalTime, Whereabouts};
use questline_core::contact::{Contact, PhoneNumber};
use questline_core::day::Day;
use questline_core::port::Clock;
use questline_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs};
use questline_tests::{Api, Engine, Stage, eventually};
use serde_json::{Value, json};

use crate::broadcasts::{described, done, order, progress, sent, stage, upload};
use crate::support::{at_rest, says};

on_both_stores![
    everybody_has_it_at_their_own_time,
    a_segment_has_its_times_too,
    whose_time_is_long_over_is_left_out,
    what_is_no_own_time_is_named,
];

struct Played {
    running: questline::app::Host,
    host: Api,
    clock: Arc<MovableClock>,
}

async fn play(stage: &Stage, clock: Arc<MovableClock>) -> Played {
    stage.write_config();
    let config = Config::load(&stage.config()).unwrap();
    let running = questline::app::Host::start_with(&config, HostOptions { clock: clock.clone(), ..HostOptions::default() }).await.unwrap();
    let host = Api::at(running.address());
    Played { running, host, clock }
}

impl Played {
    /// Moves time forward to so long before an instant; it is far enough ahead for the host to do all that is due before.
    fn advance_to(&self, at: UnixMs, before_ms: u64) {
        let now = self.clock.now();
        assert!(at.0 - before_ms > now.0, "time goes forward");
        self.clock.advance(at.0 - before_ms - now.0);
    }

    /// Waits until the host has seen to all that is due: whatever it does now is behind that.
    async fn sees_to_all(&self, stage: &Stage, key: &str) {
        let marker = described(&self.host, key, &json!({ "template": "come_back", "audience": "list" })).await;
        upload(&self.host, &marker, "text/csv", "phone\n+15559990000\n").await;
        order(&self.host, &marker, "start").await;
        done(&self.host, &marker).await;
        at_rest(stage, &self.host).await;
    }
}

/// Phones that were sent a template, those of markers aside.
fn have_it(stage: &Stage) -> BTreeSet<String> {
    assert!(sent(stage).iter().all(|(phone, times)| *times == 1 || phone == "15559990000"), "{:?}", sent(stage));
    sent(stage).into_keys().filter(|phone| phone != "15559990000").collect()
}

fn phones(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|phone| (*phone).to_owned()).collect()
}

fn own(at: &str) -> Value {
    json!({ "template": "come_back", "audience": "list", "schedule": { "at": at, "zone": "recipient", "fallback_zone": "America/New_York" } })
}

/// 18:00, so many days ahead.
fn evening(clock: &MovableClock, days: u64) -> String {
    format!("{}T18:00", Day::of(clock.now().plus_ms(days * DAY_MS)))
}

fn due(at: &str, zone: Option<&str>, phone: &str) -> UnixMs {
    let local = LocalTime { at: at.to_owned(), fallback_zone: "America/New_York".to_owned() };
    let contact = Contact::new(PhoneNumber::parse(phone).ok(), None).unwrap();
    local.wall().unwrap().due(Whereabouts { zone, country: None }, Some(&contact))
}

async fn everybody_has_it_at_their_own_time(engine: Engine) {
    let stage = stage(engine).await;
    let played = play(&stage, Arc::new(MovableClock::default())).await;
    let at = evening(&played.clock, 3);
    stage.player("+15559990000", "Marker");
    // The last two name no zone: a number of Germany, and one of which nobody knows where it is.
    let people = [
        ("15550000001", Some("Pacific/Kiritimati")),
        ("15550000002", Some("Asia/Tokyo")),
        ("4915550000003", None),
        ("15550000004", Some("UTC")),
        ("68812345", None),
        ("15550000006", Some("Etc/GMT+12")),
    ];
    let times: Vec<UnixMs> = people.iter().map(|(phone, zone)| due(&at, *zone, phone)).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    // The list names them in another order.
    let mut list = "phone,zone\n".to_owned();
    for (phone, zone) in people.iter().rev() {
        stage.player(&format!("+{phone}"), "Player");
        list.push_str(&format!("+{phone},{}\n", zone.unwrap_or_default()));
    }
    let id = described(&played.host, "k-1", &own(&at)).await;
    let (status, taken) = upload(&played.host, &id, "text/csv", format!("{list}+15550000007,Mars/Olympus\n")).await;
    assert_eq!((status, &taken["recipients"], &taken["problems"][0]["line"]), (200, &json!(6), &json!(8)), "{taken}");

    let (status, dry) = played.host.post(&format!("/games/cup/broadcasts/{id}/dry-run"), &json!({})).await;
    let hours: Vec<u64> = times.iter().map(|at| at.0 - at.0 % HOUR_MS).collect();
    let told: Vec<u64> = dry["hours"].as_array().unwrap().iter().map(|hour| hour["at"].as_u64().unwrap()).collect();
    assert_eq!((status, &told, &dry["estimate"]["bound"]), (200, &hours, &json!("local-time")), "{dry}");
    assert_eq!(dry["estimate"]["seconds"], json!((times[5].0 - times[0].0).div_ceil(1_000) + 1), "{dry}");

    let started = order(&played.host, &id, "start").await;
    assert_eq!((&started["state"], &started["begins_at"]), (&json!("scheduled"), &json!(times[0])), "{started}");
    let mut played = played;
    for (n, time) in times.iter().enumerate() {
        let so_far: Vec<&str> = people[..n].iter().map(|(phone, _)| *phone).collect();
        played.advance_to(*time, MINUTE_MS);
        played.sees_to_all(&stage, &format!("before-{n}")).await;
        assert_eq!(have_it(&stage), phones(&so_far), "a minute before {time:?}");
        if n > 0 {
            assert_eq!(progress(&played.host, &id).await["next_at"], json!(time), "it is told when it goes on");
        }
        if n == 3 {
            // Another host goes on between two zones.
            played.running.stop().await;
            played = play(&stage, played.clock).await;
        }
        played.advance_to(*time, 0);
        let one_more = phones(&people[..=n].iter().map(|(phone, _)| *phone).collect::<Vec<_>>());
        eventually("whose time has come have it", async || (have_it(&stage) == one_more).then_some(())).await;
    }
    let progress = done(&played.host, &id).await;
    assert_eq!((&progress["seen"], &progress["messages"], &progress["skipped"]), (&json!(6), &json!(6), &json!({})), "{progress}");
    played.running.stop().await;
}

async fn a_segment_has_its_times_too(engine: Engine) {
    let stage = stage(engine).await;
    let played = play(&stage, Arc::new(MovableClock::default())).await;
    stage.player("+15559990000", "Marker");
    // Ada's country is known to be Germany, Bob's to be Mexico.
    let (ada, bob) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"));
    for player in [&ada, &bob] {
        assert_eq!(says(player, "say hello").await.text(), "hello");
    }
    at_rest(&stage, &played.host).await;
    let at = evening(&played.clock, 2);
    let (berlin, tijuana) = (due(&at, Some("Europe/Berlin"), "15550111"), due(&at, Some("America/Tijuana"), "15550111"));
    let mut segment = own(&at);
    segment["audience"] = json!({ "segment": { "tiers": ["gold", "silver"] } });
    let id = described(&played.host, "k-1", &segment).await;
    order(&played.host, &id, "start").await;
    played.advance_to(berlin, 0);
    eventually("Ada has it", async || (have_it(&stage) == phones(&["15550111"])).then_some(())).await;
    // Bob comes later, and a pause holds what is still to come.
    order(&played.host, &id, "pause").await;
    played.advance_to(tijuana, 0);
    played.sees_to_all(&stage, "paused").await;
    assert_eq!(have_it(&stage), phones(&["15550111"]));
    order(&played.host, &id, "resume").await;
    let progress = done(&played.host, &id).await;
    assert_eq!(have_it(&stage), phones(&["15550111", "15550122"]));
    assert_eq!((&progress["seen"], &progress["messages"]), (&json!(2), &json!(2)), "{progress}");
    played.running.stop().await;
}

async fn whose_time_is_long_over_is_left_out(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    // Five hours ago in UTC, and an hour ago four zones to the west.
    let now = UnixMs(crate::support::now_s() * 1_000);
    let then = UnixMs(now.0 - 5 * HOUR_MS);
    let of_day = then.0 % DAY_MS / MINUTE_MS;
    let at = format!("{}T{:02}:{:02}", Day::of(then), of_day / 60, of_day % 60);
    let list = "phone,zone\n+15550001,Pacific/Kiritimati\n+15550002,UTC\n+15550003,Etc/GMT+4\n+15550004,Etc/GMT+12\n";
    for n in 1..=4 {
        stage.player(&format!("+1555000{n}"), "Player");
    }
    let id = described(&host, "k-1", &own(&at)).await;
    assert_eq!(upload(&host, &id, "text/csv", list).await.0, 200);
    let (_, dry) = host.post(&format!("/games/cup/broadcasts/{id}/dry-run"), &json!({})).await;
    assert_eq!((&dry["gets"], &dry["skipped"]), (&json!(2), &json!({ "too-late": 2 })), "{dry}");
    assert_eq!(order(&host, &id, "start").await["state"], "running", "somewhere it has begun");
    let told = eventually("an hour late is not too late", async || {
        let told = progress(&host, &id).await;
        (told["accepted"] == 1 && told["next_at"].is_u64()).then_some(told)
    })
    .await;
    assert_eq!((have_it(&stage), &told["skipped"]), (phones(&["15550003"]), &json!({ "too-late": 2 })), "{told}");
    assert_eq!((&told["seen"], &told["next_at"]), (&json!(3), &json!(due(&at, Some("Etc/GMT+12"), "15550111"))), "{told}");
    order(&host, &id, "cancel").await;
    eventually("it is cancelled for those to come", async || (progress(&host, &id).await["next_at"].is_null()).then_some(())).await;
}

async fn what_is_no_own_time_is_named(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let wrong = async |change: &dyn Fn(&mut Value), words: &str| {
        let mut body = own("2026-12-24T18:00");
        change(&mut body["schedule"]);
        let (status, problem, _) = host.post_once("/games/cup/broadcasts", "wrong", &body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().starts_with(words), "{problem}");
    };
    wrong(&|schedule| schedule["at"] = json!("soon"), "schedule.at: takes").await;
    wrong(&|schedule| schedule["at"] = json!("2020-01-01T00:00"), "schedule.at: lies in the past").await;
    wrong(&|schedule| schedule["fallback_zone"] = json!("Mars/Olympus"), "schedule.fallback_zone: takes").await;
    wrong(&|schedule| drop(schedule.as_object_mut().unwrap().remove("fallback_zone")), "schedule.fallback_zone: takes").await;
    wrong(&|schedule| schedule["zone"] = json!("UTC"), "schedule.fallback_zone: there is no such field").await;
}
