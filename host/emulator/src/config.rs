//! What an emulator is started with. All of it has defaults that suit a test; only a number must be named.

use std::fmt;
use std::time::Duration;

use crate::template::Template;

/// Everything that an emulator is started with.
///
/// [`Config::new`] gives one number and Meta's own rules. Fields are public: change what the case needs.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The Meta app's secret, which signs every webhook.
    pub app_secret: String,
    /// What Meta's verification GET carries as `hub.verify_token`.
    pub verify_token: String,
    /// The only bearer token that the Graph API takes.
    pub access_token: String,
    /// Where webhooks go. Without one they wait (see [`crate::Emulator::set_webhook_url`]).
    pub webhook_url: Option<String>,
    /// The business phone numbers; at least one. The first is the one players write to if not told otherwise.
    pub numbers: Vec<Number>,
    /// Message templates known at the start.
    pub templates: Vec<Template>,
    /// Which statuses follow an accepted message, and when.
    pub statuses: StatusPlan,
    /// Which of Meta's rules hold, and how they are reported.
    pub rules: Rules,
    /// How webhooks are posted.
    pub delivery: Delivery,
    /// What is kept of accepted messages.
    pub ledger: LedgerMode,
    /// Messages kept per player and number; the oldest goes first. 0 keeps none (players then receive nothing).
    pub inbox_messages_max: usize,
    /// Bytes of media kept; the oldest goes first.
    pub media_bytes_max: usize,
    /// Messages buffered for each [`crate::Emulator::subscribe`]r before it misses some.
    pub subscription_messages_max: usize,
    /// False lets the emulator's time stand still but for [`crate::Emulator::advance`]: rates, windows, delays and
    /// retries are then exact, however slow the machine.
    pub time_runs: bool,
    /// Same seed, same ids and same chances of faults.
    pub seed: u64,
}

impl Config {
    /// Meta's rules over one number, secrets for tests, statuses `sent` and `delivered` at once.
    pub fn new(number: Number) -> Self {
        Self {
            port: 0,
            app_secret: "emulator-app-secret".into(),
            verify_token: "emulator-verify-token".into(),
            access_token: "emulator-access-token".into(),
            webhook_url: None,
            numbers: vec![number],
            templates: Vec::new(),
            statuses: StatusPlan::default(),
            rules: Rules::default(),
            delivery: Delivery::default(),
            ledger: LedgerMode::Keep { messages_max: 100_000 },
            inbox_messages_max: 1_000,
            media_bytes_max: 256 * 1024 * 1024,
            subscription_messages_max: 65_536,
            time_runs: true,
            seed: 0,
        }
    }

    /// For load: no statuses, no per-player records, no rates, any recipient, counters only.
    pub fn for_load(number: Number) -> Self {
        Self {
            statuses: StatusPlan::NONE,
            rules: Rules { window: Report::Off, undeliverable: Report::Off, pair_rate: PairRate::Off, number_rate: false },
            ledger: LedgerMode::CountOnly,
            inbox_messages_max: 0,
            ..Self::new(number)
        }
    }

    /// Sets where webhooks go.
    pub fn webhook_url(mut self, url: impl Into<String>) -> Self {
        self.webhook_url = Some(url.into());
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: Number) -> Self {
        self.numbers.push(number);
        self
    }

