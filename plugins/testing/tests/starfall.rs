//! The sample game is whole: texts in every language, words that mean one thing, buttons that fit, honest sample data.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use questline_sdk::limits::BUTTON_TITLE_MAX;
use questline_testing::{LOCALES, Texts, data, file, game, keys, lexicon};

#[test]
fn every_language_has_the_same_texts_with_the_same_variables() {
    assert_eq!(keys("en"), keys("de"));
}

#[test]
fn every_text_can_be_filled_in() {
    for locale in LOCALES {
        let texts = Texts::of(locale);
        for (key, variables) in keys(locale) {
            for value in ["1", "7", "Ada"] {
                let arguments: Vec<(String, String)> = variables.iter().map(|name| (name.clone(), value.to_owned())).collect();
                let text = texts.text(&key, &arguments).unwrap_or_else(|error| panic!("{locale}: {key}: {error:?}"));
                assert!(!text.contains('{') && !text.contains('}'), "{locale}: {key}: {text}");
            }
        }
    }
}

#[test]
fn every_button_fits_whatsapp_and_reads_unlike_the_others() {
    for locale in LOCALES {
        let texts = Texts::of(locale);
        let buttons = keys(locale).into_keys().filter(|key| key.starts_with("button-"));
        let titles: Vec<String> = buttons.map(|key| texts.text(&key, &[]).unwrap()).collect();
        assert!(titles.len() >= 17);
        for title in &titles {
            assert!(title.chars().count() <= BUTTON_TITLE_MAX, "{locale}: {title} is too long");
        }
        assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), titles.len(), "{locale}: two buttons read the same");
    }
}

