//! A player's hands and eyes: sends, taps, reads, and waits for what a business answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::content::{Card, Context, Inbound};
use super::inbox::{Choice, ChoiceKind, Received};
use super::{Arrived, Conversation, Identity, PlayerState, made_up_user_id};
use crate::graph::messages::status_update;
use crate::ids::Direction;
use crate::ledger::{Accepted, Recipient, add};
use crate::rules::{recipient, window};
use crate::state::{NumberState, State};
use crate::sync::{lock, write};
use crate::webhook::{Change, Message, Status, StatusKind, Update};

/// Meta shows a typing indicator for at most 25 seconds.
const TYPING_MS: u64 = 25_000;

/// What a player cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayerError {
    /// Give the player a phone number, a BSUID or both.
    #[error("a player needs a valid phone number or a business-scoped user id")]
    NoIdentity,
    /// Another player has it; use that one's handle.
    #[error("another player already has this phone number or user id")]
    Taken,
    /// Name one of the numbers in the configuration.
    #[error("the emulator has no number with id {0}")]
    UnknownNumber(String),
    /// The business has blocked the player: nothing arrives there.
    #[error("the business has blocked this player")]
    Blocked,
    /// Nothing came in time.
    #[error("no such message within {waited:?}; the last {} received: {received:?}", .received.len())]
    TimedOut {
        /// How long.
        waited: Duration,
        /// The texts that did come, oldest first.
        received: Vec<String>,
    },
    /// Tap something that the messages offer.
    #[error("nothing titled {title:?} can be tapped; offered: {offered:?}")]
    NothingToTap {
        /// What was looked for.
        title: String,
        /// What there is.
        offered: Vec<String>,
    },
}

/// One player as seen by one business number. Cheap to clone; clones share the inbox.
#[derive(Clone)]
pub struct PlayerHandle {
    state: Arc<State>,
    player: Arc<PlayerState>,
    number: Arc<NumberState>,
}

impl PlayerHandle {
    pub(crate) fn new(state: Arc<State>, player: Arc<PlayerState>, number: Arc<NumberState>) -> Self {
        Self { state, player, number }
    }

    /// The same player with another business number.
    pub fn with_number(&self, phone_number_id: &str) -> Result<Self, PlayerError> {
        let number = self.state.numbers.get(phone_number_id).ok_or_else(|| PlayerError::UnknownNumber(phone_number_id.to_owned()))?;
        Ok(Self { number: Arc::clone(number), ..self.clone() })
    }

    /// The player's number as Meta writes it (digits).
    pub fn wa_id(&self) -> Option<String> {
        self.player.identity().wa_id
    }

    /// The player's BSUID.
    pub fn user_id(&self) -> Option<String> {
        self.player.identity().user_id
    }

    /// Sends; gives back the wamid. Returns once the webhook is on its way, not when the host has it.
    pub async fn send(&self, inbound: impl Into<Inbound>) -> Result<String, PlayerError> {
        self.send_with(inbound, Context::default()).await
    }

    /// Sends with a context: as an answer, forwarded, from an ad.
    pub async fn send_with(&self, inbound: impl Into<Inbound>, context: Context) -> Result<String, PlayerError> {
        self.state.webhooks.room().await;
        self.post(inbound.into(), &context, &self.player.identity())
    }

