//! A host for a flow's native tests: answers the imports, hands events in as the host does, and shows what came of it.
//!
//! [`Chat`] is one contact who chats with the flow, [`Answer`] what the flow answered:
//!
//! ```
//! use questline_sdk::mock::{self, Chat, Mock};
//! use questline_sdk::prelude::*;
//!
//! struct Bell;
//!
//! impl Flow for Bell {
//!     fn describe() -> Description {
//!         Description::new("bell", "1.0.0").wants(&[EventKind::Message, EventKind::Timer]).needs(&[
//!             Capability::Players,
//!             Capability::Copy,
//!             Capability::Reply,
//!             Capability::Timers,
//!         ])
//!     }
//!
//!     fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
//!         match event {
//!             Event::Message(_) => {
//!                 let name = players::profile()?.name;
//!                 let hello = conversation.copy("hello", &[("name", &name)])?;
//!                 let body = conversation.buttons(hello, &[("later", "button-later")])?;
//!                 Ok(Outcome::stay().reply(body)?.set_timer(NewTimer::new("ring", 60_000))?)
//!             }
//!             _ => Ok(Outcome::done().reply(conversation.copy("ring", &[])?)?),
//!         }
//!     }
//! }
//!
//! let mut chat = Chat::<Bell>::with(Mock::new().with_profile(mock::profile("Ada", "gold")));
//! let answer = chat.say("hi");
//! assert_eq!(answer.body(), "hello name=Ada");
//! assert_eq!(answer.button_ids(), ["later"]);
//! chat.press("later");
//! assert_eq!(chat.fire("ring").body(), "ring");
//! ```
//!
//! [`Mock`] alone stands behind the imports of anything that is not a whole flow:
//!
//! ```
//! use questline_sdk::mock::{self, Mock};
//! use questline_sdk::{players, types::ImportError};
//!
//! let mut host = Mock::new();
//! host.profile = Ok(mock::profile("Ada", "gold"));
//! assert_eq!(host.run(|| players::profile().unwrap().tier), "gold");
//!
//! host.profile = Err(ImportError::NotFound);
//! assert!(host.run(players::profile).is_err());
//! ```

mod answer;
mod chat;
pub(crate) mod imports;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

pub use answer::Answer;
pub use chat::Chat;

use crate::bindings::questline::flow::{intents::Intent, log::Level, players as contract};
use crate::types::{Authentication, Conversation, Event, ImportError, Inbound, Message};
use contract::{DeviceMatch, PlayerBalances, PlayerProfile, Purchase};

type CopyFn = Box<dyn Fn(&str, &str, &[(String, String)]) -> Result<String, ImportError>>;
type ClassifyFn = Box<dyn Fn(&str) -> Result<Vec<Intent>, ImportError>>;
type OperationFn = Box<dyn FnMut(&str) -> Result<String, ImportError>>;

/// What the host answers, and what it was asked.
pub struct Mock {
    /// Answer of `players.profile`.
    pub profile: Result<PlayerProfile, ImportError>,
    /// Answer of `players.balances`.
    pub balances: Result<PlayerBalances, ImportError>,
    /// Answer of `players.last-purchase`.
    pub last_purchase: Result<Option<Purchase>, ImportError>,
    /// Answer of `players.check-device`.
    pub device: Result<DeviceMatch, ImportError>,
    /// Answer of `clock.now`, in milliseconds since 1970.
    pub now_ms: u64,
    /// The last answer of `random.next`; each call adds one.
    pub random: u64,
    /// Lines that the flow logged.
    pub logged: Vec<(Level, String)>,
    /// Operations that the flow called, with their requests.
    pub called: Vec<(String, String)>,
    /// The player's devices; none where `device` is the answer to all.
    devices: Option<BTreeSet<String>>,
    /// Names of the imports that the flow used.
    used: BTreeSet<&'static str>,
    /// Names of the imports that are not granted.
    withheld: BTreeSet<&'static str>,
    copy: CopyFn,
    classify: ClassifyFn,
    operations: BTreeMap<String, OperationFn>,
}

