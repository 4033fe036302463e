//! What broadcasts promise.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::consent::{Held, Marketing, Standing};
use crate::contact::{Address, Contact, PhoneNumber};
use crate::conversation::Conversation;
use crate::experiment::{Goal, Variant};
use crate::id::ConversationId;
use crate::status::DeliveryState;
use crate::template::{Template, Texts};
use crate::time::SECOND_MS;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn wording(body: &[&str]) -> Wording {
    Wording {
        template: "cup".to_owned(),
        locale: None,
        header: None,
        body: body.iter().map(|value| (*value).to_owned()).collect(),
        buttons: Vec::new(),
    }
}

fn broadcast(audience: Audience, begins_at: Option<UnixMs>) -> Broadcast {
    let wish = Definition {
        title: "Cup".to_owned(),
        kind: Kind::Broadcast,
        number: None,
        wording: wording(&[]),
        audience,
        class: MessageClass::Low,
        begins_at,
        local: None,
        per_second: None,
        expires_after_ms: EXPIRES_AFTER_MS,
        experiment: None,
    };
    let id = BroadcastId::of_digest(&[7; 32]);
    Broadcast::new(id, GameId::parse("starfall").unwrap(), wish, Actor::Operator, NOW)
}

fn conversation(tier: &str, country: &str, locale: &str, active_at: UnixMs) -> Conversation {
    let contact = Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap();
    let address = Address { game: GameId::parse("starfall").unwrap(), number: NumberId::parse("100").unwrap(), contact };
    let mut conversation = Conversation::new(ConversationId(1), address);
    conversation.session.tier = Some(tier.to_owned());
    conversation.session.country = Some(country.to_owned());
    conversation.session.locale = Some(locale.to_owned());
    conversation.session.active_at = active_at;
    conversation
}

fn template(body: &str, languages: &[&str]) -> Template {
    let texts = Texts { header: None, body: body.to_owned(), footer: None, examples: Default::default(), buttons: Vec::new() };
    Template {
        name: "cup".to_owned(),
        category: Category::Marketing,
        code_expiration_minutes: None,
        add_security_recommendation: false,
        send_ttl_s: None,
        languages: languages.iter().map(|language| ((*language).to_owned(), texts.clone())).collect(),
    }
}

#[test]
fn a_broadcast_begins_when_its_list_is_there_and_ends_when_nothing_waits() {
    let mut cast = broadcast(Audience::List, None);
    assert_eq!(cast.order(Order::Start, NOW), Err(NotStarted::NoList));
    let empty = List { upload: "u".into(), key: KeyColumn::Phone, recipients: 0, duplicates: 0, refused: 3 };
    cast.list = Some(empty.clone());
    assert_eq!(cast.order(Order::Start, NOW), Err(NotStarted::EmptyList));
    cast.list = Some(List { recipients: 1, ..empty });
    assert_eq!((cast.order(Order::Start, NOW), cast.state), (Ok(true), State::Running));
    assert_eq!(cast.order(Order::Start, NOW), Ok(false), "twice is once");
    assert!(!cast.advance(0, NOW), "not everybody was looked at");
    cast.feed.is_over = true;
    assert!(!cast.advance(1, NOW), "a message waits");
    assert!(cast.advance(0, NOW));
    assert_eq!((cast.state, cast.ended_at), (State::Done, Some(NOW)));
    assert!(cast.order(Order::Cancel, NOW).is_err() && cast.order(Order::Resume, NOW).is_err());
}

#[test]
fn a_planned_one_begins_by_itself_and_not_before() {
    let at = NOW.plus_ms(60_000);
    let mut cast = broadcast(Audience::Segment(Segment::default()), Some(at));
    assert_eq!((cast.order(Order::Start, NOW), cast.state), (Ok(true), State::Scheduled));
    assert!(!cast.advance(0, at.minus_ms(1)));
    assert_eq!((cast.order(Order::Pause, NOW), cast.order(Order::Resume, NOW), cast.state), (Ok(true), Ok(true), State::Scheduled));
    assert!(cast.advance(0, at));
    assert_eq!((cast.state, cast.started_at), (State::Running, Some(at)));
}

fn any_order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![Order::Start, Order::Pause, Order::Resume, Order::Cancel])
}

