//! Temporary credentials: made by the studio's backend when they are sent, put into the game's words, and forgotten. They
//! pass through here and the sender; the store, the logs and the flows never see them.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::id::{ConversationId, GameId};
use questline_core::port::{AccountKeys, Accounts, Credentials, Desk, ServiceError, Untold};
use questline_core::recovery::CredentialsPromise;
use questline_core::secret::SecretText;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::game::{Games, LoadedGame};

/// Characters of a name, and of a password.
const WORD_CHARS_MAX: usize = 128;
/// Characters of a text, as Meta takes it.
const TEXT_CHARS_MAX: usize = 4_096;
/// Stand for the two in the game's text while it is put together: of no alphabet, so that no text has them, and neither
/// what formats texts nor its errors ever meet the credentials.
const USERNAME: &str = "\u{E000}";
const PASSWORD: &str = "\u{E001}";

/// The games' backends and texts.
pub struct Recovery {
    /// The games.
    pub games: Arc<Games>,
    /// Who a conversation is with now.
    pub desk: Arc<dyn Desk>,
    /// What is known of players.
    pub accounts: Arc<dyn Accounts>,
}

/// What the backend is asked.
#[derive(Serialize)]
struct Request<'a> {
    reason: &'a str,
    confidence: f64,
    valid_s: u32,
}

/// What it answers.
#[derive(Deserialize)]
struct Made {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
}

fn later(detail: impl Into<String>) -> Untold {
    Untold::Later { detail: detail.into() }
}

fn never(reason: &'static str, detail: impl Into<String>) -> Untold {
    Untold::Never { reason, detail: detail.into() }
}

/// The game's words for credentials, with what stands for them.
pub(crate) fn wording(copy: &dyn questline_core::port::Copy, key: &str, locale: &str, valid_s: u32) -> Result<String, String> {
    let arguments = [("username", USERNAME.to_owned()), ("password", PASSWORD.to_owned()), ("minutes", (valid_s / 60).to_string())];
    let text = copy.text(key, locale, &arguments.map(|(name, value)| (name.to_owned(), value))).map_err(|problem| problem.to_string())?;
    match text.contains(USERNAME) && text.contains(PASSWORD) {
        true => Ok(text),
        false => Err(format!("text {key:?} tells not both, $username and $password")),
    }
}

impl Recovery {
    /// The promise was made to somebody: it holds only while they are there, and their account is not frozen, wherever
    /// that was asked for.
    async fn holds(&self, game: &GameId, conversation: ConversationId, promise: &CredentialsPromise) -> Result<(), Untold> {
        let known = self.desk.conversation(conversation).await.map_err(|problem| later(problem.to_string()))?;
        let found = self.accounts.accounts(game, AccountKeys::player(&promise.player)).await;
        let is_frozen = found.map_err(|problem| later(problem.to_string()))?.players.iter().any(|account| account.frozen.is_some());
        match known.is_some_and(|known| promise.holds_in(&known)) && !is_frozen {
            true => Ok(()),
            false => Err(never("credentials-withdrawn", "the account is secured, or another player is there, since they were promised")),
        }
    }

    async fn make(&self, game: &LoadedGame, operation: &str, promise: &CredentialsPromise) -> Result<Made, Untold> {
        let request =
            Request { reason: &promise.reason, confidence: f64::from(promise.confidence_permille) / 1_000.0, valid_s: promise.valid_s };
        let request = serde_json::to_string(&request).map_err(|problem| never("credentials-refused", problem.to_string()))?;
        let answer = game.services.backend.call(operation, Some(&promise.player), &request, &promise.idempotency_key).await;
        let answer = Zeroizing::new(answer.map_err(|problem| match problem {
            ServiceError::Unavailable(_) => later(format!("the backend does not answer {operation:?} now")),
            ServiceError::NotFound => never("credentials-refused", format!("the backend knows no {operation:?} for this player")),
            ServiceError::NotGranted(_) | ServiceError::Invalid(_) => {
                never("credentials-refused", format!("the backend refuses {operation:?}"))
            }
        })?);
        // An error of the decoder could repeat what it read: none is kept.
        let made: Option<Made> = serde_json::from_str(&answer).ok();
        let word = |word: &str| (1..=WORD_CHARS_MAX).contains(&word.chars().count()) && !word.chars().any(char::is_control);
        made.filter(|made| word(&made.username) && word(&made.password)).ok_or_else(|| {
            never("credentials-refused", format!("the backend answered {operation:?} with something else than username and password"))
        })
    }
}

#[async_trait]
impl Credentials for Recovery {
    async fn tell(&self, game: &GameId, conversation: ConversationId, promise: &CredentialsPromise) -> Result<SecretText, Untold> {
        let game = self.games.get(game).ok_or_else(|| later("the game is not loaded"))?;
        let Some(rules) = &game.rules.recovery else {
            return Err(never("credentials-refused", "game.toml has no [recovery] any more"));
        };
        let words = wording(&*game.services.copy, &rules.text, &promise.locale, promise.valid_s)
            .map_err(|problem| never("credentials-refused", problem))?;
        let name = &game.rules.id;
        self.holds(name, conversation, promise).await?;
        let made = self.make(&game, &rules.operation, promise).await?;
        // Making them takes its time: the player may have written BLOCK meanwhile.
        self.holds(name, conversation, promise).await?;
        let mut text = String::with_capacity(words.len() + 4 * (made.username.len() + made.password.len()));
        for part in words.chars() {
            match part {
                '\u{E000}' => text.push_str(&made.username),
                '\u{E001}' => text.push_str(&made.password),
                other => text.push(other),
            }
        }
        if text.chars().count() > TEXT_CHARS_MAX {
            text.zeroize();
            return Err(never("credentials-refused", "the text is longer than a message"));
        }
        Ok(SecretText::new(text))
    }
}
