//! Releases: uploaded, activated, rolled back while players are chatting; kept over a restart; and what the operator's
//! folder says beside them.

use std::collections::BTreeMap;

use bytes::Bytes;
use questline::game::Bundle;
use questline::release::pack;
use questline_core::id::GameId;
use questline_tests::host::{self, TOKEN};
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, PATIENCE, Stage, guests};
use serde_json::{Value, json};

use crate::guest;
use crate::support::{dead_letters, says};

on_both_stores![
    a_release_is_uploaded_activated_and_rolled_back,
    the_folder_and_uploads_keep_out_of_each_others_way,
    a_number_without_a_game_waits_for_its_release,
];

/// Files of a game by their paths.
pub(crate) type Files = BTreeMap<String, Bytes>;

/// A game whose flow is this component: as [`Stage::game`] makes them.
pub(crate) fn files(component: Vec<u8>) -> Files {
    let game = "name = \"Uploaded\"\nlocale = \"en\"\nticket_prefix = \"T\"\ndefault_flow = \"main\"\n[flows.main]\nplugin = \"plug\"\n\
                grants = [\"reply\", \"log\"]\n[players]\nconnector = \"sample\"\nfile = \"players.json\"\n\
                [step_retry]\nbase_ms = 20\nceiling_ms = 100\nattempts_max = 3\n";
    [
        ("game.toml", Bytes::from_static(game.as_bytes())),
        ("copy/en.ftl", Bytes::from_static(b"hello = Hello\n")),
        ("players.json", Bytes::from_static(b"{\"players\": []}")),
        ("components/plug.wasm", Bytes::from(component)),
    ]
    .map(|(path, content)| (path.to_owned(), content))
    .into()
}

/// A flow that answers with the text alone.
pub(crate) fn bare_echo() -> Vec<u8> {
    guest::Guest { capabilities: vec!["reply"], ..guest::echo() }.component()
}

/// A component of the workspace's guests.
pub(crate) fn component(name: &str) -> Vec<u8> {
    std::fs::read(guests::components().join(format!("{name}.wasm"))).unwrap()
}

pub(crate) fn bundle(game: &str, files: Files) -> Bundle {
    Bundle::new(GameId::parse(game).unwrap(), files).unwrap()
}

/// Uploads an archive under a digest.
pub(crate) async fn put(host: &Host, token: &str, game: &str, digest: &str, archive: Vec<u8>) -> (u16, Value) {
    let url = format!("http://{}/v1/games/{game}/releases/{digest}", host.address);
    let response = host.http().put(url).bearer_auth(token).body(archive).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// Uploads files; gives status, answer and digest.
pub(crate) async fn upload(host: &Host, game: &str, files: Files) -> (u16, Value, String) {
    let bundle = bundle(game, files);
    let digest = bundle.digest().to_string();
    let (status, answer) = put(host, TOKEN, game, &digest, pack(&bundle).unwrap()).await;
    (status, answer, digest)
}

pub(crate) async fn activate(host: &Host, game: &str, digest: &str) -> (u16, Value) {
    host.post(&format!("/games/{game}/releases/{digest}/activate"), &json!(null)).await
}

async fn a_release_is_uploaded_activated_and_rolled_back(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let mut host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "one").await.text(), "echo: one");
    let folder = host.get("/games/echo/releases").await["active"].as_str().unwrap().to_owned();

    let (status, answer, digest) = upload(&host, "echo", files(bare_echo())).await;
    assert_eq!((status, &answer["new"]), (201, &json!(true)), "{answer}");
    assert_eq!(says(&player, "two").await.text(), "echo: two", "an upload alone changes nothing");
    let (status, answer, _) = upload(&host, "echo", files(bare_echo())).await;
    assert_eq!((status, &answer["new"]), (200, &json!(false)), "the same again is no harm: {answer}");

    let (status, answer) = activate(&host, "echo", &digest).await;
    assert_eq!((status, &answer["active"], &answer["previous"]), (200, &json!(digest), &json!(folder)), "{answer}");
    assert_eq!(says(&player, "three").await.text(), "three");
    let list = host.get("/games/echo/releases").await;
    assert_eq!((&list["active"], &list["previous"]), (&json!(digest), &json!(folder)));
    let rows = list["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    assert_eq!((&row["digest"], &row["origin"], &row["by"]), (&json!(digest), &json!("upload"), &json!("operator")));
    assert_eq!((&rows[1]["origin"], &rows[1]["by"], &rows[1]["active"]), (&json!("folder"), &json!("host"), &json!(false)));

    // What was uploaded is there after the next start too, though the folder has its own.
    host.kill().await;
    host = stage.start().await;
    assert_eq!(says(&player, "four").await.text(), "four");
    let (status, answer) = host.post("/games/echo/rollback", &json!({})).await;
    assert_eq!((status, &answer["active"], &answer["previous"]), (200, &json!(folder), &json!(null)), "{answer}");
    assert_eq!(says(&player, "five").await.text(), "echo: five");
    assert_eq!(host.post("/games/echo/rollback", &json!({})).await.0, 409, "there is nothing before the first");
    let (status, _) = host.post("/games/echo/rollback", &json!({ "to": digest })).await;
    assert_eq!(status, 200);
    assert_eq!(says(&player, "six").await.text(), "six");
    assert_eq!(host.metric("questline_releases_switched_total{game=\"echo\"}").await, 2.0);

    for (path, expected) in [("/games/nobody/rollback", 404), ("/games/echo/releases/zz/activate", 400)] {
        assert_eq!(host.post(path, &json!({})).await.0, expected, "{path}");
    }
    assert_eq!(activate(&host, "echo", &"0".repeat(64)).await.0, 404);
    assert!(dead_letters(&host).await.is_empty());
}

