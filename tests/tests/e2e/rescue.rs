//! Accounts in danger: whoever guesses whose account it is gets few tries, however many phones they have; and one word of the
//! player's freezes the account everywhere, whatever is under way and whoever does not answer.

use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::studio::{Answer, SECRET, Studio};
use crate::support::{at_rest, code, dead_letters, first_dead_letter, heard, hears, says};

on_both_stores![
    phones_that_guess_share_one_lock,
    failures_count_where_the_step_fails_and_where_the_flow_tells_them,
    credentials_are_counted_for_the_player,
    block_ends_all_of_the_player_everywhere,
    block_stops_what_another_phone_was_promised,
    a_freeze_goes_out_whatever_happens_to_host_and_backend,
    block_secures_at_once_and_freezes_when_the_studio_answers,
    who_comes_to_a_frozen_account_is_told_nothing,
    refusals_and_wrong_codes_stand_in_the_audit_log,
    a_player_is_forgotten_but_no_frozen_account,
];

/// Two phones of one player, and one of nobody's.
const PHONE: &str = "+15550111";
const SECOND: &str = "+15550112";

/// A game with credentials, codes and freezes, whose studio answers here. `recovery` goes to `[recovery]`.
async fn stage(engine: Engine, studio: &Studio, recovery: &str) -> Stage {
    let grants = ["log", "players", "backend", "reply", "recovery-credentials"];
    let stage = Stage::new(engine).await.times(2_000, 1_500).allow_host("127.0.0.1").game("cup", NUMBER, "warden-guest", &grants, "");
    let secret = stage.dir().join("studio-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let connection =
        format!("connector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}\ntimeout_ms = 1000\n", studio.url("127.0.0.1"));
    let dir = stage.game_dir("cup");
    let text = std::fs::read_to_string(dir.join("game.toml")).unwrap();
    let text = text.replace("connector = \"sample\"\nfile = \"players.json\"\n", &connection);
    let rules = format!(
        "[backend]\n{connection}[backend.operations.issue-credentials]\n[backend.operations.check-security-answer]\ncounts_as_check = \"correct\"\n\
         [backend.operations.freeze-account]\n[backend.operations.unfreeze-account]\n\
         [security]\nfreeze_operation = \"freeze-account\"\nunfreeze_operation = \"unfreeze-account\"\n\
         [recovery]\nfailures_max = 3\n{recovery}\n[verification]\nchannels = [{{ template = \"cup_code\" }}]\nresend_wait_s = 0\n"
    );
    std::fs::write(dir.join("game.toml"), format!("{text}\n{rules}")).unwrap();
    std::fs::write(
        dir.join("copy/en.ftl"),
        "recovery-credentials = Log in as { $username } with { $password } within { $minutes } minutes.\n",
    )
    .unwrap();
    stage.sends_codes(&["cup"])
}

/// The audit log's actions, oldest first.
async fn audited(host: &Host) -> Vec<String> {
    let rows = host.get("/games/cup/audit?limit=500").await["rows"].as_array().unwrap().clone();
    rows.iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect()
}

fn count(actions: &[String], action: &str) -> usize {
    actions.iter().filter(|found| *found == action).count()
}

async fn start(host: &Host, body: Value) -> Value {
    let (status, started) = host.post("/games/cup/verifications", &body).await;
    assert_eq!(status, 202, "{started}");
    started
}

async fn check(host: &Host, started: &Value, code: &str) -> Value {
    let path = format!("/games/cup/verifications/{}/check", started["id"].as_str().unwrap());
    let (status, checked) = host.post(&path, &json!({ "code": code })).await;
    assert_eq!(status, 200, "{checked}");
    checked
}

/// The number of the one open ticket.
async fn ticket(host: &Host) -> String {
    let tickets = host.get("/games/cup/tickets").await;
    let [ticket] = &tickets["rows"].as_array().unwrap()[..] else { panic!("one ticket: {tickets}") };
    assert_eq!((&ticket["priority"], &ticket["intent"]), (&json!("critical"), &json!("account-security")));
    ticket["number"].as_str().unwrap().to_owned()
}

async fn close(host: &Host, number: &str) {
    let path = format!("/games/cup/tickets/{number}/close");
    assert_eq!(host.post(&path, &json!({ "resolution": "It was you." })).await.0, 200);
}

async fn phones_that_guess_share_one_lock(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "lock_s = 3600").await;
    let mut host = stage.start().await;
    let (one, two) = (stage.player(PHONE, "One"), stage.player(SECOND, "Two"));
    for (phone, answer) in [(&one, "moon"), (&two, "sun"), (&one, "star")] {
        assert_eq!(says(phone, format!("answer {answer}").as_str()).await.text(), "{\"correct\":false}");
    }
    let asked = studio.calls_of("/operations/check-security-answer").len();
    assert_eq!(asked, 3);
    for phone in [&two, &one] {
        let refused = says(phone, "answer comet").await;
        assert!(refused.text().contains("NotGranted") && refused.text().contains("locked"), "{}", refused.text());
        let refused = says(phone, "recover 1.0").await;
        assert!(refused.text().starts_with("refused: locked: too many checks failed"), "{}", refused.text());
        let device = says(phone, "device fp-ada").await;
        assert!(device.text().contains("locked"), "no other check is made either: {}", device.text());
    }
    assert_eq!(studio.calls_of("/operations/check-security-answer").len(), asked, "the right answer is learned by nobody");
    at_rest(&stage, &host).await;
    let actions = audited(&host).await;
    assert_eq!((count(&actions, "recovery-check-failed"), count(&actions, "recovery-locked")), (3, 1), "{actions:?}");
    assert!(count(&actions, "credentials-refused") >= 2);
    host.kill().await;
    let host = stage.start().await;
    assert!(says(&two, "recover 1.0").await.text().starts_with("refused: locked"), "a lock outlives the host");
    assert!(studio.calls_of("/operations/issue-credentials").is_empty());
    let facts: Value = serde_json::from_str(says(&one, "facts").await.text()).unwrap();
    assert!(facts["locked_until_ms"].as_u64().is_some_and(|until| until > 0), "the flow sees it: {facts}");
    drop(host);
}