    /// Adds a template.
    pub fn template(mut self, template: Template) -> Self {
        self.templates.push(template);
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("port", &self.port)
            .field("webhook_url", &self.webhook_url)
            .field("numbers", &self.numbers.len())
            .field("templates", &self.templates.len())
            .field("statuses", &self.statuses)
            .field("rules", &self.rules)
            .field("delivery", &self.delivery)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

/// A business phone number.
#[derive(Clone)]
#[non_exhaustive]
pub struct Number {
    /// The Graph id that messages are posted to.
    pub phone_number_id: String,
    /// As people read it: `+1 555 010 0001`.
    pub display_phone_number: String,
    /// The name that players see.
    pub verified_name: String,
    /// The WhatsApp Business Account that owns it.
    pub waba_id: String,
    /// Messages a second, inbound and outbound together (Meta: 80, after an upgrade 1000, coexistence 20).
    pub throughput_mps: u32,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality_rating: String,
}

impl Number {
    /// A number of good quality with Meta's default throughput.
    pub fn new(phone_number_id: impl Into<String>, display_phone_number: impl Into<String>, waba_id: impl Into<String>) -> Self {
        Self {
            phone_number_id: phone_number_id.into(),
            display_phone_number: display_phone_number.into(),
            verified_name: "Questline Emulator".into(),
            waba_id: waba_id.into(),
            throughput_mps: 80,
            quality_rating: "GREEN".into(),
        }
    }
}

/// Which statuses follow an accepted message: the delay since acceptance in the emulator's time, or `None` for never.
#[derive(Clone, Copy, Debug)]
pub struct StatusPlan {
    /// `sent`.
    pub sent: Option<Duration>,
    /// `delivered`; Meta never posts it for reactions.
    pub delivered: Option<Duration>,
    /// `read`. Without it, players read by [`crate::PlayerHandle::read_all`].
    pub read: Option<Duration>,
    /// Whether `failed` statuses carry `contacts[]`. Meta's documentation says no; samples that do have been seen, and
    /// some client libraries insist on it.
    pub failed_with_contact: bool,
}

impl StatusPlan {
    /// No statuses at all. Failures are still reported.
    pub const NONE: Self = Self { sent: None, delivered: None, read: None, failed_with_contact: false };
}

impl Default for StatusPlan {
    fn default() -> Self {
        Self { sent: Some(Duration::ZERO), delivered: Some(Duration::ZERO), read: None, failed_with_contact: false }
    }
}

/// How a refusal is told that Meta may find only after it said 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// 200 with a wamid, then a `failed` status: what Meta does in practice.
    FailedStatus,
    /// The Graph API's answer to the send itself.
    Response,
    /// The rule does not hold.
    Off,
}

/// How the limit of one message in six seconds to one player is kept (131056).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairRate {
    /// Up to 45 messages may be borrowed from the future at any time; each is paid back in six seconds.
    Borrow,
    /// Meta's example taken literally: a burst of n within six seconds is followed by a pause of n x 6 s.
    Pause,
    /// Not kept.
    Off,
}

/// Which of Meta's rules hold. Field limits, tokens, templates and recipients' kinds are always checked.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Outside of 24 hours since the player's last message only templates may be sent (131047).
    pub window: Report,
    /// A recipient that is no player of this emulator (131026). `Off` takes any recipient.
    pub undeliverable: Report,
    /// Messages to one player (131056).
    pub pair_rate: PairRate,
    /// The number's throughput (130429).
    pub number_rate: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { window: Report::FailedStatus, undeliverable: Report::FailedStatus, pair_rate: PairRate::Borrow, number_rate: true }
    }
}

/// How webhooks are posted.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// POSTs under way at once. Updates of one conversation share a lane, and so arrive in order while none fails.
    pub concurrency: usize,
    /// Updates in one POST at most (Meta: up to 1000). Only what waits is put together; nothing waits for a batch.
    pub batch_updates_max: usize,
    /// A POST without an answer fails after this time (real time; Meta publishes none).
    pub timeout: Duration,
    /// What happens after anything but a 200.
    pub retry: Retry,
    /// Updates not yet delivered beyond which players' sends wait. Statuses never wait; beyond four times this bound
    /// they are dropped and counted ([`crate::Counters::updates_dropped`]).
    pub pending_updates_max: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            concurrency: 64,
            batch_updates_max: 1,
            timeout: Duration::from_secs(10),
            retry: Retry::default(),
            pending_updates_max: 100_000,
        }
    }
}

/// How often a failed webhook is tried again. Waits are in the emulator's time, from the start of one attempt to the next.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Wait before the second attempt.
    pub delay_first: Duration,
    /// Each further wait is this many times the one before.
    pub growth: u32,
    /// Longest wait.
    pub delay_max: Duration,
    /// Attempts in all, the first included; then the updates are dropped and counted.
    pub attempts_max: u32,
}

impl Default for Retry {
    /// A second, then four times as long each, for about seven days, as Meta says.
    fn default() -> Self {
        Self { delay_first: Duration::from_secs(1), growth: 4, delay_max: Duration::from_secs(24 * 3600), attempts_max: 16 }
    }
}

impl Retry {
    /// The same short wait every time, for tests that restart a host.
    pub fn every(delay: Duration, attempts_max: u32) -> Self {
        Self { delay_first: delay, growth: 1, delay_max: delay, attempts_max }
    }

    /// The wait after the given attempt (1 is the first); `None` when no attempt is left.
    pub(crate) fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts_max {
            return None;
        }
        let factor = self.growth.saturating_pow(attempt.saturating_sub(1));
        Some(self.delay_first.saturating_mul(factor).min(self.delay_max))
    }
}

/// What is kept of accepted messages.
#[derive(Clone, Copy, Debug)]
pub enum LedgerMode {
    /// The latest messages, whole.
    Keep {
        /// Messages kept at most.
        messages_max: usize,
    },
    /// Numbers only.
    CountOnly,
}
