//! Studios' tokens: each opens its scopes of its games, for its time, and sees nothing of anybody else's.

use questline::release::pack;
use questline_core::token::Scope;
use questline_tests::host::TOKEN;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage};
use reqwest::Method;
use serde_json::{Value, json};

use crate::releases::{bare_echo, bundle, files, put};

#[tokio::test]
async fn the_command_line_names_every_scope_and_what_it_opens() {
    let stage = Stage::new(Engine::Embedded).await.echo("mine", NUMBER);
    stage.write_config();
    let help = questline_tests::host::run(&stage.config(), &["tokens", "create", "--help"]).await;
    let help = String::from_utf8(help.stdout).unwrap();
    for scope in Scope::ALL {
        let line = format!("- {}:", scope.as_str());
        let line = help.lines().find(|found| found.trim().starts_with(&line)).unwrap_or_else(|| panic!("no {scope} in {help}"));
        assert!(line.contains(scope.about().trim_end_matches('.')), "{line}");
    }
    let wrong = questline_tests::host::run(&stage.config(), &["tokens", "create", "ci", "--game", "mine", "--scope", "everything"]).await;
    assert!(!wrong.status.success() && String::from_utf8(wrong.stderr).unwrap().contains("broadcasts"));
}

on_both_stores![a_token_opens_its_own_games_and_scopes, a_revoked_token_opens_nothing];

async fn ask(host: &Host, token: &str, method: Method, path: &str) -> (u16, Value) {
    let request = host.http().request(method, format!("http://{}/v1{path}", host.address)).bearer_auth(token);
    let response = request.json(&json!({})).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn create(host: &Host, games: &[&str], scopes: &[&str]) -> Value {
    let (status, made) = host.post("/tokens", &json!({ "name": "ci", "games": games, "scopes": scopes, "days": 7 })).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn a_token_opens_its_own_games_and_scopes(engine: Engine) {
    let stage = Stage::new(engine).await.echo("mine", NUMBER).echo("theirs", SECOND_NUMBER);
    let host = stage.start().await;
    let made = create(&host, &["mine"], &["releases"]).await;
    let token = made["token"].as_str().unwrap();
    let release = bundle("mine", files(bare_echo()));
    let (digest, archive) = (release.digest().to_string(), pack(&release).unwrap());

    assert_eq!(put(&host, token, "mine", &digest, archive.clone()).await.0, 201);
    let activated = ask(&host, token, Method::POST, &format!("/games/mine/releases/{digest}/activate")).await;
    assert_eq!(activated.0, 200, "{activated:?}");
    let list = ask(&host, token, Method::GET, "/games/mine/releases").await;
    assert_eq!((list.0, &list.1["rows"][0]["by"]), (200, &json!("ci")), "{list:?}");

    // Somebody else's game answers as one that is not there, word for word.
    assert_eq!(put(&host, token, "theirs", &digest, archive.clone()).await.0, 404);
    let routes = [
        (Method::GET, "releases".to_owned()),
        (Method::PUT, format!("releases/{digest}")),
        (Method::POST, format!("releases/{digest}/activate")),
        (Method::POST, "rollback".to_owned()),
        (Method::GET, "tickets".to_owned()),
        (Method::POST, "tickets/T-1/close".to_owned()),
        (Method::POST, "events".to_owned()),
        (Method::POST, "events/batch".to_owned()),
    ];
    for (method, route) in &routes {
        let (status, theirs) = ask(&host, token, method.clone(), &format!("/games/theirs/{route}")).await;
        let (_, nobodys) = ask(&host, token, method.clone(), &format!("/games/nobody/{route}")).await;
        assert_eq!(status, 404, "{method} {route}: {theirs}");
        assert_eq!(theirs.to_string().replace("theirs", "nobody"), nobodys.to_string());
    }
    for (method, route) in &routes[4..] {
        let (status, answer) = ask(&host, token, method.clone(), &format!("/games/mine/{route}")).await;
        assert_eq!(status, 403, "its own game, and not its scope: {method} {route}: {answer}");
    }
    for path in ["/dead-letters", "/dead-letters/1", "/notices", "/depth", "/tokens"] {
        assert_eq!(ask(&host, token, Method::GET, path).await.0, 403, "the operator's alone: {path}");
    }
    let made = create(&host, &["theirs"], &["desk", "events"]).await;
    let desk = made["token"].as_str().unwrap();
    assert_eq!(ask(&host, desk, Method::GET, "/games/theirs/tickets").await.0, 200);
    assert_eq!(ask(&host, desk, Method::GET, "/games/theirs/releases").await.0, 403);
    assert_eq!(ask(&host, desk, Method::POST, "/games/theirs/events").await.0, 400, "let in, and the event makes no sense");
}

async fn a_revoked_token_opens_nothing(engine: Engine) {
    let stage = Stage::new(engine).await.echo("mine", NUMBER);
    let mut host = stage.start().await;
    let made = create(&host, &["mine"], &["releases", "desk"]).await;
    let (token, id) = (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap());
    assert!(token.starts_with("qlst_") && token.len() >= 69, "256 bits at least");
    let path = "/games/mine/releases";
    assert_eq!(ask(&host, &token, Method::GET, path).await.0, 200);
    // Shown once, written nowhere.
    let listed = host.get("/tokens").await;
    assert_eq!((&listed["rows"][0]["id"], &listed["rows"][0]["valid"]), (&json!(id), &json!(true)));
    let secret = token.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret) && !host.log().contains(secret));
    // Nearly right is wrong.
    let flipped = if token.ends_with('0') { "1" } else { "0" };
    for wrong in [format!("{}{flipped}", &token[..token.len() - 1]), format!("{token}0"), format!("qlst_{id}_"), "qlst_".to_owned()] {
        assert_eq!(ask(&host, &wrong, Method::GET, path).await.0, 401, "{wrong}");
    }
    // It outlives a start; revoked it does not.
    host.kill().await;
    host = stage.start().await;
    assert_eq!(ask(&host, &token, Method::GET, path).await.0, 200);
    assert_eq!(ask(&host, TOKEN, Method::DELETE, &format!("/tokens/{id}")).await.0, 200);
    assert_eq!(ask(&host, &token, Method::GET, path).await.0, 401);
    assert_eq!(host.get("/tokens").await["rows"][0]["valid"], json!(false));
    assert_eq!(ask(&host, TOKEN, Method::DELETE, "/tokens/000000000000").await.0, 404);

    for (body, about) in [
        (json!({ "name": "", "games": ["mine"], "scopes": ["desk"] }), "name"),
        (json!({ "name": "x", "games": [], "scopes": ["desk"] }), "games"),
        (json!({ "name": "x", "games": ["mine"], "scopes": [] }), "scopes"),
        (json!({ "name": "x", "games": ["mine"], "scopes": ["everything"] }), "everything"),
        (json!({ "name": "x", "games": ["mine"], "scopes": ["desk"], "days": 4000 }), "days"),
    ] {
        let (status, answer) = host.post("/tokens", &body).await;
        assert!((400..500).contains(&status) && answer["detail"].as_str().unwrap().contains(about), "{body}: {answer}");
    }
}
