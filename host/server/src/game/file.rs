//! game.toml: what a studio declares, checked and turned into rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use questline_core::account::lockout::LockoutRules;
use questline_core::capability::{Capability, Grants};
use questline_core::flow::FlowLimits;
use questline_core::game::{FlowBinding, Game, HOST_FLOW, MidFlow, Route};
use questline_core::id::{FlowName, TicketNumber};
use questline_core::intent::Lexicon;
use questline_core::media::MediaEntry;
use questline_core::port::Services;
use questline_core::recovery::RecoveryRules;
use questline_core::retry::Backoff;
use questline_core::template::at_meta::AtMeta;
use questline_core::template::{Template, parameters};
use serde::Deserialize;

use super::consent::ConsentFile;
use super::copy::CopyBook;
use super::links::LinksFile;
use super::media::MediaFile;
use super::replies::{self, RepliesFile};
use super::security::SecurityFile;
use super::sending::SendingFile;
use super::two_factor::TwoFactorFile;
use super::verification::VerificationFile;
use super::{Bundle, DeclaredGame, GameProblem, LoadContext};
use crate::connector::{self, BackendFile, ConnectorError, PlayersFile, SampleData, SensitivityFile};
use crate::recovery;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GameFile {
    name: String,
    pub(super) locale: String,
    ticket_prefix: String,
    default_flow: FlowName,
    flows: BTreeMap<FlowName, FlowFile>,
    #[serde(default)]
    routes: Vec<RouteFile>,
    players: PlayersFile,
    #[serde(default)]
    backend: BackendFile,
    #[serde(default)]
    intents: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    replies: RepliesFile,
    #[serde(default)]
    window_closed_template: Option<String>,
    #[serde(default)]
    step_retry: StepRetry,
    #[serde(default)]
    release: ReleaseFile,
    #[serde(default)]
    recovery: Option<RecoveryFile>,
    #[serde(default)]
    verification: Option<VerificationFile>,
    #[serde(default)]
    links: Option<LinksFile>,
    #[serde(default)]
    security: SecurityFile,
    #[serde(default)]
    two_factor: TwoFactorFile,
    #[serde(default)]
    consent: ConsentFile,
    #[serde(default)]
    sending: SendingFile,
    #[serde(default)]
    media: MediaFile,
}

/// `[recovery]`: temporary credentials for players who cannot get in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RecoveryFile {
    operation: String,
    text: String,
    confidence_min: f64,
    valid_s: u32,
    per_day_max: u32,
    failures_max: u32,
    failure_window_s: u32,
    lock_s: u32,
    lock_s_max: u32,
    fresh_authentication_s: Option<u32>,
    bound_device: bool,
}

impl Default for RecoveryFile {
    fn default() -> Self {
        let lockout = LockoutRules::default();
        Self {
            operation: "issue-credentials".to_owned(),
            text: "recovery-credentials".to_owned(),
            confidence_min: 0.8,
            valid_s: 3_600,
            per_day_max: 3,
            failures_max: lockout.failures_max,
            failure_window_s: lockout.window_s,
            lock_s: lockout.lock_s,
            lock_s_max: lockout.lock_s_max,
            fresh_authentication_s: None,
            bound_device: false,
        }
    }
}

