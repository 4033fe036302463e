//! What can be written, and how errors are told.
#![allow(clippy::unwrap_used)]

use super::super::script::{Action, Expectation, ExpectedKind, Who};
use super::*;

fn only(text: &str) -> Scene {
    let mut scenes = parse(text).unwrap();
    assert_eq!(scenes.len(), 1);
    scenes.remove(0)
}

#[test]
fn a_scene_is_what_happens_and_what_is_expected() {
    let scene = only(
        "# a comment\nscene Balance of a diamond player\nplayer Nova is p-1001\n\nNova: What is my balance?\n  # another\n  bot: Your balance:\n    ✨ Star Crystals: 12,500\n\n    # no comment: a text\n  buttons: A | B\nafter 1 hour\n  nothing\n",
    );
    assert_eq!((scene.title.as_str(), scene.line, scene.roles.len()), ("Balance of a diamond player", 2, 1));
    let [says, passes] = &scene.beats[..] else { panic!("{:?}", scene.beats) };
    assert_eq!((says.line, passes.line), (5, 12));
    let [Expected { line: 7, what: Expectation::Message(message) }] = &says.expected[..] else { panic!("{:?}", says.expected) };
    let ExpectedKind::Text(text) = &message.kind else { panic!("{message:?}") };
    assert!(text.matches("Your balance:\n✨ Star Crystals: 12,500\n\n# no comment: a text"), "{text}");
    assert!(matches!(&message.parts[..], [Part::Buttons(buttons)] if buttons.len() == 2));
    assert!(matches!(passes.action, Action::Passes { ms: 3_600_000 }));
}

#[test]
fn players_stand_for_samples_for_nobody_or_for_themselves() {
    let scene = only(
        "player Ghost is unknown\nscene Who\nplayer Nova is p-1001, tier gold\nplayer Kim has tier gold, locale de, device pixel-7, purchase 49.99 EUR\nKim: hi\n",
    );
    let [ghost, nova, kim] = &scene.roles[..] else { panic!("{:?}", scene.roles) };
    assert_eq!((&ghost.who, &nova.who, &kim.who), (&Who::Unknown, &Who::Sample("p-1001".into()), &Who::Made));
    assert_eq!(nova.traits.tier.as_deref(), Some("gold"));
    assert_eq!((kim.traits.devices.clone(), kim.traits.purchase.clone()), (vec!["pixel-7".to_owned()], Some((4999, "EUR".to_owned()))));
}

#[test]
fn words_and_payloads_go_on_behind_a_bar() {
    let scene = only("scene S\nNova: one\n  | two\n  |   three\nevent match-found for Nova {\"match\":\n  | \"m-1\"}\n");
    assert!(matches!(&scene.beats[0].action, Action::Says { text, .. } if text == "one\ntwo\n  three"), "{:?}", scene.beats[0]);
    assert!(matches!(&scene.beats[1].action, Action::GameEvent { payload, .. } if payload == "{\"match\":\"m-1\"}"));
}

#[test]
fn errors_tell_line_column_and_what_could_stand_there() {
    for (text, line, column, expected, found) in [
        ("Nova: hi\n", 1, 1, "`scene`", "Nova: hi"),
        ("scene\n", 1, 6, "what the scene is about", ""),
        ("scene S\nNova: hi\n  bott: hello\n", 3, 3, "`bot:`", "bott: hello"),
        ("scene S\nNova dances\n", 2, 1, "taps|picks", "Nova dances"),
        ("scene S\nNova taps\n", 2, 10, "title of a button", ""),
        ("scene S\nafter 5 moons\n", 2, 8, "minutes", "moons"),
        ("scene S\n  bot: hi\n", 2, 3, "something that happens", "bot: hi"),
        ("scene S\nbot: hi\n", 2, 1, "indent what is expected", "bot: hi"),
        ("scene S\nNova: hi\n  ticket: urgent thing\n", 3, 11, "`critical`", "urgent thing"),
        ("scene S\nNova: hi\n  buttons: A\n", 3, 3, "`bot:`", "buttons: A"),
        ("scene S\nNova: hi\n  state: {\"a\":\n", 3, 3, "JSON", "state: {\"a\":"),
        ("scene S\nplayer Kim has tier gold, shoes red\nKim: hi\n", 2, 27, "`tier`", "shoes red"),
        ("scene S\nplayer Käthe is\nKäthe: hi\n", 2, 16, "sample player", ""),
        ("scene S\nbackend x answers {a}\n", 2, 19, "JSON or `as usual`", "{a}"),
        ("scene S\nevent x for Nova {\"a\"}\n", 2, 1, "JSON after", "event x for Nova {\"a\"}"),
        ("scene S\n", 1, 1, "something that happens", "the next scene"),
        ("# nothing\n", 1, 1, "at least one `scene`", ""),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
        assert!(error.expected.contains(expected), "{text:?}: {error}");
        assert!(error.found.contains(found), "{text:?}: {error}");
    }
}

#[test]
fn whatever_is_written_is_read_or_refused() {
    // Every prefix of a transcript that uses all there is.
    let text = "player A is p-1\nscene S\nstarts at 2026-11-22 12:00\nignores replies\nA sends image: ü\n  bot: *\n    more\n  asks: contact\n\
        delivery to A fails 131026 x\nA sends location 1, 2 x\nagent closes ticket of A: done\n  ticket: low x within 60s\n  ticket says: *\n\
        backend b fails: unavailable\nA reacts 👍\n  template: t en: a | b\n  timer: x in 5 min\n  state of f: {\"a\": [1]}\n";
    assert!(parse(text).is_ok(), "{:?}", parse(text));
    for (end, _) in text.char_indices() {
        let _ = parse(&text[..end]);
    }
}