/// All string literals in the sources of the game's plugins that look like a key: lower-case words joined by `-`.
fn literals() -> BTreeSet<String> {
    let game = game();
    let plugins: BTreeSet<&str> = game["flows"].as_table().unwrap().values().map(|flow| flow["plugin"].as_str().unwrap()).collect();
    let mut found = BTreeSet::new();
    for plugin in plugins {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(plugin).join("src");
        for entry in fs::read_dir(dir).unwrap() {
            let source = fs::read_to_string(entry.unwrap().path()).unwrap();
            for line in source.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
                found.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn every_text_is_used_and_every_text_that_is_used_exists() {
    let (keys, literals) = (keys("en"), literals());
    // `button-{id}`: the ids are literals too, or what a match yields.
    let prefixes: Vec<&str> = literals
        .iter()
        .filter_map(|literal| literal.split_once('{'))
        .map(|(prefix, _)| prefix)
        .filter(|prefix| prefix.ends_with('-'))
        .collect();
    let of_the_host = |key: &str| key == "recovery-credentials" || key.starts_with("host-");
    let unused: Vec<&String> = keys
        .keys()
        .filter(|key| !literals.contains(*key) && !of_the_host(key) && !prefixes.iter().any(|prefix| key.starts_with(prefix)))
        .collect();
    assert!(unused.is_empty(), "no flow uses {unused:?}");

    // A literal that begins like a text is one.
    let heads: BTreeSet<&str> = keys.keys().filter_map(|key| key.split_once('-')).map(|(head, _)| head).collect();
    let game = game();
    let table = |name: &str| game[name].as_table().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut others: BTreeSet<String> = table("flows").into_iter().chain(table("intents")).collect();
    others.extend(game["backend"]["operations"].as_table().unwrap().keys().cloned());
    others.extend(
        game["routes"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|route| route.get("game_events"))
            .flat_map(|names| names.as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned()),
    );
    // Intents of tickets, and events that another flow may hand over.
    others.extend(["tournament-follow-up".to_owned(), "recovery-credentials".to_owned()]);
    // How a player has proven themselves.
    others.insert("code-in-game".to_owned());
    let is_key = |literal: &&String| {
        literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && literal.contains('-') && !literal.ends_with('-')
    };
    let missing: Vec<&String> = literals
        .iter()
        .filter(is_key)
        .filter(|literal| literal.split_once('-').is_some_and(|(head, _)| heads.contains(head)))
        .filter(|literal| !keys.contains_key(*literal) && !others.contains(*literal))
        .collect();
    assert!(missing.is_empty(), "no text has the key {missing:?}");
}

#[test]
fn a_word_belongs_to_one_intent_in_all_languages() {
    let intents: BTreeMap<String, BTreeMap<String, Vec<String>>> = game()["intents"].clone().try_into().unwrap();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (name, languages) in &intents {
        assert_eq!(languages.keys().collect::<Vec<_>>(), ["de", "en"], "{name}");
        for phrase in languages.values().flatten() {
            assert_eq!(*phrase, phrase.to_lowercase(), "{name}");
            let before = owners.insert(phrase.clone(), name);
            assert_eq!(before, None, "{phrase:?} stands twice, the second time in {name}");
        }
    }
}

#[test]
fn what_players_write_means_what_it_should() {
    let lexicon = lexicon();
    for (text, intent) in [
        ("I lost access to my account", "account-recovery"),
        ("i can't log in anymore", "account-recovery"),
        ("Help, my account was hacked!", "account-recovery"),
        ("I forgot my password", "account-recovery"),
        ("I cannot get into my account (device: fp-nova-pixel9)", "account-recovery"),
        ("Ich habe den Zugang verloren", "account-recovery"),
        ("Ich komme nicht mehr in mein Konto", "account-recovery"),
        ("Mein Konto wurde gehackt", "account-recovery"),
        ("Ich kann mich nicht mehr anmelden", "account-recovery"),
        ("What are the tournament prizes?", "tournament-prizes"),
        ("Welche Preise gibt es beim Turnier?", "tournament-prizes"),
        ("Where is the bracket?", "tournament-brackets"),
        ("Zeig mir den Turnierbaum", "tournament-brackets"),
        ("How do I join the tournament?", "tournament-registration"),
        ("Wie kann ich am Turnier teilnehmen?", "tournament-registration"),
        ("Send me tournament news", "tournament-news-on"),
        ("no more tournament news please", "tournament-news-off"),
        ("Turniernews abonnieren", "tournament-news-on"),
        ("Bitte keine Turniernews mehr", "tournament-news-off"),
        ("accept", "match-accept"),
        ("Ich lehne ab", "match-decline"),
        ("Which tournaments are on?", "events"),
        ("What is my balance?", "balance"),
        ("mein Konto", "balance"),
        ("I need to talk to a human, I lost my account", "agent"),
        ("I paid but my crystals did not arrive!", "purchase-problem"),
    ] {
        let found = lexicon.classify(text);
        assert_eq!(found.first().map(|found| found.name.as_str()), Some(intent), "{text}: {found:?}");
        assert!(found[0].confidence >= 0.3, "{text}: {found:?}");
    }
}

#[test]
fn sample_players_cover_every_tier_and_promise_what_they_have() {
    let data = data();
    let players = data["players"].as_array().unwrap();
    let tiers: BTreeSet<&str> = players.iter().map(|player| player["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers, BTreeSet::from(["bronze", "diamond", "gold", "platinum", "silver", "standard"]));
    let phones: BTreeSet<&str> = players.iter().map(|player| player["phone"].as_str().unwrap()).collect();
    assert_eq!(phones.len(), players.len(), "a phone number belongs to one player");
    for player in players {
        let phone = player["phone"].as_str().unwrap();
        assert!(phone.starts_with("+1555") || phone.starts_with("+49155"), "{phone} may be somebody's");
        let rewards = player["rewards"].as_array().unwrap().len();
        assert_eq!(player["balances"]["pending_rewards"], rewards, "{}", player["id"]);
        let times: Vec<u64> = player["transactions"].as_array().unwrap().iter().map(|entry| entry["at_ms"].as_u64().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a > b), "{}: transactions are newest first", player["id"]);
    }
}

#[test]
fn every_template_has_every_language() {
    for name in ["gaming_welcome_back", "match_found_alert", "tournament_result"] {
        let template: toml::Table = file(&format!("templates/{name}.toml")).parse().unwrap();
        let languages: BTreeSet<&str> = template["languages"].as_table().unwrap().keys().map(String::as_str).collect();
        assert_eq!(languages, BTreeSet::from(LOCALES), "{name}");
    }
}