impl RecoveryFile {
    fn into_rules(self, backend: &BackendFile, copy: &CopyBook, locale: &str) -> Result<RecoveryRules, GameProblem> {
        let Self {
            operation,
            text,
            confidence_min,
            valid_s,
            per_day_max,
            failures_max,
            failure_window_s,
            lock_s,
            lock_s_max,
            fresh_authentication_s,
            bound_device,
        } = self;
        let sensitivity = SensitivityFile { fresh_authentication_s, bound_device };
        let sensitivity = sensitivity.read().map_err(|problem| rule(format!("recovery.{problem}")))?;
        if !backend.declares(&operation) {
            return Err(rule(format!("recovery.operation is {operation:?}, and there is no [backend.operations.{operation}]")));
        }
        if !(0.0..=1.0).contains(&confidence_min) {
            return Err(rule(format!("recovery.confidence_min is {confidence_min}; it takes 0.0 to 1.0")));
        }
        if !(60..=86_400).contains(&valid_s) {
            return Err(rule(format!("recovery.valid_s is {valid_s}; it takes 60 to 86400")));
        }
        if !(1..=20).contains(&per_day_max) {
            return Err(rule(format!("recovery.per_day_max is {per_day_max}; it takes 1 to 20")));
        }
        let limits = [
            ("failures_max", failures_max, 1..=20),
            ("failure_window_s", failure_window_s, 60..=2_592_000),
            ("lock_s", lock_s, 1..=604_800),
            ("lock_s_max", lock_s_max, lock_s..=2_592_000),
        ];
        if let Some((name, value, range)) = limits.into_iter().find(|(_, value, range)| !range.contains(value)) {
            return Err(rule(format!("recovery.{name} is {value}; it takes {} to {}", range.start(), range.end())));
        }
        let lockout = LockoutRules { failures_max, window_s: failure_window_s, lock_s, lock_s_max };
        recovery::wording(copy, &text, locale, valid_s).map_err(|problem| GameProblem::TextMissing(format!("recovery.text: {problem}")))?;
        Ok(RecoveryRules { operation, text, confidence_min, valid_s, per_day_max, lockout, checks: backend.checks()?, sensitivity })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowFile {
    plugin: String,
    grants: Vec<Capability>,
    #[serde(default)]
    limits: FlowLimits,
    #[serde(default)]
    settings: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteFile {
    flow: FlowName,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    game_events: Vec<String>,
    #[serde(default)]
    intents: Vec<String>,
}

/// `[release]`: what a release does to conversations of an older one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReleaseFile {
    mid_flow: MidFlow,
}

/// How a failed step is tried again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StepRetry {
    base_ms: u64,
    ceiling_ms: u64,
    attempts_max: u32,
}

impl Default for StepRetry {
    fn default() -> Self {
        Self { base_ms: 500, ceiling_ms: 30_000, attempts_max: 5 }
    }
}

/// The largest limits that a game can give its flows.
const LIMITS_MAX: FlowLimits =
    FlowLimits { memory_bytes_max: 256 << 20, cpu_ms_max: 1_000, wall_ms_max: 30_000, host_calls_max: 1_024, log_lines_max: 256 };

fn rule(text: String) -> GameProblem {
    GameProblem::Rule(text)
}

impl GameFile {
    /// The plugins that its flows are.
    pub(super) fn plugins(&self) -> BTreeSet<String> {
        self.flows.values().map(|flow| flow.plugin.clone()).collect()
    }

    /// What stands in for its studio in transcripts.
    pub(super) fn sample(&self, bundle: &Bundle) -> Result<SampleData, ConnectorError> {
        SampleData::read(bundle, &self.players, &self.backend)
    }

    pub(super) fn into_game(
        self,
        bundle: &Bundle,
        templates: BTreeMap<String, Template>,
        media: BTreeMap<String, MediaEntry>,
        copy: CopyBook,
        context: &LoadContext<'_>,
    ) -> Result<DeclaredGame, GameProblem> {
        self.check(&templates)?;
        let replies = replies::rules(self.replies, &self.name, |flow| self.flows.contains_key(flow), &templates)?;
        let mut plugins = BTreeMap::new();
        let mut flows = BTreeMap::new();
        for (name, flow) in self.flows {
            let settings = serde_json::to_string(&flow.settings).map_err(|problem| rule(format!("flows.{name}.settings: {problem}")))?;
            let grants = flow.grants.into_iter().collect::<Grants>().and(context.operator_grants);
            plugins.insert(name.clone(), flow.plugin);
            flows.insert(name.clone(), FlowBinding { name, grants, limits: flow.limits, settings: Arc::from(settings) });
        }
        let recovery = self.recovery.map(|recovery| recovery.into_rules(&self.backend, &copy, &self.locale)).transpose()?;
        let security = self.security.into_rules(&self.backend)?;
        if recovery.is_none()
            && let Some(operation) = self.backend.checks()?.into_keys().next()
        {
            return Err(rule(format!("backend.operations.{operation}.counts_as_check counts for credentials: there is no [recovery]")));
        }
        let verification = self.verification.map(|verification| verification.into_rules(&templates, &self.backend)).transpose()?;
        let links = self.links.map(|links| links.into_rules(&self.backend)).transpose()?;
        let two_factor = self.two_factor.into_rules()?;
        let consent = self.consent.into_rules(&self.locale)?;
        let sending = self.sending.into_rules(&templates)?;
        let media = self.media.into_rules(media, context)?;
        let sensitive = self.backend.sensitive().map_err(rule)?;
        let lexicon = Arc::new(Lexicon::new(&self.intents));
        let (players, backend) = connector::connect(bundle, self.players, self.backend, context)?;
        let route = |route: RouteFile| Route {
            events: route.events,
            game_events: route.game_events,
            intents: route.intents,
            flow: Some(route.flow),
        };
        Ok(DeclaredGame {
            rules: Game {
                id: bundle.game().clone(),
                name: self.name,
                locale: self.locale,
                ticket_prefix: self.ticket_prefix,
                numbers: context.numbers.clone(),
                flows,
                routes: self.routes.into_iter().map(route).collect(),
                default_flow: self.default_flow,
                templates,
                at_meta: AtMeta::default(),
                replies,
                window_closed_template: self.window_closed_template,
                step_retry: Backoff {
                    base_ms: self.step_retry.base_ms,
                    ceiling_ms: self.step_retry.ceiling_ms,
                    attempts_max: self.step_retry.attempts_max,
                },
                recovery,
                sensitive: Arc::new(sensitive),
                mid_flow: self.release.mid_flow,
                verification,
                links,
                security,
                two_factor,
                consent,
                sending,
                media,
            },
            services: Services { players, backend, intents: lexicon, copy: Arc::new(copy) },
            plugins,
        })
    }

