//! What a game declares about consent: its wordings by version, and words of its own that end or begin marketing.

use std::collections::BTreeMap;

use super::words::{OwnWords, language_of};
use crate::command::HostCommand;

/// A game's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentRules {
    /// What players are asked to agree to, by version.
    pub wordings: BTreeMap<String, Wording>,
    /// The one that START in the chat agrees to.
    pub chat_wording: Option<String>,
    /// Words of the game's own, beside the host's.
    pub words: OwnWords,
}

/// The exact words of one version, by language.
pub type Wording = BTreeMap<String, String>;

/// There is no such wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWording {
    /// No such version.
    #[error("the game declares no wording {version:?} in [consent.wordings]")]
    Version {
        /// Which was named.
        version: String,
    },
    /// Not in this language.
    #[error("wording {version:?} is not declared in {locale:?}")]
    Language {
        /// Which version.
        version: String,
        /// Which language.
        locale: String,
    },
}

impl ConsentRules {
    /// What a text is to the host, from somebody of this language, if that is known.
    pub fn command(&self, text: &str, locale: Option<&str>) -> Option<HostCommand> {
        HostCommand::parse(text, locale, &self.words)
    }

    /// The exact words of a version, in a language as a player has it: `pt-BR` takes `pt` where there is nothing nearer.
    pub fn wording(&self, version: &str, locale: &str) -> Result<&str, NoWording> {
        let wording = self.wordings.get(version).ok_or_else(|| NoWording::Version { version: version.to_owned() })?;
        let find = |wanted: &str| wording.iter().find(|(language, _)| language.eq_ignore_ascii_case(wanted)).map(|(_, text)| text.as_str());
        find(locale)
            .or_else(|| find(language_of(locale)))
            .ok_or_else(|| NoWording::Language { version: version.to_owned(), locale: locale.to_owned() })
    }

    /// Which version words are: those that begin with a declared text; of several, the longest one's.
    pub fn version_of(&self, words: &str) -> Option<&str> {
        let texts = self.wordings.iter().flat_map(|(version, texts)| texts.values().map(move |text| (version, text)));
        let found = texts.filter(|(_, text)| words.starts_with(text.as_str()));
        found.max_by_key(|(_, text)| text.len()).map(|(version, _)| version.as_str())
    }

    /// The words that START agrees to, with their version: the declared ones and what the player wrote, or that alone.
    pub(crate) fn agreed_by(&self, typed: &str, locale: &str, otherwise: &str) -> (String, Option<String>) {
        let declared = self.chat_wording.as_deref().and_then(|version| {
            let text = self.wording(version, locale).or_else(|_| self.wording(version, otherwise)).ok()?;
            Some((format!("{text} — {typed}"), Some(version.to_owned())))
        });
        declared.unwrap_or_else(|| (typed.to_owned(), None))
    }
}
