//! Files: what a game sends is brought to Meta once and made to fit, what players send is handed on and kept nowhere, and
//! nothing that a stranger names or declares is believed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageFormat, RgbImage};
use questline_emulator as meta;
use questline_tests::host::TOKEN;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::releases::{component, files as bare_files, upload};
use crate::support::{at_rest, dead_letters, first_dead_letter, hears, mentions, says};

on_both_stores![
    a_file_of_the_release_is_put_at_meta_once_and_sent_by_its_id,
    a_file_that_meta_has_lost_is_put_there_again,
    a_message_that_waits_for_its_upload_holds_nobody_up,
    a_link_is_fetched_by_the_host_and_sent_by_its_id,
    what_a_player_sent_is_handed_to_its_studio_alone,
];

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";
const GRANTS: [&str; 13] = [
    "backend",
    "log",
    "random",
    "clock",
    "reply",
    "send-template",
    "react",
    "timers",
    "tickets",
    "authentication",
    "consent",
    "hand-over",
    "measures",
];

/// Noise as a PNG: as large as its pixels.
fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 7_u32;
    let pixels = RgbImage::from_fn(width, height, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let [red, green, blue, _] = state.to_be_bytes();
        image::Rgb([red, green, blue])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(pixels).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A PNG of a few bytes that says it has 30,000 by 30,000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x75\x30\0\0\x75\x30\x10\x06\0\0\0".to_vec();
    let crc = bytes[12..29]
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())));
    bytes.extend((!crc).to_be_bytes());
    bytes.extend(b"\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82");
    bytes
}

async fn stage(engine: Engine, more: &str, files: &[(&str, &[u8])]) -> Stage {
    let stage = Stage::new(engine).await.allow_host("127.0.0.1").game("posters", NUMBER, "puppet-guest", &GRANTS, more);
    let dir = stage.game_dir("posters").join("media");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
    stage
}

/// The ids of the images that Meta has taken, in their order.
fn images(stage: &Stage) -> Vec<Value> {
    stage.emulator.accepted().iter().map(|accepted| accepted.json()["image"].clone()).filter(|image| !image.is_null()).collect()
}

async fn a_file_of_the_release_is_put_at_meta_once_and_sent_by_its_id(engine: Engine) {
    let large = noise(1_500, 1_300);
    assert!(large.len() > 5 << 20);
    let stage = stage(engine, "", &[("banner.png", PNG), ("poster.png", &large), ("terms.pdf", b"%PDF-1.7\n%%EOF")]).await;
    let mut host = stage.start().await;
    let players: Vec<_> = (0..5).map(|n| stage.player(&format!("+1555010{n}"), "Player")).collect();
    for player in &players {
        player.send("image media:banner.png Season two").await.unwrap();
    }
    for player in &players {
        hears(player).await;
    }
    let uploads = stage.emulator.uploads();
    assert_eq!(uploads.len(), 1, "once, however many wait for it: {uploads:?}");
    assert_eq!((uploads[0].mime_type.as_str(), &*uploads[0].bytes), ("image/png", PNG), "as it is");
    assert_eq!(images(&stage), vec![json!({ "id": uploads[0].id, "caption": "Season two" }); 5]);

    // It is remembered over a restart.
    host.kill().await;
    let host = stage.start().await;
    says(&players[0], "image media:banner.png Again").await;
    assert_eq!(stage.emulator.uploads().len(), 1);

    // What is too large is made to fit; what is said to be something else is not sent, and the flow hears why.
    says(&players[1], "image media:poster.png Big").await;
    let made = stage.emulator.uploads().pop().unwrap();
    assert_eq!(made.mime_type, "image/jpeg");
    assert!(made.bytes.len() <= 5 << 20 && image::load_from_memory(&made.bytes).is_ok_and(|image| image.width() == 1_500));
    says(&players[1], "document media:terms.pdf The terms").await;
    assert_eq!(stage.emulator.uploads().len(), 3);
    let refused = says(&players[2], "image media:terms.pdf x").await;
    assert!(refused.text().starts_with("refused: media/terms.pdf: it is a PDF, and is sent as image"), "{}", refused.text());
    let refused = says(&players[2], "image media:gone.png x").await;
    assert!(refused.text().contains("the release has no file media/gone.png"), "{}", refused.text());
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
    assert!(host.metric("questline_media_total{outcome=\"reencoded\"}").await >= 1.0);
}