async fn failures_count_where_the_step_fails_and_where_the_flow_tells_them(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    assert_eq!(says(&ada, "answer comet").await.text(), "{\"correct\":true}", "what is right does not count");
    let facts: Value = serde_json::from_str(says(&ada, "facts").await.text()).unwrap();
    assert_eq!(facts, json!({ "locked_until_ms": null, "failures_left": 3 }));
    ada.send("fail moon").await.unwrap();
    eventually("the step has failed", async || (dead_letters(&host).await.len() == 1).then_some(())).await;
    for _ in 0..2 {
        assert_eq!(says(&ada, "device fp-other").await.text(), "DeviceMatch::Different", "the same again is the same");
    }
    let facts: Value = serde_json::from_str(says(&ada, "facts").await.text()).unwrap();
    assert_eq!(facts["failures_left"], 1, "{facts}");
    assert_eq!(says(&ada, "told right").await.text(), "told");
    assert_eq!(says(&ada, "told wrong").await.text(), "told");
    assert!(says(&ada, "recover 1.0").await.text().starts_with("refused: locked"));
    let actions = audited(&host).await;
    assert_eq!((count(&actions, "recovery-check-failed"), count(&actions, "recovery-locked")), (3, 1), "{actions:?}");
}

async fn credentials_are_counted_for_the_player(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "per_day_max = 2").await;
    let host = stage.start().await;
    let (one, two) = (stage.player(PHONE, "One"), stage.player(SECOND, "Two"));
    for phone in [&one, &two] {
        assert!(says(phone, "recover 0.9").await.text().starts_with("Log in as ada-recovery with told-once"));
    }
    for phone in [&one, &two] {
        let refused = says(phone, "recover 0.9").await;
        assert!(refused.text().starts_with("refused: too-many: 2 were issued"), "{}", refused.text());
    }
    assert_eq!(count(&audited(&host).await, "credentials-promised"), 2);
}

