//! What the language can say, played on a flow that does what it is told; and how it says what went otherwise.

use questline::transcript::{Problem, TranscriptReport, play_all};
use questline_tests::{chats, guests::workspace};

fn puppet() -> std::path::PathBuf {
    workspace().join("tests/games/puppet")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_can_be_said_is_played() {
    let (game, bundle) = chats::load(&puppet()).await;
    let reports = play_all(&game, &bundle).await;
    for report in &reports {
        println!("{report}");
    }
    assert!(reports.iter().all(TranscriptReport::passed));
    // Another engine, another moment: the same cost.
    let again = play_all(&chats::load_bundle(&bundle).await, &bundle).await;
    let fuel =
        |reports: &[TranscriptReport]| reports.iter().flat_map(|report| &report.scenes).map(|scene| scene.fuel()).collect::<Vec<_>>();
    assert_eq!(fuel(&reports), fuel(&again));
}

/// What is told of a scene that goes otherwise: the line, and each text.
async fn told(cases: &[(&str, u32, &[&str])]) {
    let (_, bundle) = chats::load(&puppet()).await;
    let game = chats::load_bundle(&bundle).await;
    for (text, line, parts) in cases {
        let text = format!("player Ada has tier gold\nscene S\n{text}\n");
        let bundle = chats::with_chats(&bundle, &[("case.chat", &text)]);
        let [report] = &play_all(&game, &bundle).await[..] else { panic!("one transcript") };
        let [scene] = &report.scenes[..] else { panic!("{text}: {report}") };
        let failure = scene.failures.first().unwrap_or_else(|| panic!("it passed:\n{text}"));
        assert_eq!(failure.line, *line, "{text}\n{report}");
        for part in *parts {
            assert!(failure.text.contains(part), "{part:?} is not in\n{}", failure.text);
        }
        assert!(report.to_string().contains("FAIL") && !report.passed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_otherwise_is_told_with_its_line_and_the_difference() {
    told(&[
        ("Ada: say hello\n  bot: good morning", 4, &["Ada: say hello\n- bot: good morning\n+ bot: hello"]),
        ("Ada: say one\n  | say two\n  bot: one", 3, &["  bot: one\n+ bot: two"]),
        ("Ada: say one\n  bot: one\n  bot: two", 5, &["  bot: one\n- bot: two"]),
        ("Ada: say one", 3, &["+ bot: one"]),
        ("Ada: buttons A | B\n  bot: Choose\n  buttons: A | C", 4, &["- buttons: A | C", "+ buttons: A | B"]),
        ("Ada: buttons A\n  bot: *\nAda taps B", 5, &["no button \"B\"", "A"]),
        ("Ada picks Row", 3, &["no row \"Row\""]),
        ("Ada: ticket words", 3, &["+ ticket: normal help", "+ ticket says: words"]),
        ("Ada: ticket words\n  ticket: high help", 4, &["- ticket: high help", "+ ticket: normal help"]),
        ("Ada: timer x 60\n  timer: x in 2 minutes", 4, &["- timer: x in 2 minutes\n+ timer: x in 1 minute"]),
        ("Ada: timer x 60\n  no timer: x", 4, &["a timer x waits"]),
        ("Ada: keep 1\n  state: {\"kept\": \"2\"}", 4, &["- state: {\"kept\":\"2\"}", "+ state of puppet: {\"kept\":\"1\"}"]),
        ("Ada: say x\n  bot: x\n  hands over to other", 5, &["- hands over to other"]),
        ("Ada: panic oh no", 3, &["+ fails: trap", "oh no", "puppet/src/lib.rs:"]),
        ("Ada: say x\n  bot: x\n  fails: trap", 5, &["- fails: trap"]),
        ("Ada: call greet", 3, &["+ fails: permanent"]),
        ("Ada: log hi\n  log: ho", 4, &["- log: ho\n+ log: info hi"]),
        ("Ada: say x\n  bot: x\n  calls: greet", 5, &["- calls: greet\n+ nothing of the kind"]),
        ("Nobody: say x", 3, &["nobody here is called Nobody", "player Nobody is unknown"]),
        ("backend nothing answers {}\nAda: say x", 3, &["declares no operation \"nothing\"", "greet"]),
        ("agent closes ticket of Ada: x", 3, &["Ada has no open ticket"]),
        ("delivery to Ada fails 131026", 3, &["nothing was sent to Ada"]),
        ("ignores replies\nAda: say one\n  bot: two", 5, &["- bot: two"]),
        ("ignores replies\nAda: say one\n  nothing", 4, &["+ bot: one"]),
        ("Ada enters the code", 3, &["no code was sent to Ada"]),
        ("Ada: prove login", 3, &["+ code: login"]),
        ("Ada: prove login\n  code: high-value", 4, &["- code: high-value\n+ code: login"]),
        ("Ada: prove login\n  code\n  authenticated", 5, &["- authenticated\n+ not authenticated"]),
        (
            "Ada: say x\n  bot: x\ngame sends Ada a code for login\n  code\nAda enters the code in the game\n  bot: *\n  not authenticated",
            9,
            &["+ authenticated: code-in-game"],
        ),
        ("game sends Ada a code for login\n  code\ngame sends Ada a code for login", 5, &["no code is sent: resend-wait"]),
        // What the rules refuse, and what Meta would.
        ("Ada: template nothing", 3, &["+ fails: refused", "no template"]),
        ("Ada: again\nafter 1 hour", 4, &["more than 1000 steps"]),
        ("Ada: consent yes\nAda: template news Ada | a     b", 4, &["Meta would refuse this", "spaces"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_with_line_and_column() {
    let (_, bundle) = chats::load(&puppet()).await;
    let game = chats::load_bundle(&bundle).await;
    let bundle = chats::with_chats(
        &bundle,
        &[("bad.chat", "scene S\nAda: hi\n  both: hi\n"), ("good.chat", "scene S\nplayer Ada is unknown\nAda: say x\n  bot: x\n")],
    );
    let [bad, good] = &play_all(&game, &bundle).await[..] else { panic!("two transcripts") };
    let Some(Problem::Parse(error)) = &bad.problem else { panic!("{bad}") };
    assert_eq!((error.line, error.column), (3, 3));
    assert!(bad.to_string().contains("line 3, column 3: expected `bot:`"), "{bad}");
    assert!(good.passed(), "{good}");
}
