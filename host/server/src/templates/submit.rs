//! A game's template is handed in for Meta's review: created where Meta has none, edited where Meta's differs.

use questline_core::game::Game;
use questline_core::template::Template;
use questline_core::template::at_meta::{BookChange, News, State, Told};
use questline_whatsapp::graph::{GraphError, Submitted};
use questline_whatsapp::template::{TemplateProblem, category_of, check_submission, components, creation, edit, texts_digest};
use serde::Serialize;

use super::{Account, NotListed, TemplateDesk};

/// Why nothing was handed in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotHandedIn {
    /// The game declares none of this name.
    #[error("the game has no template {0:?}")]
    NoTemplate(String),
    /// The template has not this language.
    #[error("template {name:?} has no {language:?}; it has {known}")]
    NoLanguage {
        /// Which template.
        name: String,
        /// Which language.
        language: String,
        /// What there is.
        known: String,
    },
    /// Meta would refuse it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unfit(Vec<TemplateProblem>),
    /// The game talks from no number.
    #[error("the game talks from no number, so there is no account to hand templates in at")]
    NoAccount,
    /// Others would be concerned.
    #[error("account {0} is used by several games: only the operator hands templates in there")]
    SharedAccount(String),
    /// What Meta has is not known.
    #[error(transparent)]
    NotListed(#[from] NotListed),
}

/// What became of one language at one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandedIn {
    /// Where.
    pub account: String,
    /// Which language.
    pub language: String,
    /// `created`, `edited`, `unchanged`, `in-review` or `refused`.
    pub outcome: &'static str,
    /// Where it stands now, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// Meta's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What is to be handed in.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// Which template.
    pub name: &'a str,
    /// In this language alone.
    pub language: Option<&'a str>,
    /// By the operator, who may where several games share an account.
    pub by_operator: bool,
}

impl TemplateDesk {
    /// Hands a game's template in at all its accounts. What Meta has is looked at first.
    pub async fn submit(&self, game: &Game, wanted: Submission<'_>) -> Result<Vec<HandedIn>, NotHandedIn> {
        let name = wanted.name;
        let template = game.templates.get(name).ok_or_else(|| NotHandedIn::NoTemplate(name.to_owned()))?;
        if let Some(language) = wanted.language.filter(|language| !template.languages.contains_key(*language)) {
            let known = template.languages.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(NotHandedIn::NoLanguage { name: name.to_owned(), language: language.to_owned(), known });
        }
        let problems = check_submission(template);
        if !problems.is_empty() {
            return Err(NotHandedIn::Unfit(problems));
        }
        let accounts: Vec<&Account> = self.accounts.of_game(&game.id).collect();
        if accounts.is_empty() {
            return Err(NotHandedIn::NoAccount);
        }
        if let Some(shared) = accounts.iter().find(|account| account.games.len() > 1 && !wanted.by_operator) {
            return Err(NotHandedIn::SharedAccount(shared.id.clone()));
        }
        self.list_for(&game.id).await?;
        let mut handed_in = Vec::new();
        for account in accounts {
            for language in template.languages.keys().filter(|language| wanted.language.is_none_or(|wanted| wanted == *language)) {
                handed_in.push(self.hand_in(account, template, language).await);
            }
        }
        Ok(handed_in)
    }

    async fn hand_in(&self, account: &Account, template: &Template, language: &str) -> HandedIn {
        let row = |outcome, state: Option<State>, detail| HandedIn {
            account: account.id.clone(),
            language: language.to_owned(),
            outcome,
            state: state.map(State::as_str),
            detail,
        };
        let book = account.book.get();
        let known = book.version(&template.name, language).filter(|version| version.state != State::Deleted);
        let ours = template.languages.get(language).map(|texts| texts_digest(&components(template, texts)));
        let begun = match known {
            None => self.create(account, template, language).await.map(|submitted| ("created", submitted)),
            Some(known) if matches!(known.state, State::Pending | State::InAppeal) => return row("in-review", Some(known.state), None),
            Some(known) if known.texts == ours && known.category == Some(template.category) && known.state == State::Approved => {
                return row("unchanged", Some(known.state), None);
            }
            Some(known) => {
                let with_category = known.state != State::Approved;
                if !with_category && known.category != Some(template.category) {
                    let detail =
                        "the category of an approved template cannot be changed: give the template another name, or appeal at Meta";
                    return row("refused", Some(known.state), Some(detail.to_owned()));
                }
                let (Some(id), Some(edit)) = (&known.id, edit(template, language, with_category)) else {
                    return row("refused", Some(known.state), Some("Meta's id of the template is not known".to_owned()));
                };
                self.graph.edit_template(&account.number, id, &edit).await.map(|submitted| ("edited", submitted))
            }
        };
        match begun {
            Ok((outcome, submitted)) => {
                // An edit is answered without a state: it waits for review.
                let state = submitted.status.as_deref().map_or(State::Pending, State::listed);
                self.learn(account, template, language, &submitted, state).await;
                row(outcome, Some(state), None)
            }
            Err(problem) => row("refused", known.map(|known| known.state), Some(problem.to_string())),
        }
    }

    async fn create(&self, account: &Account, template: &Template, language: &str) -> Result<Submitted, GraphError> {
        let creation = creation(template, language).ok_or(GraphError::Invalid("the template has no such language"))?;
        self.graph.create_template(&account.number, &account.id, &creation).await
    }

    /// Until the webhook or the list tells more.
    async fn learn(&self, account: &Account, template: &Template, language: &str, submitted: &Submitted, state: State) {
        let category = submitted.category.as_deref().and_then(category_of);
        let told = |news| Told { name: template.name.clone(), language: language.to_owned(), id: submitted.id.clone(), news };
        let news = News::State { state: Some(state), category, reason: None, paused_ms: None };
        let change = BookChange::Heard { told: vec![told(news)], at: self.clock.now() };
        if let Err(problem) = self.change(account, change).await {
            tracing::error!(account = account.id, %problem, "a template was handed in, and that could not be kept; Meta's list will tell");
        }
        account.soon();
    }
}
