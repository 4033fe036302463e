//! Permits: the one place where a message is asked for all of them. What memory knows is asked before a message takes its
//! turn; places in sliding windows are asked of the store before a send begins, and only for what needs them: templates
//! outside of the service window, and marketing. Consent comes after, in the write that begins a send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use questline_core::id::{NumberId, OutboxRef};
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::permit::Verdict;
use questline_core::permit::learned::Lesson;
use questline_core::permit::windows::{marketing_ask, portfolio_ask};
use questline_core::port::{PermitAnswer, PermitAsk, PermitReturn};
use questline_core::send::ParkReason;
use questline_core::template::Category;
use questline_core::time::{MINUTE_MS, UnixMs};
use tokio::sync::mpsc;

use super::back::Back;
use super::judge::goes_on_elsewhere;
use super::{STORE_WAIT, Sender};
use crate::sending::SendingDesk;
use crate::sending::alerts::Alert;

/// What waits for a place in a portfolio's limit asks again after so long, or up to twice that.
const LOOK_AGAIN_MS: u64 = 15 * MINUTE_MS;

/// Places that messages on their way have taken anew: those of a message that comes to nothing are given back.
#[derive(Debug, Default)]
pub struct Taken {
    of: Mutex<HashMap<OutboxRef, Vec<PermitReturn>>>,
    /// Messages that wait for a place in a portfolio's limit, about.
    behind: Mutex<HashMap<String, u32>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The category that a message's permits go by.
fn category(message: &OutboxMessage) -> Option<Category> {
    message.message.content.category()
}

/// What asks memory before a message takes its turn.
pub(super) fn of_memory(sending: Arc<SendingDesk>) -> impl Fn(&OutboxMessage, UnixMs) -> Verdict + Send {
    move |message, now| {
        let verdict = sending.verdict(&message.message, category(message), now);
        match verdict {
            // After its time it would be too late anyway: it is counted as such then.
            Verdict::Park { until, reason } => {
                Verdict::Park { until: message.message.expires_at.map_or(until, |expires_at| until.min(expires_at)), reason }
            }
            Verdict::Go => Verdict::Go,
        }
    }
}

/// What a message asks the store for, and why it waits if there is no place.
struct Asks {
    marketing: Option<PermitAsk>,
    portfolio: Option<(PermitAsk, String)>,
}

impl Asks {
    fn of(sending: &SendingDesk, message: &OutboxMessage, now: UnixMs) -> Option<Self> {
        // Nothing but a template takes a place.
        let category = category(message)?;
        let per_week = (category == Category::Marketing).then(|| sending.marketing_per_week(&message.message.game));
        let marketing = per_week.and_then(|per_week| marketing_ask(message, Some(category), per_week));
        let portfolio = sending.portfolio(&message.message.number).and_then(|(portfolio, limit, reserve_percent)| {
            let ask = portfolio_ask(&message.message, portfolio, limit, reserve_percent, now)?;
            Some((ask, portfolio.to_owned()))
        });
        (marketing.is_some() || portfolio.is_some()).then_some(Self { marketing, portfolio })
    }
}

impl Sender {
    /// Begins messages: those that need places in windows once they have them.
    pub(super) fn ask_and_begin(self: &Arc<Self>, messages: Vec<OutboxMessage>, back: mpsc::UnboundedSender<Back>) {
        let now = self.clock.now();
        let (mut free, mut asking) = (messages, Vec::new());
        if free.iter().any(|message| message.message.content.category().is_some()) {
            let all = std::mem::take(&mut free);
            for message in all {
                match Asks::of(&self.sending, &message, now) {
                    Some(asks) => asking.push((message, asks)),
                    None => free.push(message),
                }
            }
        }
        if !free.is_empty() {
            self.begin(free, back.clone());
        }
        if !asking.is_empty() {
            let sender = self.clone();
            tokio::spawn(async move { sender.take_places(asking, now, back).await });
        }
    }

