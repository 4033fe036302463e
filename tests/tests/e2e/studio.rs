//! A studio's HTTP service: checks what it is sent, answers about one player, and fails when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use questline_tests::Stage;
use serde_json::{Value, json};

use crate::support::now_s;

/// What studio and host share.
pub(crate) const SECRET: &str = "the studio's secret";
/// Where the service's paths begin: signatures do not cover it.
pub(crate) const BASE: &str = "/questline/v1";

/// What one request is answered, in place of the truth.
#[derive(Clone)]
pub(crate) enum Answer {
    Status(u16),
    /// Nothing, for so long.
    Late(Duration),
    /// 200 and this text.
    Text(String),
    /// Somewhere else.
    Redirect(String),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Default)]
struct Inner {
    calls: Vec<Call>,
    /// Requests that were not signed as they should be.
    forged: Vec<String>,
    next: VecDeque<Answer>,
    always: BTreeMap<String, Answer>,
}

/// A running service.
#[derive(Clone)]
pub(crate) struct Studio {
    inner: Arc<Mutex<Inner>>,
    address: std::net::SocketAddr,
}

impl Studio {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let studio = Self { inner: Arc::default(), address: listener.local_addr().unwrap() };
        let router = Router::new().fallback(answer).with_state(studio.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        studio
    }

    /// The next requests are answered so; later ones with the truth.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.lock().unwrap().next.extend(answers);
    }

    /// Every request whose path begins so is answered so, or with the truth.
    pub(crate) fn always(&self, prefix: &str, answer: Option<Answer>) {
        let always = &mut self.inner.lock().unwrap().always;
        match answer {
            Some(answer) => always.insert(prefix.to_owned(), answer),
            None => always.remove(prefix),
        };
    }

    /// All requests so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner.lock().unwrap().calls.clone()
    }

    /// Requests to one path.
    pub(crate) fn calls_of(&self, path: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.path == path).collect()
    }

    /// No request was signed wrongly.
    pub(crate) fn assert_all_signed(&self) {
        assert_eq!(self.inner.lock().unwrap().forged, Vec::<String>::new());
    }

    /// Its address, by this name of the machine.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}{BASE}", self.address.port())
    }

    /// Makes the sample game ask this service in place of its file. `more` goes to the end of game.toml.
    pub(crate) fn serves_starfall(&self, stage: &Stage, host: &str, more: &str) {
        let secret = stage.dir().join("studio-secret");
        std::fs::write(&secret, SECRET).unwrap();
        let connection = format!("connector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}\ntimeout_ms = 300\n", self.url(host));
        let file = stage.game_dir("starfall").join("game.toml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        for sample in ["connector = \"sample\"\nfile = \"players.json\"\n", "connector = \"sample\"\n"] {
            assert_eq!(text.matches(sample).count(), 1);
            text = text.replace(sample, &connection);
        }
        std::fs::write(&file, format!("{text}\n{more}\n")).unwrap();
    }
}

async fn answer(State(studio): State<Studio>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let path = uri.path().strip_prefix(BASE).unwrap_or_else(|| uri.path()).to_owned();
    let (timestamp, signature) = (header("x-questline-timestamp"), header("x-questline-signature"));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = [timestamp.as_bytes(), b".", path.as_bytes(), b".", &body].concat();
    let genuine = signature == format!("v1={}", hex::encode(ring::hmac::sign(&key, &signed)));
    let fresh = timestamp.parse::<u64>().is_ok_and(|at| at.abs_diff(now_s()) <= 60);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let planned = {
        let mut inner = studio.inner.lock().unwrap();
        if !genuine || !fresh {
            inner.forged.push(path.clone());
        }
        let idempotency_key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        inner.calls.push(Call { path: path.clone(), body: body.clone(), idempotency_key });
        let always = inner.always.iter().find(|(prefix, _)| path.starts_with(*prefix)).map(|(_, answer)| answer.clone());
        inner.next.pop_front().or(always)
    };
    match planned {
        None => truth(&path, &body),
        Some(Answer::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Answer::Text(text)) => text.into_response(),
        Some(Answer::Redirect(to)) => Redirect::temporary(&to).into_response(),
        Some(Answer::Late(wait)) => {
            tokio::time::sleep(wait).await;
            truth(&path, &body)
        }
    }
}

/// All that is true: there is one player, of tier gold, with two phones, one device and a first guild.
fn truth(path: &str, body: &Value) -> Response {
    let profile = json!({ "name": "Ada", "tier": "gold", "locale": "en" });
    let known = body["player"] == "ada-1";
    let answer = match path {
        "/players/by-contact" if body["phone"] == "+15550111" || body["phone"] == "+15550112" => {
            json!({ "id": "ada-1", "profile": profile })
        }
        "/players/profile" if known => profile,
        "/players/contact" if known => json!({ "phone": "+15550111", "bsuid": null }),
        "/players/balances" if known => json!({ "premium": 4321, "free": 77, "pending_rewards": 1 }),
        "/players/last-purchase" if known => Value::Null,
        "/players/check-device" if known => json!({ "match": if body["fingerprint"] == "fp-ada" { "same" } else { "different" } }),
        "/operations/check-security-answer" if known => json!({ "correct": body["request"]["answer"] == "comet" }),
        "/operations/issue-credentials" if known => json!({ "username": "ada-recovery", "password": "told-once" }),
        "/operations/freeze-account" | "/operations/unfreeze-account" if known => json!({}),
        "/operations/claim-rewards" if known => {
            json!({ "claimed": [{ "id": "r1", "name": "Test Chest", "premium": 9, "free": 0 }], "premium": 4330, "free": 77 })
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    axum::Json(answer).into_response()
}
