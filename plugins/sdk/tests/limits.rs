//! What WhatsApp would refuse is refused where it is built, and what it takes passes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use questline_sdk::limits::{LimitError, Problem};
use questline_sdk::prelude::*;
use questline_sdk::types::MediaKind;

fn problem(built: Result<Outcome, LimitError>) -> (&'static str, Problem) {
    let error = built.expect_err("is refused");
    (error.field, error.problem)
}

fn letters(count: usize) -> String {
    "ü".repeat(count)
}

fn buttons(titles: &[&str]) -> Buttons {
    titles.iter().enumerate().fold(Buttons::new("Pick"), |all, (at, title)| all.button(format!("b{at}"), *title))
}

#[test]
fn texts_have_1_to_4096_characters() {
    assert!(Outcome::stay().reply(letters(4096)).is_ok());
    assert_eq!(problem(Outcome::stay().reply(letters(4097))), ("text.body", Problem::TooLong { length: 4097, max: 4096 }));
    assert_eq!(problem(Outcome::stay().reply(" ")), ("text.body", Problem::Missing));
}

#[test]
fn one_to_three_buttons_with_different_short_titles() {
    assert!(Outcome::stay().reply(buttons(&["One", "Two", &letters(20)])).is_ok());
    assert_eq!(problem(Outcome::stay().reply(buttons(&[]))), ("buttons", Problem::Missing));
    assert_eq!(problem(Outcome::stay().reply(buttons(&["1", "2", "3", "4"]))), ("buttons", Problem::TooMany { count: 4, max: 3 }));
    assert_eq!(problem(Outcome::stay().reply(buttons(&[&letters(21)]))), ("buttons.title", Problem::TooLong { length: 21, max: 20 }));
    assert_eq!(problem(Outcome::stay().reply(buttons(&["Same", "Same"]))), ("buttons.title", Problem::Duplicate));
    assert_eq!(
        problem(Outcome::stay().reply(Buttons::new("Pick").button("x", "One").button("x", "Two"))),
        ("buttons.id", Problem::Duplicate)
    );
    assert_eq!(
        problem(Outcome::stay().reply(Buttons::new("Pick").button(letters(257), "One"))),
        ("buttons.id", Problem::TooLong { length: 257, max: 256 })
    );
    assert_eq!(
        problem(Outcome::stay().reply(Buttons::new(letters(1025)).button("x", "One"))),
        ("buttons.body", Problem::TooLong { length: 1025, max: 1024 })
    );
    assert_eq!(problem(Outcome::stay().reply(buttons(&["One"]).footer(letters(61)))), ("footer", Problem::TooLong { length: 61, max: 60 }));
    assert_eq!(
        problem(Outcome::stay().reply(buttons(&["One"]).header(Header::Text(letters(61))))),
        ("header", Problem::TooLong { length: 61, max: 60 })
    );
}

fn section(title: &str, rows: std::ops::Range<usize>) -> ListSection {
    rows.fold(ListSection::new(title), |section, at| section.row(format!("r{at}"), format!("Row {at}"), None))
}

#[test]
fn a_list_has_at_most_10_rows_over_all_sections() {
    let list = || ListMessage::new("Pick", "Open");
    assert!(Outcome::stay().reply(list().section(section("", 0..10))).is_ok());
    assert_eq!(
        problem(Outcome::stay().reply(list().section(section("A", 0..6)).section(section("B", 6..11)))),
        ("list.rows", Problem::TooMany { count: 11, max: 10 })
    );
    assert_eq!(problem(Outcome::stay().reply(list())), ("list.sections", Problem::Missing));
    assert_eq!(
        problem(Outcome::stay().reply(list().section(section("A", 0..1)).section(section("", 1..2)))),
        ("list.sections.title", Problem::Missing),
        "several sections need titles"
    );
    assert_eq!(
        problem(Outcome::stay().reply(list().section(section("A", 0..1)).section(section("B", 0..1)))),
        ("list.rows.id", Problem::Duplicate)
    );
    assert_eq!(
        problem(Outcome::stay().reply(list().section(ListSection::new("").row("x", letters(25), None)))),
        ("list.rows.title", Problem::TooLong { length: 25, max: 24 })
    );
    assert_eq!(
        problem(Outcome::stay().reply(list().section(ListSection::new("").row("x", "X", Some(letters(73)))))),
        ("list.rows.description", Problem::TooLong { length: 73, max: 72 })
    );
    assert_eq!(
        problem(Outcome::stay().reply(ListMessage::new("Pick", letters(21)).section(section("", 0..1)))),
        ("list.button", Problem::TooLong { length: 21, max: 20 })
    );
}