    /// Takes the places that messages need, and begins those that have them. What has none is parked until its turn.
    async fn take_places(self: Arc<Self>, asking: Vec<(OutboxMessage, Asks)>, now: UnixMs, back: mpsc::UnboundedSender<Back>) {
        // The player's own cap first: nobody else's place is in it, so that it can be given back without regard to others.
        let caps: Vec<PermitAsk> = asking.iter().filter_map(|(_, asks)| asks.marketing.clone()).collect();
        let caps = match self.sending.permits().take_permits(caps, now).await {
            Ok(answers) => answers,
            Err(problem) => return self.not_asked(asking, &problem, &back).await,
        };
        let mut caps = caps.into_iter();
        let mut capped = Vec::with_capacity(asking.len());
        for (message, asks) in asking {
            let answer = asks.marketing.as_ref().and_then(|_| caps.next());
            match (answer, &asks.marketing) {
                (Some(PermitAnswer::NotBefore(until)), _) => self.no_place(message, until, ParkReason::MarketingCap, &back),
                (Some(PermitAnswer::New), Some(ask)) => {
                    self.note_taken(&message, ask, now);
                    capped.push((message, asks));
                }
                _ => capped.push((message, asks)),
            }
        }
        let wanted: Vec<PermitAsk> = {
            let behind = locked(&self.taken.behind);
            let ask = |(ask, name): &(PermitAsk, String)| PermitAsk { behind: behind.get(name).copied().unwrap_or(0), ..ask.clone() };
            capped.iter().filter_map(|(_, asks)| asks.portfolio.as_ref().map(ask)).collect()
        };
        let places = match self.sending.permits().take_permits(wanted, now).await {
            Ok(answers) => answers,
            Err(problem) => return self.not_asked(capped, &problem, &back).await,
        };
        let mut places = places.into_iter();
        let mut granted = Vec::with_capacity(capped.len());
        for (message, asks) in capped {
            let answer = asks.portfolio.as_ref().and_then(|_| places.next());
            match (answer, &asks.portfolio) {
                (Some(PermitAnswer::NotBefore(until)), Some((_, portfolio))) => {
                    *locked(&self.taken.behind).entry(portfolio.clone()).or_default() += 1;
                    self.give_back(message.id);
                    self.no_place(message, until, ParkReason::PortfolioLimit, &back);
                }
                (Some(PermitAnswer::New), Some((ask, portfolio))) => {
                    if let Some(behind) = locked(&self.taken.behind).get_mut(portfolio) {
                        *behind = behind.saturating_sub(1);
                    }
                    self.note_taken(&message, ask, now);
                    granted.push(message);
                }
                _ => granted.push(message),
            }
        }
        for message in &granted {
            self.metrics.sending.permit(message.message.class.as_str(), "granted");
        }
        if !granted.is_empty() {
            self.begin(granted, back);
        }
    }

    async fn not_asked(
        &self,
        messages: Vec<(OutboxMessage, Asks)>,
        problem: &questline_core::port::StoreError,
        back: &mpsc::UnboundedSender<Back>,
    ) {
        tracing::error!(%problem, "permits could not be asked for, and the messages wait");
        tokio::time::sleep(STORE_WAIT).await;
        let _ = back.send(Back::NotBegun(messages.into_iter().map(|(message, _)| message).collect()));
    }

    fn no_place(&self, message: OutboxMessage, until: UnixMs, reason: ParkReason, back: &mpsc::UnboundedSender<Back>) {
        // Meta may raise a portfolio's limit at any time: its turn may come sooner than is known now.
        let until = match reason {
            ParkReason::PortfolioLimit => until.min(self.clock.now().plus_ms(LOOK_AGAIN_MS + crate::clock::random() % LOOK_AGAIN_MS)),
            _ => until,
        };
        let until = message.message.expires_at.map_or(until, |expires_at| until.min(expires_at));
        let event = match goes_on_elsewhere(&message) {
            true => Back::Elsewhere(Box::new(message), reason),
            false => Back::Park(Box::new(message), until, reason),
        };
        let _ = back.send(event);
    }

    fn note_taken(&self, message: &OutboxMessage, ask: &PermitAsk, taken_at: UnixMs) {
        let place = PermitReturn { window: ask.window.clone(), member: ask.member.clone(), taken_at };
        locked(&self.taken.of).entry(message.id).or_default().push(place);
    }

    /// A message is with Meta: its places are used.
    pub(super) fn places_used(&self, message: &OutboxMessage) {
        if message.message.content.category().is_some() {
            locked(&self.taken.of).remove(&message.id);
        }
    }

    /// A message is not sent: the places that it took anew are free again.
    pub(super) fn give_back(&self, message: OutboxRef) {
        let Some(places) = locked(&self.taken.of).remove(&message) else { return };
        let permits = self.sending.permits().clone();
        tokio::spawn(async move {
            if let Err(problem) = permits.return_permits(places).await {
                tracing::warn!(%problem, "places of a message that was not sent stay taken until their time is over");
            }
        });
    }

    /// Learns from Meta's refusal of a message.
    pub(super) fn learn_of(&self, number: &NumberId, code: u32, now: UnixMs) {
        let Some(lesson) = Lesson::of_code(code) else { return };
        if self.sending.learn(|learned| learned.teach(number, lesson, now)) {
            tracing::warn!(number = number.as_str(), code, lesson = lesson.as_str(), "Meta has taught something of a number");
        }
    }

    /// Tells the operator that Meta refuses something that has to be mended.
    pub(super) fn alert_of(&self, message: &OutboxMessage, scope: &'static str, code: Option<u32>, detail: &str) {
        let of = &message.message;
        let name = match (scope, &of.content) {
            ("app" | "account", _) => {
                let number = self.numbers.iter().find(|number| number.id == of.number);
                number.map_or_else(String::new, |number| if scope == "app" { number.app.clone() } else { number.account.clone() })
            }
            ("template", Content::Template(template)) => template.name.clone(),
            _ => of.number.to_string(),
        };
        let alert = Alert::new("meta-refused", scope, name, detail.to_owned());
        self.sending.alerts().raise(match code {
            Some(code) => alert.code(code),
            None => alert,
        });
    }
}
