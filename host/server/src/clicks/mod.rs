//! Clicks on links of templates. What goes to Meta in a button's place is a token (`core::tracked`); `GET /l/{token}` sees that
//! it is ours, notes the click and leads on to what the game's release declares. Nothing is written when a message is sent.

mod follow;
mod note;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use questline_core::game::Game;
use questline_core::id::GameId;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::port::{Clock, Sealing, Untold};
use questline_core::template::ButtonValue;
use questline_core::time::UnixMs;
use questline_core::tracked::{ButtonName, KEY_LABEL, LinkKeys, TrackedLink};
use tokio::sync::mpsc;

use crate::broadcast::Deeds;
use crate::game::Games;
use crate::metrics::Metrics;

pub use follow::router;

/// Clicks that wait to be noted; more are not counted.
const WAITING_MAX: usize = 4_096;
/// Links that are remembered as just followed: whoever hammers one of them writes nothing.
const SEEN_MAX: usize = 65_536;

/// A button whose clicks are counted, as the game's release declares it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackedButton {
    /// Of this template.
    template: Box<str>,
    /// Where it leads.
    leads_to: Box<str>,
}

/// All of a game's.
pub(crate) type TrackedButtons = HashMap<ButtonName, TrackedButton>;

/// The buttons of a game whose clicks are counted.
pub(crate) fn buttons_of(game: &Game) -> TrackedButtons {
    let mut found = TrackedButtons::new();
    for template in game.templates.values() {
        for (language, texts) in &template.languages {
            for (index, button) in texts.buttons.iter().enumerate() {
                if let Some(leads_to) = button.leads_to() {
                    let button = TrackedButton { template: template.name.as_str().into(), leads_to: leads_to.into() };
                    found.insert(ButtonName::of(&game.id, &template.name, language, index), button);
                }
            }
        }
    }
    found
}

/// A click, as it is noted.
struct Click {
    game: GameId,
    button: TrackedButton,
    link: TrackedLink,
    at: UnixMs,
    /// What it is remembered by.
    digest: u64,
}

/// What makes links, and follows them.
pub struct ClickDesk {
    keys: LinkKeys,
    games: Arc<Games>,
    deeds: Arc<Deeds>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    waiting: mpsc::Sender<Click>,
    seen: Mutex<LruCache<u64, ()>>,
    hasher: RandomState,
}

impl ClickDesk {
    /// With keys of the store's; the second half is what notes clicks, see [`Noter::run`].
    pub fn new(
        sealing: &dyn Sealing,
        games: Arc<Games>,
        deeds: Arc<Deeds>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, Noter) {
        let (waiting, clicks) = mpsc::channel(WAITING_MAX);
        let keys = LinkKeys::new(&sealing.derived_keys(KEY_LABEL));
        let seen = Mutex::new(LruCache::new(NonZeroUsize::new(SEEN_MAX).unwrap_or(NonZeroUsize::MIN)));
        (Arc::new(Self { keys, games, deeds, clock, metrics, waiting, seen, hasher: RandomState::new() }), Noter { clicks })
    }

    /// The message as Meta gets it: with a token in place of what its links take. None where there is no such link, as in most
    /// messages. The same message has the same tokens at each try.
    pub(crate) fn with_tokens(&self, message: &OutboxMessage) -> Result<Option<OutboxMessage>, Untold> {
        let Content::Template(filled) = &message.message.content else { return Ok(None) };
        let Some(game) = self.games.get(&message.message.game) else { return Ok(None) };
        let texts = game.rules.templates.get(&filled.name).and_then(|template| template.languages.get(&filled.language));
        let Some(texts) = texts.filter(|texts| texts.buttons.iter().any(|button| button.leads_to().is_some())) else { return Ok(None) };
        let mut filled = filled.clone();
        for (index, _) in texts.buttons.iter().enumerate().filter(|(_, button)| button.leads_to().is_some()) {
            let place = index as u32;
            let given = filled.buttons.iter().position(|button| button.index == place);
            let link = TrackedLink {
                button: ButtonName::of(&game.rules.id, &filled.name, &filled.language, index),
                message: message.id,
                campaign: message.message.campaign.clone(),
                value: given.map_or_else(String::new, |given| filled.buttons[given].value.clone()),
            };
            let token = self.keys.token(&link).ok_or_else(|| Untold::Never {
                reason: "link-value",
                detail: format!("template {:?}: button {index} takes a value of that length no more", filled.name),
            })?;
            match given {
                Some(given) => filled.buttons[given].value = token,
                None => filled.buttons.push(ButtonValue { index: place, quick_reply: false, value: token }),
            }
        }
        let mut message = message.clone();
        message.message.content = Content::Template(filled);
        Ok(Some(message))
    }

    fn find(&self, name: ButtonName) -> Option<(GameId, TrackedButton)> {
        self.games.all().iter().find_map(|game| {
            let button = game.tracked().get(&name)?;
            Some((game.rules.id.clone(), button.clone()))
        })
    }

    /// True when it was not seen lately.
    fn see(&self, digest: u64) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).put(digest, ()).is_none()
    }

    /// What was not noted may be tried again.
    fn forget(&self, digest: u64) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).pop(&digest);
    }

    fn digest(&self, token: &str) -> u64 {
        self.hasher.hash_one(token)
    }
}

/// Notes clicks, off the way of whoever clicks.
pub struct Noter {
    clicks: mpsc::Receiver<Click>,
}