impl Mock {
    /// A host that knows no player and no operation, classifies nothing, and whose texts are their keys and arguments,
    /// for instance `hello name=Ada`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            profile: Err(ImportError::NotFound),
            balances: Err(ImportError::NotFound),
            last_purchase: Ok(None),
            device: Ok(DeviceMatch::Unknown),
            now_ms: 1_790_000_000_000,
            random: 0,
            logged: Vec::new(),
            called: Vec::new(),
            devices: None,
            used: BTreeSet::new(),
            withheld: BTreeSet::new(),
            copy: Box::new(|key, _locale, arguments| {
                let mut text = key.to_owned();
                for (name, value) in arguments {
                    text.push_str(&format!(" {name}={value}"));
                }
                Ok(text)
            }),
            classify: Box::new(|_text| Ok(Vec::new())),
            operations: BTreeMap::new(),
        }
    }

    /// Knows the player.
    #[must_use]
    pub fn with_profile(mut self, profile: PlayerProfile) -> Self {
        self.profile = Ok(profile);
        self
    }

    /// The fingerprints of the player's devices; of a player without one nothing is known.
    #[must_use]
    pub fn with_devices(mut self, fingerprints: &[&str]) -> Self {
        self.devices = Some(fingerprints.iter().map(|&fingerprint| fingerprint.to_owned()).collect());
        self
    }

    /// Texts from `copy(key, locale, arguments)`.
    #[must_use]
    pub fn with_copy(mut self, copy: impl Fn(&str, &str, &[(String, String)]) -> Result<String, ImportError> + 'static) -> Self {
        self.copy = Box::new(copy);
        self
    }

    /// Intents from `classify(text)`, likeliest first.
    #[must_use]
    pub fn with_intents(mut self, classify: impl Fn(&str) -> Result<Vec<Intent>, ImportError> + 'static) -> Self {
        self.classify = Box::new(classify);
        self
    }

    /// Answers the backend operation `name` from its request (JSON). An operation without an answer is not granted.
    #[must_use]
    pub fn with_operation(mut self, name: &str, answer: impl FnMut(&str) -> Result<String, ImportError> + 'static) -> Self {
        self.operations.insert(name.to_owned(), Box::new(answer));
        self
    }

    /// As [`Mock::with_operation`], in JSON values.
    ///
    /// # Panics
    /// When the flow's request is not JSON.
    #[must_use]
    pub fn with_json_operation(
        self,
        name: &str,
        mut answer: impl FnMut(serde_json::Value) -> Result<serde_json::Value, ImportError> + 'static,
    ) -> Self {
        let operation = name.to_owned();
        self.with_operation(name, move |request| match serde_json::from_str(request) {
            Ok(request) => answer(request).map(|answer| answer.to_string()),
            Err(error) => panic!("{operation}: the request {request:?} is not JSON: {error}"),
        })
    }

    /// The requests with which the flow called the operation `name`, in their order.
    ///
    /// # Panics
    /// When one is not JSON.
    #[must_use]
    pub fn requests(&self, name: &str) -> Vec<serde_json::Value> {
        let requests = self.called.iter().filter(|(called, _)| called == name);
        requests.map(|(_, request)| serde_json::from_str(request).unwrap_or_else(|error| panic!("{name}: {request}: {error}"))).collect()
    }

    /// Runs `call` with this host behind the imports.
    pub fn run<T>(&mut self, call: impl FnOnce() -> T) -> T {
        /// Brings the host home, also where the flow panics.
        struct Home<'a>(&'a mut Mock);
        impl Drop for Home<'_> {
            fn drop(&mut self) {
                HOST.with_borrow_mut(|host| core::mem::swap(host, self.0));
            }
        }
        HOST.with_borrow_mut(|host| core::mem::swap(host, self));
        let _home = Home(self);
        call()
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

thread_local! {
    static HOST: RefCell<Mock> = RefCell::new(Mock::new());
}

/// A player's profile.
#[must_use]
pub fn profile(name: &str, tier: &str) -> PlayerProfile {
    PlayerProfile { name: name.to_owned(), tier: tier.to_owned(), locale: None, country: None, created_at: None }
}

/// A conversation with a known player, an open window, no state and empty settings.
#[must_use]
pub fn conversation() -> Conversation {
    Conversation {
        id: "c1".to_owned(),
        game: "game".to_owned(),
        state: None,
        locale: "en".to_owned(),
        player: Some("p1".to_owned()),
        authentication: Authentication::Unauthenticated,
        window_closes_at: Some(1_790_086_400_000),
        marketing_consent: false,
        ticket_number: "T-1".to_owned(),
        phone: None,
        settings: "{}".to_owned(),
        refused: Vec::new(),
        extensions: Vec::new(),
    }
}

/// A message event.
#[must_use]
pub fn message(content: Inbound) -> Event {
    Event::Message(Message {
        id: "m1".to_owned(),
        sent_at: 1_790_000_000_000,
        content,
        reply_to: None,
        forwarded: false,
        referral: None,
        extensions: Vec::new(),
    })
}
