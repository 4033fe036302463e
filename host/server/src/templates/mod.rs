//! Templates at Meta: what is known of them is read at the start, kept in step with Meta's list and webhooks, and told to the
//! rules; games' templates are handed in for review.
//!
//! A business account has one book, whichever games use it. The store holds it; memory holds the same, for sends to ask.

mod accounts;
mod hear;
mod submit;
mod view;

use std::sync::Arc;
use std::time::Duration;

use questline_core::id::{GameId, NumberId};
use questline_core::port::{Clock, StoreError, Templates};
use questline_core::template::at_meta::{Book, BookChange, News, Standing, Told};
use questline_core::time::{HOUR_MS, UnixMs};
use questline_whatsapp::graph::{GraphClient, GraphError};
use questline_whatsapp::webhook::Summary;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
pub use accounts::{Account, Accounts};
pub use submit::{HandedIn, NotHandedIn, Submission};
pub use view::{AccountView, AtAccount, LanguageView, TemplateView, TemplatesView};

/// Pages of one list: Meta keeps at most 6,000 templates, each in up to 70 languages.
const PAGES_MAX: usize = 1_000;
/// News that wait to be heard; beyond it the list is read instead.
const HEARD_MAX: usize = 1_024;
/// Lists of one account that the API may ask for in an hour: Meta takes 200 calls of all kinds.
const ASKED_PER_HOUR_MAX: usize = 30;
/// A send that Meta refused for its template has the list read, at most so often.
const DOUBT_EVERY_MS: u64 = 60_000;
/// Longest sleep of the loop.
const TICK: Duration = Duration::from_secs(1);

