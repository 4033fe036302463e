//! A host for a flow's native tests: answers the imports on this thread and keeps what the flow asked.
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

use std::cell::RefCell;
use std::collections::BTreeMap;

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

/// The imports, answered by the host of this thread. Same names and signatures as in the component.
pub(crate) mod imports {
    use super::HOST;

    /// Operations of the studio's backend.
    pub mod backend {
        use super::HOST;
        use crate::types::ImportError;

        /// Calls an operation with a JSON request.
        ///
        /// # Errors
        /// What the mock's operation answers.
        pub fn call(operation: &str, request: &str) -> Result<String, ImportError> {
            // Out of the host while it runs, so that it may itself use the imports.
            let taken = HOST.with_borrow_mut(|host| {
                host.called.push((operation.to_owned(), request.to_owned()));
                host.operations.remove_entry(operation)
            });
            let Some((name, mut answer)) = taken else {
                return Err(ImportError::NotGranted(operation.to_owned()));
            };
            let answered = answer(request);
            HOST.with_borrow_mut(|host| host.operations.insert(name, answer));
            answered
        }
    }

    /// The time.
    pub mod clock {
        /// Milliseconds since 1970.
        #[must_use]
        pub fn now() -> u64 {
            super::HOST.with_borrow(|host| host.now_ms)
        }
    }

    /// The game's texts.
    pub mod copy {
        use crate::types::ImportError;

        /// The text of `key` in the locale nearest to `locale`.
        ///
        /// # Errors
        /// What the mock's texts answer.
        pub fn text(key: &str, locale: &str, arguments: &[(String, String)]) -> Result<String, ImportError> {
            super::HOST.with_borrow(|host| (host.copy)(key, locale, arguments))
        }
    }

    /// What a text is about.
    pub mod intents {
        pub use crate::bindings::questline::flow::intents::Intent;
        use crate::types::ImportError;

        /// Likeliest first.
        ///
        /// # Errors
        /// What the mock's classifier answers.
        pub fn classify(text: &str) -> Result<Vec<Intent>, ImportError> {
            super::HOST.with_borrow(|host| (host.classify)(text))
        }
    }

    /// Lines for the studio's eyes.
    pub mod log {
        pub use crate::bindings::questline::flow::log::Level;

        /// Writes a line.
        pub fn write(level: Level, message: &str) {
            super::HOST.with_borrow_mut(|host| host.logged.push((level, message.to_owned())));
        }
    }

    /// The player of the conversation.
    pub mod players {
        pub use crate::bindings::questline::flow::players::{DeviceMatch, PlayerBalances, PlayerProfile, Purchase};
        use crate::types::ImportError;

        /// Who they are.
        ///
        /// # Errors
        /// What the mock was given.
        pub fn profile() -> Result<PlayerProfile, ImportError> {
            super::HOST.with_borrow(|host| host.profile.clone())
        }

        /// What they own.
        ///
        /// # Errors
        /// What the mock was given.
        pub fn balances() -> Result<PlayerBalances, ImportError> {
            super::HOST.with_borrow(|host| host.balances.clone())
        }

        /// What they bought last.
        ///
        /// # Errors
        /// What the mock was given.
        pub fn last_purchase() -> Result<Option<Purchase>, ImportError> {
            super::HOST.with_borrow(|host| host.last_purchase.clone())
        }

        /// Whether they use the device.
        ///
        /// # Errors
        /// What the mock was given.
        pub fn check_device(_fingerprint: &str) -> Result<DeviceMatch, ImportError> {
            super::HOST.with_borrow(|host| host.device.clone())
        }
    }

    /// Randomness.
    pub mod random {
        /// The next number.
        #[must_use]
        pub fn next() -> u64 {
            super::HOST.with_borrow_mut(|host| {
                host.random = host.random.wrapping_add(1);
                host.random
            })
        }
    }
}
