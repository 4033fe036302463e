//! `questline flow new` and `flow test` as a studio types them.

use std::path::Path;
use std::process::{Command, Output};

use questline_tests::guests::workspace;
use questline_tests::host::program;

fn run(program: &Path, arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(program);
    // An outer cargo's own settings are none of a person's who types this.
    command.args(arguments).current_dir(dir).env_remove("CARGO_TARGET_DIR").env("CARGO_BUILD_JOBS", "1");
    command.output().expect("it runs")
}

fn questline(arguments: &[&str], dir: &Path) -> Output {
    run(program(), arguments, dir)
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Looks for the tags of an XML document: each that opens is closed, in order, and nothing is left bare. Their names.
fn well_formed(xml: &str) -> Vec<String> {
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("an XML declaration");
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains('>'), "a bare > in {text:?}");
        let end = at + rest[at..].find('>').expect("the tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in {tag:?}");
        let name = tag.trim_matches('/').split(' ').next().unwrap().to_owned();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop().as_ref(), Some(&name)),
            (false, closed) => {
                seen.push(name.clone());
                if !closed {
                    open.push(name);
                }
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    seen
}

#[test]
fn what_new_makes_builds_and_passes_as_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let sdk = workspace().join("plugins/sdk");
    let made = questline(&["flow", "new", "daily-quiz", "--game", "star-quiz", "--sdk", sdk.to_str().unwrap()], dir.path());
    assert!(made.status.success(), "{}", told(&made));
    assert!(told(&made).contains("questline flow test flows/star-quiz"), "{}", told(&made));

    let junit = dir.path().join("junit.xml");
    let tested = questline(&["flow", "test", "flows/star-quiz", "--junit", junit.to_str().unwrap()], dir.path());
    assert!(tested.status.success(), "{}", told(&tested));
    assert!(told(&tested).contains("3 scenes, "), "{}", told(&tested));
    let tags = well_formed(&std::fs::read_to_string(&junit).unwrap());
    assert_eq!(tags.iter().filter(|tag| *tag == "testcase").count(), 3, "{tags:?}");

    let native = run(Path::new(env!("CARGO")), &["test", "-p", "daily-quiz"], dir.path());
    assert!(native.status.success(), "{}", told(&native));

    // Nothing is written over, whatever is asked.
    let again = questline(&["flow", "new", "daily-quiz"], dir.path());
    assert!(!again.status.success() && told(&again).contains("is there already"), "{}", told(&again));
    // A second flow joins the workspace, and leaves the game alone.
    let game_toml = std::fs::read(dir.path().join("flows/star-quiz/game.toml")).unwrap();
    let second = questline(&["flow", "new", "shop", "--game", "star-quiz"], dir.path());
    assert!(second.status.success() && told(&second).contains("[flows.shop]"), "{}", told(&second));
    assert_eq!(std::fs::read(dir.path().join("flows/star-quiz/game.toml")).unwrap(), game_toml);
    assert!(dir.path().join("plugins/shop/src/lib.rs").is_file());

    // What fails is told with its line, for people, for programs and for CI.
    let chat = dir.path().join("flows/star-quiz/daily-quiz.chat");
    let text = std::fs::read_to_string(&chat).unwrap().replace("Hello Ada! How", "Good <morning> & \"hello\" Ada! How");
    std::fs::write(&chat, text).unwrap();
    let failed = questline(&["flow", "test", "--no-build", "--filter", "GREETED", "--junit", junit.to_str().unwrap()], dir.path());
    assert_eq!(failed.status.code(), Some(1));
    let shown = told(&failed);
    for part in ["FAIL  A player is greeted", "daily-quiz.chat:7", "- bot: Good <morning>", "+ bot: Hello Ada! How", "1 of 1 scenes failed"]
    {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(well_formed(&xml).contains(&"failure".to_owned()));
    assert!(xml.contains("Good &lt;morning&gt; &amp; &quot;hello&quot;"), "{xml}");
    let json = questline(&["flow", "test", "--no-build", "--json"], dir.path());
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON alone on standard output");
    assert_eq!(document["games"][0]["passed"], false);
    assert!(document["games"][0]["transcripts"][0]["scenes"][0]["steps"][0]["fuel"].as_u64().unwrap() > 1000);
    let nothing = questline(&["flow", "test", "--no-build", "--filter", "no such scene"], dir.path());
    assert!(!nothing.status.success() && told(&nothing).contains("no scene is called"), "{}", told(&nothing));
}

#[test]
fn names_that_cannot_be_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["Quiz", "../quiz", "1quiz", "quiz-", "a--b", "match", "serde", "test", "", "quiz/flow", &"q".repeat(41)] {
        let made = questline(&["flow", "new", "--", name], dir.path());
        assert!(!made.status.success(), "{name:?}: {}", told(&made));
    }
    assert!(!questline(&["flow", "new", "quiz", "--game", "No Game"], dir.path()).status.success());
    let lonely = questline(&["flow", "new", "quiz", "--sdk", "/nowhere"], dir.path());
    assert!(told(&lonely).contains("--sdk /nowhere"), "{}", told(&lonely));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