proptest! {
    #[test]
    fn what_is_over_stays_over_and_nothing_runs_unstarted(orders in prop::collection::vec((any_order(), any::<bool>()), 0..20)) {
        let mut state = State::Draft;
        let mut was_started = false;
        for (order, is_due) in orders {
            let before = state;
            state = state.after(order, is_due).unwrap_or(state);
            was_started |= order == Order::Start;
            prop_assert!(!before.is_over() || state == before, "{before:?} became {state:?}");
            prop_assert!(was_started || matches!(state, State::Draft | State::Cancelled), "{state:?} without a start");
            prop_assert!(state != State::Running || is_due || before == State::Running, "it runs before its time");
            prop_assert_eq!(state.after(order, is_due).unwrap_or(state), state, "the same order twice");
        }
    }

    #[test]
    fn the_pace_is_never_exceeded(per_second in 1u32..1_001, steps in prop::collection::vec((0u64..3_000, 0u64..2_000), 1..60)) {
        let (mut now, mut until, mut fed) = (NOW, UnixMs::default(), 0u64);
        for (wait, wanted) in steps {
            now = now.plus_ms(wait);
            let (ready, after) = ready_to_feed(until, per_second, now);
            let taken = wanted.min(ready);
            until = after(taken);
            fed += taken;
            let allowed = u64::from(per_second) * (now.since_ms(NOW) + SECOND_MS) / SECOND_MS;
            prop_assert!(fed <= allowed, "{fed} of {allowed}");
        }
    }

    #[test]
    fn the_pace_is_reached(per_second in 1u32..1_001) {
        let (mut until, mut fed) = (NOW, 0u64);
        for ms in (0..=60_000).step_by(100) {
            let (ready, after) = ready_to_feed(until, per_second, NOW.plus_ms(ms));
            if ready > 0 {
                until = after(ready);
                fed += ready;
            }
        }
        let wanted = u64::from(per_second) * 60;
        prop_assert!(fed + fed / 20 + 1 >= wanted, "{fed} of {wanted}");
    }

    #[test]
    fn more_recipients_take_no_less(
        fewer in 0u64..2_000_000, more in 0u64..2_000_000, counted in 0u64..2_000_000, throughput in 1u32..1_000,
        pace in prop::option::of(1u32..1_000), waiting in 0u64..10_000, max in prop::option::of(1u64..100_000), used in 0u64..100_000,
    ) {
        let limits = Limits { throughput, pace, waiting, portfolio: Portfolio { max, used } };
        let (fewer, more) = (fewer.min(more), fewer.max(more));
        let (short, long) = (estimate(fewer, counted, limits), estimate(more, counted, limits));
        prop_assert!(short.seconds <= long.seconds);
        prop_assert!(fewer == 0 || short.seconds * u64::from(throughput) >= fewer, "faster than the number may");
        prop_assert!(short.wait_for_portfolio <= fewer.min(counted));
    }

    #[test]
    fn every_good_row_is_in_one_piece_once(phones in prop::collection::vec(15_550_000u64..15_552_000, 1..1_800)) {
        let mut builder = ListBuilder::new(wording(&["Hi {name}"]), "u1");
        let (mut entries, mut pieces, mut duplicates) = (Vec::new(), 0, 0);
        for (n, phone) in phones.iter().enumerate() {
            let text = format!("+{phone}");
            match builder.add(Row { line: n as u64 + 2, fields: &[("phone", &text), ("name", "Ada")] }) {
                Ok(Some(piece)) => {
                    prop_assert_eq!(piece.len() as u64, PIECE_ENTRIES);
                    pieces += 1;
                    entries.extend(piece);
                }
                Ok(None) => {}
                Err(RowProblem::Duplicate { first }) => {
                    duplicates += 1;
                    prop_assert_eq!(&phones[first as usize - 2], phone, "it names the line that counts");
                }
                Err(problem) => prop_assert!(false, "{problem}"),
            }
        }
        let (last, list) = builder.finish();
        pieces += u64::from(last.is_some());
        entries.extend(last.into_iter().flatten());
        let distinct: HashSet<_> = phones.iter().collect();
        prop_assert_eq!((list.recipients, list.duplicates, list.pieces()), (distinct.len() as u64, duplicates, pieces));
        for (n, entry) in entries.iter().enumerate() {
            let (piece, place) = piece_of(n as u64);
            prop_assert_eq!(piece * PIECE_ENTRIES + place as u64, n as u64);
            prop_assert_eq!(&entry.values, &[Box::<str>::from("Hi Ada")]);
        }
    }

    #[test]
    fn a_receipt_counts_each_station_once(news in prop::collection::vec(prop::sample::select(DeliveryState::ALL.to_vec()), 0..10)) {
        let mut tally = Tally::default();
        let mut state = DeliveryState::Accepted;
        for news in news {
            let after = state.advance(news);
            passed(state, after).for_each(|name| tally.add(name, 1));
            state = after;
        }
        let reached = |wanted: DeliveryState| state != DeliveryState::Failed && state.number() >= wanted.number();
        for (name, wanted) in [("delivered", DeliveryState::Delivered), ("read", DeliveryState::Read)] {
            prop_assert_eq!(tally.counts.get(name).copied().unwrap_or(0), i64::from(reached(wanted)), "{}", name);
        }
        prop_assert!(tally.counts.values().all(|count| *count == 1));
    }
}

