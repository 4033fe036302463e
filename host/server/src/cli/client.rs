//! A client of a running host's API.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use super::Failure;
use crate::config::{Config, Secret};

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// For an answer, and for that of an upload, which is compiled and played through first.
const TIMEOUT: Duration = Duration::from_secs(30);
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(310);

/// Which host is asked: the one that questline.toml is of, or another.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The host's address, for instance https://questline.example.com; without it the host of questline.toml is asked.
    #[arg(long, requires = "token")]
    url: Option<String>,
    /// The environment variable that holds the token; without it the operator's token of questline.toml is shown.
    #[arg(long, value_name = "VARIABLE")]
    token: Option<String>,
}

impl Remote {
    /// A client for it. `config` is read only where something of it is needed.
    pub(super) fn client(&self, config: impl FnOnce() -> Result<Config, Failure>) -> Result<Client, Failure> {
        let token = self.token.as_ref().map(|name| {
            let text = std::env::var(name)
                .map_err(|_| Failure::new(format!("environment variable {name} is not set: it is to hold the token")))?;
            Ok(Secret::new(text.trim()))
        });
        let token = token.transpose()?;
        match (&self.url, token) {
            (Some(url), Some(token)) => Client::at(url, token),
            (_, token) => Client::of(&config()?, token),
        }
    }
}

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl Client {
    /// For the host that this configuration is of, as its operator.
    pub(super) fn new(config: &Config) -> Result<Self, Failure> {
        Self::of(config, None)
    }

    fn of(config: &Config, token: Option<Secret>) -> Result<Self, Failure> {
        let token = match token {
            Some(token) => token,
            None => {
                let source = config.admin.token.as_ref().ok_or_else(|| {
                    Failure::config(
                        "the API needs the operator's token: set [admin] token in questline.toml, for instance { env = \"QUESTLINE_ADMIN_TOKEN\" }",
                    )
                })?;
                source.read("the operator's token").map_err(Failure::config)?
            }
        };
        let mut address = config.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::IpAddr::from([127, 0, 0, 1]));
        }
        Self::make(format!("http://{address}"), token)
    }

    fn at(url: &str, token: Secret) -> Result<Self, Failure> {
        let parsed = Url::parse(url).map_err(|problem| Failure::new(format!("{url:?} is no address: {problem}")))?;
        let is_local = match parsed.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_local) {
            return Err(Failure::new(format!("{url} is not https: the token would be there for all to read")));
        }
        Self::make(url.trim_end_matches('/').to_owned(), token)
    }

    fn make(host: String, token: Secret) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().map_err(Failure::new)?;
        Ok(Self { http, base: format!("{host}/v1"), token })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.exchange(self.http.get(format!("{}{path}", self.base)).timeout(TIMEOUT)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.exchange(self.http.post(format!("{}{path}", self.base)).timeout(TIMEOUT)).await
    }

    pub(super) async fn post_json<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.exchange(self.http.post(format!("{}{path}", self.base)).timeout(TIMEOUT).json(body)).await
    }

    /// A POST that its key names: the same key does the same once.
    pub(super) async fn post_keyed<T: DeserializeOwned>(&self, path: &str, key: &str, body: impl Serialize) -> Result<T, Failure> {
        let request = self.http.post(format!("{}{path}", self.base)).header("idempotency-key", key);
        self.exchange(request.timeout(TIMEOUT).json(&body)).await
    }

    /// A POST that takes as long as an upload.
    pub(super) async fn post_long<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.exchange(self.http.post(format!("{}{path}", self.base)).timeout(UPLOAD_TIMEOUT)).await
    }

    /// A POST of a list.
    pub(super) async fn post_list<T: DeserializeOwned>(&self, path: &str, kind: &str, body: Vec<u8>) -> Result<T, Failure> {
        let request = self.http.post(format!("{}{path}", self.base)).header("content-type", kind);
        self.exchange(request.timeout(UPLOAD_TIMEOUT).body(body)).await
    }

    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.exchange(self.http.delete(format!("{}{path}", self.base)).timeout(TIMEOUT)).await
    }

    pub(super) async fn upload<T: DeserializeOwned>(&self, path: &str, body: Vec<u8>) -> Result<T, Failure> {
        let request = self.http.put(format!("{}{path}", self.base)).header("content-type", "application/x-tar");
        self.exchange(request.timeout(UPLOAD_TIMEOUT).body(body)).await
    }

    /// An answer of any length, piece by piece.
    pub(super) async fn stream(&self, path: &str, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut response = self.answer(self.http.get(format!("{}{path}", self.base))).await?;
        loop {
            let piece = tokio::time::timeout(TIMEOUT, response.chunk()).await;
            let piece = piece.map_err(|_| Failure::new("the host's answer does not go on"))?;
            match piece.map_err(|problem| Failure::new(problem.without_url()))? {
                Some(piece) => take(&piece)?,
                None => return Ok(()),
            }
        }
    }

    async fn exchange<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let body = read(self.answer(request).await?).await?;
        serde_json::from_slice(&body).map_err(|problem| Failure::new(format!("the host answered something else than expected: {problem}")))
    }

    /// The beginning of an answer, if it is no error.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let response = request.bearer_auth(self.token.reveal()).send().await.map_err(|problem| {
            let hint = if problem.is_connect() { ": is `questline serve` running?" } else { "" };
            Failure::new(format!("the host at {} does not answer ({}){hint}", self.base, problem.without_url()))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: Value = serde_json::from_slice(&read(response).await?).unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = match text("code") {
            code if code.is_empty() => String::new(),
            code => format!(" ({code})"),
        };
        let file = match text("file") {
            file if file.is_empty() => String::new(),
            file => format!("{file}: "),
        };
        Err(Failure::new(format!("{status}: {}{code}: {file}{}", text("title"), text("detail"))))
    }
}

async fn read(response: reqwest::Response) -> Result<bytes::Bytes, Failure> {
    let body = response.bytes().await.map_err(|problem| Failure::new(problem.without_url()))?;
    if body.len() > ANSWER_BYTES_MAX {
        return Err(Failure::new("the host's answer is too large"));
    }
    Ok(body)
}
