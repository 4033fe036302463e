//! Who a broadcast is for, and who of them does not get it. The same rules say it before it begins and while it runs.

use serde::{Deserialize, Serialize};

use crate::consent::{Marketing, Standing, Unwanted};
use crate::conversation::Conversation;
use crate::template::Category;
use crate::time::{DAY_MS, UnixMs};

/// Names in one list of a segment.
pub const SEGMENT_NAMES_MAX: usize = 256;
/// Days that a segment may look back.
pub const SEGMENT_DAYS_MAX: u32 = 3_650;

/// Up to where a walk over conversations has come; each engine has its own meaning for it.
pub type ConversationPlace = (u64, u64);

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// A list that is uploaded.
    List,
    /// Those of the game's conversations that fit.
    Segment(Segment),
}

/// What a conversation has to be like; an empty one takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Segment {
    /// The player's tier is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<String>,
    /// The player's country is one of these, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// The player's language is one of these, BCP 47; `de` takes `de-AT` too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locales: Vec<String>,
    /// Active within so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_within_days: Option<u32>,
    /// Not active for so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_for_days: Option<u32>,
    /// Only those who agreed to marketing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub opted_in: bool,
}

/// A segment that cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSegment {
    /// A name is too long or empty, or there are too many.
    #[error("{0}: takes up to {SEGMENT_NAMES_MAX} names of 1 to 64 characters")]
    Names(&'static str),
    /// Too far back.
    #[error("{0}: takes 1 to {SEGMENT_DAYS_MAX} days")]
    Days(&'static str),
    /// Nobody is both.
    #[error("inactive_for_days: nobody was active within active_within_days and not active for longer")]
    Nobody,
}

impl Segment {
    /// Whether it can be meant.
    pub fn check(&self) -> Result<(), InvalidSegment> {
        for (field, names) in [("tiers", &self.tiers), ("countries", &self.countries), ("locales", &self.locales)] {
            let fits = |name: &String| (1..=64).contains(&name.len());
            if names.len() > SEGMENT_NAMES_MAX || !names.iter().all(fits) {
                return Err(InvalidSegment::Names(field));
            }
        }
        for (field, days) in [("active_within_days", self.active_within_days), ("inactive_for_days", self.inactive_for_days)] {
            if days.is_some_and(|days| !(1..=SEGMENT_DAYS_MAX).contains(&days)) {
                return Err(InvalidSegment::Days(field));
            }
        }
        match (self.active_within_days, self.inactive_for_days) {
            (Some(within), Some(without)) if without >= within => Err(InvalidSegment::Nobody),
            _ => Ok(()),
        }
    }

    /// Whether a conversation is in it. What is not known of a player is in no list of names.
    pub fn takes(&self, conversation: &Conversation, now: UnixMs) -> bool {
        let session = &conversation.session;
        let named = |names: &[String], name: Option<&str>, same: fn(&str, &str) -> bool| {
            names.is_empty() || name.is_some_and(|name| names.iter().any(|wanted| same(wanted, name)))
        };
        let quiet_ms = now.since_ms(session.active_at);
        named(&self.tiers, session.tier.as_deref(), |wanted, name| wanted.eq_ignore_ascii_case(name))
            && named(&self.countries, session.country.as_deref(), |wanted, name| wanted.eq_ignore_ascii_case(name))
            && named(&self.locales, session.locale.as_deref(), speaks)
            && self.active_within_days.is_none_or(|days| quiet_ms < u64::from(days) * DAY_MS)
            && self.inactive_for_days.is_none_or(|days| quiet_ms >= u64::from(days) * DAY_MS)
            && (!self.opted_in || conversation.standing().marketing == Marketing::Granted)
    }
}

/// Whether a locale is the wanted one, or of the wanted language.
fn speaks(wanted: &str, locale: &str) -> bool {
    let same = |one: char, other: char| one.eq_ignore_ascii_case(&other) || (matches!(one, '-' | '_') && matches!(other, '-' | '_'));
    let mut rest = locale.chars();
    for wanted in wanted.chars() {
        match rest.next() {
            Some(found) if same(wanted, found) => {}
            _ => return false,
        }
    }
    matches!(rest.next(), None | Some('-' | '_'))
}

/// Why somebody does not get it. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Marketing, and they did not agree to it, or do no more.
    NoConsent,
    /// Marketing, and Meta takes none for them now.
    MarketingHeld,
    /// Nobody knows how to reach this player.
    NoContact,
    /// The template has no language for them.
    NoLanguage,
    /// The game does not declare their variant's template any more.
    NoTemplate,
    /// The template's values ask for what is not known of them.
    NoValue,
    /// Their own time is over for too long.
    TooLate,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::NoConsent, Self::MarketingHeld, Self::NoContact, Self::NoLanguage, Self::NoTemplate, Self::NoValue, Self::TooLate];

    /// The name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no-consent",
            Self::MarketingHeld => "marketing-held",
            Self::NoContact => "no-contact",
            Self::NoLanguage => "no-language",
            Self::NoTemplate => "no-template",
            Self::NoValue => "no-value",
            Self::TooLate => "too-late",
        }
    }
}

/// What is known of a recipient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Person {
    /// What they agreed to; nothing, where there is no conversation.
    pub standing: Standing,
    /// The service window is open: no place of the portfolio's limit is needed.
    pub in_window: bool,
}

impl Person {
    /// Whoever a conversation is with; nobody knows anything of a stranger.
    pub fn of(conversation: Option<&Conversation>, now: UnixMs) -> Self {
        conversation
            .map_or_else(Self::default, |known| Self { standing: known.standing(), in_window: known.window.closes_at(now).is_some() })
    }
}

/// Whether somebody gets it, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They do. `counts`: it takes a place of the portfolio's limit.
    Gets {
        /// Outside of the service window.
        counts: bool,
    },
    /// They do not.
    Skipped(Skip),
}

/// Who gets a template of this category. Utility needs no consent.
pub fn verdict(category: Category, person: Person, now: UnixMs) -> Verdict {
    let wanted = match category {
        Category::Marketing => person.standing.takes_marketing(now),
        Category::Utility | Category::Authentication => Ok(()),
    };
    match wanted {
        Ok(()) => Verdict::Gets { counts: !person.in_window },
        Err(Unwanted::NoConsent) => Verdict::Skipped(Skip::NoConsent),
        Err(Unwanted::Held { .. }) => Verdict::Skipped(Skip::MarketingHeld),
    }
}
