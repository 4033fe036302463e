//! Which of Meta's words hold.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const T: UnixMs = UnixMs(1_800_000_000_000);

fn listed(name: &str, state: State) -> Listed {
    Listed {
        name: name.into(),
        language: "en".into(),
        id: Some("7".into()),
        state,
        category: Some(Category::Utility),
        will_be: None,
        quality: Quality::Green,
        reason: None,
        takes: Takes { header: 0, body: 2, buttons: 1 },
        texts: Some(u64::MAX),
    }
}

fn told(name: &str, news: News) -> Told {
    Told { name: name.into(), language: "en".into(), id: None, news }
}

fn state(state: State) -> News {
    News::State { state: Some(state), category: None, reason: None, paused_ms: None }
}

fn book(states: &[(&str, State)]) -> Book {
    let mut book = Book::default();
    book.listed(&states.iter().map(|(name, state)| listed(name, *state)).collect::<Vec<_>>(), T);
    book
}

#[test]
fn what_nobody_asked_about_is_unknown_and_what_meta_lacks_is_missing() {
    assert_eq!(Book::default().standing("a", "en", T), Standing::Unknown);
    let book = book(&[("a", State::Approved)]);
    assert_eq!(book.standing("a", "en", T), Standing::Sendable(Some(Category::Utility)));
    assert_eq!(book.standing("a", "de", T), Standing::Missing);
    assert_eq!(book.standing("b", "en", T), Standing::Missing);
}

#[test]
fn only_what_is_approved_can_be_sent() {
    for (state, sendable) in [
        (State::Approved, true),
        (State::Other, true),
        (State::Pending, false),
        (State::InAppeal, false),
        (State::Rejected, false),
        (State::Paused, false),
        (State::Disabled, false),
        (State::Archived, false),
        (State::LimitExceeded, false),
        (State::PendingDeletion, false),
        (State::Deleted, false),
    ] {
        let standing = book(&[("a", state)]).standing("a", "en", T);
        assert_eq!(matches!(standing, Standing::Sendable(_)), sendable, "{state:?}");
    }
    assert_eq!(State::listed("FLAGGED"), State::Approved, "its quality is low, and it is sent until it is paused");
    assert_eq!(State::listed("SOMETHING_NEW"), State::Other, "Meta has the last word");
}

#[test]
fn a_pause_ends_by_webhook_by_list_or_by_itself() {
    let mut book = book(&[("a", State::Approved)]);
    let paused = News::State { state: Some(State::Paused), category: None, reason: None, paused_ms: Some(PAUSES_MS[0]) };
    book.hear(&told("a", paused.clone()), T.plus_ms(1));
    let until = T.plus_ms(1 + PAUSES_MS[0]);
    assert_eq!(book.standing("a", "en", T.plus_ms(2)), Standing::Paused { until: Some(until) });
    let mut by_list = book.clone();
    by_list.listed(&[listed("a", State::Paused)], T.plus_ms(3));
    assert_eq!(by_list.standing("a", "en", T.plus_ms(4)), Standing::Paused { until: Some(until) }, "the list knows no end");
    by_list.listed(&[listed("a", State::Approved)], T.plus_ms(5));
    assert_eq!(by_list.standing("a", "en", T.plus_ms(6)), Standing::Sendable(Some(Category::Utility)));
    assert_eq!(book.standing("a", "en", until), Standing::Sendable(Some(Category::Utility)), "three hours are over");
    book.hear(&told("a", state(State::Approved)), T.plus_ms(7));
    assert_eq!(book.standing("a", "en", T.plus_ms(8)), Standing::Sendable(Some(Category::Utility)));
    let by_hand = News::State { state: Some(State::Paused), category: None, reason: None, paused_ms: None };
    book.hear(&told("a", by_hand), T.plus_ms(9));
    assert_eq!(book.standing("a", "en", T.plus_ms(1 << 40)), Standing::Paused { until: None }, "somebody has to end it");
}

