//! What is not taken as a release, each with its own reason; nothing of it is ever played or kept.

use bytes::Bytes;
use questline::release::pack;
use questline_tests::host::TOKEN;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Stage};
use serde_json::Value;

use crate::guest;
use crate::releases::{Files, bare_echo, bundle, component, files, put, upload};
use crate::support::says;

fn with(path: &str, content: impl Into<Bytes>) -> Files {
    let mut files = files(component("echo-guest"));
    files.insert(path.to_owned(), content.into());
    files
}

fn without(path: &str) -> Files {
    let mut files = files(component("echo-guest"));
    files.remove(path).unwrap();
    files
}

fn game(change: impl FnOnce(&str) -> String) -> Files {
    let text = files(Vec::new())["game.toml"].clone();
    with("game.toml", change(std::str::from_utf8(&text).unwrap()))
}

fn wat(text: &str) -> Files {
    files(wat::parse_str(text).unwrap())
}

/// The same flow, which no cache knows: a custom section at the end makes it another file.
fn never_compiled() -> Vec<u8> {
    let mut bytes = component("echo-guest");
    let content: [u8; 16] = rand::random();
    bytes.extend([0, 18, 1, b'x']);
    bytes.extend(content);
    bytes
}

const FILE: &str = "components/plug.wasm";

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_own_reason() {
    let stage = Stage::new(Engine::Embedded).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let http = |secret: &str| {
        let players = format!("connector = \"http\"\nurl = \"http://127.0.0.1:1/\"\nsecret = {secret}");
        game(|text| text.replace("connector = \"sample\"\nfile = \"players.json\"", &players))
    };
    let passwd = stage.dir().join("operator-token");
    let traps = guest::Guest { describe: "unreachable".into(), ..guest::Guest::default() };
    let named_badly = guest::Guest { version: "one", ..guest::Guest::default() };
    let foreign = "(component (import \"wasi:cli/environment@0.2.0\" (instance)))";
    // What is sent; the code; in which file; what the words name.
    let cases: Vec<(Files, &str, &str, &str)> = vec![
        (without("game.toml"), "file-missing", "game.toml", "missing"),
        (game(|text| format!("{text}\nfree = true\n")), "game-toml", "game.toml", "free"),
        (game(|text| text.replace("default_flow = \"main\"", "default_flow = \"mane\"")), "game-toml", "game.toml", "mane"),
        (game(|text| format!("window_closed_template = \"gone\"\n{text}")), "template-missing", "game.toml", "gone"),
        (with("templates/bad.toml", "name = 1"), "template", "templates/bad.toml", "name"),
        (without("copy/en.ftl"), "copy", "copy", "en.ftl"),
        (without("players.json"), "connector", "game.toml", "players.json"),
        (http("{ env = \"PATH\" }"), "secret-not-allowed", "game.toml", "QUESTLINE_GAME_ECHO_"),
        (http(&format!("{{ file = {passwd:?} }}")), "secret-not-allowed", "game.toml", "secret_dirs"),
        (http("{ env = \"QUESTLINE_GAME_ECHO_KEY\" }"), "secret-missing", "game.toml", "QUESTLINE_GAME_ECHO_KEY"),
        (without(FILE), "component-missing", FILE, "flow main"),
        (files(b"no wasm at all".to_vec()), "not-a-component", FILE, "WebAssembly"),
        (wat("(module)"), "not-a-component", FILE, "core module"),
        (files(b"\0asm\x0d\0\x01\0\x07\x7f".to_vec()), "not-a-component", FILE, "malformed"),
        (files(b"\x7fELF\x02\x01\x01\0".to_vec()), "native-code", FILE, "native code"),
        (wat("(component)"), "wrong-world", FILE, "questline:flow/guest"),
        (
            files(
                guest::Guest { contract: "0.2.0", wit: guest::contract().replace("@0.1.0", "@0.2.0"), ..guest::Guest::default() }
                    .component(),
            ),
            "wrong-world",
            FILE,
            "0.2.0",
        ),
        (wat(foreign), "forbidden-import", FILE, "wasi:cli/environment@0.2.0"),
        (game(|text| text.replace("\"log\"", "\"clock\"")), "capability-not-granted", FILE, "log"),
        (files(traps.component()), "describe-failed", FILE, "describe"),
        (with("lie.chat", "player Ada is unknown\n\nscene A lie\nAda: hi\n  bot: goodbye\n"), "transcript-failed", "lie.chat", "goodbye"),
        (with("words.chat", "scene\nAda says hi\n"), "transcript-failed", "words.chat", "words.chat"),
        (files(named_badly.component()), "description-wrong", FILE, "semantic"),
    ];
    let mut wrong = Vec::new();
    for (files, code, file, fragment) in cases {
        let (status, answer, _) = upload(&host, "echo", files).await;
        let words = answer["detail"].as_str().unwrap_or_default();
        let is_right = status == 422 && answer["code"] == code && answer["file"] == file && words.contains(fragment);
        if !is_right || answer["type"] != format!("urn:questline:release:{code}") {
            wrong.push(format!("{code} in {file} with {fragment:?}: {status} {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The archive itself.
    let right = bundle("echo", files(bare_echo()));
    let digest = right.digest().to_string();
    let zeros = "0".repeat(64);
    let big = with("components/big.wasm", vec![0; 33 << 20]);
    let big: Files = big.into_iter().collect();
    let too_large = {
        // Larger than a bundle can be, so it is packed by hand.
        let mut header = [0u8; 512];
        header[..8].copy_from_slice(b"big.wasm");
        header[100..107].copy_from_slice(b"0000644");
        let size = big["components/big.wasm"].len();
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        header[156] = b'0';
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut archive = header.to_vec();
        archive.resize(512 + size + 1024, 0);
        archive
    };
    let archives: [(Vec<u8>, &str, u16, &str); 4] = [
        (pack(&right).unwrap(), &zeros, 422, "digest-mismatch"),
        (b"no archive".repeat(100), &digest, 422, "archive"),
        (too_large, &digest, 413, "too-large"),
        (vec![0; 67 << 20], &digest, 413, "too-large"),
    ];
    for (archive, digest, expected, code) in archives {
        let (status, answer) = put(&host, TOKEN, "echo", digest, archive).await;
        assert_eq!((status, answer["code"].as_str()), (expected, Some(code)), "{answer}");
    }

    // Nothing of all that was kept, and nobody noticed.
    let list = host.get("/games/echo/releases").await;
    assert_eq!(list["rows"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(says(&stage.player("+15550101", "Player"), "hi").await.text(), "echo: hi");
    assert_eq!(put(&host, TOKEN, "nobody", &digest, pack(&right).unwrap()).await.0, 404);
    assert_eq!(put(&host, "guess", "echo", &digest, pack(&right).unwrap()).await.0, 401);
}

/// Uploads a flow that no cache has; gives the answer.
async fn compile_with(limits: &str) -> (u16, Value) {
    let stage = Stage::new(Engine::Embedded).await.echo("echo", NUMBER).extra(limits);
    let host = stage.start().await;
    let (status, answer, _) = upload(&host, "echo", files(never_compiled())).await;
    assert_eq!(says(&stage.player("+15550101", "Player"), "hi").await.text(), "echo: hi");
    (status, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compilation_has_bounds_of_time_and_memory() {
    let (status, answer) = compile_with("").await;
    assert_eq!(status, 201, "within the bounds it is compiled and kept: {answer}");
    let (status, answer) = compile_with("[limits]\ncompile_ms_max = 1").await;
    assert_eq!((status, answer["code"].as_str()), (422, Some("compile-too-long")), "{answer}");
    let (status, answer) = compile_with("[limits]\ncompile_memory_bytes_max = 8_388_608").await;
    assert_eq!((status, answer["code"].as_str()), (422, Some("compile-too-much-memory")), "{answer}");
}
