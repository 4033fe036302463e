//! Start, stop, start again; what is refused at a start; what `questline doctor` says.

use std::time::Duration;

use questline_emulator as meta;
use questline_tests::host::{self, TOKEN};
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, PATIENCE, RedisServer, Stage, eventually};

use crate::support::{at_rest, dead_letters, heard, says, sent_texts};

on_both_stores![
    a_stop_finishes_what_is_in_hand,
    data_belongs_to_one_host_of_one_version,
    a_wrong_configuration_is_named,
    the_doctor_says_what_is_wrong,
    the_api_wants_the_operators_token,
];

#[tokio::test(flavor = "multi_thread")]
async fn redis_without_its_append_only_file_is_named() {
    let mut stage = Stage::new(Engine::Redis).await.echo("echo", NUMBER);
    stage.redis = Some(RedisServer::start_with(&["--appendonly", "no"]));
    let mut host = stage.start().await;
    let warned = |text: &str| text.lines().any(|line| line.to_lowercase().contains("warn") && line.contains("append-only file"));
    assert!(warned(&host.log()), "at the start: {}", host.log());
    assert!(host.stop().await.success());
    let (code, report) = doctor(&stage, &["--offline"]).await;
    assert!(code == 0 && warned(&report), "by the doctor: {report}");
}

async fn a_stop_finishes_what_is_in_hand(engine: Engine) {
    const PLAYERS: usize = 40;
    const MESSAGES: usize = 3;
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let mut host = stage.start().await;
    stage.emulator.set_graph_faults(meta::GraphFaults { latency: Duration::from_secs(1), ..meta::GraphFaults::default() });
    let players: Vec<_> = (0..PLAYERS).map(|index| stage.player(&format!("+1555010{index:04}"), "Player")).collect();
    for message in 0..MESSAGES {
        for player in &players {
            player.send(format!("m{message}")).await.unwrap();
        }
    }
    // Meta would deliver in another order what it has to deliver again.
    let taken = "questline_events_total{kind=\"event\"}";
    eventually("all is taken", async || (host.metric(taken).await == (PLAYERS * MESSAGES) as f64).then_some(())).await;
    let status = host.stop().await;
    assert_eq!(status.code(), Some(0), "{}", host.log());
    assert!(host.log().contains("questline has stopped"));
    let accepted = stage.emulator.counters().accepted;

    // What a clean stop leaves is known to the last message: nothing is sent twice, nothing is forgotten.
    stage.emulator.set_graph_faults(meta::GraphFaults::default());
    host = stage.start().await;
    let expected: Vec<_> = (0..MESSAGES).map(|message| format!("echo: m{message}")).collect();
    for player in &players {
        player.wait_for(PATIENCE, |reply| reply.text() == expected[MESSAGES - 1]).await.unwrap();
    }
    at_rest(&stage, &host).await;
    for player in &players {
        assert_eq!(heard(player), expected);
    }
    assert_eq!(sent_texts(&stage).len(), PLAYERS * MESSAGES);
    assert!(accepted < (PLAYERS * MESSAGES) as u64, "the stop came while there was work");
    assert_eq!(host.metric("questline_unknown_sends_total").await, 0.0);
    assert!(dead_letters(&host).await.is_empty());
}

async fn data_belongs_to_one_host_of_one_version(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let mut host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "one").await.text(), "echo: one");

    let second = host::run(&stage.config(), &["serve"]).await;
    let words = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{words}");
    let named = words.lines().last().unwrap().to_owned();
    assert!(named.starts_with("questline: ") && named.contains("in use by"), "{words}");
    assert_eq!(says(&player, "two").await.text(), "echo: two", "the first one goes on");
    assert!(host.stop().await.success());

    let supported = write_version(&stage, engine, 99);
    let other = host::run(&stage.config(), &["serve"]).await;
    let words = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(1), "{words}");
    let supports = [format!("supports {supported}"), format!("reads layout {supported}")];
    assert!(words.contains("99") && supports.iter().any(|text| words.contains(text)), "{words}");
    let (code, report) = doctor(&stage, &["--offline"]).await;
    assert!(code == 1 && report.lines().any(|line| line.starts_with("FAIL") && line.contains("99")), "{report}");

    write_version(&stage, engine, supported);
    host = stage.start().await;
    assert_eq!(says(&player, "three").await.text(), "echo: three", "and nothing was changed in what was not ours");
    assert_eq!(host.get("/depth").await["conversations"], 1);
}

