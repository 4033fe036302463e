//! Files behind links of games: fetched from the hosts that game.toml and the operator allow, and from nowhere else. No
//! redirect is followed, no name leads into a private network, and no more is read than may be sent.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use url::{Host, Url};

use super::network::PublicResolver;

/// For all of a file.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches.
#[derive(Debug, Clone)]
pub struct LinkFetcher {
    client: reqwest::Client,
}

/// Why there is no file. The words name the host at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkProblem {
    /// The address is none that a file is taken from.
    Address(&'static str),
    /// Nobody allows this host.
    Host(String),
    /// The host answers something else.
    Status { host: String, status: u16 },
    /// The file is longer than may be sent.
    TooLong { host: String, bytes_max: u64 },
    /// The host cannot be reached now.
    Unavailable { host: String, problem: String },
}

impl LinkProblem {
    /// Whether trying again does not help.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Address(_) | Self::Host(_) | Self::TooLong { .. } => true,
            Self::Status { status, .. } => !matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Unavailable { .. } => false,
        }
    }
}

impl fmt::Display for LinkProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(problem) => write!(f, "the link {problem}"),
            Self::Host(host) => write!(f, "the link leads to {host}, which is not in [media] hosts of game.toml"),
            Self::Status { host, status: 300..=399 } => write!(f, "{host} sends elsewhere: name the address where the file lies"),
            Self::Status { host, status } => write!(f, "{host} answers {status}"),
            Self::TooLong { host, bytes_max } => write!(f, "the file at {host} has more than {bytes_max} bytes"),
            Self::Unavailable { host, problem } => write!(f, "{host} cannot be reached: {problem}"),
        }
    }
}

/// The host of an address, for words.
pub(super) fn shown(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "an address that is none".to_owned())
}

/// The address, if a file may be taken from there.
fn allowed(text: &str, hosts: &[String]) -> Result<Url, LinkProblem> {
    let url = Url::parse(text).map_err(|_| LinkProblem::Address("is no address"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) if address.is_loopback() => true,
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(LinkProblem::Address("leads to an address of the network: hosts have names")),
        None => return Err(LinkProblem::Address("has no host")),
    };
    let host = url.host_str().unwrap_or_default();
    if !hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
        return Err(LinkProblem::Host(host.to_owned()));
    }
    match (url.scheme(), is_loopback) {
        ("https" | "http", true) => {}
        ("https", false) if url.port().is_none() => {}
        ("https", false) => return Err(LinkProblem::Address("names a port: files are taken from the usual one")),
        _ => return Err(LinkProblem::Address("is not https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(LinkProblem::Address("names a user"));
    }
    Ok(url)
}

/// Whether an operator or a game may name this host.
pub(crate) fn is_host(name: &str) -> bool {
    let url = Url::parse(&format!("https://{name}/"));
    name == "127.0.0.1" || url.is_ok_and(|url| matches!(url.host(), Some(Host::Domain(host)) if host == name))
}

impl LinkFetcher {
    /// A client of its own.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(std::sync::Arc::new(PublicResolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent("questline")
            .build()?;
        Ok(Self { client })
    }

    /// The file, of at most so many bytes.
    pub(super) async fn fetch(&self, url: &str, hosts: &[String], bytes_max: u64) -> Result<Bytes, LinkProblem> {
        let url = allowed(url, hosts)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let unavailable = |problem: reqwest::Error| {
            let mut cause: &dyn std::error::Error = &problem;
            while let Some(source) = cause.source() {
                cause = source;
            }
            LinkProblem::Unavailable { host: host.clone(), problem: cause.to_string() }
        };
        let too_long = || LinkProblem::TooLong { host: host.clone(), bytes_max };
        let mut response = self.client.get(url).send().await.map_err(|problem| unavailable(problem.without_url()))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(LinkProblem::Status { host: host.clone(), status: response.status().as_u16() });
        }
        let said = response.content_length();
        if said.is_some_and(|said| said > bytes_max) {
            return Err(too_long());
        }
        let mut file = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|problem| unavailable(problem.without_url()))? {
            if (file.len() + piece.len()) as u64 > bytes_max {
                return Err(too_long());
            }
            file.extend_from_slice(&piece);
        }
        Ok(file.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_hosts_by_name_over_https() {
        let hosts = ["cdn.example".to_owned(), "127.0.0.1".to_owned(), "10.0.0.1".to_owned(), "169.254.169.254".to_owned()];
        for good in ["https://cdn.example/a.png", "https://CDN.example/a?x=1", "https://cdn.example:443/", "http://127.0.0.1:9/a"] {
            assert!(allowed(good, &hosts).is_ok(), "{good}");
        }
        for bad in [
            "http://cdn.example/a.png",
            "https://cdn.example:8443/",
            "https://evil.example/",
            "https://cdn.example.evil.example/",
            "https://user@cdn.example/",
            "https://cdn.example@evil.example/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://0xa9fea9fe/",
            "https://2852039166/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://localhost/",
            "file:///etc/passwd",
            "gopher://cdn.example/",
            "",
        ] {
            assert!(allowed(bad, &hosts).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_name() {
        assert!(is_host("cdn.example") && is_host("127.0.0.1") && is_host("localhost"));
        for bad in ["", "10.0.0.1", "cdn.example/a", "https://cdn.example", "CDN.example", "a b", "user@cdn.example", "cdn.example:443"] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
