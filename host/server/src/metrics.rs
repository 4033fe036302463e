//! Figures for `/metrics`. Labels are names of ours, never what a sender could make up, and never personal.

mod lanes;
mod sending;
mod templates;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use questline_core::contact::Contact;
use questline_core::flow::CallCost;
use questline_core::id::GameId;
use questline_core::port::{Appended, Depth};
use questline_core::verification::country::{OTHER, country_of};
use questline_whatsapp::webhook::DecodeStats;

pub use lanes::LaneMetrics;
pub use sending::SendingFigures;
pub use templates::TemplateFigures;

/// Names of measures that one game may track; more are counted together.
const MEASURES_PER_GAME_MAX: usize = 64;
/// The outcome of a step that is tried again.
pub const AGAIN: &str = "again";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GameOutcome {
    game: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfGame {
    game: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Measured {
    game: String,
    measure: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Scope {
    scope: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeSend {
    game: String,
    country: &'static str,
    channel: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    game: String,
    country: &'static str,
    channel: String,
}

/// What a player takes to read a code and enter it.
const AUTHENTICATION_SECONDS: [f64; 11] = [2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0];

/// All figures.
pub struct Metrics {
    registry: Registry,
    webhooks: Family<Outcome, Counter>,
    events: Family<Kind, Counter>,
    messages: Family<Kind, Counter>,
    statuses: Family<Kind, Counter>,
    kept: Family<Kind, Counter>,
    steps: Family<GameOutcome, Counter>,
    steps_total: AtomicU64,
    step_seconds: Histogram,
    flow_cpu_seconds: Histogram,
    flow_instantiate_seconds: Histogram,
    guest_lines_dropped: Family<OfGame, Counter>,
    releases_switched: Family<OfGame, Counter>,
    migrations_failed: Family<OfGame, Counter>,
    measures: Family<Measured, Counter<f64, AtomicU64>>,
    measure_names: Mutex<HashSet<(String, String)>>,
    sends: Family<Outcome, Counter>,
    unknown_sends: Family<Outcome, Counter>,
    send_seconds: Histogram,
    reply_seconds: Histogram,
    sends_in_flight: Gauge,
    holds: Family<Scope, Counter>,
    depth: Family<Kind, Gauge<i64, AtomicI64>>,
    game_events: Family<GameOutcome, Counter>,
    verifications: Family<GameOutcome, Counter>,
    links: Family<GameOutcome, Counter>,
    two_factor: Family<GameOutcome, Counter>,
    operations: Family<GameOutcome, Counter>,
    code_sends: Family<CodeSend, Counter>,
    time_to_authenticate: Family<OfChannel, Histogram>,
    consents: Family<GameOutcome, Counter>,
    marketing_dropped: Family<GameOutcome, Counter>,
    /// Of the outbox's lanes.
    pub lanes: LaneMetrics,
    /// Of permits, breakers and alerts.
    pub sending: SendingFigures,
    template_lists: Family<Outcome, Counter>,
    templates_unsendable: Family<GameOutcome, Counter>,
    media: Family<Outcome, Counter>,
    /// Of templates and their links.
    pub templates: TemplateFigures,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = |buckets: &[f64]| Histogram::new(buckets.iter().copied());
        let wide = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
        let fine = [0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.02, 0.05, 0.2];
        let mut registry = Registry::with_prefix("questline");
        let lanes = LaneMetrics::new(&mut registry);
        let mut metrics = Self {
            lanes,
            registry,
            webhooks: Family::default(),
            events: Family::default(),
            messages: Family::default(),
            statuses: Family::default(),
            kept: Family::default(),
            steps: Family::default(),
            steps_total: AtomicU64::new(0),
            step_seconds: seconds(&wide),
            flow_cpu_seconds: seconds(&fine),
            flow_instantiate_seconds: seconds(&fine),
            guest_lines_dropped: Family::default(),
            releases_switched: Family::default(),
            migrations_failed: Family::default(),
            measures: Family::default(),
            measure_names: Mutex::default(),
            sends: Family::default(),
            unknown_sends: Family::default(),
            send_seconds: seconds(&wide),
            reply_seconds: seconds(&wide),
            sends_in_flight: Gauge::default(),
            holds: Family::default(),
            depth: Family::default(),
            game_events: Family::default(),
            verifications: Family::default(),
            links: Family::default(),
            two_factor: Family::default(),
            operations: Family::default(),
            code_sends: Family::default(),
            time_to_authenticate: Family::new_with_constructor(|| Histogram::new(AUTHENTICATION_SECONDS)),
            consents: Family::default(),
            marketing_dropped: Family::default(),
            sending: SendingFigures::default(),
            template_lists: Family::default(),
            templates_unsendable: Family::default(),
            media: Family::default(),
            templates: TemplateFigures::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("webhooks", "Webhook POSTs, by what they were answered", metrics.webhooks.clone());
        registry.register("events", "What webhooks held", metrics.events.clone());
        registry.register("inbound_messages", "Messages of players, by type, repetitions included", metrics.messages.clone());
        registry.register("inbound_statuses", "Statuses, by state, repetitions included", metrics.statuses.clone());
        registry.register("kept", "What was kept without being understood, by reason", metrics.kept.clone());
        registry.register("steps", "Events handled, by how it ended", metrics.steps.clone());
        registry.register("step_seconds", "From taking an event up to its commit", metrics.step_seconds.clone());
        registry.register("flow_cpu_seconds", "CPU time of flow calls", metrics.flow_cpu_seconds.clone());
        registry.register("flow_instantiate_seconds", "Time to make a fresh instance", metrics.flow_instantiate_seconds.clone());
        registry.register("guest_log_lines_dropped", "Log lines of flows over their limits", metrics.guest_lines_dropped.clone());
        registry.register("releases_switched", "Times that another release became active", metrics.releases_switched.clone());
        registry.register("migrations_failed", "Conversations that stay with an old release", metrics.migrations_failed.clone());
        registry.register("measure", "What flows track", metrics.measures.clone());
        registry.register("sends", "Requests to Meta, by what came of them", metrics.sends.clone());
        registry.register("unknown_sends", "Sends without an answer, by what became of them", metrics.unknown_sends.clone());
        registry.register("send_seconds", "Time that Meta took to answer", metrics.send_seconds.clone());
        registry.register("reply_seconds", "From the commit of a message until Meta accepted it", metrics.reply_seconds.clone());
        registry.register("sends_in_flight", "Requests to Meta without an answer yet", metrics.sends_in_flight.clone());
        registry.register("holds", "Times that sending was held, by scope", metrics.holds.clone());
        registry.register("game_events", "Events that games' backends sent, by what they were answered", metrics.game_events.clone());
        registry.register("two_factor", "What happened to second factors, challenges and recovery codes", metrics.two_factor.clone());
        registry.register("verifications", "One-time codes asked for and checked, by what came of it", metrics.verifications.clone());
        registry.register("backend_operations", "Operations asked of studios' backends, by what came of it", metrics.operations.clone());
        registry.register("links", "Links of contacts to accounts, by what came of it", metrics.links.clone());
        registry.register("code_sends", "One-time codes by their channel, and what came of it", metrics.code_sends.clone());
        let help = "From asking for a code until it was entered";
        registry.register("time_to_authenticate_seconds", help, metrics.time_to_authenticate.clone());
        registry.register("consents", "Consent told over the API, by what it was answered", metrics.consents.clone());
        registry.register("marketing_dropped", "Marketing messages that were not sent, by reason", metrics.marketing_dropped.clone());
        registry.register("template_lists", "Meta's lists of templates, by how reading them ended", metrics.template_lists.clone());
        let help = "Messages that did not go when their turn came, by what became of them for their template's sake";
        registry.register("templates_unsendable", help, metrics.templates_unsendable.clone());
        registry.register("media", "Files brought to Meta and fetched from there, by what came of it", metrics.media.clone());
        registry.register("waiting", "How much is where", metrics.depth.clone());
        metrics.sending.register(registry);
        metrics.templates.register(registry);
        metrics
    }
}

impl Metrics {
    /// A file was brought to Meta, fetched from there, or neither.
    pub fn media(&self, outcome: &'static str) {
        self.media.get_or_create(&Outcome { outcome }).inc();
    }

    /// Another release of a game is played.
    pub fn release_switched(&self, game: &GameId) {
        self.releases_switched.get_or_create(&OfGame { game: game.to_string() }).inc();
    }

    /// A conversation's state could not migrate.
    pub fn migration_failed(&self, game: &GameId) {
        self.migrations_failed.get_or_create(&OfGame { game: game.to_string() }).inc();
    }

    /// A webhook POST was answered.
    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&Outcome { outcome }).inc();
    }

    /// What a webhook held, by type; and what was kept unread, by reason.
    pub fn decoded(&self, stats: &DecodeStats) {
        for (kind, count) in stats.messages().filter(|(_, count)| *count > 0) {
            self.messages.get_or_create(&Kind { kind }).inc_by(count.into());
        }
        for (state, count) in stats.statuses().filter(|(_, count)| *count > 0) {
            self.statuses.get_or_create(&Kind { kind: state.as_str() }).inc_by(count.into());
        }
        for (reason, count) in stats.kept().filter(|(_, count)| *count > 0) {
            self.kept.get_or_create(&Kind { kind: reason.as_str() }).inc_by(count.into());
        }
    }

    /// A batch was stored.
    pub fn appended(&self, appended: &Appended) {
        let counts = [
            ("event", appended.events),
            ("duplicate", appended.duplicates),
            ("status", appended.statuses),
            ("status-unknown", appended.statuses_unknown),
            ("notice", appended.notices),
        ];
        for (kind, count) in counts {
            if count > 0 {
                self.events.get_or_create(&Kind { kind }).inc_by(count.into());
            }
        }
    }

    /// A game's backend sent events.
    pub fn game_events(&self, game: &GameId, outcome: &'static str, count: u32) {
        if count > 0 {
            self.game_events.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc_by(count.into());
        }
    }

    /// A link was asked for, made, refused or ended.
    pub fn link(&self, game: &GameId, outcome: &'static str) {
        self.links.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc();
    }

    /// Something happened to a player's second factor.
    pub fn two_factor(&self, game: &GameId, outcome: &'static str) {
        self.two_factor.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc();
    }

    /// A one-time code was asked for or checked.
    pub fn verification(&self, game: &GameId, outcome: &'static str) {
        self.verifications.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc();
    }

    /// A studio's backend was asked to do something for a commit.
    pub fn operation(&self, game: &GameId, outcome: &'static str) {
        self.operations.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc();
    }

    /// What came of a one-time code by a channel of a name that game.toml gives; of the contact only its country is told.
    pub fn code_send(&self, game: &GameId, contact: Option<&Contact>, channel: &str, outcome: &'static str) {
        let country = contact.map_or(OTHER, country_of);
        self.code_sends.get_or_create(&CodeSend { game: game.to_string(), country, channel: channel.to_owned(), outcome }).inc();
    }

    /// A player proved who they are, so long after the first code was asked for.
    pub fn time_to_authenticate(&self, game: &GameId, contact: Option<&Contact>, channel: &str, seconds: f64) {
        let labels = OfChannel { game: game.to_string(), country: contact.map_or(OTHER, country_of), channel: channel.to_owned() };
        self.time_to_authenticate.get_or_create(&labels).observe(seconds);
    }

    /// Somebody told what players agreed to.
    pub fn consents(&self, game: &GameId, outcome: &'static str, count: u32) {
        if count > 0 {
            self.consents.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc_by(count.into());
        }
    }

    /// A marketing message left the outbox unsent.
    pub fn marketing_dropped(&self, game: &GameId, reason: &'static str) {
        self.marketing_dropped.get_or_create(&GameOutcome { game: game.to_string(), outcome: reason }).inc();
    }

    /// Meta's list of an account's templates was read, or not.
    pub fn templates_listed(&self, outcome: &'static str) {
        self.template_lists.get_or_create(&Outcome { outcome }).inc();
    }

    /// A message did not go for its template's sake.
    pub fn template_unsendable(&self, game: &GameId, outcome: &'static str) {
        self.templates_unsendable.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc();
    }

    /// A step ended.
    pub fn step(&self, game: &GameId, outcome: &'static str, seconds: f64) {
        self.steps.get_or_create(&GameOutcome { game: game.to_string(), outcome }).inc();
        self.step_seconds.observe(seconds);
        if outcome != AGAIN {
            self.steps_total.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Steps that ended by a commit.
    pub fn steps_total(&self) -> u64 {
        self.steps_total.load(Ordering::Relaxed)
    }

    /// A flow answered or failed.
    pub fn flow_call(&self, game: &GameId, cost: &CallCost) {
        self.flow_cpu_seconds.observe(cost.cpu_us as f64 / 1e6);
        self.flow_instantiate_seconds.observe(cost.instantiate_us as f64 / 1e6);
        if cost.log_lines_dropped > 0 {
            self.guest_lines_dropped(game, cost.log_lines_dropped);
        }
    }

    /// Lines of a flow were dropped.
    pub fn guest_lines_dropped(&self, game: &GameId, lines: u32) {
        self.guest_lines_dropped.get_or_create(&OfGame { game: game.to_string() }).inc_by(lines.into());
    }

    /// A flow tracked something.
    pub fn measure(&self, game: &GameId, name: &str, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        let mut measure = name.to_owned();
        {
            let mut names = self.measure_names.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (game.to_string(), measure.clone());
            if !names.contains(&key) {
                if names.iter().filter(|(known, _)| *known == key.0).count() < MEASURES_PER_GAME_MAX {
                    names.insert(key);
                } else {
                    measure = "other".to_owned();
                }
            }
        }
        self.measures.get_or_create(&Measured { game: game.to_string(), measure }).inc_by(value);
    }

    /// Meta answered a send, or did not.
    pub fn send(&self, outcome: &'static str, seconds: f64) {
        self.sends.get_or_create(&Outcome { outcome }).inc();
        self.send_seconds.observe(seconds);
    }

    /// There was nothing to send: Meta was not asked.
    pub fn unsent(&self, outcome: &'static str) {
        self.sends.get_or_create(&Outcome { outcome }).inc();
    }

    /// What became of a send without an answer: settled by a status, or repeated.
    pub fn unknown(&self, outcome: &'static str) {
        self.unknown_sends.get_or_create(&Outcome { outcome }).inc();
    }

    /// Meta accepted a message this long after its commit.
    pub fn reply(&self, seconds: f64) {
        self.reply_seconds.observe(seconds);
    }

    /// Requests in flight.
    pub fn in_flight(&self, count: usize) {
        self.sends_in_flight.set(count as i64);
    }

    /// Something is held.
    pub fn held(&self, scope: &'static str) {
        self.holds.get_or_create(&Scope { scope }).inc();
    }

    /// All figures in Prometheus' text format (OpenMetrics 1.0), with how much is where as of now.
    pub fn render(&self, depth: Option<Depth>) -> String {
        if let Some(depth) = depth {
            let waiting = [
                ("inbox", depth.inbox),
                ("outbox", depth.outbox),
                ("timers", depth.timers),
                ("dead-letters", depth.dead_letters),
                ("tickets-open", depth.tickets_open),
                ("conversations", depth.conversations),
            ];
            for (kind, count) in waiting {
                self.depth.get_or_create(&Kind { kind }).set(count as i64);
            }
        }
        let mut rendered = String::new();
        if let Err(problem) = text::encode(&mut rendered, &self.registry) {
            let _ = write!(rendered, "# {problem}");
        }
        rendered
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    /// Every name that stands between backticks in the first column of LOGGING.md's table.
    fn documented(text: &str) -> BTreeSet<&str> {
        let names = text.lines().filter_map(|line| line.strip_prefix("| `questline_")?.split('`').next());
        names.map(|name| name.strip_suffix("_total").unwrap_or(name)).collect()
    }

    #[test]
    fn every_figure_is_documented_and_nothing_else() {
        let document = include_str!("../../../docs/LOGGING.md");
        let chapter = document.split("## Metrics").nth(1).unwrap();
        let table = chapter.split("### Worth an alarm").next().unwrap();
        let metrics = Metrics::default();
        let game = GameId::parse("starfall").unwrap();
        // A figure with labels is there once it has counted something.
        metrics.webhook("stored");
        metrics.appended(&Appended { events: 1, ..Appended::default() });
        for family in [&metrics.messages, &metrics.statuses, &metrics.kept] {
            family.get_or_create(&Kind { kind: "x" }).inc();
        }
        metrics.game_events(&game, "accepted", 1);
        metrics.verification(&game, "issued");
        metrics.operation(&game, "done");
        metrics.code_send(&game, None, "sms", "sent");
        metrics.time_to_authenticate(&game, None, "sms", 1.0);
        metrics.link(&game, "created");
        metrics.two_factor(&game, "on");
        metrics.consents(&game, "accepted", 1);
        metrics.marketing_dropped(&game, "no-consent");
        metrics.templates_listed("ok");
        metrics.template_unsendable(&game, "parked");
        metrics.media("uploaded");
        metrics.step(&game, "flow", 0.1);
        metrics.guest_lines_dropped(&game, 1);
        metrics.release_switched(&game);
        metrics.migration_failed(&game);
        metrics.measure(&game, "x", 1.0);
        metrics.send("accepted", 0.1);
        metrics.unknown("repeated");
        metrics.held("number");
        metrics.sending.an_example();
        metrics.lanes.an_example();
        metrics.templates.an_example();
        let rendered = metrics.render(Some(Depth::default()));
        let served: BTreeSet<&str> =
            rendered.lines().filter_map(|line| line.strip_prefix("# TYPE questline_")?.split(' ').next()).collect();
        assert!(served.len() > 15, "{rendered}");
        assert_eq!(documented(table), served);
        // What alarms are built on exists, too.
        for name in chapter.split("questline_").skip(1) {
            let name: String = name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let name = name.trim_end_matches("_total");
            assert!(served.contains(name), "questline_{name} is named, and there is no such figure");
        }
    }
}
