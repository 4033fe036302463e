//! Headless Chromium behind its driver: WebDriver's own clicks and keys, so that what is covered or disabled cannot be
//! used. Waits for conditions, within a bound.

use std::path::Path;
use std::process::Stdio;

use questline_tests::{eventually, port};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// How WebDriver names an element in JSON (W3C WebDriver, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one page. Both are gone when it is dropped.
pub(crate) struct Browser {
    http: reqwest::Client,
    session: String,
    _driver: Child,
}

impl Browser {
    /// A window as large as a desk's screen, or a phone's when it is narrow.
    pub(crate) async fn open(url: &str, width: u32, height: u32) -> Self {
        let port = port::free().port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let driver = driver.spawn().expect("chromedriver runs: apt-get install chromium chromium-driver");
        let mut options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", format!("--window-size={width},{height}")],
        });
        if width < 500 {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2, "touch": true } });
        }
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let sessions = format!("http://127.0.0.1:{port}/session");
        let session = eventually("the browser starts", async || {
            let answer: Value = http.post(&sessions).json(&wanted).send().await.ok()?.json().await.ok()?;
            answer["value"]["sessionId"].as_str().map(|id| format!("{sessions}/{id}"))
        })
        .await;
        let browser = Self { http, session, _driver: driver };
        browser.post("url", &json!({ "url": url })).await.expect("the page opens");
        browser
    }

    /// Ends the browser.
    pub(crate) async fn close(self) {
        let _ = self.http.delete(&self.session).send().await;
    }

    async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let answer = self.http.post(format!("{}/{path}", self.session)).json(body).send().await.ok()?;
        let is_done = answer.status().is_success();
        let answer: Value = answer.json().await.ok()?;
        is_done.then(|| answer["value"].clone())
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}/{path}", self.session)).send().await.ok()?;
        let is_done = answer.status().is_success();
        let answer: Value = answer.json().await.ok()?;
        is_done.then(|| answer["value"].clone())
    }

    async fn find(&self, css: &str) -> Vec<String> {
        let found = self.post("elements", &json!({ "using": "css selector", "value": css })).await.unwrap_or_default();
        found.as_array().into_iter().flatten().filter_map(|one| one[ELEMENT].as_str().map(str::to_owned)).collect()
    }

    async fn text(&self, element: &str) -> Option<String> {
        self.get(&format!("element/{element}/text")).await?.as_str().map(str::to_owned)
    }

    /// The words of all of this kind, as far as they can be seen.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.find(css).await {
            texts.extend(self.text(&element).await.filter(|text| !text.is_empty()));
        }
        texts
    }

    /// Waits until something of this kind shows these words.
    pub(crate) async fn read(&self, css: &str, words: &str) -> String {
        eventually(&format!("{words:?} in {css}"), async || self.texts(css).await.into_iter().find(|text| text.contains(words))).await
    }

    /// Waits until nothing of this kind can be seen.
    pub(crate) async fn gone(&self, css: &str) {
        eventually(&format!("{css} is gone"), async || self.texts(css).await.is_empty().then_some(())).await;
    }

    /// Clicks the newest that has these words, once it can be clicked.
    pub(crate) async fn click(&self, css: &str, words: &str) {
        eventually(&format!("a click on {words:?} in {css}"), async || {
            for element in self.find(css).await.into_iter().rev() {
                let fits = words.is_empty() || self.text(&element).await.is_some_and(|text| text.contains(words));
                if fits && self.post(&format!("element/{element}/click"), &json!({})).await.is_some() {
                    return Some(());
                }
            }
            None
        })
        .await;
    }

    /// Types into the first field of this kind; `\u{e007}` is Enter.
    pub(crate) async fn type_in(&self, css: &str, text: &str) {
        eventually(&format!("typing into {css}"), async || {
            let field = self.find(css).await.into_iter().next()?;
            self.post(&format!("element/{field}/value"), &json!({ "text": text })).await
        })
        .await;
    }

    /// Empties a field.
    pub(crate) async fn clear(&self, css: &str) {
        eventually(&format!("emptying {css}"), async || {
            let field = self.find(css).await.into_iter().next()?;
            self.post(&format!("element/{field}/clear"), &json!({})).await
        })
        .await;
    }

    /// What the page's own code finds.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] })).await.expect("a script")
    }

    /// Keeps a picture of the page, if `QUESTLINE_SHOTS` names a folder for them.
    pub(crate) async fn shot(&self, name: &str) {
        let Some(dir) = std::env::var_os("QUESTLINE_SHOTS") else { return };
        let picture = self.get("screenshot").await.expect("a picture");
        // Base64 is the driver's: the test has no need to know it.
        std::fs::write(Path::new(&dir).join(format!("{name}.png.base64")), picture.as_str().expect("base64")).expect("a file");
    }
}
