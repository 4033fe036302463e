//! One-time codes of a scene: made, counted and tried by the code that does it in production, kept in the scene's memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::account::{Account, ContactRecord};
use questline_core::day::Day;
use questline_core::id::{ConversationId, GameId, OutboxRef, OutboxSeq};
use questline_core::outbox::Content;
use questline_core::port::{
    AccountChange, AccountKeys, AccountPages, Accounts, Appended, Batch, CheckVerification, Clock, DedupKey, EndVerifications,
    ForgetVerifications, Inbox, Incoming, Place, Places, ResendVerification, StartVerification, StoreError, Verifications,
};
use questline_core::time::UnixMs;
use questline_core::verification::book::{Checked, Guards, Issued, PlayerMark, ResendRefusal, Status, Subject};
use questline_core::verification::code::{Code, CodeKeys};
use questline_core::verification::guard::Refused;
use questline_core::verification::measure::DayMeasures;
use questline_core::verification::trail::CodeWatch;
use questline_core::verification::way::{Begun, CodeStanding, Way};
use questline_core::verification::{CodePromise, VerificationId};

use super::simulation::Arrived;
use crate::clock::random;
use crate::config::Secret;
use crate::game::Games;
use crate::metrics::Metrics;
use crate::verification::{CodeDesk, Keyring};

/// The scene's desk, and the eyes of whoever holds a phone.
pub(super) struct SceneCodes {
    /// Makes and tries codes.
    pub(super) desk: Arc<CodeDesk>,
    keys: Arc<Keyring>,
    told: Arc<Told>,
}

impl SceneCodes {
    /// With a key of its own.
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Result<Self, String> {
        let key = Secret::new(format!("{:016x}{:016x}", random(), random()));
        let keys = Arc::new(Keyring::new(&[key]).map_err(|problem| problem.to_string())?);
        let told = Arc::new(Told::default());
        let desk = Arc::new(CodeDesk {
            games: Arc::new(Games::default()),
            store: Arc::new(Book::default()),
            accounts: Arc::new(NoAccounts),
            desk: None,
            inbox: told.clone(),
            keys: Some(keys.clone()),
            clock,
            metrics: metrics.clone(),
        });
        Ok(Self { desk, keys, told })
    }

    /// What the desk has told conversations since this was last asked.
    pub(super) fn take_told(&self) -> Vec<Incoming> {
        std::mem::take(&mut *self.told.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest code among messages, with what promised it.
    pub(super) fn newest<'a>(&self, arrived: &'a [Arrived]) -> Option<(&'a CodePromise, Code)> {
        arrived.iter().rev().find_map(|arrived| match &arrived.message.content {
            Content::Code(promise) => Some((promise, self.keys.open(&promise.id, promise.send, &promise.sealed)?)),
            _ => None,
        })
    }
}

/// Another code of the same length.
pub(super) fn wrong(code: &Code) -> String {
    let flipped = |digit: char| if digit == '0' { '1' } else { '0' };
    code.reveal().chars().map(flipped).collect()
}

/// Events for conversations, until the scene hands them over.
#[derive(Default)]
struct Told(Mutex<Vec<Incoming>>);

#[async_trait]
impl Inbox for Told {
    async fn append(&self, batch: Batch) -> Result<Appended, StoreError> {
        let events = batch.events.len() as u32;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.events);
        Ok(Appended { events, ..Appended::default() })
    }

    async fn known(&self, keys: Vec<DedupKey>) -> Result<Vec<bool>, StoreError> {
        Ok(vec![false; keys.len()])
    }
}

/// The host knows nothing of any account.
struct NoAccounts;

#[async_trait]
impl Accounts for NoAccounts {
    async fn accounts(&self, _: &GameId, keys: AccountKeys) -> Result<AccountPages, StoreError> {
        let AccountKeys { players, contacts, tokens } = keys;
        Ok(AccountPages {
            players: players.iter().map(|_| Account::default()).collect(),
            contacts: contacts.iter().map(|_| ContactRecord::default()).collect(),
            tokens: tokens.iter().map(|_| Default::default()).collect(),
        })
    }

    async fn change_accounts(&self, game: &GameId, keys: AccountKeys, mut change: AccountChange) -> Result<AccountPages, StoreError> {
        let mut pages = self.accounts(game, keys).await?;
        change(&mut pages);
        Ok(pages)
    }
}

/// What is open in the scene.
#[derive(Default)]
struct Book(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    subjects: HashMap<Place, Subject>,
    places: HashMap<VerificationId, Places>,
    marks: HashMap<Place, PlayerMark>,
}

