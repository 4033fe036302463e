//! What an experiment compares, and by what it is measured.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{Deed, InvalidSplit, Split};
use crate::contact::Contact;
use crate::time::{DAY_MS, MINUTE_MS};

/// Characters of a variant's name.
pub const VARIANT_NAME_CHARS_MAX: usize = 32;
/// The longest and the shortest time in which somebody can convert.
pub const WITHIN_MS_MAX: u64 = 30 * DAY_MS;
/// See there.
pub const WITHIN_MS_MIN: u64 = MINUTE_MS;

/// One wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// For people.
    pub name: String,
    /// How many get it, beside the others.
    pub share: u16,
    /// What they get, with the broadcast's values.
    pub template: String,
}

/// What is hoped for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The player follows a tracked link of the message.
    Click,
    /// The game's backend tells this event of the player.
    Event(String),
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// What is compared, at least two.
    pub variants: Vec<Variant>,
    /// By what.
    pub goal: Goal,
    /// It counts for so long after Meta took the message.
    pub within_ms: u64,
}

/// It is no experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExperiment {
    /// See there.
    #[error(transparent)]
    Split(#[from] InvalidSplit),
    /// A name is empty, too long, or there twice.
    #[error("a variant's name is 1 to {VARIANT_NAME_CHARS_MAX} characters, and no other variant's")]
    Name,
    /// The time is too short or too long.
    #[error("the time in which somebody can convert is one minute to 30 days")]
    Within,
    /// The event has no name.
    #[error("the event's name is 1 to 64 characters")]
    Event,
}

impl Experiment {
    /// Checks it.
    pub fn check(&self) -> Result<(), InvalidExperiment> {
        self.split()?;
        let names: Vec<&str> = self.variants.iter().map(|variant| variant.name.as_str()).collect();
        let fits = |name: &&str| (1..=VARIANT_NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !names.iter().all(fits) || names.iter().enumerate().any(|(place, name)| names[..place].contains(name)) {
            return Err(InvalidExperiment::Name);
        }
        if !(WITHIN_MS_MIN..=WITHIN_MS_MAX).contains(&self.within_ms) {
            return Err(InvalidExperiment::Within);
        }
        match &self.goal {
            Goal::Event(name) if name.is_empty() || name.chars().count() > 64 => Err(InvalidExperiment::Event),
            Goal::Event(_) | Goal::Click => Ok(()),
        }
    }

    fn split(&self) -> Result<Split, InvalidSplit> {
        Split::new(self.variants.iter().map(|variant| variant.share).collect())
    }

    /// What counts.
    pub fn deed(&self) -> Deed {
        match self.goal {
            Goal::Click => Deed::Click,
            Goal::Event(_) => Deed::Conversion,
        }
    }

    /// Whose variant it is: always the same one, in this experiment.
    pub fn assign(&self, experiment: &str, contact: &Contact) -> u8 {
        let mut digest = Context::new(&SHA256);
        digest.update(experiment.as_bytes());
        match (contact.phone(), contact.bsuid()) {
            (Some(phone), _) => {
                digest.update(b"/phone/");
                digest.update(phone.digits().as_bytes());
            }
            (None, Some(bsuid)) => {
                digest.update(b"/user/");
                digest.update(bsuid.as_str().as_bytes());
            }
            (None, None) => {}
        }
        let digest = digest.finish();
        let first = digest.as_ref().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        self.split().map_or(0, |split| u8::try_from(split.assign(first)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contact::PhoneNumber;

    fn experiment() -> Experiment {
        let variant = |name: &str| Variant { name: name.to_owned(), share: 1, template: format!("cup_{name}") };
        Experiment { variants: vec![variant("a"), variant("b")], goal: Goal::Event("purchase".to_owned()), within_ms: DAY_MS }
    }

    #[test]
    fn what_is_no_experiment_is_refused() {
        assert_eq!(experiment().check(), Ok(()));
        let mut one = experiment();
        one.variants.pop();
        assert_eq!(one.check(), Err(InvalidExperiment::Split(InvalidSplit::Variants(1))));
        let mut same = experiment();
        same.variants[1].name = "a".to_owned();
        assert_eq!(same.check(), Err(InvalidExperiment::Name));
        assert_eq!(Experiment { within_ms: 1, ..experiment() }.check(), Err(InvalidExperiment::Within));
        assert_eq!(Experiment { goal: Goal::Event(String::new()), ..experiment() }.check(), Err(InvalidExperiment::Event));
    }

    #[test]
    fn a_contact_keeps_its_variant_and_experiments_do_not_follow_one_another() {
        let contact = |n: u64| Contact::new(PhoneNumber::parse(&format!("1555{n:07}")).ok(), None).unwrap();
        let of = |id: &str| (0..2_000).map(|n| experiment().assign(id, &contact(n))).collect::<Vec<_>>();
        let (first, second) = (of("b1"), of("b2"));
        assert_eq!(first, of("b1"));
        let ones = first.iter().filter(|variant| **variant == 1).count();
        assert!((850..1_150).contains(&ones), "{ones}");
        let both = first.iter().zip(&second).filter(|(one, two)| one == two).count();
        assert!((850..1_150).contains(&both), "{both}");
    }
}
