//! A host that only writes down what it is told, and a client for the Graph API.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use questline_emulator::{Config, Emulator, Number, Player, PlayerHandle};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Long enough for any machine; nothing waits this long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NUMBER: &str = "1001";
pub(crate) const ACCOUNT: &str = "2001";
pub(crate) const ADA: &str = "16505551234";

/// A webhook as it came.
#[derive(Clone)]
pub(crate) struct Posted {
    pub(crate) body: Bytes,
    pub(crate) signature: String,
}

impl Posted {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The value of every change inside.
    pub(crate) fn values(&self) -> Vec<Value> {
        let body = self.json();
        let entries = body["entry"].as_array().unwrap();
        entries.iter().flat_map(|entry| entry["changes"].as_array().unwrap()).map(|change| change["value"].clone()).collect()
    }
}

#[derive(Default)]
struct Seen {
    posted: Mutex<Vec<Posted>>,
    queries: Mutex<Vec<String>>,
    answers: Mutex<VecDeque<u16>>,
    more: Notify,
}

/// The host under test's stand-in.
pub(crate) struct Host {
    pub(crate) url: String,
    seen: Arc<Seen>,
}

impl Host {
    pub(crate) async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let router = Router::new().route("/hook", get(verify).post(receive)).with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// The next POSTs are answered with these, then with 200.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        self.seen.answers.lock().unwrap().extend(statuses);
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.seen.posted.lock().unwrap().clone()
    }

    pub(crate) fn queries(&self) -> Vec<String> {
        self.seen.queries.lock().unwrap().clone()
    }

    /// All change values so far, in order of arrival.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.posted().iter().flat_map(Posted::values).collect()
    }

    /// Waits until this many POSTs have come.
    pub(crate) async fn wait_posts(&self, count: usize) -> Vec<Posted> {
        self.wait(|host| (host.posted().len() >= count).then(|| host.posted())).await
    }

    /// Waits for a value that fulfils the condition.
    pub(crate) async fn wait_value(&self, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait(|host| host.values().into_iter().find(&condition)).await
    }

    /// Waits for this status of this message.
    pub(crate) async fn wait_status(&self, id: &str, status: &str) -> Value {
        let value = self.wait_value(|value| value["statuses"][0]["id"] == id && value["statuses"][0]["status"] == status).await;
        value["statuses"][0].clone()
    }

    async fn wait<T>(&self, ask: impl Fn(&Self) -> Option<T>) -> T {
        let work = async {
            loop {
                let more = self.seen.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(found) = ask(self) {
                    return found;
                }
                more.await;
            }
        };
        tokio::time::timeout(PATIENCE, work).await.expect("what the host waited for did not come")
    }
}

async fn receive(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["x-hub-signature-256"].to_str().unwrap().to_owned();
    let status = seen.answers.lock().unwrap().pop_front().unwrap_or(200);
    seen.posted.lock().unwrap().push(Posted { body, signature });
    seen.more.notify_waiters();
    StatusCode::from_u16(status).unwrap()
}

async fn verify(State(seen): State<Arc<Seen>>, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let query = query.unwrap_or_default();
    seen.queries.lock().unwrap().push(query.clone());
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let get = |name: &str| {
        let pair = pairs.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    if get("hub.mode") == "subscribe" && get("hub.verify_token") == "emulator-verify-token" {
        (StatusCode::OK, get("hub.challenge"))
    } else {
        (StatusCode::FORBIDDEN, String::new())
    }
}

/// An emulator, its host, and a client.
pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) host: Host,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn config() -> Config {
    Config::new(Number::new(NUMBER, "+1 555 010 0001", ACCOUNT))
}

impl Bench {
    pub(crate) async fn start(config: Config) -> Self {
        let host = Host::start().await;
        let emulator = Emulator::start(config.webhook_url(&host.url)).await.unwrap();
        Self { emulator, host, http: reqwest::Client::new() }
    }

    /// With Ada, whose window is open.
    pub(crate) async fn with_ada(config: Config) -> (Self, PlayerHandle) {
        let bench = Self::start(config).await;
        let ada = bench.emulator.add_player(Player::new(ADA, "Ada")).unwrap();
        ada.open_window();
        (bench, ada)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v25.0/{path}", self.emulator.graph_url())
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = self.http.request(method, self.url(path)).bearer_auth("emulator-access-token");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Posts a message of the number; whatever `message` lacks of the base is added.
    pub(crate) async fn post(&self, message: Value) -> (u16, Value) {
        let mut whole = json!({"messaging_product": "whatsapp", "to": ADA});
        if message.get("recipient").is_some() {
            whole.as_object_mut().unwrap().remove("to");
        }
        let more = message.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(more);
        self.call("POST", &format!("{NUMBER}/messages"), Some(whole)).await
    }

    /// As [`Self::post`]; gives the wamid of a message that must be accepted.
    pub(crate) async fn accepted(&self, message: Value) -> String {
        let (status, answer) = self.post(message).await;
        assert_eq!(status, 200, "{answer}");
        answer["messages"][0]["id"].as_str().unwrap().to_owned()
    }

    /// As [`Self::post`]; gives HTTP status and code of a message that must be refused.
    pub(crate) async fn refused(&self, message: Value) -> (u16, u64) {
        let (status, answer) = self.post(message).await;
        let code = answer["error"]["code"].as_u64();
        (status, code.unwrap_or_else(|| panic!("not refused: {answer}")))
    }
}

pub(crate) fn text(body: &str) -> Value {
    json!({"type": "text", "text": {"body": body}})
}
