//! A client of the running host's API.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failure;
use crate::config::Config;

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// For the host that this configuration is of.
    pub(super) fn new(config: &Config) -> Result<Self, Failure> {
        let source = config.admin.token.as_ref().ok_or_else(|| {
            Failure::config(
                "the API needs the operator's token: set [admin] token in questline.toml, for instance { env = \"QUESTLINE_ADMIN_TOKEN\" }",
            )
        })?;
        let token = source.read("the operator's token").map_err(Failure::config)?.reveal().to_owned();
        let mut address = config.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::IpAddr::from([127, 0, 0, 1]));
        }
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().map_err(Failure::new)?;
        Ok(Self { http, base: format!("http://{address}/v1"), token })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.exchange(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.exchange(self.http.post(format!("{}{path}", self.base))).await
    }

    async fn exchange<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let response = request.bearer_auth(&self.token).send().await.map_err(|problem| {
            let hint = if problem.is_connect() { ": is `questline serve` running?" } else { "" };
            Failure::new(format!("the host at {} does not answer ({}){hint}", self.base, problem.without_url()))
        })?;
        let status = response.status();
        let body = response.bytes().await.map_err(|problem| Failure::new(problem.without_url()))?;
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::new("the host's answer is too large"));
        }
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(Failure::new(format!("{status}: {}: {}", text("title"), text("detail"))));
        }
        serde_json::from_slice(&body).map_err(|problem| Failure::new(format!("the host answered something else than expected: {problem}")))
    }
}
