//! Business accounts, as the numbers of the configuration name them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use questline_core::id::{GameId, NumberId};
use questline_core::template::at_meta::{AccountBook, AtMeta, Book, BookChange};
use questline_core::time::UnixMs;
use tokio::sync::Notify;

use crate::config::NumberConfig;

/// One business account.
pub struct Account {
    /// Meta's id of it (WABA).
    pub id: String,
    /// The number whose access token asks about it.
    pub number: NumberId,
    /// The games that talk from its numbers.
    pub games: BTreeSet<GameId>,
    /// What is known of its templates.
    pub book: AccountBook,
    /// Held while its list is read.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Held while its book is changed.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// When its list is read next, Unix milliseconds.
    next_at: AtomicU64,
    notes: Mutex<Notes>,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct Notes {
    /// When the API asked for the list, the oldest first.
    asked: VecDeque<UnixMs>,
    doubted_at: Option<UnixMs>,
    problem: Option<String>,
}

impl Account {
    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its list is read as soon as can be.
    pub(super) fn soon(&self) {
        self.next_at.store(0, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// As [`Self::soon`], once in a while.
    pub(super) fn doubt(&self, now: UnixMs, every_ms: u64) {
        let mut notes = self.notes();
        if notes.doubted_at.is_none_or(|doubted_at| now.since_ms(doubted_at) >= every_ms) {
            notes.doubted_at = Some(now);
            drop(notes);
            self.soon();
        }
    }

    pub(super) fn is_due(&self, now: UnixMs) -> bool {
        self.next_at.load(Ordering::Relaxed) <= now.0
    }

    pub(super) fn list_at(&self, at: UnixMs) {
        self.next_at.store(at.0, Ordering::Relaxed);
    }

    /// Whether the API may ask for its list once more, and that it does.
    pub(super) fn may_ask(&self, now: UnixMs, within_ms: u64, times_max: usize) -> bool {
        let mut notes = self.notes();
        while notes.asked.front().is_some_and(|at| now.since_ms(*at) >= within_ms) {
            notes.asked.pop_front();
        }
        let may = notes.asked.len() < times_max;
        if may {
            notes.asked.push_back(now);
        }
        may
    }

    /// Notes how reading the list went.
    pub(super) fn note(&self, problem: Option<String>) {
        self.notes().problem = problem;
    }

    /// Why its list could not be read the last time; none if it was.
    pub(super) fn problem(&self) -> Option<String> {
        self.notes().problem.clone()
    }

    /// Lets a change hold that could not be written.
    pub(super) fn apply(&self, change: &BookChange) {
        let mut book = Book::clone(&self.book.get());
        book.apply(change);
        self.book.put(Arc::new(book));
    }
}

/// All accounts.
#[derive(Clone, Default)]
pub struct Accounts {
    by_id: Arc<BTreeMap<String, Account>>,
    by_number: Arc<HashMap<NumberId, String>>,
    wake: Arc<Notify>,
}

impl Accounts {
    /// Those of these numbers.
    pub fn of(numbers: &[NumberConfig]) -> Self {
        let wake = Arc::new(Notify::new());
        let mut by_id: BTreeMap<String, Account> = BTreeMap::new();
        for number in numbers {
            let account = by_id.entry(number.account.clone()).or_insert_with(|| Account {
                id: number.account.clone(),
                number: number.id.clone(),
                games: BTreeSet::new(),
                book: AccountBook::default(),
                turn: tokio::sync::Mutex::default(),
                writing: tokio::sync::Mutex::default(),
                next_at: AtomicU64::new(0),
                notes: Mutex::default(),
                wake: wake.clone(),
            });
            account.games.insert(number.game.clone());
        }
        let by_number = numbers.iter().map(|number| (number.id.clone(), number.account.clone())).collect();
        Self { by_id: Arc::new(by_id), by_number: Arc::new(by_number), wake }
    }

    /// What the games' rules ask.
    pub fn at_meta(&self) -> AtMeta {
        let book = |(number, account): (&NumberId, &String)| Some((number.clone(), self.by_id.get(account)?.book.clone()));
        AtMeta::new(self.by_number.iter().filter_map(book))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Account> {
        self.by_id.values()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Account> {
        self.by_id.get(id)
    }

    pub(super) fn of_number(&self, number: &NumberId) -> Option<&Account> {
        self.by_id.get(self.by_number.get(number)?)
    }

    pub(super) fn of_game(&self, game: &GameId) -> impl Iterator<Item = &Account> {
        self.by_id.values().filter(move |account| account.games.contains(game))
    }

    /// Until somebody wants a list.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }
}
