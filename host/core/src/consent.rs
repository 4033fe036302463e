//! What a player agreed to: the evidence of every change, and what holds now. Utility and authentication need no consent.

mod rules;
#[cfg(test)]
mod tests;
pub mod words;

use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::commit::Commit;
use crate::contact::Contact;
use crate::conversation::Conversation;
use crate::game::Game;
use crate::id::{InboxSeq, PlayerId};
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::template::Category;
use crate::time::{DAY_MS, SECOND_MS, UnixMs};

pub use rules::{ConsentRules, NoWording, Wording};

/// Bytes of a record's wording.
pub const WORDING_BYTES_MAX: usize = 4_096;
/// Characters of a method's name, and of a wording's version.
pub const NAME_CHARS_MAX: usize = 64;
/// How far ahead of the host's clock a time may lie that somebody tells.
pub const AHEAD_MS_MAX: u64 = 5 * 60 * SECOND_MS;
/// A hold that begins so soon after the one before lasts longer than it.
const HOLD_GROWS_WITHIN_MS: u64 = 7 * DAY_MS;
/// Doublings of a hold.
const HOLD_DOUBLINGS_MAX: u32 = 3;

/// Whether marketing may be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marketing {
    /// The player never said: no.
    #[default]
    Unasked,
    /// The player agreed, in recorded words.
    Granted,
    /// The player withdrew it.
    Withdrawn,
}

impl Marketing {
    /// What a yes or no comes to.
    pub fn of(agreed: bool) -> Self {
        if agreed { Self::Granted } else { Self::Withdrawn }
    }
}

/// Evidence of one change of consent: append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// Its name within the game: the same wherever the same is told again.
    #[serde(default)]
    pub id: String,
    /// What was decided.
    pub marketing: Marketing,
    /// The exact words.
    pub wording: String,
    /// Which version of the game's wording they are, for instance `news-2026-11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wording_version: Option<String>,
    /// How it was told: `chat`, `in-game-checkbox`, `website-form`, `whatsapp-preference`, ...
    pub method: String,
    /// Who told the host.
    #[serde(default)]
    pub source: Actor,
    /// In which language, BCP 47.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When the player said it.
    pub at: UnixMs,
    /// When the host was told.
    #[serde(default)]
    pub recorded_at: UnixMs,
    /// Whose it is, if whoever told it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// From which contact, as it was known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// From when on it decides, where that is not [`at`](Self::at).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixMs>,
    /// It is told again to the conversation with another number of the game, and kept where it was told first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copy: bool,
}

impl ConsentRecord {
    /// From when on it decides.
    pub fn counts_from(&self) -> UnixMs {
        self.from.unwrap_or(self.at)
    }
}

/// What holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What the newest record says.
    pub marketing: Marketing,
    /// From when on it does.
    pub from: UnixMs,
    /// Meta takes no marketing for this player now.
    pub held: Option<Held>,
}

/// Meta takes no marketing for a player for a time (131049).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Until then.
    pub until: UnixMs,
    /// The how manieth hold in a row it is.
    pub times: u32,
}

/// Why marketing may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// The player did not agree, or does no more.
    NoConsent,
    /// Meta takes none for this player before this time.
    Held {
        /// When it may again.
        until: UnixMs,
    },
}

impl Unwanted {
    /// The name in dead letters, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no-consent",
            Self::Held { .. } => "marketing-held",
        }
    }

    /// In words.
    pub fn detail(self) -> &'static str {
        match self {
            Self::NoConsent => "marketing: the player does not agree to it any more",
            Self::Held { .. } => "marketing: Meta takes none for this player for a time",
        }
    }
}

impl Standing {
    /// Takes a record into account; says whether it decides. The order in which records come makes no difference: the
    /// newest decides, and of two of the same time the one that withdraws.
    pub fn hear(&mut self, record: &ConsentRecord) -> bool {
        let from = record.counts_from();
        let rank = |marketing| match marketing {
            Marketing::Unasked => 0,
            Marketing::Granted => 1,
            Marketing::Withdrawn => 2,
        };
        let decides = (from, rank(record.marketing)) >= (self.from, rank(self.marketing));
        if decides {
            (self.marketing, self.from) = (record.marketing, from);
        }
        decides
    }