impl Pages {
    fn mark(&self, places: &Places) -> Option<PlayerMark> {
        places.player.as_ref().map(|player| self.marks.get(player).copied().unwrap_or_default())
    }

    fn check(&mut self, check: &CheckVerification) -> Option<Checked> {
        let subject_of = |place: &Place| self.subjects.get(place);
        let id = match (&check.id, &check.contact) {
            (Some(id), _) => *id,
            (None, Some(contact)) => {
                subject_of(contact)?.verifications.iter().rev().find(|known| known.status(None, check.now).is_none())?.id
            }
            (None, None) => return None,
        };
        let places = self.places.get(&id)?.clone();
        let mut mark = self.mark(&places).unwrap_or_default();
        let is_right = |known: &questline_core::verification::book::Verification| {
            check.keys.matches(&known.id, known.sends, &check.code, &known.digest)
        };
        let target = check.by.is_none().then_some(&id);
        let subject = self.subjects.get_mut(&places.contact)?;
        let checked = subject.check(&mut mark, None, target, check.by.as_deref(), is_right, check.now)?;
        if let Some(player) = places.player.filter(|_| checked.status == Status::Approved) {
            self.marks.insert(player, mark);
        }
        Some(checked)
    }
}

impl Book {
    fn with<T>(&self, work: impl FnOnce(&mut Pages) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Verifications for Book {
    async fn start_verification(&self, start: StartVerification) -> Result<Result<Issued, Refused>, StoreError> {
        let StartVerification { places, wish, rules, limits, now, .. } = start;
        Ok(self.with(|pages| {
            let id = wish.id;
            let subject = pages.subjects.entry(places.contact.clone()).or_default();
            let issued = subject.start(&mut Guards::default(), wish, rules, &limits, now)?;
            if !issued.repeated {
                pages.places.insert(id, places);
            }
            Ok(issued)
        }))
    }

    async fn resend_verification(&self, resend: ResendVerification) -> Result<Option<Result<Issued, ResendRefusal>>, StoreError> {
        let ResendVerification { id, make, limits, now, .. } = resend;
        Ok(self.with(|pages| {
            let places = pages.places.get(&id)?.clone();
            let mark = pages.mark(&places);
            pages.subjects.get_mut(&places.contact)?.resend(&mut Guards::default(), &id, mark.as_ref(), &*make, &limits, now)
        }))
    }

    async fn check_verification(&self, check: CheckVerification) -> Result<Option<Checked>, StoreError> {
        Ok(self.with(|pages| pages.check(&check)))
    }

    async fn end_verifications(&self, end: EndVerifications) -> Result<(), StoreError> {
        self.with(|pages| {
            if let Some(player) = end.player {
                pages.marks.entry(player).or_default().end(end.now);
            }
            for contact in &end.contacts {
                if let Some(subject) = pages.subjects.get_mut(contact) {
                    subject.end();
                }
            }
        });
        Ok(())
    }

    async fn forget_verifications(&self, _: ForgetVerifications) -> Result<u64, StoreError> {
        // Nobody is erased in a scene.
        Ok(0)
    }

    async fn code_measures(&self, _: &GameId, _: Day, _: Day) -> Result<Vec<DayMeasures>, StoreError> {
        Ok(Vec::new())
    }

    async fn begin_code(&self, _: &GameId, code: CodeWatch, way: Way, now: UnixMs) -> Result<Begun, StoreError> {
        Ok(self.with(|pages| {
            let Some(places) = pages.places.get(&code.id).cloned() else { return Begun::Dead };
            let mark = pages.mark(&places);
            let subject = pages.subjects.get_mut(&places.contact);
            subject.map_or(Begun::Dead, |subject| subject.begin_way(&code.id, code.send, way, mark.as_ref(), now))
        }))
    }

    async fn code_delivered(&self, _: &GameId, _: CodeWatch, _: UnixMs) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// What is sent in a scene is on the phone at once.
    async fn code_standing(&self, _: &GameId, code: CodeWatch, now: UnixMs) -> Result<Option<CodeStanding>, StoreError> {
        Ok(self.with(|pages| {
            let places = pages.places.get(&code.id)?;
            let subject = pages.subjects.get(&places.contact)?;
            let standing = subject.standing(&code.id, code.send, code.place, pages.mark(places).as_ref(), now)?;
            let message = OutboxRef { conversation: ConversationId(0), seq: OutboxSeq(0) };
            let way = Way { place: code.place, channel: "scene".into(), message, sent_at: now, delivered_at: Some(now) };
            Some(CodeStanding { way: Some(way), ..standing })
        }))
    }
}