#[test]
fn marketing_is_for_those_who_agreed_and_utility_for_all() {
    let of = |marketing, held| Person { standing: Standing { marketing, from: UnixMs::default(), held }, in_window: false };
    let held = Some(Held { until: NOW.plus_ms(1), times: 1 });
    let cases = [
        (Category::Marketing, of(Marketing::Unasked, None), Verdict::Skipped(Skip::NoConsent)),
        (Category::Marketing, of(Marketing::Withdrawn, None), Verdict::Skipped(Skip::NoConsent)),
        (Category::Marketing, of(Marketing::Granted, held), Verdict::Skipped(Skip::MarketingHeld)),
        (Category::Marketing, of(Marketing::Granted, None), Verdict::Gets { counts: true }),
        (Category::Utility, of(Marketing::Withdrawn, None), Verdict::Gets { counts: true }),
        (Category::Utility, Person { in_window: true, ..Person::default() }, Verdict::Gets { counts: false }),
    ];
    for (category, person, expected) in cases {
        assert_eq!(verdict(category, person, NOW), expected, "{category:?} {person:?}");
    }
}

#[test]
fn no_broadcast_takes_a_lane_that_is_not_its_own() {
    use MessageClass::{Critical, High, Low, Normal};
    assert_eq!(class_of(Kind::Broadcast, Category::Marketing, None), Ok(Low));
    for class in [Critical, High, Normal] {
        assert_eq!(class_of(Kind::Broadcast, Category::Marketing, Some(class)), Err(NotThisClass::Marketing));
    }
    assert_eq!(class_of(Kind::Broadcast, Category::Utility, None), Ok(Normal));
    assert_eq!(class_of(Kind::Broadcast, Category::Utility, Some(High)), Ok(High));
    assert_eq!(class_of(Kind::Broadcast, Category::Utility, Some(Critical)), Err(NotThisClass::Critical));
    assert_eq!(class_of(Kind::Outage, Category::Utility, None), Ok(Critical));
    assert_eq!(class_of(Kind::Outage, Category::Marketing, None), Err(NotThisClass::Marketing));
    assert_eq!(class_of(Kind::Broadcast, Category::Authentication, None), Err(NotThisClass::Authentication));
}

#[test]
fn a_segment_takes_those_who_fit_all_of_it() {
    let ada = conversation("gold", "DE", "de-AT", NOW.minus_ms(3 * DAY_MS));
    let takes = |segment: &Segment| segment.takes(&ada, NOW);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert!(takes(&Segment::default()));
    assert!(takes(&Segment {
        tiers: names(&["silver", "Gold"]),
        countries: names(&["de"]),
        locales: names(&["de"]),
        ..Segment::default()
    }));
    assert!(!takes(&Segment { tiers: names(&["silver"]), ..Segment::default() }));
    assert!(!takes(&Segment { locales: names(&["d", "de-DE", "at"]), ..Segment::default() }));
    assert!(takes(&Segment { locales: names(&["DE_at"]), ..Segment::default() }));
    assert!(takes(&Segment { active_within_days: Some(4), inactive_for_days: Some(3), ..Segment::default() }));
    assert!(!takes(&Segment { active_within_days: Some(3), ..Segment::default() }));
    assert!(!takes(&Segment { inactive_for_days: Some(4), ..Segment::default() }));
    assert!(!takes(&Segment { opted_in: true, ..Segment::default() }));
    let mut unknown = ada.clone();
    unknown.session.country = None;
    assert!(!Segment { countries: names(&["DE"]), ..Segment::default() }.takes(&unknown, NOW), "nobody knows where they are");

    assert!(Segment { active_within_days: Some(3), inactive_for_days: Some(3), ..Segment::default() }.check().is_err());
    assert!(Segment { active_within_days: Some(0), ..Segment::default() }.check().is_err());
    assert!(Segment { tiers: names(&[""]), ..Segment::default() }.check().is_err());
    assert!(Segment { locales: vec!["de".to_owned(); 257], ..Segment::default() }.check().is_err());
}

