//! Alerts: what needs an operator, as signed webhooks. They are in the log whether or not anybody takes them.
//!
//! A POST of JSON to `[alerts] url`. `X-Questline-Signature: v1=<hex>` is HMAC-SHA256 under the section's secret over
//! `<timestamp>.<path>.<body>`, where the timestamp is that of `X-Questline-Timestamp`, in seconds: as towards games'
//! backends. Any 2xx takes it; all else is tried again for about ten minutes. Alerts go out in their order, one at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use questline_core::port::Clock;
use questline_core::retry::Backoff;
use questline_core::time::{MINUTE_MS, SECOND_MS, UnixMs};
use ring::hmac;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Secret;
use crate::metrics::Metrics;

/// Alerts that wait to be taken; what is over is in the log alone.
const WAITING_MAX: usize = 256;
/// Tries of one alert: about ten minutes.
const TRIES: Backoff = Backoff { base_ms: SECOND_MS, ceiling_ms: MINUTE_MS, attempts_max: 16 };
/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The same alert is not raised again so soon.
const AGAIN_MS: u64 = 15 * MINUTE_MS;
/// Alerts that are remembered for that.
const REMEMBERED_MAX: usize = 1_024;

/// What needs an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is about: `breaker`, `meta-refused`, `number-quality`, `portfolio-limit`, `spam-limit`, ...
    pub kind: &'static str,
    /// Of what: `number`, `app`, `account`, `template`, `portfolio`.
    pub scope: &'static str,
    /// Which.
    pub name: String,
    /// How it stands now, where it has a state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// Meta's code, where Meta has refused something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// In words, without personal data.
    pub detail: String,
}

impl Alert {
    /// One without a state and a code.
    pub fn new(kind: &'static str, scope: &'static str, name: String, detail: String) -> Self {
        Self { kind, scope, name, state: None, code: None, detail }
    }

    /// With Meta's code.
    pub fn code(self, code: u32) -> Self {
        Self { code: Some(code), ..self }
    }

    /// With a state. What changes its state is told each time.
    pub fn state(self, state: &'static str) -> Self {
        Self { state: Some(state), ..self }
    }
}

/// An alert as it is sent.
#[derive(Serialize)]
struct Sent<'a> {
    /// The same for every try.
    id: String,
    /// Milliseconds since 1970.
    at_ms: u64,
    #[serde(flatten)]
    alert: &'a Alert,
}

/// Who takes alerts.
pub struct Receiver {
    /// Where they are posted to.
    pub url: Url,
    /// What signs them.
    pub secret: Secret,
}

/// Raises alerts. Clones share everything.
#[derive(Clone)]
pub struct Alerts {
    add: Option<mpsc::Sender<(UnixMs, Alert)>>,
    raised: Arc<Mutex<HashMap<Raised, UnixMs>>>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// What tells an alert from others.
type Raised = (&'static str, &'static str, String, Option<u32>);

/// Alerts on their way to whoever takes them.
pub struct Courier {
    waiting: mpsc::Receiver<(UnixMs, Alert)>,
    receiver: Receiver,
    key: hmac::Key,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Alerts {
    /// For a receiver, or for the log alone. The courier is to be run.
    pub fn new(receiver: Option<Receiver>, http: reqwest::Client, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> (Self, Option<Courier>) {
        let (add, courier) = match receiver {
            Some(receiver) => {
                let (add, waiting) = mpsc::channel(WAITING_MAX);
                let key = hmac::Key::new(hmac::HMAC_SHA256, receiver.secret.reveal().as_bytes());
                (Some(add), Some(Courier { waiting, receiver, key, http, clock: clock.clone(), metrics: metrics.clone() }))
            }
            None => (None, None),
        };
        (Self { add, raised: Arc::default(), clock, metrics }, courier)
    }

    /// Raises one, unless the same was raised a moment ago. Never waits.
    pub fn raise(&self, alert: Alert) {
        let now = self.clock.now();
        if alert.state.is_none() && !self.is_new(&alert, now) {
            return;
        }
        tracing::error!(
            alert = true,
            kind = alert.kind,
            scope = alert.scope,
            name = alert.name,
            state = alert.state.unwrap_or_default(),
            code = alert.code.unwrap_or_default(),
            detail = alert.detail,
            "sending needs the operator"
        );
        self.metrics.sending.alert("raised");
        if let Some(add) = &self.add
            && add.try_send((now, alert)).is_err()
        {
            self.metrics.sending.alert("dropped");
            tracing::error!("an alert is in the log alone: too many wait to be taken");
        }
    }

    fn is_new(&self, alert: &Alert, now: UnixMs) -> bool {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.len() >= REMEMBERED_MAX {
            raised.retain(|_, at| now.since_ms(*at) < AGAIN_MS);
        }
        let key = (alert.kind, alert.scope, alert.name.clone(), alert.code);
        if raised.get(&key).is_some_and(|at| now.since_ms(*at) < AGAIN_MS) {
            return false;
        }
        if raised.len() < REMEMBERED_MAX {
            raised.insert(key, now);
        }
        true
    }
}

impl Courier {
    /// Hands alerts over until `stop`; what waits then stands in the log.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let taken = tokio::select! {
                () = stop.cancelled() => return,
                taken = self.waiting.recv() => taken,
            };
            let Some((at, alert)) = taken else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.hand_over(at, &alert) => {}
            }
        }
    }

    async fn hand_over(&self, at: UnixMs, alert: &Alert) {
        let id = format!("{:x}-{:016x}", at.0, crate::clock::random());
        let Ok(body) = serde_json::to_vec(&Sent { id, at_ms: at.0, alert }) else { return };
        for attempt in 1.. {
            match self.post(body.clone()).await {
                Ok(()) => return self.metrics.sending.alert("taken"),
                Err(problem) => match TRIES.wait_ms(attempt, crate::clock::random()) {
                    Some(wait_ms) => {
                        self.metrics.sending.alert("retried");
                        tracing::warn!(problem, attempt, "an alert was not taken; it is tried again");
                        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    }
                    None => {
                        self.metrics.sending.alert("dropped");
                        tracing::error!(problem, "an alert was not taken, and is in the log alone");
                        return;
                    }
                },
            }
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), String> {
        let timestamp_s = self.clock.now().as_s();
        let url = self.receiver.url.clone();
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(format!("{timestamp_s}.{}.", url.path()).as_bytes());
        signed.update(&body);
        let request = self
            .http
            .post(url)
            .timeout(TIMEOUT)
            .header("content-type", "application/json")
            .header("x-questline-timestamp", timestamp_s.to_string())
            .header("x-questline-signature", format!("v1={}", hex::encode(signed.sign())))
            .body(body);
        // The address may hold a token.
        let response = request.send().await.map_err(|problem| problem.without_url().to_string())?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("answered {status}")) }
    }
}