#[test]
fn a_list_that_was_long_on_its_way_takes_nothing_back() {
    let mut book = book(&[("a", State::Approved), ("gone", State::Approved)]);
    book.hear(&told("a", state(State::Paused)), T.plus_ms(10));
    book.hear(&told("new", state(State::Approved)), T.plus_ms(10));
    book.listed(&[listed("a", State::Approved)], T.plus_ms(5));
    assert_eq!(book.standing("a", "en", T.plus_ms(11)), Standing::Paused { until: None }, "the webhook is newer");
    assert_eq!(book.standing("new", "en", T.plus_ms(11)), Standing::Sendable(None), "it was approved meanwhile");
    assert_eq!(book.standing("gone", "en", T.plus_ms(11)), Standing::Missing);
    let before = book.clone();
    book.listed(&[listed("gone", State::Approved)], T.plus_ms(4));
    assert_eq!(book, before, "an older list than the last one");
}

#[test]
fn an_announced_category_holds_from_its_time() {
    let mut book = book(&[("a", State::Approved)]);
    let announced = Announced { category: Category::Marketing, at: T.plus_ms(100) };
    book.hear(&told("a", News::Category { now: Some(Category::Utility), announced: Some(announced) }), T.plus_ms(1));
    assert_eq!(book.standing("a", "en", T.plus_ms(99)), Standing::Sendable(Some(Category::Utility)));
    assert_eq!(book.standing("a", "en", T.plus_ms(100)), Standing::Sendable(Some(Category::Marketing)));
    let again = Listed { will_be: Some(Category::Marketing), ..listed("a", State::Approved) };
    book.listed(std::slice::from_ref(&again), T.plus_ms(50));
    assert_eq!(book.version("a", "en").unwrap().announced, Some(announced), "the list knows no time");
    let mut fresh = Book::default();
    fresh.listed(&[again], T);
    assert_eq!(fresh.standing("a", "en", T), Standing::Sendable(Some(Category::Marketing)), "not told when: at once");
    book.hear(&told("a", News::Category { now: Some(Category::Marketing), announced: None }), T.plus_ms(60));
    assert_eq!(book.standing("a", "en", T.plus_ms(60)), Standing::Sendable(Some(Category::Marketing)));
}

#[test]
fn marketing_is_what_either_calls_it() {
    for (declared, at_meta, counts) in [
        (Category::Utility, Some(Category::Marketing), Category::Marketing),
        (Category::Marketing, Some(Category::Utility), Category::Marketing),
        (Category::Utility, Some(Category::Utility), Category::Utility),
        (Category::Utility, None, Category::Utility),
        (Category::Authentication, None, Category::Authentication),
    ] {
        assert_eq!(counts_as(declared, at_meta), counts);
    }
}

#[test]
fn a_quality_alone_makes_no_version() {
    let mut book = Book::default();
    book.hear(&told("a", News::Quality(Quality::Red)), T);
    book.hear(&told("a", News::Texts), T);
    assert_eq!(book, Book::default());
    book.hear(&told("a", state(State::Approved)), T);
    book.hear(&told("a", News::Quality(Quality::Red)), T);
    assert_eq!(book.version("a", "en").unwrap().quality, Quality::Red);
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Approved),
        Just(State::Pending),
        Just(State::Rejected),
        Just(State::Paused),
        Just(State::Disabled),
        Just(State::Deleted),
    ]
}

proptest! {
    /// Whatever webhooks and lists come in whatever order: a list that was begun after all of them is what holds.
    #[test]
    fn the_newest_list_mends_everything(
        heard in prop::collection::vec((0u64..50, any_state()), 0..20),
        lists in prop::collection::vec((0u64..50, any_state()), 0..5),
        last in any_state(),
    ) {
        let mut book = Book::default();
        for (at, news) in heard {
            book.hear(&told("a", state(news)), T.plus_ms(at));
        }
        for (began, state) in lists {
            book.listed(&[listed("a", state)], T.plus_ms(began));
        }
        let mut other = book.clone();
        book.listed(&[listed("a", last)], T.plus_ms(51));
        prop_assert_eq!(book.version("a", "en").unwrap().state, last);
        other.listed(&[], T.plus_ms(51));
        prop_assert_eq!(other.standing("a", "en", T.plus_ms(51)), Standing::Missing);
    }

    /// Kept and read back it is the same.
    #[test]
    fn a_book_outlives_its_writing(states in prop::collection::vec(any_state(), 0..6)) {
        let names: Vec<String> = (0..states.len()).map(|n| format!("t{n}")).collect();
        let of: Vec<_> = names.iter().map(String::as_str).zip(states).collect();
        let book = book(&of);
        prop_assert_eq!(serde_json::from_str::<Book>(&serde_json::to_string(&book).unwrap()).unwrap(), book);
    }
}