    fn post(&self, mut inbound: Inbound, context: &Context, identity: &Identity) -> Result<String, PlayerError> {
        let known_as = [&identity.wa_id, &identity.user_id];
        let is_blocked = lock(&self.number.blocked).iter().any(|user| known_as.contains(&&Some(user.clone())));
        if is_blocked {
            return Err(PlayerError::Blocked);
        }
        let now_ms = self.state.clock.now_ms();
        if let Some(file) = inbound.file_mut() {
            if file.id.is_empty() {
                file.id = self.state.ids.numeric();
            }
            let media = &self.state.media;
            media.put_inbound(&file.id, &self.number.id, &file.mime_type, file.bytes.clone(), now_ms);
            file.url = Some(media.download_url(&self.state.base_url, &file.id, now_ms));
        }
        let id = self.state.ids.wamid(Direction::FromPlayer, identity.party());
        let mut message = Message::inbound(identity.sender(), &id, now_ms / 1000, &inbound);
        message.context = context.to_wire(&self.number.digits);
        if let Some(referral) = &context.referral {
            message.extra.insert("referral".into(), referral.to_wire());
        }
        if inbound.opens_window() {
            self.with(|conversation| conversation.last_inbound_ms = Some(now_ms));
        }
        let mps = self.number.throughput_mps.load(std::sync::atomic::Ordering::Relaxed);
        self.number.rate.charge(now_ms, mps);
        add(&self.state.tally.player_messages, 1);
        self.state.tell(Update {
            waba_id: Arc::clone(&self.number.waba_id),
            change: Change::messages(self.number.metadata(), &[message]),
            order_key: Update::key(&self.number.id, identity.party()),
        });
        Ok(id)
    }

    /// Opens the 24-hour window as a message would, without one.
    pub fn open_window(&self) {
        let now_ms = self.state.clock.now_ms();
        self.with(|conversation| conversation.last_inbound_ms = Some(now_ms));
    }

    /// Taps what has this title in the newest message that offers it, and gives back the wamid of the answer.
    ///
    /// Links and codes answer nothing: tapping one is an error.
    pub async fn tap(&self, title: &str) -> Result<String, PlayerError> {
        let inbox = self.inbox();
        let found = inbox.iter().rev().find_map(|message| {
            let choice = message.choices.iter().find(|choice| choice.title == title)?;
            Some((message, self.answer_to(choice)?))
        });
        let Some((message, answer)) = found else {
            let offered = inbox.iter().flat_map(|message| message.titles());
            return Err(PlayerError::NothingToTap { title: title.to_owned(), offered: offered.map(str::to_owned).collect() });
        };
        self.send_with(answer, Context::reply_to(&message.id)).await
    }

    /// Taps one of the choices of a message, by its place among [`Received::choices`].
    pub async fn tap_choice(&self, message_id: &str, index: usize) -> Result<String, PlayerError> {
        let message = self.inbox().into_iter().find(|message| message.id == message_id);
        let choice = message.as_ref().and_then(|message| message.choices.get(index));
        let Some(answer) = choice.and_then(|choice| self.answer_to(choice)) else {
            let offered = message.iter().flat_map(Received::titles).map(str::to_owned).collect();
            return Err(PlayerError::NothingToTap { title: format!("choice {index}"), offered });
        };
        self.send_with(answer, Context::reply_to(message_id)).await
    }

    fn answer_to(&self, choice: &Choice) -> Option<Inbound> {
        let (id, title) = (choice.id.clone(), choice.title.clone());
        Some(match choice.kind {
            ChoiceKind::Button => Inbound::ButtonReply { id, title },
            ChoiceKind::Row => Inbound::ListReply { id, title, description: choice.description.clone() },
            ChoiceKind::QuickReply => Inbound::QuickReply { payload: id, text: title },
            ChoiceKind::Flow => Inbound::FlowReply { name: "flow".into(), response_json: json!({ "flow_token": id }).to_string() },
            ChoiceKind::ShareLocation => Inbound::Location { latitude: 37.483_307, longitude: 122.148_981, name: None, address: None },
            ChoiceKind::ShareContact => {
                let identity = self.player.identity();
                let phone = identity.wa_id.clone().unwrap_or_default();
                Inbound::Contacts {
                    cards: vec![Card { formatted_name: identity.name, phone: format!("+{phone}"), wa_id: identity.wa_id }],
                    origin: Some("contact_request"),
                }
            }
            ChoiceKind::Link | ChoiceKind::CopyCode => return None,
        })
    }

    /// Reacts to a message with an emoji; an empty text takes the reaction back.
    pub async fn react(&self, message_id: &str, emoji: &str) -> Result<String, PlayerError> {
        self.send(Inbound::Reaction { message_id: message_id.to_owned(), emoji: (!emoji.is_empty()).then(|| emoji.to_owned()) }).await
    }

