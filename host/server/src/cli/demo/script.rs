//! The conversations that are shown: every tier, every button, the host's own commands, and players nobody knows.

use std::path::Path;

use questline_emulator::{Inbound, Player};
use serde::Deserialize;

use super::chat::Chat;
use crate::cli::Failure;
use crate::cli::sandbox::GAME;

#[derive(Deserialize)]
struct File {
    players: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    phone: Option<String>,
    name: String,
    tier: String,
    #[serde(default)]
    locale: Option<String>,
}

/// From most to least valued, as starfall ranks them.
const TIERS: [&str; 6] = ["diamond", "platinum", "gold", "silver", "bronze", "standard"];

pub(super) async fn play(chat: &mut Chat, workspace: &Path) -> Result<(), Failure> {
    let path = workspace.join("flows").join(GAME).join("players.json");
    let text = std::fs::read_to_string(&path).map_err(|problem| Failure::new(format!("cannot read {}: {problem}", path.display())))?;
    let known: File = serde_json::from_str(&text).map_err(|problem| Failure::new(format!("{}: {problem}", path.display())))?;
    let english = |player: &&Known| player.locale.as_deref().is_none_or(|locale| locale.starts_with("en"));
    let of_tier = |tier: &str| {
        let found = known.players.iter().filter(|player| player.tier == tier && player.phone.is_some());
        found
            .clone()
            .find(english)
            .or_else(|| found.clone().next())
            .ok_or_else(|| Failure::new(format!("{}: no player of tier {tier}", path.display())))
    };
    for tier in TIERS {
        let known = of_tier(tier)?;
        let player = chat.player(Player::new(known.phone.clone().unwrap_or_default(), &known.name))?;
        let buttons: &[&str] = if english(&known) { &["Transaction History", "Claim Rewards", "Speak to Agent"] } else { &[] };
        match tier {
            "diamond" => {
                chat.scene(&format!("{}, {tier}: balance, and all that its buttons do", known.name));
                chat.says(&player, "hi", &[&known.name]).await;
                chat.says(&player, "What is my balance?", &["Transaction History", "Claim Rewards", "Speak to Agent"]).await;
                chat.taps(&player, "Transaction History", &["transactions"]).await;
                chat.says(&player, "balance please", &["Claim Rewards"]).await;
                chat.taps(&player, "Claim Rewards", &["I am sending you a code"]).await;
                chat.enters_code(&player, &["right code", "yours now"]).await;
                chat.says(&player, "claim my rewards again", &["nothing left"]).await;
                chat.scene(&format!("{}, {tier}: a purchase went wrong, an agent comes within 60 s", known.name));
                chat.says(&player, "I was charged twice and my crystals did not arrive!", &["60 seconds", "SF-"]).await;
                chat.says(&player, "agent", &["SF-"]).await;
            }
            "bronze" => {
                chat.scene(&format!("{}, {tier}: the same problem is queued by tier", known.name));
                chat.says(&player, "My purchase did not arrive", &["SF-"]).await;
            }
            "gold" => {
                chat.scene(&format!("{}, {tier}: what is on in the game", known.name));
                chat.says(&player, "Which events are on?", &["on"]).await;
                chat.says(&player, "How many coins do I have?", &["Speak to Agent"]).await;
                chat.taps(&player, "Speak to Agent", &["SF-"]).await;
            }
            _ => {
                chat.scene(&format!("{}, {tier}: balance", known.name));
                chat.says(&player, "balance", buttons).await;
            }
        }
        if tier == "silver" {
            chat.scene(&format!("{}, {tier}: words for the host, which no flow can swallow", known.name));
            chat.says(&player, " opt-OUT ", &["START"]).await;
            chat.says(&player, "start", &["STOP"]).await;
            chat.says(&player, "BLOCK", &["secured", "SF-"]).await;
            chat.says(&player, "balance", &["secured", "SF-"]).await;
        }
    }
    if let Some(german) = known
        .players
        .iter()
        .find(|player| player.locale.as_deref().is_some_and(|locale| locale.starts_with("de")) && player.phone.is_some())
    {
        chat.scene(&format!("{}, {}, in German", german.name, german.tier));
        let player = chat.player(Player::new(german.phone.clone().unwrap_or_default(), &german.name))?;
        chat.says(&player, "Wie viele Kristalle habe ich?", &[]).await;
        chat.sends(&player, "(location)", Inbound::Location { latitude: 52.52, longitude: 13.405, name: None, address: None }, &[]).await;
    }
    chat.scene("a stranger is asked to prove who they are");
    let stranger = chat.player(Player::new("+15550199", "Stranger"))?;
    chat.says(&stranger, "What is my balance?", &["Link WhatsApp"]).await;
    chat.scene("a player with a username and no phone number");
    let hidden = chat.player(Player::with_user_id_only("US.13491208655302741918", "Hidden"))?;
    chat.says(&hidden, "hello", &["Link WhatsApp"]).await;
    Ok(())
}