/// Has the data say that another version wrote it; gives the version that stood there.
fn write_version(stage: &Stage, engine: Engine, version: i64) -> i64 {
    match engine {
        Engine::Embedded => {
            let database = rusqlite::Connection::open(stage.dir().join("data/questline.db")).unwrap();
            let before = database.query_row("SELECT value FROM meta WHERE key = 'schema_version'", [], |row| row.get(0)).unwrap();
            assert_eq!(database.execute("UPDATE meta SET value = ?1 WHERE key = 'schema_version'", [version]).unwrap(), 1);
            before
        }
        Engine::Redis => {
            let mut connection = stage.redis.as_ref().unwrap().connect();
            redis::cmd("GETSET").arg("ql:{meta}:schema").arg(version).query(&mut connection).unwrap()
        }
    }
}

async fn a_wrong_configuration_is_named(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    stage.write_config();
    let right = std::fs::read_to_string(stage.config()).unwrap();
    let game_file = stage.game_dir("echo").join("game.toml");
    let game = std::fs::read_to_string(&game_file).unwrap();
    let unknown_line = right.lines().position(|line| line.starts_with("[store]")).unwrap() + 1;
    // What is wrong in questline.toml, and what in game.toml; what is said about it.
    let cases: [(String, String, Vec<String>); 8] = [
        (right.replace("[store]\n", "adress = 1\n[store]\n"), game.clone(), vec!["adress".into(), format!("line {unknown_line}")]),
        (right.replace("[graph]", "[graph"), game.clone(), vec!["questline.toml is not right".into(), "line".into()]),
        (right.replace("app-secret-old", "app-secret-gone"), game.clone(), vec!["app-secret-gone".into(), "an app secret".into()]),
        (right.replace("app = \"main\"", "app = \"mine\""), game.clone(), vec!["\"mine\"".into()]),
        (format!("{right}\n[log]\nlevel = \"questline=loud\"\n"), game.clone(), vec!["questline=loud".into()]),
        (right.clone(), game.replace("echo-guest", "eko-guest"), vec!["eko-guest".into(), "questline flow build".into()]),
        (right.clone(), game.replace("grants = [", "grants = [\"free-http\", "), vec!["free-http".into(), "game.toml".into()]),
        (right.clone(), game.replace("default_flow = \"main\"", "default_flow = \"mane\""), vec!["mane".into(), "game.toml".into()]),
    ];
    for (config, game, fragments) in &cases {
        std::fs::write(stage.config(), config).unwrap();
        std::fs::write(&game_file, game).unwrap();
        let output = host::run(&stage.config(), &["serve"]).await;
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{fragments:?}: {words}");
        for fragment in fragments {
            assert!(words.contains(fragment), "{fragment:?} is not said: {words}");
        }
    }
    let missing = host::run(&stage.dir().join("nothing.toml"), &["serve"]).await;
    assert_eq!(missing.status.code(), Some(78));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("questline.example.toml"), "says where to begin");
    assert_eq!(host::run(&stage.config(), &["srve"]).await.status.code(), Some(2));

    std::fs::write(stage.config(), right).unwrap();
    std::fs::write(&game_file, game).unwrap();
    assert!(stage.start().await.stop().await.success(), "and all that was wrong is right again");
}