    /// Meta takes no marketing for this player for a time: a longer one if it said so lately.
    pub fn hold(&mut self, hold_ms: u64, now: UnixMs) {
        let times = match self.held {
            // Several messages were on their way when it began.
            Some(held) if now < held.until => return,
            Some(held) if now.since_ms(held.until) < HOLD_GROWS_WITHIN_MS => held.times.saturating_add(1),
            _ => 0,
        };
        self.held = Some(Held { until: now.plus_ms(hold_ms << times.min(HOLD_DOUBLINGS_MAX)), times });
    }

    /// From when on marketing may be sent; none: not at all.
    pub fn allowed_from(&self) -> Option<UnixMs> {
        (self.marketing == Marketing::Granted).then(|| self.held.map_or(UnixMs(0), |held| held.until))
    }

    /// Whether marketing may be sent now.
    pub fn takes_marketing(&self, now: UnixMs) -> Result<(), Unwanted> {
        match self.allowed_from() {
            None => Err(Unwanted::NoConsent),
            Some(from) if now < from => Err(Unwanted::Held { until: from }),
            Some(_) => Ok(()),
        }
    }

    /// From when on something decides that was said in the chat or in WhatsApp. Meta's clock has only seconds, and other
    /// clocks differ from it; the order of the inbox does not. A stop counts as soon as the host hears it, whatever is known
    /// already. A yes counts from when it was said; within the second of what holds it counts as later.
    fn counts_when(&self, marketing: Marketing, said_at: UnixMs, now: UnixMs) -> UnixMs {
        let next = self.from.plus_ms(1);
        match marketing {
            Marketing::Withdrawn => said_at.plus_ms(SECOND_MS - 1).min(now).max(next),
            _ if said_at <= self.from && said_at.as_s() == self.from.as_s() => next,
            _ => said_at,
        }
    }
}

impl Conversation {
    /// What holds in it.
    pub fn standing(&self) -> Standing {
        Standing { marketing: self.marketing, from: self.marketing_from, held: self.marketing_held }
    }

    /// Writes what holds.
    pub fn stand(&mut self, standing: Standing) {
        Standing { marketing: self.marketing, from: self.marketing_from, held: self.marketing_held } = standing;
    }

    /// Takes a record into account; says whether it decides.
    pub fn hear_consent(&mut self, record: &ConsentRecord) -> bool {
        let mut standing = self.standing();
        let decides = standing.hear(record);
        self.stand(standing);
        decides
    }

    /// A record of what was told in this conversation, with the event at this place, at this time.
    pub fn consent_record(&self, seq: InboxSeq, told: Told, said_at: UnixMs, now: UnixMs) -> ConsentRecord {
        let Told { marketing, wording, wording_version, method, source } = told;
        let at = said_at.min(now);
        let from = self.standing().counts_when(marketing, at, now);
        ConsentRecord {
            id: format!("chat/{}.{seq}", self.id),
            marketing,
            wording,
            wording_version,
            method,
            source,
            locale: self.session.locale.clone(),
            at,
            recorded_at: now,
            player: self.session.player.clone(),
            contact: Some(self.contact.clone()),
            from: (from != at).then_some(from),
            copy: false,
        }
    }
}

/// What was told in a conversation.
#[derive(Debug, Clone)]
pub struct Told {
    /// What was decided.
    pub marketing: Marketing,
    /// The exact words.
    pub wording: String,
    /// Which version of the game's wording they are.
    pub wording_version: Option<String>,
    /// How.
    pub method: String,
    /// By whom.
    pub source: Actor,
}

impl Commit {
    /// What the conversation with one number hears, those with the game's other numbers are told: a player's consent is
    /// theirs and the game's, not a number's.
    pub(crate) fn spread_consents(&mut self, game: &Game, now: UnixMs) {
        if game.numbers.len() < 2 {
            return;
        }
        let of = &self.conversation;
        let news = self.consents.iter().map(|record| NewMessage {
            game: of.game.clone(),
            number: of.number.clone(),
            contact: of.contact.clone(),
            class: MessageClass::Critical,
            content: Content::Consent(Box::new(ConsentRecord { copy: true, ..record.clone() })),
            committed_at: now,
            expires_at: None,
            campaign: None,
            known: None,
        });
        self.outbox.extend(news.collect::<Vec<_>>());
    }
}

impl NewMessage {
    /// Whether it may be sent only to a player who agreed.
    pub fn is_marketing(&self) -> bool {
        matches!(&self.content, Content::Template(template) if template.category == Category::Marketing)
    }
}
