//! The studio's own HTTP service. Every request is a POST of JSON, signed, bounded in time and size, and goes to one
//! allowed host only.
//!
//! | path | request | answer |
//! | --- | --- | --- |
//! | `/players/by-contact` | `{"phone", "bsuid"}` | `{"id", "profile"}` |
//! | `/players/profile`, `/players/balances`, `/players/last-purchase` | `{"player"}` | the record; `null` for no purchase |
//! | `/players/contact` | `{"player"}` | `{"phone", "bsuid"}`, one of them may be null; 404 where the studio does not tell |
//! | `/players/check-device` | `{"player", "fingerprint"}` | `{"match": "same" \| "different" \| "unknown"}` |
//! | `/operations/{name}` | `{"player", "request"}`, header `Idempotency-Key` | any JSON |
//!
//! `X-Questline-Signature: v1=<hex>` is HMAC-SHA256 with the shared secret over `<timestamp>.<path>.<body>`, where the
//! timestamp is that of `X-Questline-Timestamp`, in seconds. 404 means that there is no such player or operation; 400
//! and 422 that the request makes no sense; all else that the service is not there now.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use questline_core::contact::{Bsuid, Contact, PhoneNumber};
use questline_core::id::PlayerId;
use questline_core::port::{Backend, Balances, DeviceMatch, Players, Profile, Purchase, ServiceError};
use questline_core::time::UnixMs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::{Breaker, ConnectorError};
use crate::config::SecretSource;
use crate::game::LoadContext;

const TIMEOUT_MS_DEFAULT: u64 = 3_000;
/// Longer than any flow may take makes no sense.
const TIMEOUT_MS_MAX: u64 = 30_000;
const ANSWER_BYTES_MAX: usize = 256 * 1024;

pub(super) struct HttpStudio {
    http: reqwest::Client,
    base: Url,
    key: ring::hmac::Key,
    timeout: Duration,
    timeouts: BTreeMap<String, Duration>,
    breaker: Breaker,
}

impl HttpStudio {
    pub(super) fn new(
        section: &'static str,
        url: Option<String>,
        secret: Option<SecretSource>,
        timeout_ms: Option<u64>,
        operations: BTreeMap<String, Option<u64>>,
        context: &LoadContext<'_>,
    ) -> Result<Self, ConnectorError> {
        let missing = |key| ConnectorError::Missing { section, key, connector: "http" };
        let url = url.ok_or_else(|| missing("url"))?;
        let secret = context.secrets.read(&secret.ok_or_else(|| missing("secret"))?, &format!("the secret of [{section}]"))?;
        let base = check_url(section, &url, context.connector_hosts)?;
        let timeout = Duration::from_millis(timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT).clamp(1, TIMEOUT_MS_MAX));
        let own = |ms: Option<u64>| ms.map_or(timeout, |ms| Duration::from_millis(ms.clamp(1, TIMEOUT_MS_MAX)));
        Ok(Self {
            http: context.http.clone(),
            base,
            key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.reveal().as_bytes()),
            timeout,
            timeouts: operations.into_iter().map(|(name, ms)| (name, own(ms))).collect(),
            breaker: Breaker::default(),
        })
    }

    async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
        idempotency_key: Option<&str>,
    ) -> Result<A, ServiceError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = UnixMs(now.as_millis() as u64);
        if !self.breaker.admits(now_ms) {
            return Err(ServiceError::Unavailable("the studio's service has failed repeatedly and is left alone for a moment".to_owned()));
        }
        let answer = tokio::time::timeout(timeout, self.exchange(path, body, now.as_secs(), idempotency_key)).await;
        let answer = answer.unwrap_or_else(|_| Err(ServiceError::Unavailable(format!("no answer within {} ms", timeout.as_millis()))));
        match &answer {
            Err(ServiceError::Unavailable(reason)) => {
                if self.breaker.failed(now_ms) {
                    tracing::warn!(service.host = self.base.host_str(), %reason, "a studio's service keeps failing: it is left alone for a moment");
                }
            }
            _ => self.breaker.succeeded(),
        }
        let answer = answer?;
        serde_json::from_slice(&answer)
            .map_err(|problem| ServiceError::Unavailable(format!("{path} answered something else than agreed: {problem}")))
    }

    async fn exchange(
        &self,
        path: &str,
        body: &impl Serialize,
        timestamp_s: u64,
        idempotency_key: Option<&str>,
    ) -> Result<Vec<u8>, ServiceError> {
        let unavailable = |problem: reqwest::Error| ServiceError::Unavailable(problem.without_url().to_string());
        let url = self.base.join(path.trim_start_matches('/')).map_err(|problem| ServiceError::Invalid(problem.to_string()))?;
        let body = serde_json::to_vec(body).map_err(|problem| ServiceError::Invalid(problem.to_string()))?;
        let signature = sign(&self.key, timestamp_s, path, &body);
        let mut request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("x-questline-timestamp", timestamp_s.to_string())
            .header("x-questline-signature", format!("v1={signature}"));
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let mut response = request.body(body).send().await.map_err(unavailable)?;
        match response.status().as_u16() {
            200..=299 => {}
            404 => return Err(ServiceError::NotFound),
            400 | 422 => return Err(ServiceError::Invalid(format!("{path} refused the request"))),
            status => return Err(ServiceError::Unavailable(format!("{path} answered {status}"))),
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(ServiceError::Unavailable(format!("{path} answered more than {ANSWER_BYTES_MAX} bytes")));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    async fn of_player<A: DeserializeOwned>(&self, path: &str, player: &PlayerId) -> Result<A, ServiceError> {
        self.post(path, &OfPlayer { player }, self.timeout, None).await
    }
}

/// The signature over one request, in hex.
fn sign(key: &ring::hmac::Key, timestamp_s: u64, path: &str, body: &[u8]) -> String {
    let mut context = ring::hmac::Context::with_key(key);
    context.update(timestamp_s.to_string().as_bytes());
    context.update(b".");
    context.update(path.as_bytes());
    context.update(b".");
    context.update(body);
    hex::encode(context.sign())
}

fn check_url(section: &'static str, text: &str, allowed_hosts: &[String]) -> Result<Url, ConnectorError> {
    let wrong = |problem: &str| ConnectorError::Url { section, url: text.to_owned(), problem: problem.to_owned() };
    let mut url = Url::parse(text).map_err(|problem| wrong(&problem.to_string()))?;
    let host = url.host_str().ok_or_else(|| wrong("has no host"))?.to_owned();
    let loopback = matches!(host.as_str(), "127.0.0.1" | "localhost" | "[::1]");
    if url.scheme() != "https" && !(loopback && url.scheme() == "http") {
        return Err(wrong("is not https"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("must not hold a user, a password or a query"));
    }
    if !allowed_hosts.contains(&host) {
        return Err(ConnectorError::HostNotAllowed { section, host });
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

#[derive(Serialize)]
struct OfPlayer<'a> {
    player: &'a PlayerId,
}

#[derive(Serialize)]
struct ByContact<'a> {
    phone: Option<String>,
    bsuid: Option<&'a str>,
}

#[derive(Deserialize)]
struct Known {
    id: PlayerId,
    profile: Profile,
}

#[derive(Deserialize)]
struct Reachable {
    #[serde(default)]
    phone: Option<PhoneNumber>,
    #[serde(default)]
    bsuid: Option<Bsuid>,
}

#[derive(Serialize)]
struct CheckDevice<'a> {
    player: &'a PlayerId,
    fingerprint: &'a str,
}

#[derive(Deserialize)]
struct Device {
    r#match: DeviceMatch,
}

#[derive(Serialize)]
struct Operation<'a> {
    player: Option<&'a PlayerId>,
    request: &'a RawValue,
}