    fn check(&self, templates: &BTreeMap<String, Template>) -> Result<(), GameProblem> {
        let known = |flow: &FlowName| self.flows.contains_key(flow);
        if !known(&self.default_flow) {
            return Err(rule(format!("default_flow is {:?}, and there is no [flows.{}]", self.default_flow.as_str(), self.default_flow)));
        }
        if let Some(route) = self.routes.iter().find(|route| !known(&route.flow)) {
            return Err(rule(format!("a route leads to {:?}, and there is no [flows.{}]", route.flow.as_str(), route.flow)));
        }
        for route in &self.routes {
            if let Some(unknown) = route.intents.iter().find(|intent| !self.intents.contains_key(*intent)) {
                return Err(rule(format!("a route names the intent {unknown:?}, and there is no [intents.{unknown}]")));
            }
        }
        if self.ticket_prefix.len() > 8 || TicketNumber::parse(&self.ticket_prefix).is_err() {
            return Err(rule("ticket_prefix takes 1 to 8 letters, digits and -".to_owned()));
        }
        if self.flows.keys().any(|name| name.as_str() == HOST_FLOW) {
            return Err(rule(format!("[flows.{HOST_FLOW}]: the name is the host's own: give the flow another one")));
        }
        for (name, flow) in &self.flows {
            let plugin_fits =
                !flow.plugin.is_empty() && flow.plugin.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if !plugin_fits {
                return Err(rule(format!("flows.{name}.plugin is a name of letters, digits, - and _, not {:?}", flow.plugin)));
            }
            check_limits(name, &flow.limits)?;
        }
        if let Some(name) = &self.window_closed_template {
            let template = templates.get(name).ok_or_else(|| {
                GameProblem::TemplateMissing(format!("window_closed_template is {name:?}, and templates/ has none of that name"))
            })?;
            let takes_values =
                |texts: &questline_core::template::Texts| parameters(&texts.body) + texts.header.as_deref().map_or(0, parameters) > 0;
            if template.languages.values().any(takes_values) {
                return Err(rule(format!("window_closed_template {name:?} takes values: it must be one without")));
            }
        }
        Ok(())
    }
}

fn check_limits(flow: &FlowName, limits: &FlowLimits) -> Result<(), GameProblem> {
    let limit = |name: &str, value: u64, max: u64| {
        if (1..=max).contains(&value) { Ok(()) } else { Err(rule(format!("flows.{flow}.limits.{name} is {value}; it takes 1 to {max}"))) }
    };
    limit("memory_bytes_max", limits.memory_bytes_max as u64, LIMITS_MAX.memory_bytes_max as u64)?;
    limit("cpu_ms_max", limits.cpu_ms_max, LIMITS_MAX.cpu_ms_max)?;
    limit("wall_ms_max", limits.wall_ms_max, LIMITS_MAX.wall_ms_max)?;
    limit("host_calls_max", limits.host_calls_max.into(), LIMITS_MAX.host_calls_max.into())?;
    limit("log_lines_max", limits.log_lines_max.into(), LIMITS_MAX.log_lines_max.into())
}
