//! Serves the emulator with a fixed configuration, so that any client library for the WhatsApp Cloud API can be tried
//! against it: `cargo run -p questline-emulator --example serve [webhook-url]`.
//!
//! Every line on standard input is sent to the webhook as a text from the player; `tap <title>` taps a button or row,
//! `picture` sends an image, `read` reads all. Messages that reach the player are printed.

use std::time::Duration;

use questline_emulator::{Category, Config, Emulator, Inbound, MediaFile, Number, Player, PlayerHandle, Template};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const PORT: u16 = 4750;
const PHONE_NUMBER_ID: &str = "100000000000001";
const WABA_ID: &str = "200000000000001";
const PLAYER: &str = "+16505551234";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::new(Number::new(PHONE_NUMBER_ID, "+1 555 010 0001", WABA_ID))
        .template(Template::body("hello_world", "en_US", Category::Utility, "Hello World!"))
        .template(Template::body("match_starts", "en_US", Category::Utility, "{{1}}, your match {{2}} starts now."))
        .template(Template::one_time_code("login_code", "en_US"))
        .template(Template::new(
            "season",
            "en_US",
            Category::Marketing,
            json!([
                {"type": "BODY", "text": "A new season begins."},
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Remind me"}]},
            ]),
        ));
    config.port = PORT;
    // Some libraries read the contact of every status.
    config.statuses.failed_with_contact = true;
    config.webhook_url = std::env::args().nth(1);
    let emulator = Emulator::start(config).await?;
    let config = emulator.config();
    println!("graph            {}/v25.0", emulator.graph_url());
    println!("access token     {}", config.access_token);
    println!("app secret       {}", config.app_secret);
    println!("verify token     {}", config.verify_token);
    println!("phone number id  {PHONE_NUMBER_ID}");
    println!("account (WABA)   {WABA_ID}");
    println!("webhook          {}", config.webhook_url.as_deref().unwrap_or("none: give its address as an argument"));
    println!("player           {PLAYER} (Ada)");
    if let Some(url) = &config.webhook_url {
        match emulator.verify_webhook(url).await {
            Ok(()) => println!("verified         yes"),
            Err(error) => println!("verified         no: {error}"),
        }
    }

    let ada = emulator.add_player(Player::new(PLAYER, "Ada"))?;
    ada.open_window();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut is_typing = true;
    loop {
        tokio::select! {
            message = ada.next(Duration::from_secs(3600)) => {
                if let Ok(message) = message {
                    println!("< [{}] {} {:?}", message.kind, message.text(), message.titles());
                }
            }
            line = lines.next_line(), if is_typing => match line? {
                Some(line) => say(&ada, line.trim()).await,
                None => is_typing = false,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    emulator.shutdown().await;
    Ok(())
}

async fn say(ada: &PlayerHandle, line: &str) {
    let said = match line.split_once(' ') {
        Some(("tap", title)) => ada.tap(title).await,
        _ if line == "read" => {
            println!("> read {} messages", ada.read_all());
            return;
        }
        _ if line == "picture" => {
            let file = MediaFile::new("image/png", &b"not quite a picture"[..]);
            ada.send(Inbound::Image { file, caption: Some("picture".into()) }).await
        }
        _ => ada.send(line).await,
    };
    match said {
        Ok(_) => println!("> {line}"),
        Err(error) => println!("! {error}"),
    }
}