async fn block_ends_all_of_the_player_everywhere(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let host = stage.start().await;
    let (one, two) = (stage.player(PHONE, "One"), stage.player(SECOND, "Two"));
    assert_eq!(says(&one, "who").await.text(), "ada-1");
    assert_eq!(says(&two, "who").await.text(), "ada-1");
    // One code for the player, one for the contact alone; both are on the second phone.
    let named = start(&host, json!({ "player": "ada-1", "purpose": "login" })).await;
    let sent = code(&two).await;
    let unnamed = start(&host, json!({ "contact": { "phone": SECOND }, "purpose": "high-value" })).await;
    let also_sent = code(&two).await;

    let blocked = says(&one, "BLOCK").await;
    let number = ticket(&host).await;
    assert!(blocked.text().contains(&number), "{}", blocked.text());
    for (verification, code) in [(&named, &sent), (&unnamed, &also_sent)] {
        let checked = check(&host, verification, code).await;
        assert_eq!(checked["status"], "replaced", "{checked}");
        let (status, _) = host.post(&format!("/games/cup/verifications/{}/resend", verification["id"].as_str().unwrap()), &json!({})).await;
        assert_eq!(status, 409);
    }
    at_rest(&stage, &host).await;
    let before = (heard(&one).len(), heard(&two).len());
    for phone in [&two, &one] {
        for words in ["who", "recover 1.0", "answer comet", sent.as_str()] {
            let told = says(phone, words).await;
            assert!(told.text().contains("secured") && told.text().contains(&number), "{}", told.text());
        }
    }
    // A new code is asked for and answered as ever, and is sent to nobody.
    let again = start(&host, json!({ "player": "ada-1", "purpose": "login" })).await;
    let fields = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&again), fields(&named));
    start(&host, json!({ "contact": { "phone": SECOND }, "purpose": "login" })).await;
    at_rest(&stage, &host).await;
    assert_eq!((heard(&one).len(), heard(&two).len()), (before.0 + 4, before.1 + 4), "{:?}", heard(&two));
    assert!(says(&two, "BLOCK").await.text().contains(&number), "the same ticket");
    assert_eq!(ticket(&host).await, number);
    let freezes =
        eventually("the studio is told", async || Some(studio.calls_of("/operations/freeze-account")).filter(|calls| !calls.is_empty()))
            .await;
    assert_eq!((freezes.len(), &freezes[0].body["player"], &freezes[0].body["request"]["ticket"]), (1, &json!("ada-1"), &json!(number)));
    let actions = audited(&host).await;
    assert_eq!((count(&actions, "account-frozen"), count(&actions, "session-ended")), (1, 1), "{actions:?}");

    close(&host, &number).await;
    assert_eq!(hears(&one).await.text(), "closed: It was you.");
    at_rest(&stage, &host).await;
    for phone in [&one, &two] {
        assert_eq!(says(phone, "who").await.text(), "ada-1");
    }
    let started = start(&host, json!({ "player": "ada-1", "purpose": "login" })).await;
    let fresh = code(&two).await;
    assert_eq!(check(&host, &started, &fresh).await["status"], "approved");
    at_rest(&stage, &host).await;
    assert_eq!(studio.calls_of("/operations/unfreeze-account").len(), 1);
    assert_eq!(count(&audited(&host).await, "account-released"), 1);
    assert!(dead_letters(&host).await.is_empty());
    studio.assert_all_signed();
}

async fn block_stops_what_another_phone_was_promised(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let host = stage.start().await;
    let (one, two) = (stage.player(PHONE, "One"), stage.player(SECOND, "Two"));
    says(&one, "who").await;
    studio.always("/operations/issue-credentials", Some(Answer::Status(503)));
    two.send("recover 0.9").await.unwrap();
    eventually("the backend was asked", async || (!studio.calls_of("/operations/issue-credentials").is_empty()).then_some(())).await;
    says(&one, "BLOCK").await;
    studio.always("/operations/issue-credentials", None);
    let letter = first_dead_letter(&host).await;
    assert_eq!(letter["reason"], "credentials-withdrawn", "{letter}");
    at_rest(&stage, &host).await;
    assert!(heard(&two).is_empty(), "{:?}", heard(&two));
}

async fn a_freeze_goes_out_whatever_happens_to_host_and_backend(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    says(&ada, "who").await;
    studio.always("/operations/", Some(Answer::Status(503)));
    assert!(says(&ada, "BLOCK").await.text().contains("secured"), "the player does not wait for the backend");
    eventually("the backend was asked", async || (!studio.calls_of("/operations/freeze-account").is_empty()).then_some(())).await;
    host.kill().await;
    let mut host = stage.start().await;
    let before = studio.calls_of("/operations/freeze-account").len();
    eventually("it was asked again", async || (studio.calls_of("/operations/freeze-account").len() > before).then_some(())).await;
    host.kill().await;
    studio.always("/operations/", None);
    let host = stage.start().await;
    at_rest(&stage, &host).await;
    let calls = studio.calls_of("/operations/freeze-account");
    assert!(calls.len() >= 3 && calls[0].idempotency_key.is_some());
    assert!(calls.iter().all(|call| call.idempotency_key == calls[0].idempotency_key && call.body == calls[0].body), "{calls:?}");
    assert!(dead_letters(&host).await.is_empty());
    let number = ticket(&host).await;
    // A backend that refuses is a matter for people.
    close(&host, &number).await;
    at_rest(&stage, &host).await;
    studio.always("/operations/freeze-account", Some(Answer::Status(422)));
    says(&ada, "who").await;
    says(&ada, "BLOCK").await;
    let letter = first_dead_letter(&host).await;
    assert_eq!(letter["reason"], "operation-refused", "{letter}");
    assert!(host.log().contains("alert=true") || host.log().contains("\"alert\":true"), "{}", host.log());
}