    /// Moves to another phone number, and so to another BSUID: later messages come from there, and Meta tells the
    /// host in a system message.
    pub async fn change_number(&self, new_phone: &str) -> Result<String, PlayerError> {
        let new_wa_id = recipient::wa_id(new_phone).ok_or(PlayerError::NoIdentity)?;
        let old = self.player.identity();
        let mut new = old.clone();
        new.wa_id = Some(new_wa_id.clone());
        new.user_id = old.user_id.as_ref().map(|_| made_up_user_id(&new_wa_id));
        let new_user_id = new.user_id.clone();
        self.state.webhooks.room().await;
        self.move_to(&old, new)?;
        let notice =
            Inbound::NumberChanged { body: format!("{} changed to a new number", old.name), wa_id: new_wa_id, user_id: new_user_id };
        self.post(notice, &Context::default(), &old)
    }

    /// Meta's identity check is on, and the player's device has this hash: later messages carry it, and what is sent with
    /// another one as `recipient_identity_key_hash` fails with 137000.
    pub fn set_identity_key_hash(&self, hash: &str) {
        write(&self.player.identity).identity_key_hash = Some(hash.to_owned());
    }

    /// Gets another BSUID; Meta tells the host in a system message.
    pub async fn change_user_id(&self, new_user_id: &str) -> Result<String, PlayerError> {
        let old = self.player.identity();
        let mut new = old.clone();
        new.user_id = Some(new_user_id.to_owned());
        self.state.webhooks.room().await;
        self.move_to(&old, new.clone())?;
        let notice = Inbound::UserIdChanged {
            body: format!("{} has a new user id", old.name),
            user_id: new_user_id.to_owned(),
            previous_user_id: old.user_id.clone().unwrap_or_default(),
        };
        self.post(notice, &Context::default(), &new)
    }

    fn move_to(&self, old: &Identity, new: Identity) -> Result<(), PlayerError> {
        let players = &self.state.players;
        let keys = |identity: &Identity| [identity.wa_id.clone(), identity.user_id.clone()].into_iter().flatten();
        for key in keys(&new) {
            if players.find(&key).is_some_and(|other| !Arc::ptr_eq(&other, &self.player)) {
                return Err(PlayerError::Taken);
            }
        }
        keys(old).for_each(|key| players.remove(&key));
        keys(&new).for_each(|key| players.put(&key, &self.player));
        *write(&self.player.identity) = new;
        Ok(())
    }

    /// Stops marketing messages from this business, or takes them again: later marketing templates fail with 131050,
    /// and the host is told by a `user_preferences` webhook.
    pub async fn set_marketing(&self, wanted: bool) {
        self.with(|conversation| conversation.marketing_stopped = !wanted);
        self.state.webhooks.room().await;
        let identity = self.player.identity();
        let sender = identity.sender();
        let value = if wanted { "resume" } else { "stop" };
        let now_s = self.state.clock.now_ms() / 1000;
        let change = crate::webhook::fields::user_preferences(self.number.metadata(), &sender, value, now_s);
        self.state.tell(Update {
            waba_id: Arc::clone(&self.number.waba_id),
            change,
            order_key: Update::key(&self.number.id, identity.party()),
        });
    }

    /// All that has arrived and is still kept, oldest first.
    pub fn inbox(&self) -> Vec<Received> {
        let arrived: Vec<Arrived> = self.with(|conversation| conversation.inbox.iter().cloned().collect());
        arrived.iter().map(received).collect()
    }

    /// The next message that neither this nor [`Self::wait_for`] has given out.
    pub async fn next(&self, timeout: Duration) -> Result<Received, PlayerError> {
        self.wait_for(timeout, |_| true).await
    }

