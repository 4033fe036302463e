//! Links that are counted: what a player taps leads through the host to where the game says, and nowhere else; a click counts once,
//! and experiments that hope for clicks see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use questline::app::HostOptions;
use questline::clock::MovableClock;
use questline::config::Config;
use questline_emulator as meta;
use questline_tests::host::TOKEN;
use questline_tests::stage::NUMBER;
use questline_tests::{Api, Engine, PATIENCE, Stage, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::consents::GRANTS;
use crate::support::{at_rest, hears, says};

on_both_stores![
    a_link_leads_on_and_counts_once,
    a_link_leads_nowhere_but_where_the_game_says,
    forged_and_cut_tokens_lead_nowhere,
    links_outlive_a_restart_and_a_new_key,
    an_experiment_that_hopes_for_clicks_sees_them,
    what_flows_send_is_measured_too,
];

const HOUR_MS: u64 = 3_600_000;
const PAGE: &str = "This link leads nowhere any more.";

fn template(name: &str, leads_to: &str) -> String {
    format!(
        "name = {name:?}\ncategory = \"utility\"\n[languages.en]\nbody = \"The cup begins.\"\n\
         [[languages.en.buttons]]\ntype = \"url\"\ntext = \"Open\"\nurl = \"https://go.studio.example/l/{{{{1}}}}\"\nleads_to = {leads_to:?}\n"
    )
}

/// A game with a link that takes a value, and one that takes none.
async fn stage(engine: Engine) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "puppet-guest", &GRANTS, "");
    for (name, leads_to) in [
        ("cup_open", "https://game.example/cup/{{1}}?from=chat"),
        ("cup_warm", "https://game.example/warm/{{1}}"),
        ("cup_news", "https://game.example/news"),
    ] {
        stage.write("cup", &format!("templates/{name}.toml"), &template(name, leads_to));
    }
    for template in &questline::game::templates(&stage.game_dir("cup")).unwrap() {
        questline::dev::approve(&stage.emulator, template);
    }
    stage
}

/// Sends what is described to these phones, each with its value; says the broadcast's path.
async fn broadcast(host: &Api, wish: &Value, rows: &[(String, &str)]) -> String {
    let key = wish["title"].as_str().unwrap();
    let (status, made, _) = host.post_once("/games/cup/broadcasts", key, wish).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/games/cup/broadcasts/{}", made["id"].as_str().unwrap());
    let list: String = rows.iter().map(|(phone, cup)| format!("{}\n", json!({ "phone": phone, "cup": cup }))).collect();
    let request = host.http().post(format!("http://{}/v1{path}/recipients", host.address)).bearer_auth(TOKEN);
    let taken = request.header("content-type", "application/jsonl").body(list).send().await.unwrap();
    assert!(taken.status().is_success(), "{}", taken.text().await.unwrap());
    assert_eq!(host.post(&format!("{path}/start"), &json!({})).await.0, 200);
    path
}

fn open(title: &str) -> Value {
    json!({ "title": title, "template": "cup_open", "audience": "list", "buttons": [{ "index": 0, "value": "{cup}" }] })
}

/// The address behind the button of a message.
fn address(message: &meta::Received) -> String {
    let link = message.choices.iter().find(|choice| choice.kind == meta::ChoiceKind::Link);
    link.unwrap_or_else(|| panic!("a link, not {message:?}")).id.clone()
}

fn token(message: &meta::Received) -> String {
    address(message).strip_prefix("https://go.studio.example/l/").expect("through the host").to_owned()
}

