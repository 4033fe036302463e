//! A game's templates as people look at them: what the game says, and what Meta says at each account.

use std::collections::BTreeMap;

use questline_core::game::Game;
use questline_core::template::at_meta::{Standing, Version, counts_as};
use questline_core::template::{Category, Template, parameters};
use questline_core::time::UnixMs;
use questline_whatsapp::template::{components, texts_digest};
use serde::Serialize;

use super::{Account, TemplateDesk};

/// All templates of a game.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplatesView {
    /// The business accounts that the game sends from.
    pub accounts: Vec<AccountView>,
    /// By name.
    pub templates: Vec<TemplateView>,
}

/// How far an account is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Meta's id of it.
    pub account: String,
    /// When Meta's list was last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<UnixMs>,
    /// Why it could not be read since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateView {
    /// Its name.
    pub name: String,
    /// Whether the game has it; else Meta alone does.
    pub declared: bool,
    /// What the game takes it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// In each language that the game or Meta has.
    pub languages: Vec<LanguageView>,
}

/// One language of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LanguageView {
    /// As Meta writes it.
    pub language: String,
    /// Values that the game puts into its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<usize>,
    /// What Meta says, at each account.
    pub at: Vec<AtAccount>,
}

/// One version at Meta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtAccount {
    /// Where.
    pub account: String,
    /// Whether it can be sent now; what Meta has not told can be tried.
    pub sendable: bool,
    /// Where it stands: `approved`, `pending`, `paused`, ..., `missing`, or `unknown` before Meta was asked.
    pub state: &'static str,
    /// What its messages count as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts_as: Option<Category>,
    /// What players think of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<&'static str>,
    /// Why it stands so, in Meta's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When its pause ends, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<UnixMs>,
    /// The category that Meta has announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced: Option<questline_core::template::at_meta::Announced>,
    /// What differs from the game's: `category`, `texts`, `values`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<&'static str>,
    /// Meta's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl TemplateDesk {
    /// A game's templates. What Meta alone has is shown where no other game shares the account.
    pub fn view(&self, game: &Game) -> TemplatesView {
        let now = self.clock.now();
        let accounts: Vec<&Account> = self.accounts.of_game(&game.id).collect();
        let account = |account: &&Account| AccountView {
            account: account.id.clone(),
            listed_at: account.book.get().listed_at,
            problem: account.problem(),
        };
        let mut names: BTreeMap<String, Option<&Template>> =
            game.templates.iter().map(|(name, template)| (name.clone(), Some(template))).collect();
        for own in accounts.iter().filter(|account| account.games.len() == 1) {
            for (name, _, _) in own.book.get().iter() {
                if !names.contains_key(name) {
                    names.insert(name.to_owned(), None);
                }
            }
        }
        let templates = names.iter().map(|(name, declared)| template_view(name, *declared, &accounts, now)).collect();
        TemplatesView { accounts: accounts.iter().map(account).collect(), templates }
    }
}

fn template_view(name: &str, declared: Option<&Template>, accounts: &[&Account], now: UnixMs) -> TemplateView {
    let books: Vec<_> = accounts.iter().map(|account| (account.id.as_str(), account.book.get())).collect();
    let mut languages: Vec<String> = declared.map(|template| template.languages.keys().cloned().collect()).unwrap_or_default();
    for (_, book) in &books {
        languages.extend(book.versions.get(name).into_iter().flat_map(BTreeMap::keys).cloned());
    }
    languages.sort_unstable();
    languages.dedup();
    let language = |language: String| {
        let at = |(account, book): &(&str, std::sync::Arc<questline_core::template::at_meta::Book>)| {
            at_account(account, declared, &language, book.version(name, &language), book.standing(name, &language, now), now)
        };
        let values = declared.and_then(|template| template.languages.get(&language)).map(|texts| parameters(&texts.body));
        LanguageView { at: books.iter().map(at).collect(), values, language }
    };
    TemplateView {
        name: name.to_owned(),
        declared: declared.is_some(),
        category: declared.map(|template| template.category),
        languages: languages.into_iter().map(language).collect(),
    }
}

fn at_account(
    account: &str,
    declared: Option<&Template>,
    language: &str,
    version: Option<&Version>,
    standing: Standing,
    now: UnixMs,
) -> AtAccount {
    let at_meta = version.and_then(|version| version.category_at(now));
    AtAccount {
        account: account.to_owned(),
        sendable: matches!(standing, Standing::Sendable(_) | Standing::Unknown),
        state: version.filter(|_| matches!(standing, Standing::Sendable(_))).map_or(standing.as_str(), |version| match version.state {
            // Its pause is over.
            questline_core::template::at_meta::State::Paused => "approved",
            state => state.as_str(),
        }),
        counts_as: declared.map(|template| counts_as(template.category, at_meta)).or(at_meta),
        quality: version.map(|version| version.quality.as_str()),
        reason: version.and_then(|version| version.reason.clone()),
        paused_until: version.and_then(|version| version.paused_until).filter(|until| *until > now),
        announced: version.and_then(|version| version.announced),
        differs: declared.zip(version).map(|(template, version)| differs(template, language, version)).unwrap_or_default(),
        id: version.and_then(|version| version.id.clone()),
    }
}

fn differs(template: &Template, language: &str, version: &Version) -> Vec<&'static str> {
    let Some(texts) = template.languages.get(language) else { return Vec::new() };
    let mut differs = Vec::new();
    if version.category.is_some_and(|category| category != template.category) {
        differs.push("category");
    }
    if version.texts.is_some_and(|at_meta| at_meta != texts_digest(&components(template, texts))) {
        differs.push("texts");
    }
    let takes = (texts.header.as_deref().map_or(0, parameters), parameters(&texts.body), texts.buttons.len());
    if version.takes.is_some_and(|at| (usize::from(at.header), usize::from(at.body), usize::from(at.buttons)) != takes) {
        differs.push("values");
    }
    differs
}