#[async_trait]
impl Players for HttpStudio {
    async fn by_contact(&self, contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        let request = ByContact {
            phone: contact.phone().map(|phone| format!("+{}", phone.digits())),
            bsuid: contact.bsuid().map(|bsuid| bsuid.as_str()),
        };
        let known: Known = self.post("/players/by-contact", &request, self.timeout, None).await?;
        Ok((known.id, known.profile))
    }

    async fn profile(&self, player: &PlayerId) -> Result<Profile, ServiceError> {
        self.of_player("/players/profile", player).await
    }

    async fn balances(&self, player: &PlayerId) -> Result<Balances, ServiceError> {
        self.of_player("/players/balances", player).await
    }

    async fn last_purchase(&self, player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        self.of_player("/players/last-purchase", player).await
    }

    async fn contact(&self, player: &PlayerId) -> Result<Contact, ServiceError> {
        let Reachable { phone, bsuid } = self.of_player("/players/contact", player).await?;
        Contact::new(phone, bsuid).ok_or(ServiceError::NotFound)
    }

    async fn check_device(&self, player: &PlayerId, fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        let device: Device = self.post("/players/check-device", &CheckDevice { player, fingerprint }, self.timeout, None).await?;
        Ok(device.r#match)
    }
}

#[async_trait]
impl Backend for HttpStudio {
    async fn call(&self, operation: &str, player: Option<&PlayerId>, request: &str, idempotency_key: &str) -> Result<String, ServiceError> {
        let Some(timeout) = self.timeouts.get(operation).copied() else {
            return Err(ServiceError::NotGranted(format!("game.toml declares no operation {operation:?}")));
        };
        let request =
            serde_json::from_str(request).map_err(|problem| ServiceError::Invalid(format!("the request is not JSON: {problem}")))?;
        let answer: Box<RawValue> =
            self.post(&format!("/operations/{operation}"), &Operation { player, request }, timeout, Some(idempotency_key)).await?;
        Ok(answer.get().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_allowed_hosts_over_https() {
        let allowed = ["api.studio.example".to_owned(), "127.0.0.1".to_owned()];
        assert_eq!(check_url("players", "https://api.studio.example/v2", &allowed).unwrap().as_str(), "https://api.studio.example/v2/");
        assert!(check_url("players", "http://127.0.0.1:9000", &allowed).is_ok());
        assert!(matches!(check_url("players", "https://evil.example", &allowed), Err(ConnectorError::HostNotAllowed { .. })));
        for wrong in [
            "http://api.studio.example",
            "ftp://api.studio.example",
            "https://u:p@api.studio.example",
            "api.studio.example",
            "https://api.studio.example?x=1",
        ] {
            assert!(matches!(check_url("players", wrong, &allowed), Err(ConnectorError::Url { .. })), "{wrong}");
        }
    }
}
