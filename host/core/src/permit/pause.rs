//! Pauses that people set: of a game, a number, a category or a template, with a reason and an end.

use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::id::NumberId;
use crate::outbox::NewMessage;
use crate::send::ParkReason;
use crate::template::Category;
use crate::time::{DAY_MS, UnixMs};

use super::Verdict;

/// A pause lasts this long at most; who wants it longer says so again.
pub const PAUSE_MS_MAX: u64 = 90 * DAY_MS;
/// Pauses of one game.
pub const PAUSES_MAX: usize = 200;
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 200;

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseTarget {
    /// All that the game sends, codes and warnings aside.
    Game,
    /// All that goes out from a number, codes and warnings aside.
    Number(NumberId),
    /// Templates of a category.
    Category(Category),
    /// One template.
    Template(String),
}

impl PauseTarget {
    /// Its kind, in the API and the audit log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Game => "game",
            Self::Number(_) => "number",
            Self::Category(_) => "category",
            Self::Template(_) => "template",
        }
    }

    /// Which, where there are several.
    pub fn name(&self) -> &str {
        match self {
            Self::Game => "",
            Self::Number(number) => number.as_str(),
            Self::Category(category) => category.as_str(),
            Self::Template(name) => name,
        }
    }

    fn reason(&self) -> ParkReason {
        match self {
            Self::Game => ParkReason::GamePaused,
            Self::Number(_) => ParkReason::NumberPaused,
            Self::Category(_) => ParkReason::CategoryPaused,
            Self::Template(_) => ParkReason::TemplatePaused,
        }
    }

    /// Whether it covers a message. Who pauses a category or a template means it, whatever is sent by it.
    fn covers(&self, message: &NewMessage, category: Option<Category>) -> bool {
        match self {
            Self::Game => !message.is_critical(),
            Self::Number(number) => *number == message.number && !message.is_critical(),
            Self::Category(paused) => category == Some(*paused),
            Self::Template(name) => message.content.template_name() == Some(name),
        }
    }
}

impl Category {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Utility => "utility",
            Self::Marketing => "marketing",
        }
    }

    /// The category of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Authentication, Self::Utility, Self::Marketing].into_iter().find(|category| category.as_str() == name)
    }
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Its name within the game.
    pub id: String,
    /// What is paused.
    pub target: PauseTarget,
    /// Why, in words.
    pub reason: String,
    /// Until when.
    pub until: UnixMs,
    /// Since when.
    pub since: UnixMs,
    /// Who said so.
    pub by: Actor,
}

/// The pauses of a game.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pauses(Vec<Pause>);

impl Pauses {
    /// Adds one, in place of one of the same name; those that are over are forgotten. False when there are too many.
    pub fn add(&mut self, pause: Pause, now: UnixMs) -> bool {
        self.0.retain(|known| known.until > now && known.id != pause.id);
        let fits = self.0.len() < PAUSES_MAX;
        if fits {
            self.0.push(pause);
        }
        fits
    }

    /// Lifts one; gives it back if it still held.
    pub fn lift(&mut self, id: &str, now: UnixMs) -> Option<Pause> {
        let place = self.0.iter().position(|pause| pause.id == id)?;
        Some(self.0.remove(place)).filter(|pause| pause.until > now)
    }

    /// Those that hold.
    pub fn holding(&self, now: UnixMs) -> impl Iterator<Item = &Pause> {
        self.0.iter().filter(move |pause| pause.until > now)
    }

    /// Whether there is none, whether or not it still holds.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For how long the one that has held longest has done so, in milliseconds.
    pub fn longest_ms(&self, now: UnixMs) -> u64 {
        self.holding(now).map(|pause| now.since_ms(pause.since)).max().unwrap_or(0)
    }

    /// Whether a message is paused, and until when.
    pub fn verdict(&self, message: &NewMessage, category: Option<Category>, now: UnixMs) -> Verdict {
        let covering = self.holding(now).filter(|pause| pause.target.covers(message, category));
        covering.fold(Verdict::Go, |verdict, pause| verdict.and(Verdict::Park { until: pause.until, reason: pause.target.reason() }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::permit::tests::{code, marketing, reply};

    const NOW: UnixMs = UnixMs(1_000_000);

    fn pause(id: &str, target: PauseTarget, ms: u64) -> Pause {
        Pause { id: id.into(), target, reason: "test".into(), until: NOW.plus_ms(ms), since: NOW, by: Actor::Operator }
    }

    fn parked(until: u64, reason: ParkReason) -> Verdict {
        Verdict::Park { until: NOW.plus_ms(until), reason }
    }

    fn verdict(pauses: &Pauses, message: &NewMessage) -> Verdict {
        pauses.verdict(message, message.content.category(), NOW)
    }

    #[test]
    fn a_pause_covers_what_it_names() {
        let mut pauses = Pauses::default();
        assert_eq!(verdict(&pauses, &reply()), Verdict::Go);
        pauses.add(pause("a", PauseTarget::Category(Category::Marketing), 50), NOW);
        assert_eq!(verdict(&pauses, &marketing()), parked(50, ParkReason::CategoryPaused));
        assert_eq!(verdict(&pauses, &reply()), Verdict::Go);
        assert_eq!(verdict(&pauses, &code()), Verdict::Go);
        pauses.add(pause("b", PauseTarget::Template("news".into()), 90), NOW);
        assert_eq!(verdict(&pauses, &marketing()), parked(90, ParkReason::TemplatePaused), "the longer one counts");
        pauses.add(pause("c", PauseTarget::Game, 10), NOW);
        assert_eq!(verdict(&pauses, &reply()), parked(10, ParkReason::GamePaused));
        assert_eq!(verdict(&pauses, &code()), Verdict::Go, "codes go on");
        pauses.add(pause("d", PauseTarget::Number(reply().number), 20), NOW);
        assert_eq!(verdict(&pauses, &reply()), parked(20, ParkReason::NumberPaused));
        pauses.add(pause("e", PauseTarget::Category(Category::Authentication), 5), NOW);
        assert_eq!(verdict(&pauses, &code()), parked(5, ParkReason::CategoryPaused), "but whoever pauses them means it");
        assert_eq!(pauses.verdict(&code(), Some(Category::Authentication), NOW.plus_ms(5)), Verdict::Go, "it ends by itself");
    }

    #[test]
    fn pauses_are_few_and_can_be_lifted() {
        let mut pauses = Pauses::default();
        for n in 0..PAUSES_MAX {
            assert!(pauses.add(pause(&n.to_string(), PauseTarget::Game, 50), NOW));
        }
        assert!(!pauses.add(pause("one more", PauseTarget::Game, 50), NOW));
        assert!(pauses.add(pause("7", PauseTarget::Game, 60), NOW), "in place of the one of that name");
        assert!(pauses.lift("7", NOW).is_some() && pauses.lift("7", NOW).is_none());
        assert!(pauses.lift("8", NOW.plus_ms(50)).is_none(), "it was over");
        assert!(pauses.add(pause("one more", PauseTarget::Game, 500), NOW.plus_ms(60)), "what is over makes room");
        assert_eq!(pauses.holding(NOW.plus_ms(60)).count(), 1);
    }
}
