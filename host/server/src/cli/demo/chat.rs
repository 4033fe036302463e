//! A conversation as it is shown: who says what, and whether the answer is the one that belongs there.

use std::time::{Duration, Instant};

use questline_emulator::{ChoiceKind, Emulator, Inbound, Player, PlayerHandle, Received};

use crate::cli::Failure;

/// Longest wait for a reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Columns of a bubble.
const BUBBLE_CHARS: usize = 58;

/// What is shown and counted.
pub(super) struct Chat {
    emulator: Emulator,
    shown: bool,
    /// Replies that were expected and came.
    pub(super) heard: u64,
    /// Replies that were expected and did not come.
    pub(super) missing: u64,
    /// In words.
    pub(super) problems: Vec<String>,
    /// From a message's way out to its reply.
    pub(super) latencies_us: Vec<u64>,
}

impl Chat {
    pub(super) fn new(emulator: &Emulator, shown: bool) -> Self {
        Self { emulator: emulator.clone(), shown, heard: 0, missing: 0, problems: Vec::new(), latencies_us: Vec::new() }
    }

    /// A player joins.
    pub(super) fn player(&self, player: Player) -> Result<PlayerHandle, Failure> {
        self.emulator.add_player(player).map_err(Failure::new)
    }

    /// A part of the demonstration begins.
    pub(super) fn scene(&self, title: &str) {
        if self.shown {
            println!("\n── {title} {}", "─".repeat(74usize.saturating_sub(title.chars().count())));
        }
    }

    /// The player writes and hears an answer with all of these in it.
    pub(super) async fn says(&mut self, player: &PlayerHandle, text: &str, fragments: &[&str]) -> Option<Received> {
        self.show_player(text);
        self.exchange(player, text, player.send(text.to_owned()), fragments).await
    }

    /// The player sends something else than text.
    pub(super) async fn sends(&mut self, player: &PlayerHandle, shown: &str, inbound: Inbound, fragments: &[&str]) -> Option<Received> {
        self.show_player(shown);
        self.exchange(player, shown, player.send(inbound), fragments).await
    }

    /// The player taps what is called so in the latest message.
    pub(super) async fn taps(&mut self, player: &PlayerHandle, title: &str, fragments: &[&str]) -> Option<Received> {
        self.show_player(&format!("[{title}]"));
        self.exchange(player, title, player.tap(title), fragments).await
    }

    /// The player waits for a one-time code and types it; then come as many answers as there are fragments, one in each.
    pub(super) async fn enters_code(&mut self, player: &PlayerHandle, fragments: &[&str]) {
        let is_code = |message: &Received| message.choices.iter().any(|choice| choice.kind == ChoiceKind::CopyCode);
        let Ok(message) = player.wait_for(REPLY_TIMEOUT, is_code).await else {
            self.missing += 1;
            self.problems.push(format!("no code came within {} s", REPLY_TIMEOUT.as_secs()));
            return;
        };
        self.heard += 1;
        self.show_host(&message);
        let code = message.choices.iter().find(|choice| choice.kind == ChoiceKind::CopyCode).map(|choice| choice.id.clone());
        let code = code.unwrap_or_default();
        let Some((first, more)) = fragments.split_first() else { return };
        self.says(player, &code, &[first]).await;
        for fragment in more {
            match player.wait_for(REPLY_TIMEOUT, |message| message.text().contains(fragment)).await {
                Ok(reply) => {
                    self.heard += 1;
                    self.show_host(&reply);
                }
                Err(_) => {
                    self.missing += 1;
                    self.problems.push(format!("no answer to the code says {fragment:?}"));
                }
            }
        }
    }

    async fn exchange(
        &mut self,
        player: &PlayerHandle,
        what: &str,
        send: impl Future<Output = Result<String, questline_emulator::PlayerError>>,
        fragments: &[&str],
    ) -> Option<Received> {
        let known: std::collections::HashSet<String> = player.inbox().into_iter().map(|message| message.id).collect();
        let started = Instant::now();
        if let Err(problem) = send.await {
            self.missing += 1;
            self.problems.push(format!("{what:?} could not be sent: {problem}"));
            return None;
        }
        match player.wait_for(REPLY_TIMEOUT, |message| !known.contains(&message.id)).await {
            Ok(reply) => {
                self.latencies_us.push(started.elapsed().as_micros() as u64);
                self.heard += 1;
                self.show_host(&reply);
                self.check(what, &reply, fragments);
                Some(reply)
            }
            Err(_) => {
                self.missing += 1;
                self.problems.push(format!("no reply to {what:?} within {} s", REPLY_TIMEOUT.as_secs()));
                None
            }
        }
    }

    fn check(&mut self, what: &str, reply: &Received, fragments: &[&str]) {
        let all = format!("{}\n{}", reply.text(), reply.titles().join("\n"));
        for fragment in fragments.iter().filter(|fragment| !all.contains(**fragment)) {
            self.problems.push(format!("the reply to {what:?} lacks {fragment:?}: {all:?}"));
        }
    }

    fn show_player(&self, text: &str) {
        if self.shown {
            for line in wrap(text) {
                println!("{:>78}", format!("{line}  <"));
            }
        }
    }

    fn show_host(&self, reply: &Received) {
        if self.shown {
            for line in reply.text().lines().flat_map(wrap) {
                println!("  > {line}");
            }
            if !reply.choices.is_empty() {
                println!("    {}", reply.titles().iter().map(|title| format!("[{title}]")).collect::<Vec<_>>().join(" "));
            }
        }
    }
}

/// Lines of a bubble's width, broken between words.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= BUBBLE_CHARS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