async fn the_folder_and_uploads_keep_out_of_each_others_way(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let copy = stage.game_dir("echo").join("copy/en.ftl");
    let mut host = stage.start().await;
    let active = async |host: &Host| host.get("/games/echo/releases").await["active"].as_str().unwrap().to_owned();
    let first = active(&host).await;
    assert!(host.stop().await.success());

    // A folder that changes is a new release, and played.
    std::fs::write(&copy, "hello = Hello again\n").unwrap();
    host = stage.start().await;
    let second = active(&host).await;
    assert_ne!(first, second);

    // A rollback outlives a start: the folder says nothing new.
    assert_eq!(host.post("/games/echo/rollback", &json!({})).await.0, 200);
    assert!(host.stop().await.success());
    host = stage.start().await;
    assert_eq!(active(&host).await, first);

    // What was uploaded stays, whatever the folder says; even if it is not right at all.
    let (_, _, uploaded) = upload(&host, "echo", files(bare_echo())).await;
    assert_eq!(activate(&host, "echo", &uploaded).await.0, 200);
    assert!(host.stop().await.success());
    std::fs::write(&copy, "hello = Third\n").unwrap();
    host = stage.start().await;
    assert_eq!(active(&host).await, uploaded);
    assert!(host.stop().await.success());
    std::fs::write(stage.game_dir("echo").join("game.toml"), "this is no game").unwrap();
    host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "hello").await.text(), "hello");
    assert!(host.log().contains("a game's folder is not right"), "{}", host.log());
}

async fn a_number_without_a_game_waits_for_its_release(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER).echo("later", SECOND_NUMBER);
    std::fs::remove_dir_all(stage.game_dir("later")).unwrap();
    stage.write_config();
    let doctor = host::run(&stage.config(), &["doctor", "--offline"]).await;
    let report = String::from_utf8(doctor.stdout).unwrap();
    let warned = |text: &str| text.lines().any(|line| line.to_lowercase().contains("warn") && line.contains("later"));
    assert!(doctor.status.success() && warned(&report), "{report}");

    let host = stage.start().await;
    assert!(warned(&host.log()), "{}", host.log());
    let early = stage.player("+15550101", "Early").with_number(SECOND_NUMBER).unwrap();
    early.send("anybody?").await.unwrap();
    let other = stage.player("+15550102", "Other");
    assert_eq!(says(&other, "hi").await.text(), "echo: hi", "other games are played");

    let (status, answer, digest) = upload(&host, "later", files(component("echo-guest"))).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(activate(&host, "later", &digest).await.0, 200);
    let answered = early.next(PATIENCE).await.expect("what waited is answered");
    assert_eq!(answered.text(), "echo: anybody?");
}
