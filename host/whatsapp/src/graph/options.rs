//! Where Meta is: checked once, before anything is sent there.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use questline_core::id::NumberId;

/// Where Meta is, and how long is waited for it.
#[derive(Debug, Clone)]
pub struct GraphOptions {
    /// `https://graph.facebook.com`; plain http only to loopback.
    pub base_url: String,
    /// The API's version, for instance `v25.0`.
    pub version: String,
    /// How long an answer may take once the request is on its way. Meta takes about 350 ms for a send.
    pub timeout_ms: u64,
    /// Sends in flight at most: so many connections are kept. At 350 ms a send, 1,000 messages a second need 350.
    pub in_flight_max: usize,
}

impl Default for GraphOptions {
    fn default() -> Self {
        let base_url = "https://graph.facebook.com".to_owned();
        Self { base_url, version: "v25.0".to_owned(), timeout_ms: 35_000, in_flight_max: 512 }
    }
}

/// Options or tokens that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphSetupError {
    /// The address.
    #[error("the Graph API's address {0:?} is not https://host[:port][/path]; http:// is for loopback alone")]
    BaseUrl(String),
    /// The version.
    #[error("the Graph API's version {0:?} is not like v25.0")]
    Version(String),
    /// A token.
    #[error("the access token of number {0} is empty, or holds characters that no token has")]
    Token(NumberId),
    /// TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Scheme and host of the API, and what stands before each path.
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) host: HeaderValue,
    /// `/v25.0`.
    pub(super) prefix: String,
}

impl Origin {
    pub(super) fn parse(options: &GraphOptions) -> Result<Self, GraphSetupError> {
        let unfit = || GraphSetupError::BaseUrl(options.base_url.clone());
        let parts = options.base_url.parse::<Uri>().map_err(|_| unfit())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(unfit()) };
        let plain_to_loopback = scheme == Scheme::HTTP && is_loopback(authority.host());
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::as_str).trim_end_matches('/');
        if !(scheme == Scheme::HTTPS || plain_to_loopback) || authority.as_str().contains('@') || path.contains('?') {
            return Err(unfit());
        }
        let version = &options.version;
        let fits = version
            .strip_prefix('v')
            .is_some_and(|number| number.split_once('.').is_some_and(|(major, minor)| [major, minor].iter().all(|n| is_number(n))));
        if !fits {
            return Err(GraphSetupError::Version(version.clone()));
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| unfit())?;
        Ok(Self { scheme, authority, host, prefix: format!("{path}/{version}") })
    }

    pub(super) fn uri(&self) -> Result<Uri, GraphSetupError> {
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query("/").build();
        uri.map_err(|_| GraphSetupError::BaseUrl(self.authority.to_string()))
    }
}

fn is_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `localhost`, 127.0.0.0/8 and ::1.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