/// Runs `questline doctor`; gives exit code and report.
async fn doctor(stage: &Stage, arguments: &[&str]) -> (i32, String) {
    let all: Vec<&str> = ["doctor"].into_iter().chain(arguments.iter().copied()).collect();
    let output = host::run(&stage.config(), &all).await;
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

async fn the_doctor_says_what_is_wrong(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER).starfall_on(SECOND_NUMBER);
    stage.write_config();
    let failed = |report: &str, about: &str| report.lines().any(|line| line.starts_with("FAIL") && line.contains(about));
    let (code, report) = doctor(&stage, &["--offline"]).await;
    assert!(code == 0 && !report.contains("FAIL"), "{report}");
    for about in ["machine", "configuration", "secrets", "games", "flows", "store"] {
        assert!(report.lines().any(|line| line.contains(about)), "nothing about {about}: {report}");
    }
    // Meta is asked about the numbers, unless it is not to be.
    let (code, report) = doctor(&stage, &[]).await;
    assert!(code == 0 && report.contains(&format!("number {NUMBER}: quality GREEN")), "{report}");

    let mut host = stage.start().await;
    let (code, report) = doctor(&stage, &["--offline"]).await;
    assert!(code == 0 && report.contains("in use by a running host"), "a running host is no fault: {report}");
    assert!(host.stop().await.success());

    let token = stage.dir().join("access-token");
    std::fs::write(&token, "expired").unwrap();
    let (code, report) = doctor(&stage, &[]).await;
    assert!(code == 1 && failed(&report, NUMBER), "{report}");
    std::fs::remove_file(&token).unwrap();
    let players = stage.game_dir("starfall").join("players.json");
    std::fs::write(&players, "{").unwrap();
    let (code, report) = doctor(&stage, &["--offline"]).await;
    assert!(code == 1 && failed(&report, "access-token") && failed(&report, "players.json"), "{report}");
    let secrets = [stage.app_secret(), &stage.emulator.config().verify_token, TOKEN];
    assert!(secrets.iter().all(|secret| !report.contains(secret)), "{report}");
}

async fn the_api_wants_the_operators_token(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let mut host = stage.start().await;
    let url = |path: &str| format!("http://{}{path}", stage.address());
    for path in ["/v1/depth", "/v1/dead-letters", "/v1/notices", "/v1/games/echo/tickets", "/v1/nothing"] {
        for token in [None, Some(""), Some("guess"), Some(&TOKEN[1..])] {
            let mut request = host.http().get(url(path));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 401, "{path} with {token:?}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
    }
    let unknown = host.http().get(url("/v1/nothing")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(unknown.status().as_u16(), 404);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(host.http().get(url(path)).send().await.unwrap().status().as_u16(), 200, "{path}");
    }
    assert!(host.stop().await.success());

    // Without a token in the configuration nobody gets in.
    let config = std::fs::read_to_string(stage.config()).unwrap();
    let closed: String = config.lines().filter(|line| !line.starts_with("token = ")).map(|line| format!("{line}\n")).collect();
    std::fs::write(stage.config(), closed).unwrap();
    let host = questline_tests::Host::start(&stage.config(), stage.address()).await;
    assert_eq!(host.http().get(url("/v1/depth")).bearer_auth(TOKEN).send().await.unwrap().status().as_u16(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_configured_well_is_a_fault_of_the_configuration() {
    let stage = Stage::new(Engine::Redis).await.echo("echo", NUMBER);
    stage.write_config();
    let right = std::fs::read_to_string(stage.config()).unwrap();
    let url = right.lines().find(|line| line.starts_with("url = {")).unwrap();
    let wrong = [
        (right.replace(url, "url = { env = \"QUESTLINE_TEST_NOT_SET\" }"), "QUESTLINE_TEST_NOT_SET"),
        (right.replace(url, &format!("{url}\nprefix = \"not a prefix\"")), "prefix"),
    ];
    for (text, named) in wrong {
        std::fs::write(stage.config(), text).unwrap();
        let refused = host::run(&stage.config(), &["serve"]).await;
        let words = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(78), "{words}");
        assert!(words.contains(named), "{words}");
    }
}
