//! A promised code at the moment of sending: it is opened, put into its template or into a request to the studio's backend,
//! and forgotten.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::contact::Contact;
use questline_core::id::PlayerId;
use questline_core::outbox::OutboxMessage;
use questline_core::port::{Codes, StoreError, Untold};
use questline_core::secret::SecretTemplate;
use questline_core::template::Category;
use questline_core::template::at_meta::Choice;
use questline_core::time::UnixMs;
use questline_core::verification::code::{Code, CodeKeys as _};
use questline_core::verification::trail::CodeWatch;
use questline_core::verification::way::{Begun, CodeStanding, Way};
use questline_core::verification::{CodePromise, CodeSender, VerificationId, VerificationRules};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::CodeDesk;
use crate::game::LoadedGame;
use crate::sender::call;

fn never(reason: &'static str, detail: impl Into<String>) -> Untold {
    Untold::Never { reason, detail: detail.into() }
}

fn later(problem: StoreError) -> Untold {
    Untold::Later { detail: problem.to_string() }
}

/// What the studio's backend is asked. It goes nowhere else.
#[derive(Serialize)]
struct SendCode<'a> {
    verification: VerificationId,
    code: &'a str,
    purpose: &'static str,
    locale: &'a str,
    expires_at_ms: UnixMs,
    contact: Reached<'a>,
}

/// The contact in the form of all requests to studios.
#[derive(Serialize)]
struct Reached<'a> {
    phone: Option<String>,
    bsuid: Option<&'a str>,
}

impl<'a> Reached<'a> {
    fn of(contact: &'a Contact) -> Self {
        let phone = contact.phone().map(|phone| format!("+{}", phone.digits()));
        Self { phone, bsuid: contact.bsuid().map(|bsuid| bsuid.as_str()) }
    }
}

/// A code that may be sent now.
struct Opened {
    code: Code,
    player: Option<PlayerId>,
}

impl CodeDesk {
    fn game_of(&self, message: &OutboxMessage) -> Result<Arc<LoadedGame>, Untold> {
        self.games.get(&message.message.game).ok_or_else(|| Untold::Later { detail: "the game is not loaded".to_owned() })
    }

    /// Notes that a code goes out by its channel now, and opens it.
    async fn open(&self, game: &LoadedGame, message: &OutboxMessage, promise: &CodePromise) -> Result<Opened, Untold> {
        let (_, keys) = self.ready(game).map_err(|problem| never("code-off", problem.to_string()))?;
        let now = self.clock.now();
        let way = Way { place: promise.place, channel: promise.by.name().into(), message: message.id, sent_at: now, delivered_at: None };
        let player = match self.store.begin_code(&game.rules.id, CodeWatch::of(promise), way, now).await.map_err(later)? {
            Begun::Go { player } => player,
            Begun::Dead => return Err(Untold::Moot { reason: "code-dead" }),
            Begun::Passed => return Err(Untold::Moot { reason: "code-passed" }),
        };
        let code = keys.open(&promise.id, promise.send, &promise.sealed);
        let code = code.ok_or_else(|| never("code-sealed", "the key that sealed the code is not configured any more"))?;
        Ok(Opened { code, player })
    }

    /// How a code stands, and how it went by a channel.
    pub async fn standing(&self, game: &LoadedGame, code: &CodeWatch) -> Result<Option<CodeStanding>, StoreError> {
        self.store.code_standing(&game.rules.id, code.clone(), self.clock.now()).await
    }

    /// Notes and counts, once, that a code came to the player by a channel.
    pub async fn delivered(
        &self,
        game: &LoadedGame,
        contact: &Contact,
        code: &CodeWatch,
        channel: &str,
        at: UnixMs,
    ) -> Result<(), StoreError> {
        if self.store.code_delivered(&game.rules.id, code.clone(), at).await? {
            self.metrics.code_send(&game.rules.id, Some(contact), channel, "delivered");
        }
        Ok(())
    }
}

#[async_trait]
impl Codes for CodeDesk {
    async fn tell(&self, message: &OutboxMessage, promise: &CodePromise) -> Result<SecretTemplate, Untold> {
        let game = self.game_of(message)?;
        let (rules, _) = self.ready(&game).map_err(|problem| never("code-off", problem.to_string()))?;
        let template = promise.by.template().and_then(|name| game.rules.templates.get(name));
        let template = template.ok_or_else(|| never("code-off", "the game lacks the template"))?;
        if message.message.contact.phone().is_none() && template.category == Category::Authentication {
            return Err(never("no-phone", "Meta sends codes to phone numbers only (131062)"));
        }
        let Opened { code, .. } = self.open(&game, message, promise).await?;
        let (mut values, buttons) = match template.category {
            Category::Authentication => (vec![code.reveal().to_owned()], vec![(0, code.reveal().to_owned())]),
            _ => (values(&game, rules, promise, &code), Vec::new()),
        };
        let book = game.rules.at_meta.book(&message.message.number);
        let locales = [promise.locale.as_str(), game.rules.locale.as_str()];
        let locale = match template.choose(locales, book.as_deref(), self.clock.now()) {
            Choice::Send { language, .. } | Choice::Wait { language, .. } | Choice::Closed { language, .. } => language,
            Choice::NoLanguage => &game.rules.locale,
        };
        let filled = template.fill(locale, None, &values, &buttons);
        values.zeroize();
        buttons.into_iter().for_each(|(_, mut value)| value.zeroize());
        filled.map(SecretTemplate::new).map_err(|problem| never("code-off", problem.to_string()))
    }

    async fn hand_over(&self, message: &OutboxMessage, promise: &CodePromise) -> Result<(), Untold> {
        let game = self.game_of(message)?;
        let CodeSender::Operation(operation) = &promise.by else { return Err(never("code-off", "the channel is no operation")) };
        let Opened { code, player } = self.open(&game, message, promise).await?;
        let request = SendCode {
            verification: promise.id,
            code: code.reveal(),
            purpose: promise.purpose.as_str(),
            locale: &promise.locale,
            expires_at_ms: promise.expires_at,
            contact: Reached::of(&message.message.contact),
        };
        let request = serde_json::to_string(&request).map(Zeroizing::new);
        let request = request.map_err(|problem| never("code-off", problem.to_string()))?;
        let key = format!("code.{}.{}.{}", promise.id, promise.send, promise.place);
        call(&*game.services.backend, operation, player.as_ref(), &request, &key).await?;
        let watch = CodeWatch::of(promise);
        self.delivered(&game, &message.message.contact, &watch, promise.by.name(), self.clock.now()).await.map_err(later)
    }
}

/// What a template of the game's own takes: the game, the code, its minutes and where to find help.
fn values(game: &LoadedGame, rules: &VerificationRules, promise: &CodePromise, code: &Code) -> Vec<String> {
    let link = rules.support_link.clone().unwrap_or_default();
    vec![game.rules.name.clone(), code.reveal().to_owned(), (promise.life_s / 60).to_string(), link]
}