/// What a browser is answered, without following it: status, where it leads, body.
async fn follow(host: &Api, method: Method, token: &str) -> (u16, Option<String>, String) {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.request(method, format!("http://{}/l/{token}", host.address)).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    if matches!(answer.status().as_u16(), 302 | 404) {
        assert_eq!((header("cache-control").as_deref(), header("referrer-policy").as_deref()), (Some("no-store"), Some("no-referrer")));
    }
    let location = header("location");
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

async fn clicks(host: &Api, outcome: &str) -> f64 {
    host.metric(&format!("questline_link_clicks_total{{outcome=\"{outcome}\"}}")).await
}

async fn a_link_leads_on_and_counts_once(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let (ada, bob) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"));
    let rows = [("+15550111".to_owned(), "winter cup/7"), ("+15550122".to_owned(), "m-2")];
    let path = broadcast(&host, &open("winter"), &rows).await;
    let (to_ada, to_bob) = (token(&hears(&ada).await), token(&hears(&bob).await));
    at_rest(&stage, &host).await;
    assert_ne!(to_ada, to_bob);

    // Looking is not clicking; clicking again is not another click.
    let (status, location, _) = follow(&host, Method::HEAD, &to_ada).await;
    assert_eq!((status, location.as_deref()), (302, Some("https://game.example/cup/winter%20cup%2F7?from=chat")));
    for _ in 0..3 {
        let (status, location, body) = follow(&host, Method::GET, &to_ada).await;
        assert_eq!((status, location.as_deref()), (302, Some("https://game.example/cup/winter%20cup%2F7?from=chat")));
        assert_eq!(body, "");
    }
    eventually("a click counts", async || (host.get(&path).await["progress"]["clicked"] == 1).then_some(())).await;
    eventually("it is noted once", async || (clicks(&host, "followed").await == 1.0).then_some(())).await;
    assert_eq!(clicks(&host, "repeated").await, 2.0);
    follow(&host, Method::GET, &to_bob).await;
    eventually("and one of another player", async || (host.get(&path).await["progress"]["clicked"] == 2).then_some(())).await;
    assert_eq!(follow(&host, Method::POST, &to_ada).await.0, 405);

    // What became of the template's messages, and of the broadcast's.
    let expected = json!({ "delivered": 1.0, "clicked": 1.0, "opted_out": 0.0 });
    let progress = eventually("both are delivered", async || {
        let progress = host.get(&path).await["progress"].clone();
        (progress["delivered"] == 2).then_some(progress)
    })
    .await;
    for (name, rate) in expected.as_object().unwrap() {
        assert_eq!(&progress["rates"][name], rate, "{progress}");
    }
    let measured = host.get("/games/cup/measures/templates").await;
    let rows = measured["templates"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{measured}");
    let counts = ["broadcasts", "messages", "accepted", "delivered", "failed", "clicked"].map(|name| rows[0][name].as_u64().unwrap());
    assert_eq!((rows[0]["template"].as_str(), counts), (Some("cup_open"), [1, 2, 2, 2, 0, 2]), "{measured}");
    assert_eq!(host.get("/games/cup/measures/templates?from=2020-01-01&to=2020-01-02").await["templates"], json!([]));
    let figure = async |outcome: &str| {
        host.metric(&format!("questline_template_messages_total{{game=\"cup\",template=\"cup_open\",outcome=\"{outcome}\"}}")).await
    };
    assert_eq!((figure("accepted").await, figure("clicked").await), (2.0, 2.0));

    // A flow's own message needs no campaign.
    says(&ada, "say hello").await;
    ada.send("template cup_news").await.unwrap();
    let link = token(&hears(&ada).await);
    assert_eq!(follow(&host, Method::GET, &link).await.1.as_deref(), Some("https://game.example/news"));
    eventually("it is noted, too", async || (clicks(&host, "followed").await == 3.0).then_some(())).await;

    // The same click after the host's memory is gone is known by the store.
    let mut host = host;
    host.stop().await;
    let host = stage.start().await;
    assert_eq!(follow(&host, Method::GET, &to_ada).await.0, 302);
    eventually("it is noted", async || (clicks(&host, "followed").await == 1.0).then_some(())).await;
    assert_eq!(host.get(&path).await["progress"]["clicked"], 2, "nobody clicks twice");
}

async fn a_link_leads_nowhere_but_where_the_game_says(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let values = ["//evil.example", "@evil.example/", "https://evil.example", "../../evil", "a\\b", "x?y#z%0d%0aset-cookie:a"];
    let players: Vec<_> = (0..values.len()).map(|n| stage.player(&format!("+1555021{n}"), "Player")).collect();
    let rows: Vec<_> = values.iter().enumerate().map(|(n, value)| (format!("+1555021{n}"), *value)).collect();
    broadcast(&host, &open("odd"), &rows).await;
    for (player, value) in players.iter().zip(values) {
        let message = hears(player).await;
        let (status, location, _) = follow(&host, Method::GET, &token(&message)).await;
        let location = reqwest::Url::parse(&location.unwrap_or_else(|| panic!("{value}: {status}"))).unwrap();
        assert_eq!(
            (location.scheme(), location.host_str(), location.query()),
            ("https", Some("game.example"), Some("from=chat")),
            "{value}"
        );
        let end = location.path().strip_prefix("/cup/").unwrap_or_else(|| panic!("{value}: {location}"));
        assert!(!end.is_empty() && !end.contains('/') && location.fragment().is_none(), "{value}: {location}");
    }
    // What a token says names nobody.
    let message = hears_again(&players[0]);
    let said = decoded(&token(&message));
    assert!(!said.contains("5550210") && said.contains("evil.example"), "the value is open, the phone is not in it: {said}");
}

/// The last message that reached the player.
fn hears_again(player: &meta::PlayerHandle) -> meta::Received {
    player.inbox().last().expect("a message").clone()
}

/// The bytes of a token, as text with gaps.
fn decoded(token: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits: Vec<u8> = Vec::new();
    for byte in token.bytes() {
        let value = ALPHABET.iter().position(|known| *known == byte).expect("base64url");
        bits.extend((0..6).rev().map(|bit| (value >> bit & 1) as u8));
    }
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn forged_and_cut_tokens_lead_nowhere(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let path = broadcast(&host, &open("winter"), &[("+15550111".to_owned(), "m-1")]).await;
    let token = token(&hears(&ada).await);
    at_rest(&stage, &host).await;

    let mut forged: Vec<String> = [1, 4, 10, token.len() / 2, token.len() - 1].iter().map(|cut| token[..*cut].to_owned()).collect();
    for place in [0, 2, 5, 13, token.len() / 2, token.len() - 9, token.len() - 1] {
        let other = if &token[place..=place] == "A" { "B" } else { "A" };
        forged.push(format!("{}{other}{}", &token[..place], &token[place + 1..]));
    }
    forged.extend([
        format!("{token}A"),
        format!("{token}=="),
        format!("{token}/x"),
        format!("x/{token}"),
        "%ff%fe".to_owned(),
        "https://evil.example".to_owned(),
        "A".repeat(4_000),
    ]);
    for wrong in &forged {
        let (status, location, body) = follow(&host, Method::GET, wrong).await;
        assert_eq!((status, location), (404, None), "{wrong}");
        assert!(body.contains(PAGE), "all causes are answered alike: {wrong}: {body}");
    }
    assert_eq!(clicks(&host, "unknown").await, forged.len() as f64);
    assert_eq!(host.get(&path).await["progress"]["clicked"], 0);
    assert_eq!(follow(&host, Method::GET, &token).await.0, 302, "the right one still leads on");

    // Another host's token is as good as none, whatever it says.
    let elsewhere = self::stage(engine).await;
    elsewhere.set_store_keys(&["another store's key, of thirty-two characters"]);
    let other = elsewhere.start().await;
    assert_eq!(follow(&other, Method::GET, &token).await.0, 404);
}

async fn links_outlive_a_restart_and_a_new_key(engine: Engine) {
    let stage = stage(engine).await;
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "say hello").await;
    ada.send("template cup_news").await.unwrap();
    let old = token(&hears(&ada).await);
    at_rest(&stage, &host).await;
    host.stop().await;

    stage.set_store_keys(&["store key two, of thirty-two characters", "store key one, of thirty-two characters"]);
    let mut host = stage.start().await;
    assert_eq!(follow(&host, Method::GET, &old).await.1.as_deref(), Some("https://game.example/news"));
    ada.send("template cup_news").await.unwrap();
    let new = token(&hears(&ada).await);
    assert_eq!(follow(&host, Method::GET, &new).await.1.as_deref(), Some("https://game.example/news"));
    at_rest(&stage, &host).await;
    host.stop().await;

    // The release decides where a link leads, and whether it does at all.
    stage.write("cup", "templates/cup_news.toml", &template("cup_news", "https://game.example/archive"));
    let mut host = stage.start().await;
    assert_eq!(follow(&host, Method::GET, &old).await.1.as_deref(), Some("https://game.example/archive"));
    host.stop().await;
    std::fs::remove_file(stage.game_dir("cup").join("templates/cup_news.toml")).unwrap();
    let host = stage.start().await;
    let (status, _, body) = follow(&host, Method::GET, &old).await;
    assert!(status == 404 && body.contains(PAGE), "{status} {body}");
}

async fn an_experiment_that_hopes_for_clicks_sees_them(engine: Engine) {
    const PLAYERS: usize = 32;
    let stage = stage(engine).await;
    stage.write_config();
    let clock = Arc::new(MovableClock::default());
    let config = Config::load(&stage.config()).unwrap();
    let running = questline::app::Host::start_with(&config, HostOptions { clock: clock.clone(), ..HostOptions::default() }).await.unwrap();
    let host = Api::at(running.address());
    let phones: Vec<String> = (0..PLAYERS).map(|n| format!("+1555030{n:04}")).collect();
    let players: Vec<_> = phones.iter().map(|phone| stage.player(phone, "Player")).collect();
    let wish = json!({
        "title": "which-words", "audience": "list", "buttons": [{ "index": 0, "value": "{cup}" }],
        "experiment": {
            "variants": [{ "name": "plain", "template": "cup_open" }, { "name": "warm", "template": "cup_warm" }],
            "goal": "click", "within_s": 3600,
        },
    });
    let rows: Vec<_> = phones.iter().map(|phone| (phone.clone(), "m-1")).collect();
    let path = broadcast(&host, &wish, &rows).await;
    let mut links: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for player in &players {
        let message = player.next(PATIENCE).await.expect("a message");
        let variant = if message.json["template"]["name"] == "cup_warm" { "warm" } else { "plain" };
        links.entry(variant).or_default().push(token(&message));
    }
    at_rest(&stage, &host).await;
    assert!(links["warm"].len() >= 8 && links["plain"].len() >= 8, "both are sent");

    // Who got the warm one clicks, some of them twice; of the others one does.
    let clicked: Vec<&String> = links["warm"].iter().chain(&links["plain"][..1]).collect();
    for link in clicked.iter().chain(&clicked[..4]) {
        assert_eq!(follow(&host, Method::GET, link).await.0, 302);
    }
    let count = clicked.len();
    eventually("each counts once", async || (host.get(&path).await["progress"]["clicked"] == count).then_some(())).await;
    clock.advance(3 * HOUR_MS);
    let standing = eventually("the one that is clicked is promoted", async || {
        let standing = host.get(&path).await["standing"].clone();
        (standing["winner"] == "warm").then_some(standing)
    })
    .await;
    assert_eq!(
        (&standing["variants"][1]["converted"], &standing["variants"][0]["converted"]),
        (&json!(count - 1), &json!(1)),
        "{standing}"
    );
    // What comes after its time counts for nobody, and still leads on.
    assert_eq!(follow(&host, Method::GET, &links["plain"][1]).await.0, 302);
    eventually("it is looked at", async || (clicks(&host, "followed").await == count as f64 + 1.0).then_some(())).await;
    assert_eq!(host.get(&path).await["progress"]["clicked"], count);
    running.stop().await;
}

/// By template: how many Meta took, how many arrived, what came of them.
async fn what_flows_send_is_measured_too(engine: Engine) {
    let stage = stage(engine).await;
    let offer = template("cup_offer", "https://game.example/offer").replace("utility", "marketing");
    stage.write("cup", "templates/cup_offer.toml", &offer);
    for template in &questline::game::templates(&stage.game_dir("cup")).unwrap() {
        questline::dev::approve(&stage.emulator, template);
    }
    let mut host = stage.start().await;
    let (ada, bob) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"));
    let mut links = Vec::new();
    for player in [&ada, &bob] {
        says(player, "START").await;
        links.push(token(&says(player, "template cup_offer").await));
    }
    says(&ada, "template cup_news").await;
    at_rest(&stage, &host).await;
    assert_eq!(follow(&host, Method::GET, &links[0]).await.1.as_deref(), Some("https://game.example/offer"));
    says(&bob, "STOP").await;
    at_rest(&stage, &host).await;
    let of = |measures: &Value, name: &str| measures["templates"].as_array().unwrap().iter().find(|row| row["template"] == name).cloned();
    let seen = async |host: &Api| {
        let measures = host.get("/games/cup/measures/templates").await;
        let offer = of(&measures, "cup_offer")?;
        (offer["clicked"] == 1 && offer["delivered"] == 2).then_some((offer, of(&measures, "cup_news")))
    };
    for restart in [false, true] {
        if restart {
            host.kill().await;
            host = stage.start().await;
        }
        let (offer, news) = eventually("it is counted", async || seen(&host).await).await;
        assert_eq!((&offer["messages"], &offer["accepted"], &offer["opted_out"]), (&json!(2), &json!(2), &json!(1)), "{offer}");
        assert_eq!((&offer["broadcasts"], &offer["rates"]["clicked"]), (&json!(0), &json!(0.5)), "{offer}");
        let news = news.expect("another template's row");
        assert_eq!((&news["accepted"], &news["clicked"], &news["opted_out"]), (&json!(1), &json!(0), &json!(0)), "{news}");
    }
    let long_ago = host.get("/games/cup/measures/templates?from=2020-01-01&to=2020-01-31").await;
    assert_eq!(long_ago["templates"], json!([]));
}