#[test]
fn media_come_from_https_and_sounds_have_no_caption() {
    let link = |url: &str| MediaSource::Link(url.to_owned());
    assert!(Outcome::stay().reply(OutboundMedia::new(MediaKind::Image, link("https://a.example/x.png")).caption("x")).is_ok());
    assert_eq!(problem(Outcome::stay().reply(OutboundMedia::new(MediaKind::Image, link("http://a.example/x.png")))).0, "media.link");
    assert!(Outcome::stay().reply(OutboundMedia::new(MediaKind::Image, MediaSource::file("banner.png"))).is_ok());
    assert_eq!(
        problem(Outcome::stay().reply(OutboundMedia::new(MediaKind::Audio, link("https://a.example/x.ogg")).caption("x"))).0,
        "media.caption"
    );
    assert_eq!(
        problem(Outcome::stay().reply(LinkButton::new("Read", letters(21), "https://a.example"))),
        ("link-button.label", Problem::TooLong { length: 21, max: 20 })
    );
}

#[test]
fn state_has_at_most_16_kib() {
    // Two quotes belong to the document.
    assert!(Outcome::stay().state(&"x".repeat(16 * 1024 - 2)).is_ok());
    assert_eq!(
        problem(Outcome::stay().state(&"x".repeat(16 * 1024 - 1))),
        ("state", Problem::TooLong { length: 16 * 1024 + 1, max: 16 * 1024 })
    );
}

#[test]
fn other_effects_are_checked_too() {
    let ticket = |subject: &str| Ticket::new(TicketPriority::High, "agent", subject);
    assert!(Outcome::stay().ticket(ticket("Help").body(letters(4096))).is_ok());
    assert_eq!(problem(Outcome::stay().ticket(ticket(""))), ("open-ticket.subject", Problem::Missing));
    assert_eq!(
        problem(Outcome::stay().ticket(ticket("Help").body(letters(4097)))),
        ("open-ticket.body", Problem::TooLong { length: 4097, max: 4096 })
    );
    assert_eq!(problem(Outcome::stay().track("Bad-Name", 1.0)).0, "track.name");
    assert_eq!(problem(Outcome::stay().track("good_name", f64::NAN)).0, "track.value");
    assert_eq!(problem(Outcome::stay().issue_recovery_credentials("device known", 1.5)).0, "issue-recovery-credentials.confidence");
    assert_eq!(problem(Outcome::stay().template(Template::new("Bad Name"))).0, "send-template.name");
    assert_eq!(problem(Outcome::stay().request_authentication("")), ("request-authentication.purpose", Problem::Missing));
    assert_eq!(problem(Outcome::stay().ticket(ticket(&letters(257)))), ("open-ticket.subject", Problem::TooLong { length: 257, max: 256 }));
    let tagged = (0..17).fold(ticket("Help"), |ticket, at| ticket.tag(format!("t{at}")));
    assert_eq!(problem(Outcome::stay().ticket(tagged)), ("open-ticket.tags", Problem::TooMany { count: 17, max: 16 }));
    assert_eq!(problem(Outcome::stay().template(Template::new("news").parameter(" "))), ("send-template.values", Problem::Missing));
    assert_eq!(problem(Outcome::stay().change_consent(true, "", "chat")), ("change-consent.wording", Problem::Missing));
    assert_eq!(problem(Outcome::stay().set_timer(NewTimer::new("late", 31 * 24 * 3_600_000))).0, "set-timer.after-ms");
    let big = NewTimer::new("big", 1).payload(&letters(9 * 1024)).unwrap();
    assert!(matches!(problem(Outcome::stay().set_timer(big)), ("set-timer.payload", Problem::TooLong { .. })));
}

#[test]
fn an_answer_has_at_most_32_effects() {
    let full = (0..32).try_fold(Outcome::stay(), |outcome, _| outcome.track("steps", 1.0)).unwrap();
    assert_eq!(problem(full.track("steps", 1.0)), ("effects", Problem::TooMany { count: 33, max: 32 }));
}

#[test]
fn errors_turn_into_the_right_flow_error() {
    assert!(matches!(FlowError::from(ImportError::Unavailable("busy".into())), FlowError::Transient(_)));
    for error in [ImportError::NotFound, ImportError::NotGranted("x".into()), ImportError::Invalid("x".into())] {
        assert!(matches!(FlowError::from(error), FlowError::Permanent(_)));
    }
    let error = Outcome::stay().reply(letters(4097)).unwrap_err();
    assert_eq!(FlowError::from(error), FlowError::permanent("text.body is 4097 long, at most 4096 fit: shorten it"));
}
