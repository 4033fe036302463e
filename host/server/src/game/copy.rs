//! Texts of a game: one Fluent file a locale under `copy/`.
//!
//! Fluent because translators know it: plurals, genders and word order are theirs to write, not the flow's.

use std::collections::BTreeMap;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use questline_core::port::{Copy, ServiceError};
use unic_langid::LanguageIdentifier;

use super::Bundle;

/// Bytes of one finished text: Meta takes 4096 characters at most.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The texts in every locale.
pub(super) struct CopyBook {
    bundles: BTreeMap<String, FluentBundle<FluentResource>>,
    default: String,
}

/// Why texts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Its name.
    #[error("{0} is not named after a locale, for instance en.ftl or pt-BR.ftl")]
    Locale(String),
    /// Its text.
    #[error("{path}, line {line}: {problem}")]
    Syntax {
        /// Which.
        path: String,
        /// Where.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The game's own locale.
    #[error("there is no copy/{0}.ftl, and game.toml says that {0} is the game's locale")]
    NoDefault(String),
}

impl CopyBook {
    /// Reads every `copy/<locale>.ftl`.
    pub(super) fn load(bundle: &Bundle, default: &str) -> Result<Self, CopyError> {
        let mut bundles = BTreeMap::new();
        for (stem, path, text) in bundle.under("copy", "ftl") {
            bundles.insert(stem.to_owned(), read(stem, path, text)?);
        }
        if !bundles.contains_key(default) {
            return Err(CopyError::NoDefault(default.to_owned()));
        }
        Ok(Self { bundles, default: default.to_owned() })
    }

    fn nearest(&self, locale: &str) -> impl Iterator<Item = &FluentBundle<FluentResource>> {
        let plain = locale.split(['-', '_']).next().unwrap_or(locale).to_owned();
        let exact = self.bundles.get(locale);
        let related = self.bundles.iter().find(move |(known, _)| known.split('-').next() == Some(plain.as_str())).map(|(_, bundle)| bundle);
        exact.into_iter().chain(related).chain(self.bundles.get(&self.default))
    }
}

fn read(stem: &str, path: &str, bytes: &[u8]) -> Result<FluentBundle<FluentResource>, CopyError> {
    let syntax = |line: usize, problem: String| CopyError::Syntax { path: path.to_owned(), line, problem };
    let text = std::str::from_utf8(bytes).map_err(|problem| syntax(1, format!("not UTF-8: {problem}")))?;
    let locale: LanguageIdentifier = stem.parse().map_err(|_| CopyError::Locale(path.to_owned()))?;
    let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, problems)| match problems.first() {
        Some(problem) => {
            let line = text.get(..problem.pos.start).map_or(1, |before| before.matches('\n').count() + 1);
            syntax(line, problem.to_string())
        }
        None => syntax(1, "not Fluent".to_owned()),
    })?;
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Isolation marks would surround every name and number; chats show them as they are.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|problems| syntax(1, problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    Ok(bundle)
}

impl Copy for CopyBook {
    fn text(&self, key: &str, locale: &str, arguments: &[(String, String)]) -> Result<String, ServiceError> {
        let found = self.nearest(locale).find_map(|bundle| Some((bundle, bundle.get_message(key)?.value()?)));
        let (bundle, pattern) = found.ok_or(ServiceError::NotFound)?;
        let mut values = FluentArgs::with_capacity(arguments.len());
        for (name, value) in arguments {
            // Numbers choose plurals and get the locale's separators; everything else stays as it is.
            let number = value.parse::<i64>().is_ok_and(|number| number.to_string() == *value);
            values.set(name.as_str(), if number { FluentValue::try_number(value) } else { FluentValue::from(value.as_str()) });
        }
        let mut problems = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&values), &mut problems);
        match problems.first() {
            Some(problem) => Err(ServiceError::Invalid(format!("text {key:?} in {locale}: {problem}"))),
            None if text.len() > TEXT_BYTES_MAX => Err(ServiceError::Invalid(format!("text {key:?} has more than {TEXT_BYTES_MAX} bytes"))),
            None => Ok(text.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn book(files: &[(&str, &str)], default: &str) -> Result<CopyBook, CopyError> {
        let files = files.iter().map(|(name, text)| (format!("copy/{name}"), text.as_bytes().to_vec().into())).collect();
        CopyBook::load(&Bundle::new(questline_core::id::GameId::parse("game").unwrap(), files).unwrap(), default)
    }

    #[test]
    fn the_nearest_locale_then_the_games_own() {
        let book = book(&[("en.ftl", "hi = Hello\nonly = English"), ("de.ftl", "hi = Hallo"), ("pt-BR.ftl", "hi = Oi")], "en").unwrap();
        for (locale, text) in [("de-AT", "Hallo"), ("pt", "Oi"), ("pt-BR", "Oi"), ("fr", "Hello")] {
            assert_eq!(book.text("hi", locale, &[]).unwrap(), text, "{locale}");
        }
        assert_eq!(book.text("only", "de", &[]).unwrap(), "English");
        assert_eq!(book.text("nothing", "de", &[]), Err(ServiceError::NotFound));
    }

    #[test]
    fn numbers_choose_plurals_and_names_are_filled_in() {
        let book =
            book(&[("en.ftl", "rewards = { $count ->\n    [one] one reward\n   *[other] { $count } rewards\n } for { $name }")], "en")
                .unwrap();
        let text = |count: &str| book.text("rewards", "en", &[("count".into(), count.into()), ("name".into(), "Ada".into())]).unwrap();
        assert_eq!(text("1"), "one reward for Ada");
        assert_eq!(text("3"), "3 rewards for Ada");
        assert!(matches!(book.text("rewards", "en", &[]), Err(ServiceError::Invalid(_))), "a missing value is not shown to players");
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let problem = book(&[("en.ftl", "hi = Hello\n\nbroken\n")], "en").err().unwrap().to_string();
        assert!(problem.contains("en.ftl, line 3"), "{problem}");
        assert!(matches!(book(&[("de.ftl", "hi = Hallo")], "en"), Err(CopyError::NoDefault(_))));
        assert!(matches!(book(&[("en.ftl", "a = b"), ("words-of-the-game.ftl", "a = b")], "en"), Err(CopyError::Locale(_))));
    }
}