/// Why a list was not read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotListed {
    /// Meta.
    #[error("Meta did not list the templates of account {account}: {problem}")]
    Graph {
        /// Whose.
        account: String,
        /// What Meta said.
        problem: GraphError,
    },
    /// Page after page.
    #[error("Meta's list of the templates of account {0} has no end")]
    Endless(String),
    /// Asked for too often.
    #[error(
        "the templates of account {0} were listed {ASKED_PER_HOUR_MAX} times in the last hour: Meta limits these calls. Webhooks tell what changes"
    )]
    TooOften(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What reading a list came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Listing {
    /// Versions that Meta has: each language of a template is one.
    pub versions: usize,
    /// Lines of the list that could not be read.
    pub unreadable: usize,
}

/// What keeps books of templates.
pub struct TemplateDesk {
    accounts: Accounts,
    store: Arc<dyn Templates>,
    graph: Arc<GraphClient>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    every_ms: u64,
    heard: mpsc::Sender<Heard>,
}

/// What waits to be heard.
struct Heard {
    account: String,
    told: Told,
    received_at: UnixMs,
}

/// The parts of a desk.
pub struct TemplateParts {
    /// The accounts, whose books the games look into.
    pub accounts: Accounts,
    /// Where books are kept.
    pub store: Arc<dyn Templates>,
    /// Meta.
    pub graph: Arc<GraphClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// How often Meta's lists are read.
    pub every_ms: u64,
}

impl TemplateDesk {
    /// With what was known when the host last stopped. A book that cannot be read is an empty one: Meta has the last word then.
    pub async fn open(parts: TemplateParts, stop: CancellationToken) -> Arc<Self> {
        let TemplateParts { accounts, store, graph, clock, metrics, every_ms } = parts;
        for account in accounts.all() {
            match store.template_book(&account.id).await {
                Ok(book) => account.book.put(Arc::new(book)),
                Err(problem) => tracing::error!(account = account.id, %problem, "what is known of templates cannot be read"),
            }
        }
        let (heard, news) = mpsc::channel(HEARD_MAX);
        let desk = Arc::new(Self { accounts, store, graph, clock, metrics, every_ms, heard });
        tokio::spawn(desk.clone().listen(news, stop.clone()));
        tokio::spawn(desk.clone().keep_in_step(stop));
        desk
    }

    /// Takes what one of Meta's webhooks told; never waits.
    pub fn hear(&self, news: Vec<Summary>, received_at: UnixMs) {
        for (account, told) in news.into_iter().filter_map(hear::told) {
            if self.heard.try_send(Heard { account, told, received_at }).is_err() {
                // So much at once: the lists tell it all.
                self.accounts.all().for_each(Account::soon);
                return;
            }
        }
    }

    /// Meta refused a send for its template, and nobody knew: the list of that number's account is read soon.
    pub fn doubt(&self, number: &NumberId) {
        if let Some(account) = self.accounts.of_number(number) {
            account.doubt(self.clock.now(), DOUBT_EVERY_MS);
        }
    }

    async fn listen(self: Arc<Self>, mut news: mpsc::Receiver<Heard>, stop: CancellationToken) {
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = news.recv() => heard,
            };
            let Some(Heard { account: id, told, received_at }) = heard else { return };
            let Some(account) = self.accounts.get(&id) else {
                tracing::warn!(account = id, template = told.name, "Meta tells of a template of an account that no number has");
                continue;
            };
            let change = BookChange::Heard { told: vec![told], at: received_at };
            if let Err(problem) = self.change(account, change.clone()).await {
                tracing::error!(account = account.id, %problem, "what Meta told of a template could not be kept; its list will tell");
                // It holds for this run all the same.
                account.apply(&change);
                account.soon();
            }
        }
    }

    async fn keep_in_step(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let now = self.clock.now();
            for account in self.accounts.all().filter(|account| account.is_due(now)) {
                let listed = tokio::select! {
                    () = stop.cancelled() => return,
                    listed = self.list(account) => listed,
                };
                if let Err(problem) = listed {
                    tracing::warn!(%problem, "templates are not in step with Meta; it is tried again");
                }
                account.list_at(self.clock.now().plus_ms(self.every_ms));
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.accounts.wait() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Reads Meta's lists of a game's accounts now.
    pub async fn list_for(&self, game: &GameId) -> Result<Vec<(String, Listing)>, NotListed> {
        let mut listings = Vec::new();
        for account in self.accounts.of_game(game) {
            if !account.may_ask(self.clock.now(), HOUR_MS, ASKED_PER_HOUR_MAX) {
                return Err(NotListed::TooOften(account.id.clone()));
            }
            listings.push((account.id.clone(), self.list(account).await?));
        }
        Ok(listings)
    }

    /// Reads Meta's list of an account.
    async fn list(&self, account: &Account) -> Result<Listing, NotListed> {
        // One at a time: an older list must not come after a newer one.
        let _turn = account.turn.lock().await;
        let listed = self.read_list(account).await;
        self.metrics.templates_listed(if listed.is_ok() { "ok" } else { "failed" });
        account.note(listed.as_ref().err().map(ToString::to_string));
        listed
    }

    async fn read_list(&self, account: &Account) -> Result<Listing, NotListed> {
        let began_at = self.clock.now();
        let (mut list, mut unreadable, mut after) = (Vec::new(), 0, None);
        for _ in 0..PAGES_MAX {
            let page = self.graph.templates(&account.number, &account.id, after.as_deref()).await;
            let page = page.map_err(|problem| NotListed::Graph { account: account.id.clone(), problem })?;
            list.extend(page.templates);
            unreadable += page.unreadable;
            after = page.next;
            if after.is_none() {
                let listing = Listing { versions: list.len(), unreadable };
                if unreadable > 0 {
                    tracing::warn!(account = account.id, unreadable, "some of Meta's templates could not be read");
                }
                self.change(account, BookChange::Listed { list, began_at }).await?;
                return Ok(listing);
            }
        }
        Err(NotListed::Endless(account.id.clone()))
    }

    /// Writes a change, then lets it hold.
    async fn change(&self, account: &Account, change: BookChange) -> Result<(), StoreError> {
        let _turn = account.writing.lock().await;
        let texts = matches!(&change, BookChange::Heard { told, .. } if told.iter().any(|told| told.news == News::Texts));
        let book = self.store.change_template_book(&account.id, change).await?;
        let before = account.book.get();
        tell_changes(&account.id, &before, &book, self.clock.now());
        account.book.put(Arc::new(book));
        if texts {
            account.soon();
        }
        Ok(())
    }
}

/// Logs what can be sent no more, or again: an operator may have to do something.
fn tell_changes(account: &str, before: &Book, after: &Book, now: UnixMs) {
    let can = |standing: Standing| matches!(standing, Standing::Sendable(_) | Standing::Unknown);
    for (template, language, version) in after.iter() {
        let (was, is) = (before.standing(template, language, now), version.standing(now));
        let reason = version.reason.as_deref().unwrap_or_default();
        match (can(was), can(is)) {
            (true, false) => {
                tracing::error!(alert = true, account, template, language, state = is.as_str(), reason, "Meta sends a template no more");
            }
            (false, true) if was != Standing::Missing => tracing::info!(account, template, language, "Meta sends a template again"),
            _ => {}
        }
        let known = before.version(template, language).and_then(|version| version.category_at(now));
        if let (Some(was), Some(is)) = (known, version.category_at(now))
            && was != is
        {
            let (was, is) = (questline_whatsapp::template::category_word(was), questline_whatsapp::template::category_word(is));
            tracing::warn!(account, template, language, was, is, "Meta takes a template for something else");
        }
    }
}