async fn a_file_that_meta_has_lost_is_put_there_again(engine: Engine) {
    let stage = stage(engine, "", &[("banner.png", PNG)]).await;
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    says(&player, "image media:banner.png one").await;
    let first = stage.emulator.uploads()[0].id.clone();
    assert!(stage.emulator.lose_file(&first));
    says(&player, "image media:banner.png two").await;
    let second = stage.emulator.uploads()[0].id.clone();
    assert_ne!(first, second);
    says(&player, "image media:banner.png three").await;
    let ids: Vec<_> = images(&stage).iter().map(|image| image["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [first, second.clone(), second]);
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_message_that_waits_for_its_upload_holds_nobody_up(engine: Engine) {
    let stage = stage(engine, "", &[("banner.png", PNG)]).await;
    let host = stage.start().await;
    stage.emulator.set_media_faults(meta::MediaFaults { hold_uploads: true, ..meta::MediaFaults::default() });
    // More than may wait in their turn.
    let waiting: Vec<_> = (0..80).map(|n| stage.player(&format!("+1555020{n:04}"), "Player")).collect();
    for player in &waiting {
        player.send("image media:banner.png poster\nsay after it").await.unwrap();
    }
    let others: Vec<_> = (0..20).map(|n| stage.player(&format!("+1555030{n:04}"), "Player")).collect();
    for player in &others {
        assert_eq!(says(player, "say me?").await.text(), "me?");
    }
    assert!(waiting.iter().all(|player| player.inbox().is_empty()), "what stands behind a picture comes after it");
    stage.emulator.set_media_faults(meta::MediaFaults::default());
    for player in &waiting {
        let picture = hears(player).await;
        assert_eq!((picture.kind.as_str(), hears(player).await.text()), ("image", "after it"));
    }
    at_rest(&stage, &host).await;
    assert_eq!(stage.emulator.uploads().len(), 1);
    assert!(dead_letters(&host).await.is_empty());
}

/// A web server that answers each path as it is told, and counts who comes.
struct Web {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Web {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(read @ 1..) => head.extend_from_slice(&buffer[..read]),
                        _ => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let _ = stream.write_all(&answer(&path));
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn found(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
    [head.as_bytes(), bytes].concat()
}

async fn a_link_is_fetched_by_the_host_and_sent_by_its_id(engine: Engine) {
    let web = Web::start(|path| match path {
        "/a.png" => found("text/html", PNG),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    });
    let stage = stage(engine, "[media]\nhosts = [\"127.0.0.1\"]\n", &[]).await;
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    for caption in ["one", "two", "three"] {
        says(&player, format!("image {} {caption}", web.url("/a.png"))).await;
    }
    let uploads = stage.emulator.uploads();
    assert_eq!((uploads.len(), web.asked()), (1, 1), "once");
    assert_eq!(uploads[0].mime_type, "image/png", "by its bytes");
    assert!(images(&stage).iter().all(|image| image["id"] == uploads[0].id.as_str() && image["link"].is_null()));
    player.send(format!("image {} gone", web.url("/gone.png"))).await.unwrap();
    let letter = first_dead_letter(&host).await;
    assert_eq!(letter["reason"], "media-refused", "{letter}");
    assert!(letter["detail"].as_str().unwrap().contains("127.0.0.1 answers 404"), "{letter}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_allowed_hosts_and_nowhere_else() {
    let inner = Web::start(|_| found("image/png", PNG));
    let elsewhere = inner.url("/secret.png");
    let web = Web::start(move |_| {
        format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
    });
    let stage = stage(Engine::Embedded, "[media]\nhosts = [\"127.0.0.1\"]\n", &[]).await;
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    for foreign in [
        "https://169.254.169.254/latest/meta-data/",
        "https://evil.example/127.0.0.1/a.png",
        "https://127.0.0.1@evil.example/a.png",
        "https://127.0.0.1.evil.example/a.png",
        &format!("http://localhost:{}/a.png", inner.port),
    ] {
        let refused = says(&player, format!("image {foreign} x")).await;
        assert!(refused.text().contains("is not in [media] hosts"), "{foreign}: {}", refused.text());
    }
    // An allowed host that sends elsewhere is not followed.
    player.send(format!("image {} x", web.url("/a.png"))).await.unwrap();
    let letter = first_dead_letter(&host).await;
    assert!(letter["reason"] == "media-refused" && letter["detail"].as_str().unwrap().contains("sends elsewhere"), "{letter}");
    assert_eq!((web.asked(), inner.asked()), (1, 0));
    assert!(images(&stage).is_empty() && stage.emulator.uploads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_behind_a_link_is_bounded_and_is_what_it_is_by_its_bytes() {
    let (video, bomb) = ([b"\0\0\0\x18ftypisom\0\0\0\0isommp42".as_slice(), &vec![0; 17 << 20]].concat(), bomb());
    let web = Web::start(move |path| match path {
        "/long.mp4" => found("video/mp4", &video),
        // Without a length, and without an end.
        "/endless.mp4" => [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &video, &video].concat(),
        "/page.png" => found("image/png", b"<!doctype html><script>alert(1)</script>"),
        "/clip.mp4" => found("video/mp4", b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01webm"),
        "/bomb.png" => found("image/png", &bomb),
        _ => Vec::new(),
    });
    let stage = stage(Engine::Embedded, "[media]\nhosts = [\"127.0.0.1\"]\n", &[]).await;
    let host = stage.start().await;
    let cases = [
        ("video", "/long.mp4", "more than 16777216 bytes"),
        ("video", "/endless.mp4", "more than 16777216 bytes"),
        ("image", "/page.png", "of no kind that WhatsApp takes"),
        ("video", "/clip.mp4", "a Matroska or WebM video"),
        ("image", "/bomb.png", "30000 x 30000 pixels"),
    ];
    for (n, (kind, path, words)) in cases.into_iter().enumerate() {
        let player = stage.player(&format!("+1555010{n}"), "Player");
        player.send(format!("{kind} {} x", web.url(path))).await.unwrap();
        let letter = eventually("it is a dead letter with its reason", async || {
            dead_letters(&host).await.into_iter().find(|letter| letter["detail"].as_str().is_some_and(|detail| detail.contains(words)))
        })
        .await;
        assert_eq!(letter["reason"], "media-refused", "{letter}");
    }
    assert!(stage.emulator.uploads().is_empty(), "nothing of it reached Meta");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_a_file_that_cannot_be_sent_is_refused_with_the_file_and_the_reason() {
    let stage = Stage::new(Engine::Embedded).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let mut video = b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec();
    video.resize((16 << 20) + 1, 0);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("media/trailer.mp4", video, "an MP4 video of 16777217 bytes, and WhatsApp takes 16777216 at most"),
        ("media/trailer.mp4", b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01webm".to_vec(), "a video is MP4 or 3GPP"),
        ("media/banner.png", b"MZ\x90\0\x03".to_vec(), "of no kind that WhatsApp takes"),
        ("media/s2/banner.png", bomb(), "30000 x 30000 pixels"),
        ("media/banner.gif", b"GIF89a\x01\0\x01\0".to_vec(), "a GIF image"),
    ];
    for (path, bytes, words) in cases {
        let mut files = bare_files(component("echo-guest"));
        files.insert(path.to_owned(), bytes.into());
        let (status, answer, _) = upload(&host, "echo", files).await;
        assert!(status == 422 && answer["code"] == "media" && answer["file"] == path, "{path}: {status} {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(words), "{answer}");
    }
    let mut files = bare_files(component("echo-guest"));
    files.insert("media/banner.png".to_owned(), PNG.into());
    files.insert("media/poster.png".to_owned(), noise(1_500, 1_300).into());
    let (status, answer, _) = upload(&host, "echo", files.clone()).await;
    assert_eq!(status, 201, "{answer}");
    let toml = format!("{}\n[media]\nhosts = [\"cdn.example\"]\n", std::str::from_utf8(&files["game.toml"]).unwrap());
    files.insert("game.toml".to_owned(), toml.into());
    let (status, answer, _) = upload(&host, "echo", files).await;
    assert!(status == 422 && answer["code"] == "host-not-allowed", "the operator has not allowed it: {answer}");
}

/// A token of these scopes.
async fn token(host: &Host, game: &str, scopes: &[&str]) -> String {
    let (status, made) = host.post("/tokens", &json!({ "name": "studio", "games": [game], "scopes": scopes, "days": 7 })).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

async fn fetch(host: &Host, token: &str, path: &str) -> reqwest::Response {
    host.http().get(format!("http://{}/v1/games/{path}", host.address)).bearer_auth(token).send().await.unwrap()
}

/// The id of the file that the player sends.
async fn sends(player: &meta::PlayerHandle, id: &str, mime_type: &str, bytes: impl Into<bytes::Bytes>) -> String {
    let mut file = meta::MediaFile::new(mime_type, bytes);
    file.id = id.to_owned();
    player.send(meta::Inbound::Image { file, caption: None }).await.unwrap();
    id.to_owned()
}

async fn what_a_player_sent_is_handed_to_its_studio_alone(engine: Engine) {
    let stage = Stage::new(engine).await.echo("mine", NUMBER).echo("theirs", SECOND_NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    let picture = noise(400, 300);
    let id = sends(&player, "900100", "image/png", picture.clone()).await;
    let mine = token(&host, "mine", &["media"]).await;
    let answer = fetch(&host, &mine, &format!("mine/media/{id}")).await;
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "attachment"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    assert_eq!(answer.bytes().await.unwrap(), picture);

    // Nobody else's: another scope, another game, another number.
    let events = token(&host, "mine", &["events", "releases", "desk"]).await;
    assert_eq!(fetch(&host, &events, &format!("mine/media/{id}")).await.status(), 403);
    let theirs = token(&host, "theirs", &["media"]).await;
    assert_eq!(fetch(&host, &theirs, &format!("mine/media/{id}")).await.status(), 404);
    assert_eq!(fetch(&host, &theirs, &format!("theirs/media/{id}")).await.status(), 404, "their number never had it");
    assert_eq!(fetch(&host, &theirs, &format!("theirs/media/{id}?number={NUMBER}")).await.status(), 400);
    for odd in ["..%2F..%2Fme", "1%3Ffields=access_token", "a%20b"] {
        assert_eq!(fetch(&host, &mine, &format!("mine/media/{odd}")).await.status(), 400, "{odd}");
    }
    let log = host.get("/games/mine/audit").await;
    assert!(mentions(&log, "media-fetched"), "{log}");
    let log = host.get("/games/theirs/audit").await;
    assert!(mentions(&log, "media-refused"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_it_says_is_not_handed_on() {
    let stage = Stage::new(Engine::Embedded).await.echo("mine", NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    for (n, bytes) in [&b"<!doctype html><script>alert(1)</script>"[..], b"MZ\x90\0\x03\0\0\0", b"%PDF-1.7", b""].into_iter().enumerate() {
        let id = sends(&player, &format!("90010{n}"), "image/png", bytes).await;
        let answer = fetch(&host, TOKEN, &format!("mine/media/{id}")).await;
        assert_eq!(answer.status(), 422, "{n}");
        assert!(answer.text().await.unwrap().contains("it was sent as image"));
    }
    // A document may be anything, and is called what it is.
    for (n, (bytes, kind)) in [(&b"%PDF-1.7"[..], "application/pdf"), (b"<html>", "application/octet-stream")].into_iter().enumerate() {
        let mut file = meta::MediaFile::new("application/pdf", bytes);
        file.id = format!("90020{n}");
        player.send(meta::Inbound::Document { file, filename: "a.pdf".into(), caption: None }).await.unwrap();
        let answer = fetch(&host, TOKEN, &format!("mine/media/90020{n}")).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, kind));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_from_meta_is_bounded_while_it_comes_and_comes_from_meta_alone() {
    let stage = Stage::new(Engine::Embedded).await.echo("mine", NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    let picture = noise(600, 600);
    let id = sends(&player, "900100", "image/png", picture.clone()).await;
    let path = format!("mine/media/{id}");
    assert_eq!(fetch(&host, TOKEN, &format!("{path}?bytes_max=1000")).await.status(), 413, "it is said to be longer");
    let lie = |faults: meta::MediaFaults| stage.emulator.set_media_faults(faults);

    // It comes longer than it is said to be: whoever reads it sees that it is not whole.
    lie(meta::MediaFaults { file_size: Some(100_000), ..Default::default() });
    let answer = fetch(&host, TOKEN, &path).await;
    let status = answer.status();
    assert!(status == 413 || answer.bytes().await.is_err(), "{status}");

    // Other bytes than those that Meta names.
    lie(meta::MediaFaults { sha256: Some("00".repeat(32)), ..Default::default() });
    let answer = fetch(&host, TOKEN, &path).await;
    assert!(answer.bytes().await.is_err(), "it breaks off");

    // The token goes to Meta's hosts, and to no other that an answer may name.
    let evil = Web::start(|_| found("image/png", PNG));
    for url in [evil.url("/a.png"), "https://lookaside.fbsbx.com.evil.example/a".into(), "file:///etc/passwd".into()] {
        lie(meta::MediaFaults { url: Some(url.clone()), ..Default::default() });
        let answer = fetch(&host, TOKEN, &path).await;
        assert_eq!(answer.status(), 400, "{url}");
    }
    assert_eq!(evil.asked(), 0);
    lie(meta::MediaFaults::default());
    assert_eq!(fetch(&host, TOKEN, &path).await.bytes().await.unwrap(), picture);
}
