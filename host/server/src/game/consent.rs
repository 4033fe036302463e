//! `[consent]` of game.toml: the wordings that players agree to, by version, and words of the game's own that end it.

use std::collections::BTreeMap;

use questline_core::command::HostCommand;
use questline_core::consent::words::OwnWords;
use questline_core::consent::{ConsentRules, NAME_CHARS_MAX, WORDING_BYTES_MAX, Wording};
use serde::Deserialize;

use super::GameProblem;

/// Words of one kind in one language.
const WORDS_MAX: usize = 50;
/// Versions that are declared.
const WORDINGS_MAX: usize = 200;
/// Bytes of a wording: a record also has what the player answered.
const TEXT_BYTES_MAX: usize = WORDING_BYTES_MAX / 2;

/// The section.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConsentFile {
    /// What START in the chat agrees to.
    chat_wording: Option<String>,
    /// By version, texts by language.
    wordings: BTreeMap<String, Wording>,
    /// By language.
    stop_words: BTreeMap<String, Vec<String>>,
    start_words: BTreeMap<String, Vec<String>>,
}

fn rule(text: String) -> GameProblem {
    GameProblem::Rule(text)
}

impl ConsentFile {
    pub(super) fn into_rules(self, locale: &str) -> Result<ConsentRules, GameProblem> {
        let mut words = OwnWords::default();
        for (name, lists, command) in
            [("stop_words", &self.stop_words, HostCommand::Stop), ("start_words", &self.start_words, HostCommand::Start)]
        {
            for (language, list) in lists {
                check_language(&format!("consent.{name}"), language)?;
                if list.len() > WORDS_MAX {
                    return Err(rule(format!("consent.{name}.{language} has {} words; it takes {WORDS_MAX} at most", list.len())));
                }
                for word in list {
                    words
                        .add(language, word, command)
                        .map_err(|problem| rule(format!("consent.{name}.{language}: {word:?}: {problem}")))?;
                }
            }
        }
        if self.wordings.len() > WORDINGS_MAX {
            return Err(rule(format!("consent.wordings has {} versions; it takes {WORDINGS_MAX} at most", self.wordings.len())));
        }
        for (version, texts) in &self.wordings {
            if !is_name(version) {
                return Err(rule(format!("consent.wordings: a version is 1 to {NAME_CHARS_MAX} of a-z, 0-9, -, _ and ., not {version:?}")));
            }
            for (language, text) in texts {
                check_language(&format!("consent.wordings.{version}"), language)?;
                if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
                    return Err(rule(format!("consent.wordings.{version}.{language} takes 1 to {TEXT_BYTES_MAX} bytes")));
                }
                let elsewhere = self.wordings.iter().find(|(other, texts)| *other != version && texts.values().any(|other| other == text));
                if let Some((other, _)) = elsewhere {
                    return Err(rule(format!("consent.wordings: {version:?} and {other:?} have the same text: a version is its words")));
                }
            }
        }
        let rules = ConsentRules { wordings: self.wordings, chat_wording: self.chat_wording, words };
        for version in rules.wordings.keys().chain(&rules.chat_wording) {
            rules.wording(version, locale).map_err(|problem| rule(format!("consent: {problem}")))?;
        }
        Ok(rules)
    }
}

/// Whether a text can be the name of a method or version.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(fits)
}

fn check_language(name: &str, language: &str) -> Result<(), GameProblem> {
    let fits = (2..=35).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { Ok(()) } else { Err(rule(format!("{name} goes by language, for instance \"de\", not {language:?}"))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rules(text: &str) -> Result<ConsentRules, String> {
        toml::from_str::<ConsentFile>(text).map_err(|problem| problem.to_string())?.into_rules("en").map_err(|problem| problem.to_string())
    }

    #[test]
    fn wordings_and_words_are_read_and_checked() {
        let good = "chat_wording = 'news-1'\n[wordings.news-1]\nen = 'News?'\nde = 'News auf Deutsch?'\n[stop_words]\nde = ['Keine Post']";
        let found = rules(good).unwrap();
        assert_eq!(found.command("keine post", Some("de")), Some(HostCommand::Stop));
        assert_eq!(found.wording("news-1", "de-AT"), Ok("News auf Deutsch?"));
        assert_eq!(rules("").unwrap(), ConsentRules::default());
        for (wrong, says) in [
            ("chat_wording = 'news-1'", "declares no wording"),
            ("[wordings.'News 1']\nen = 'x'", "a version is"),
            ("[wordings.news-1]\nde = 'x'", "not declared in \"en\""),
            ("[wordings.news-1]\nen = ' '", "takes 1 to"),
            ("[wordings.a]\nen = 'x'\n[wordings.b]\nen = 'x'", "the same text"),
            ("[stop_words]\nen = ['Start']", "host's own"),
            ("[start_words]\nen = ['stop']", "host's own"),
            ("[stop_words]\nGerman_ = ['x']", "goes by language"),
            ("[stop_words]\nde = ['...']", "no letters"),
            ("words = 1", "unknown field"),
        ] {
            let problem = rules(wrong).unwrap_err();
            assert!(problem.contains(says), "{wrong}: {problem}");
        }
    }
}