#[test]
fn what_is_wrong_with_a_row_is_named_and_not_repeated() {
    let mut builder = ListBuilder::new(wording(&["{name}"]), "u1");
    let mut add = |line, fields: &[(&str, &str)]| builder.add(Row { line, fields }).map(drop);
    assert_eq!(add(2, &[("phone", "+1 (555) 010-0"), ("name", "Ada"), ("locale", "pt-BR")]), Ok(()));
    assert_eq!(add(3, &[("phone", "15550100"), ("name", "Ada")]), Err(RowProblem::Duplicate { first: 2 }));
    assert_eq!(add(4, &[("phone", ""), ("name", "Ada")]), Err(RowProblem::Nobody));
    assert_eq!(add(5, &[("phone", "15550101"), ("player", "p"), ("name", "Ada")]), Err(RowProblem::TwoNames));
    assert_eq!(
        add(6, &[("player", "p"), ("name", "Ada")]),
        Err(RowProblem::OtherKey { expected: KeyColumn::Phone, found: KeyColumn::Player })
    );
    let secret = add(7, &[("phone", "my number"), ("name", "Ada")]).unwrap_err().to_string();
    assert!(secret.starts_with("phone: ") && !secret.contains("my number"), "{secret}");
    assert_eq!(add(8, &[("phone", "15550102"), ("name", "Ada"), ("locale", "not a locale")]), Err(RowProblem::Locale));
    assert_eq!(add(9, &[("phone", "15550103")]), Err(RowProblem::Values(WordingProblem::NoColumn("name".to_owned()))));
    assert_eq!(add(10, &[("phone", "15550104"), ("name", "A\nB")]), Err(RowProblem::Values(WordingProblem::Value)));
    assert_eq!(add(11, &[("phone", "15550104"), ("name", &"x".repeat(1_025))]), Err(RowProblem::Values(WordingProblem::Value)));
    let (last, list) = builder.finish();
    assert_eq!((list.recipients, list.duplicates, list.refused, last.unwrap().len()), (1, 1, 8, 1));
}

#[test]
fn columns_of_a_head_are_names_and_all_that_is_asked_for() {
    let wording = wording(&["{name} and {prize_1}", "{ not one } {} {Name}"]);
    assert_eq!(wording.columns(), ["name", "prize_1"]);
    let head = |names: &[&str]| Header::new(names.iter().copied(), &wording);
    assert_eq!(head(&["\u{feff}Phone", " name ", "prize_1"]).unwrap().columns, ["phone", "name", "prize_1"]);
    assert!(head(&["name", "prize_1"]).unwrap_err().to_string().contains("phone, user_id or player"));
    assert!(head(&["phone", "name"]).unwrap_err().to_string().contains("\"prize_1\""));
    assert!(head(&["phone", "name", "name"]).is_err() && head(&["phone", "na me"]).is_err());
    assert_eq!(wording.values(|column| Some(if column == "name" { "Ada" } else { "1" })).unwrap()[1], "{ not one } {} {Name}".into());
}

#[test]
fn a_message_is_in_the_recipients_language_else_in_the_games() {
    let wording = wording(&["Hi {name}"]);
    let template = template("{{1}}", &["en", "de"]);
    assert_eq!(wording.check(&template), Ok(()));
    let values: Vec<Box<str>> = vec!["Hi Ada".into()];
    let language = |locale: Option<&str>| wording.message(&template, locale, "en", &values).unwrap().language;
    assert_eq!((language(Some("de-AT")).as_str(), language(Some("ja")).as_str(), language(None).as_str()), ("de", "en", "en"));
    assert_eq!(wording.message(&template, None, "en", &values).unwrap().body, ["Hi Ada"]);
    assert!(has_language(&template, &wording, Some("ja"), "en") && !has_language(&template, &wording, Some("ja"), "fr"));
    assert!(Wording { body: Vec::new(), ..wording }.check(&template).is_err(), "the template takes a value");
}

