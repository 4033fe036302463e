//! Many players in the same seconds: each hears their own answer.

use std::path::Path;
use std::time::{Duration, Instant};

use super::chat::Chat;
use crate::cli::Failure;
use questline_emulator::{Player, PlayerHandle};

/// Messages that each sends, one after the other's answer.
const MESSAGES: usize = 3;
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest pause before a message.
const THINK_MS_MAX: u64 = 1_000;

pub(super) async fn play(chat: &mut Chat, _workspace: &Path, size: usize) -> Result<(), Failure> {
    if size == 0 {
        return Ok(());
    }
    chat.scene(&format!("and {size} players side by side, {MESSAGES} messages each"));
    let mut tasks = Vec::with_capacity(size);
    for index in 0..size {
        // Numbers of this form belong to nobody (North American numbers reserved for fiction are 555-01xx).
        let player = chat.player(Player::new(format!("+1555017{index:04}"), format!("Player {index}")))?;
        tasks.push(tokio::spawn(one(player)));
    }
    for task in tasks {
        let heard = task.await.map_err(Failure::new)?;
        chat.heard += heard.len() as u64;
        chat.missing += (MESSAGES - heard.len()) as u64;
        if heard.len() < MESSAGES {
            chat.problems.push(format!("a player of the crowd heard {} of {MESSAGES} replies", heard.len()));
        }
        chat.latencies_us.extend(heard.iter().map(|took| took.as_micros() as u64));
    }
    Ok(())
}

async fn one(player: PlayerHandle) -> Vec<Duration> {
    let mut heard = Vec::with_capacity(MESSAGES);
    for message in 1..=MESSAGES {
        // As people do: nobody writes in the same instant as all others.
        tokio::time::sleep(Duration::from_millis(crate::clock::random() % THINK_MS_MAX)).await;
        let started = Instant::now();
        if player.send(format!("hello, message {message}")).await.is_err() || player.next(REPLY_TIMEOUT).await.is_err() {
            break;
        }
        heard.push(started.elapsed());
    }
    heard
}
