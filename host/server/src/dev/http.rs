//! The page's server: its files, built in, and who may talk to it. It listens on loopback alone, answers only to names of
//! loopback (a foreign name that is made to point here is refused), and takes changes only with the token that stands in
//! the page.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::extract::{self, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;

use super::Room;
use super::api;

/// Ports that are tried after the wanted one.
const PORTS_TRIED: u16 = 20;
/// In front of the token in a request.
const TOKEN: HeaderName = HeaderName::from_static("x-questline-token");
/// Nothing from elsewhere but pictures that flows link to; nothing inline; in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; media-src https:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const INDEX: &str = include_str!("page/index.html");
const FILES: [(&str, &str, &str); 8] = [
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("chat.css", "text/css; charset=utf-8", include_str!("page/chat.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("chat.js", "text/javascript; charset=utf-8", include_str!("page/chat.js")),
    ("dialogs.js", "text/javascript; charset=utf-8", include_str!("page/dialogs.js")),
    ("dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("inspector.js", "text/javascript; charset=utf-8", include_str!("page/inspector.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Who may talk to the page.
pub(super) struct Door {
    port: u16,
    token: String,
    /// So that comparing takes the same time whatever is shown.
    key: hmac::Key,
    tag: hmac::Tag,
}

impl Door {
    /// With a new token.
    pub(super) fn new(port: u16) -> Result<Self, ring::error::Unspecified> {
        let token = token()?;
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let tag = hmac::sign(&key, token.as_bytes());
        Ok(Self { port, token, key, tag })
    }

    fn is_token(&self, shown: &str) -> bool {
        hmac::verify(&self.key, shown.as_bytes(), self.tag.as_ref()).is_ok()
    }

    /// Whether the request names this server and no other.
    fn is_own(&self, authority: &str) -> bool {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
            let rest = authority.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
            rest.and_then(|port| port.parse::<u16>().ok()) == Some(self.port)
        })
    }

    fn admits(&self, method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if !text(&header::HOST).is_some_and(|host| self.is_own(host)) {
            return Err("this page answers to 127.0.0.1 and localhost alone");
        }
        let foreign = |origin: &str| !origin.strip_prefix("http://").is_some_and(|origin| self.is_own(origin));
        if text(&header::ORIGIN).is_some_and(foreign) {
            return Err("this page is not for other sites");
        }
        if *method != Method::GET && !text(&TOKEN).is_some_and(|token| self.is_token(token)) {
            return Err("the page is of an earlier run: load it again");
        }
        Ok(())
    }
}

/// A secret that nobody has guessed: 256 bits, hexadecimal.
pub fn token() -> Result<String, ring::error::Unspecified> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// Takes the wanted port, or the next that is free.
pub(super) async fn bind(port: u16) -> std::io::Result<TcpListener> {
    let mut refused = None;
    for port in (0..=PORTS_TRIED).filter_map(|next| port.checked_add(next)) {
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => return Ok(listener),
            Err(problem) => refused = refused.or(Some(problem)),
        }
    }
    Err(refused.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into()))
}

/// All that the page asks for.
pub(super) fn router(room: Arc<Room>, door: Door) -> Router {
    let door = Arc::new(door);
    Router::new()
        .route("/", get(index))
        .route("/page/{file}", get(file))
        .merge(api::router(room))
        .layer(Extension(door.clone()))
        .layer(middleware::from_fn_with_state(door, guard))
}

async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let mut response = match door.admits(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => (StatusCode::FORBIDDEN, why).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file of the page. Whoever works on the page itself runs a debug build, which takes it from the source, as saved.
fn current(name: &str, embedded: &'static str) -> Cow<'static, str> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dev/page").join(name);
    let saved = if cfg!(debug_assertions) { std::fs::read_to_string(source).ok() } else { None };
    saved.map_or(Cow::Borrowed(embedded), Cow::Owned)
}

async fn index(Extension(door): Extension<Arc<Door>>) -> Html<String> {
    // The token is hexadecimal: nothing in it could end the attribute.
    Html(current("index.html", INDEX).replace("{{token}}", &door.token))
}

async fn file(extract::Path(name): extract::Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => ([(header::CONTENT_TYPE, *kind)], current(&name, content)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn only_the_page_itself_gets_in() {
        let door = Door::new(7777).unwrap();
        let get = |pairs: &[(&'static str, &str)]| door.admits(&Method::GET, &headers(pairs)).is_ok();
        assert!(get(&[("host", "127.0.0.1:7777")]) && get(&[("host", "localhost:7777")]) && get(&[("host", "[::1]:7777")]));
        for host in ["127.0.0.1", "127.0.0.1:80", "rebound.example:7777", "localhost.example:7777", "127.0.0.1:7777.example", ""] {
            assert!(!get(&[("host", host)]), "{host}");
        }
        assert!(!get(&[("host", "127.0.0.1:7777"), ("origin", "http://evil.example")]));
        let post = |pairs: &[(&'static str, &str)]| door.admits(&Method::POST, &headers(pairs)).is_ok();
        assert!(post(&[("host", "127.0.0.1:7777"), ("x-questline-token", &door.token), ("origin", "http://127.0.0.1:7777")]));
        assert!(!post(&[("host", "127.0.0.1:7777"), ("x-questline-token", "other")]));
        assert!(!post(&[("host", "127.0.0.1:7777"), ("origin", "http://127.0.0.1:7777")]), "an origin alone is not enough");
    }
}