#[test]
fn how_long_it_takes_is_what_the_tightest_limit_says() {
    let free = Portfolio { max: None, used: 0 };
    let limits = Limits { throughput: 80, pace: None, waiting: 80, portfolio: free };
    assert_eq!(estimate(800, 800, limits), Estimate { seconds: 11, bound: Bound::Throughput, wait_for_portfolio: 0 });
    assert_eq!(estimate(800, 800, Limits { pace: Some(10), ..limits }).seconds, 80);
    let tight = Limits { portfolio: Portfolio { max: Some(1_000), used: 600 }, ..limits };
    assert_eq!(estimate(1_400, 400, tight).bound, Bound::Throughput);
    assert_eq!(estimate(2_500, 2_500, tight), Estimate { seconds: 3 * 86_400, bound: Bound::Portfolio, wait_for_portfolio: 2_100 });
    assert_eq!(estimate(0, 0, limits).seconds, 0);
}

#[test]
fn progress_is_what_was_counted() {
    let mut cast = broadcast(Audience::Segment(Segment::default()), None);
    cast.feed.skipped = BTreeMap::from([(Skip::NoConsent, 2)]);
    let mut tally = Tally::default();
    let counts =
        [("queued", 10), ("accepted", 4), ("refused", 1), ("dropped:expired", 2), ("parked:in-game", 1), ("parked:local-hours", 0)];
    counts.into_iter().chain([("failed:131026", 1), ("delivered", 3)]).for_each(|(name, count)| tally.add(name, count));
    let progress = Progress::of(&cast, &tally, 1);
    assert_eq!((progress.messages, progress.queued, progress.accepted, progress.delivered), (10, 2, 4, 3));
    assert_eq!(progress.parked, BTreeMap::from([("in-game".to_owned(), 1)]));
    assert_eq!((tally.waiting(), progress.dropped.get("expired"), progress.failed.get("131026")), (3, Some(&2), Some(&1)));
    assert_eq!(serde_json::to_value(&progress).unwrap()["skipped"], serde_json::json!({ "no-consent": 2 }));
}

#[test]
fn what_holds_everybody_is_ahead_and_what_holds_one_player_is_not() {
    let mut tally = Tally::default();
    let counts = [("queued", 100), ("accepted", 10), ("parked:in-game", 20), ("parked:local-hours", 5), ("parked:template-paused", 30)];
    counts.into_iter().for_each(|(name, count)| tally.add(name, count));
    assert_eq!((tally.waiting(), tally.ahead()), (90, 65));
    assert_eq!(ahead_max(None, 80), 2_400, "thirty seconds of its number");
    assert_eq!(ahead_max(None, 10), 2_000);
    assert_eq!((ahead_max(Some(5), 1_000), ahead_max(Some(1_000), 80)), (50, 2_400), "ten seconds of its pace");
}

#[test]
fn a_pause_has_its_beginning_and_an_old_draft_its_end() {
    let mut one = broadcast(Audience::Segment(Segment::default()), None);
    let later = NOW.plus_ms(DRAFT_KEPT_MS);
    assert!(!one.clone().outlive(UnixMs(later.0 - 1)), "a draft is kept for thirty days");
    let mut old = one.clone();
    assert!(old.outlive(later) && old.state == State::Cancelled && old.ended_at == Some(later));
    assert!(old.outlive(later), "what broke off is done again");
    assert_eq!(one.order(Order::Start, NOW), Ok(true));
    assert_eq!(one.order(Order::Pause, NOW.plus_ms(5)), Ok(true));
    assert_eq!(one.order(Order::Pause, NOW.plus_ms(9)), Ok(false));
    assert_eq!(one.paused_at, Some(NOW.plus_ms(5)));
    assert!(!one.outlive(later) && one.state == State::Paused, "it was started");
    assert_eq!(one.order(Order::Resume, NOW.plus_ms(9)), Ok(true));
    assert_eq!(one.paused_at, None);
}

