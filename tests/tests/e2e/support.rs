//! What all subjects share: each test on either store, players who talk, and waiting until all is done.

use questline_emulator as meta;
use questline_tests::{Api, PATIENCE, Stage, eventually};
use serde_json::Value;

/// Makes two tests of each function that takes an engine.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_embedded_store() {
                super::$test(questline_tests::Engine::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_redis() {
                super::$test(questline_tests::Engine::Redis).await;
            }
        })*
    };
}

/// The player sends it and hears the next answer.
pub(crate) async fn says(player: &meta::PlayerHandle, what: impl Into<meta::Inbound>) -> meta::Received {
    player.send(what).await.expect("it is sent");
    hears(player).await
}

/// The player taps what is called so and hears the next answer.
pub(crate) async fn taps(player: &meta::PlayerHandle, title: &str) -> meta::Received {
    player.tap(title).await.expect("there is such a button");
    hears(player).await
}

/// The next message that reaches the player.
pub(crate) async fn hears(player: &meta::PlayerHandle) -> meta::Received {
    player.next(PATIENCE).await.expect("an answer")
}

/// The next code on the player's phone.
pub(crate) async fn code(player: &meta::PlayerHandle) -> String {
    code_of(&hears(player).await)
}

/// What a message's button copies.
pub(crate) fn code_of(message: &meta::Received) -> String {
    let copied = message.choices.iter().find(|choice| choice.kind == meta::ChoiceKind::CopyCode);
    copied.unwrap_or_else(|| panic!("a code, not {message:?}")).id.clone()
}

/// The player asks for something that needs a proof, types the code that comes, and hears what they asked for.
pub(crate) async fn proves(player: &meta::PlayerHandle, tap: &str) -> meta::Received {
    taps(player, tap).await;
    let code = code(player).await;
    says(player, code.as_str()).await;
    hears(player).await
}

/// The number of a ticket in a text.
pub(crate) fn ticket_number(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.into_iter().find(|word| word.starts_with("SF-")).unwrap_or_else(|| panic!("no ticket in {text:?}")).to_owned()
}

/// Waits until nothing is on its way: no webhook, no event, no message.
pub(crate) async fn at_rest(stage: &Stage, host: &Api) {
    eventually("all is at rest", async || {
        let before = stage.emulator.counters();
        let settled = stage.emulator.settled(PATIENCE).await;
        let depth = host.get("/depth").await;
        let idle = settled && depth["inbox"] == 0 && depth["outbox"] == 0 && stage.emulator.counters() == before;
        idle.then_some(())
    })
    .await;
}

/// All dead letters, oldest first.
pub(crate) async fn dead_letters(host: &Api) -> Vec<Value> {
    host.get("/dead-letters?limit=500").await["rows"].as_array().expect("rows").clone()
}

/// Waits for the first dead letter.
pub(crate) async fn first_dead_letter(host: &Api) -> Value {
    eventually("there is a dead letter", async || dead_letters(host).await.into_iter().next()).await
}

/// Whether the text stands anywhere in a document, whole.
pub(crate) fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(parts) => parts.values().any(|part| mentions(part, text)),
        _ => false,
    }
}

/// The texts that a player has heard, oldest first.
pub(crate) fn heard(player: &meta::PlayerHandle) -> Vec<String> {
    player.inbox().iter().map(|message| message.text().to_owned()).collect()
}

/// The texts of all accepted messages, in the order of acceptance.
pub(crate) fn sent_texts(stage: &Stage) -> Vec<String> {
    stage.emulator.accepted().iter().map(|accepted| accepted.json()["text"]["body"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