    /// The next message not yet given out that fulfils the condition. Messages before it count as given out.
    pub async fn wait_for(&self, timeout: Duration, condition: impl Fn(&Received) -> bool) -> Result<Received, PlayerError> {
        let found = self.until(timeout, || {
            loop {
                let next = self.with(|conversation| {
                    let at = conversation.seen.max(conversation.forgotten) - conversation.forgotten;
                    let next = conversation.inbox.get(at).cloned();
                    if next.is_some() {
                        conversation.seen = conversation.forgotten + at + 1;
                    }
                    next
                })?;
                let message = received(&next);
                if condition(&message) {
                    return Some(message);
                }
            }
        });
        found.await.ok_or_else(|| PlayerError::TimedOut {
            waited: timeout,
            received: self.inbox().iter().rev().take(5).rev().map(|message| message.text().to_owned()).collect(),
        })
    }

    /// Asks again whenever something reaches this player (a message, a read mark), until there is an answer.
    async fn until<T>(&self, timeout: Duration, ask: impl Fn() -> Option<T>) -> Option<T> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let arrived = self.player.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(answer) = ask() {
                return Some(answer);
            }
            tokio::time::timeout_at(deadline, arrived).await.ok()?;
        }
    }

    /// Opens the chat: every message not yet read gets its `read` status. Gives back how many.
    pub fn read_all(&self) -> usize {
        let unread: Vec<_> = self.with(|conversation| {
            conversation
                .inbox
                .iter_mut()
                .filter(|arrived| !arrived.is_read)
                .map(|arrived| {
                    arrived.is_read = true;
                    Arc::clone(&arrived.message)
                })
                .collect()
        });
        self.tell(&unread, StatusKind::Read);
        unread.len()
    }

    /// Takes the player's phone off the network, or puts it back on. What a business sends meanwhile is `sent`; it is
    /// `delivered` when the player comes back.
    pub fn set_online(&self, online: bool) {
        let arrived: Vec<_> = self.with(|conversation| {
            conversation.is_offline = !online;
            let waiting = conversation.inbox.iter_mut().filter(|arrived| online && !arrived.is_delivered);
            waiting
                .map(|arrived| {
                    arrived.is_delivered = true;
                    Arc::clone(&arrived.message)
                })
                .collect()
        });
        self.tell(&arrived, StatusKind::Delivered);
    }

    fn tell(&self, messages: &[Arc<Accepted>], kind: StatusKind) {
        let sender = self.player.identity().sender();
        let now_s = self.state.clock.now_ms() / 1000;
        for message in messages {
            let recipient: Recipient = message.recipient.clone();
            let mut status = Status::new(&message.id, kind, now_s, recipient);
            status.contact = Some(sender.clone());
            status.biz_opaque_callback_data = message.biz_opaque_callback_data.clone();
            self.state.tell(status_update(&self.number, message.recipient.as_str(), &status));
        }
    }

    /// When the service window closes: 24 hours after the player's last message. `None` when it is closed.
    pub fn window_closes_at_ms(&self) -> Option<u64> {
        let last_ms = self.with(|conversation| conversation.last_inbound_ms);
        window::closes_at(last_ms, self.state.clock.now_ms())
    }

    /// The player's message up to which the business has marked all as read.
    pub fn marked_read(&self) -> Option<String> {
        self.with(|conversation| conversation.read_by_business.clone())
    }

    /// Waits until the business has marked this message of the player's as read.
    pub async fn wait_marked_read(&self, timeout: Duration, message_id: &str) -> Result<(), PlayerError> {
        let marked = || (self.marked_read().as_deref() == Some(message_id)).then_some(());
        self.until(timeout, marked).await.ok_or(PlayerError::TimedOut { waited: timeout, received: Vec::new() })
    }

    /// Whether a typing indicator shows: for 25 seconds, or until the business's next message.
    pub fn sees_typing(&self) -> bool {
        let now_ms = self.state.clock.now_ms();
        self.with(|conversation| conversation.typing_since_ms).is_some_and(|since_ms| now_ms.saturating_sub(since_ms) < TYPING_MS)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Conversation) -> T) -> T {
        self.player.with(&self.number.id, work)
    }
}

impl fmt::Debug for PlayerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayerHandle").field("phone_number_id", &self.number.id).finish_non_exhaustive()
    }
}

fn received(arrived: &Arrived) -> Received {
    Received::read(arrived)
}