async fn block_secures_at_once_and_freezes_when_the_studio_answers(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    studio.always("/players/", Some(Answer::Status(503)));
    assert!(says(&ada, "BLOCK").await.text().contains("secured"));
    let number = ticket(&host).await;
    assert!(studio.calls_of("/operations/freeze-account").is_empty());
    studio.always("/players/", None);
    let freezes =
        eventually("the account is frozen", async || Some(studio.calls_of("/operations/freeze-account")).filter(|calls| !calls.is_empty()))
            .await;
    assert_eq!((&freezes[0].body["player"], &freezes[0].body["request"]["ticket"]), (&json!("ada-1"), &json!(number)));
    let two = stage.player(SECOND, "Two");
    assert!(says(&two, "who").await.text().contains(&number), "her other phone");
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
    // Of a contact that nobody knows, the contact is secured and no account is frozen.
    let stranger = stage.player("+15550199", "Stranger");
    assert!(says(&stranger, "BLOCK").await.text().contains("secured"));
    at_rest(&stage, &host).await;
    assert_eq!(studio.calls_of("/operations/freeze-account").len(), freezes.len());
}

async fn who_comes_to_a_frozen_account_is_told_nothing(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let mut host = stage.start().await;
    let (one, two) = (stage.player(PHONE, "One"), stage.player(SECOND, "Two"));
    says(&one, "BLOCK").await;
    host.kill().await;
    let host = stage.start().await;
    let number = ticket(&host).await;
    // A phone that the host has never heard of.
    assert!(says(&two, "who").await.text().contains(&number));
    assert!(says(&two, "recover 1.0").await.text().contains(&number));
    close(&host, &number).await;
    hears(&one).await;
    at_rest(&stage, &host).await;
    assert_eq!(says(&two, "who").await.text(), "ada-1", "with the ticket all of it ends");
}

async fn refusals_and_wrong_codes_stand_in_the_audit_log(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let wish = json!({ "contact": { "phone": PHONE }, "purpose": "login" });
    let mut started = Value::Null;
    for _ in 0..5 {
        started = start(&host, wish.clone()).await;
        code(&ada).await;
    }
    assert_eq!(host.post("/games/cup/verifications", &wish).await.0, 429);
    let path = format!("/games/cup/verifications/{}/resend", started["id"].as_str().unwrap());
    assert_eq!(host.post(&path, &json!({})).await.0, 429);
    assert_eq!(check(&host, &started, "12345").await["status"], "rejected");
    let unknown = format!("/games/cup/verifications/{}/check", "0".repeat(32));
    assert_eq!(host.post(&unknown, &json!({ "code": "123456" })).await.0, 404);
    at_rest(&stage, &host).await;
    let rows = host.get("/games/cup/audit?limit=500").await["rows"].as_array().unwrap().clone();
    let told = |action: &str| -> Vec<(String, bool)> {
        let found = rows.iter().filter(|row| row["action"] == action && row["actor"] == "operator");
        found.map(|row| (row["details"]["text"].as_str().unwrap().to_owned(), row["details"]["contact"].is_string())).collect()
    };
    let refused = told("code-refused");
    assert!(refused[0].0.starts_with("over the API, for login: contact; again in ") && refused[0].1, "{refused:?}");
    assert!(refused[1].0.starts_with("over the API, for another code: contact"), "{refused:?}");
    let expected =
        [("over the API, for login: rejected; 2 tries left".to_owned(), true), ("over the API: unknown-verification".to_owned(), false)];
    assert_eq!(told("code-rejected"), expected);
    let all = Value::from(rows).to_string();
    assert!(!all.contains("15550111") && !all.contains("12345\""), "neither number nor code");
}

async fn a_player_is_forgotten_but_no_frozen_account(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    assert_eq!(says(&ada, "device fp-other").await.text(), "DeviceMatch::Different");
    let started = start(&host, json!({ "player": "ada-1", "purpose": "login" })).await;
    let sent = code(&ada).await;
    let erase = async || {
        let output = questline_tests::host::run(&stage.config(), &["players", "erase", "--game", "cup", "--player", "ada-1"]).await;
        let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code().unwrap(), words.concat())
    };
    let (status, words) = erase().await;
    assert!(status == 0 && words.contains("the account is forgotten") && words.contains("1 one-time codes"), "{words}");
    let path = format!("/games/cup/verifications/{}/check", started["id"].as_str().unwrap());
    assert_eq!(host.post(&path, &json!({ "code": sent })).await.0, 404, "nobody knows of it any more");
    let facts: Value = serde_json::from_str(says(&ada, "facts").await.text()).unwrap();
    assert_eq!(facts["failures_left"], 3, "{facts}");
    says(&ada, "BLOCK").await;
    let number = ticket(&host).await;
    let (status, words) = erase().await;
    assert!(status == 1 && words.contains(&format!("close ticket {number} first")), "{words}");
    assert!(says(&ada, "who").await.text().contains(&number), "it is frozen as before");
}
