//! A running host's API, as a studio's backend uses it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::host::TOKEN;

/// Where it is.
pub struct Api {
    pub address: SocketAddr,
    pub(crate) http: reqwest::Client,
}

impl Api {
    /// Of a host that runs there.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, http: reqwest::Client::new() }
    }

    /// A GET under `/v1`.
    pub async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("http://{}/v1{path}", self.address)).bearer_auth(TOKEN);
        let response = request.send().await.expect("the API answers");
        assert!(response.status().is_success(), "GET {path}: {}", response.status());
        response.json().await.expect("the API answers JSON")
    }

    /// A POST under `/v1`.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("http://{}/v1{path}", self.address)).bearer_auth(TOKEN).json(body);
        let response = request.send().await.expect("the API answers");
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// A POST under `/v1` with an idempotency key: status, problem or answer, and `Retry-After`.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> (u16, Value, Option<String>) {
        let request = self.http.post(format!("http://{}/v1{path}", self.address)).bearer_auth(TOKEN);
        let response = request.header("idempotency-key", key).json(body).send().await.expect("the API answers");
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        (response.status().as_u16(), response.json().await.unwrap_or_default(), retry_after)
    }

    /// The figure of this name and these labels in `/metrics`, as it stands there; 0 when it is not there.
    pub async fn metric(&self, line_start: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find(|line| line.starts_with(line_start));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    /// All figures, as `/metrics` has them.
    pub async fn metrics(&self) -> String {
        self.http.get(format!("http://{}/metrics", self.address)).send().await.expect("metrics").text().await.expect("text")
    }

    /// A client for anything else.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }
}