#[test]
fn a_row_names_its_zone_where_that_counts() {
    let rows = |with_zones: bool, zone: &str| {
        let mut builder = ListBuilder::new(wording(&[]), "u1").with_zones(with_zones);
        builder.add(Row { line: 2, fields: &[("phone", "15550100"), ("zone", zone)] }).map(|_| builder.finish().0.unwrap()[0].zone.clone())
    };
    assert_eq!(rows(true, " Asia/Tokyo "), Ok(Some("Asia/Tokyo".into())));
    assert_eq!(rows(true, ""), Ok(None));
    assert_eq!(rows(true, "Mars/Olympus"), Err(RowProblem::Zone));
    assert_eq!(rows(false, "Mars/Olympus"), Ok(None), "it is a column like any other");
}

#[test]
fn whose_time_is_long_over_is_left_out() {
    let mut one = broadcast(Audience::List, None);
    assert!(!one.is_too_late(NOW, NOW.plus_ms(LATE_MS_MAX)) && one.is_too_late(NOW, NOW.plus_ms(LATE_MS_MAX + 1)), "as if it began now");
    one.started_at = Some(NOW);
    assert!(!one.is_too_late(NOW, NOW.plus_ms(EXPIRES_AFTER_MS - 1)), "others were in front");
    assert!(one.is_too_late(NOW, NOW.plus_ms(EXPIRES_AFTER_MS)), "its message would be dropped");
}

#[test]
fn the_same_key_is_the_same_broadcast() {
    let id = BroadcastId::of_digest(&[0xab; 32]);
    assert_eq!(id.as_str(), "babababababababababab");
    assert_eq!(BroadcastId::parse(id.as_str()), Ok(id));
    for wrong in ["", "b", "B0123456789abcdef0123", "b0123456789abcdef012g", "b0123456789abcdef01234", "b0123456789ABCDEF0123"] {
        assert!(BroadcastId::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_local_time_is_an_instant_in_its_zone() {
    // 2026-09-21T13:33:20Z.
    let at = |at: &str, zone: &str| begins_at(at, zone, NOW);
    assert_eq!(at("2026-12-24T18:00", "Europe/Berlin"), at("2026-12-24T17:00", "UTC"));
    assert_eq!(at("2026-12-24T17:00:30", "UTC"), Ok(UnixMs(1_798_131_630_000)));
    assert_eq!(at("2027-03-28T02:30", "Europe/Berlin"), at("2027-03-28T03:30", "Europe/Berlin"), "clocks never show it");
    assert_eq!(at("2026-10-25T02:30", "Europe/Berlin"), at("2026-10-25T00:30", "UTC"), "the first of two");
    assert_eq!(at("soon", "UTC"), Err(InvalidSchedule::Time));
    assert_eq!(at("2026-12-24T18:00", "Mars/Olympus"), Err(InvalidSchedule::Zone));
    for wrong in ["2026-09-21T13:00", "2028-01-01T00:00", "0001-01-01T00:00"] {
        assert_eq!(at(wrong, "UTC"), Err(InvalidSchedule::Range), "{wrong}");
    }
}

#[test]
fn everybody_gets_the_variant_that_was_promoted() {
    let variant = |name: &str| Variant { name: name.to_owned(), share: 1, template: format!("cup_{name}") };
    let experiment = Experiment { variants: vec![variant("a"), variant("b")], goal: Goal::Click, within_ms: DAY_MS };
    let mut one = broadcast(Audience::List, None);
    let contact = |n: u64| Contact::new(PhoneNumber::parse(&format!("1555{n:07}")).ok(), None).unwrap();
    assert_eq!(one.variant_of(&contact(1)), None, "nothing is compared");
    one.wish.experiment = Some(Box::new(experiment));
    let of = |one: &Broadcast| (0..200).map(|n| one.variant_of(&contact(n)).unwrap().0).collect::<Vec<_>>();
    let first = of(&one);
    assert!(first.contains(&0) && first.contains(&1));
    assert_eq!(of(&one), first, "the same one each time");
    one.winner = Some(1);
    assert!(of(&one).iter().all(|variant| *variant == 1));
    assert_eq!(one.variant_of(&contact(1)), Some((1, "cup_b")));
}
