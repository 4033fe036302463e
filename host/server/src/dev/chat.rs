//! The chat: what players do goes to the emulator, and what reaches them comes to the page.

use std::sync::Arc;

use questline_emulator::{Accepted, ChoiceKind, Context, Emulator, Inbound, MediaFile, PlayerError, Received};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::journal::Journal;
use super::people::{People, Person, Presence};

/// How often read marks and typing indicators are looked at.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(400);

/// Players' hands and eyes.
#[derive(Clone)]
pub(super) struct Chat {
    pub(super) emulator: Emulator,
    pub(super) people: Arc<People>,
    pub(super) journal: Arc<Journal>,
}

/// A file that a player sends.
pub(super) struct Sent {
    pub(super) mime_type: String,
    pub(super) filename: String,
    pub(super) caption: Option<String>,
    pub(super) bytes: axum::body::Bytes,
    /// Where the page finds it.
    pub(super) url: String,
}

impl Chat {
    /// Passes on what the host sends, until the emulator is gone.
    pub(super) async fn run(self) {
        let mut accepted = self.emulator.subscribe();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                message = accepted.recv() => match message {
                    Ok(message) => self.arrived(&message),
                    Err(RecvError::Lagged(_)) => self.people.all().iter().for_each(|person| self.look(person)),
                    Err(RecvError::Closed) => return,
                },
                _ = tick.tick() => {
                    for person in self.people.all() {
                        if let Some(read_to) = person.handle.marked_read() {
                            self.journal.change_message(&person.phone, &read_to, |message| message["state"] = "read".into());
                        }
                        self.journal.player(&person.phone, person.shown());
                    }
                }
            }
        }
    }

    fn arrived(&self, message: &Accepted) {
        let Some(person) = self.people.get(message.recipient.as_str()) else { return };
        match message.failed_code {
            None => self.look(&person),
            Some(code) => {
                let json = message.json();
                let kind = json["type"].as_str().unwrap_or("message").to_owned();
                let shown = json!({
                    "id": message.id, "from": "meta", "kind": "failed", "at_ms": message.at_ms, "ref": message.biz_opaque_callback_data,
                    "text": format!("Meta did not deliver a {kind}: error {code}. {}", meaning(code)),
                });
                self.journal.message(&person.phone, shown);
            }
        }
    }

    /// Brings the page up to what is in the player's inbox.
    pub(super) fn look(&self, person: &Person) {
        if person.presence == Presence::Chat {
            person.handle.read_all();
        }
        for received in person.handle.inbox() {
            if received.kind == "reaction" {
                let target = received.json["reaction"]["message_id"].as_str().unwrap_or_default().to_owned();
                let emoji = received.text().to_owned();
                self.journal.change_message(&person.phone, &target, |message| message["reaction_of_game"] = emoji.into());
                continue;
            }
            let mut shown = show(&received);
            if let Some(emoji) = self.journal.message_field(&person.phone, &received.id, "reaction") {
                shown["reaction"] = emoji;
            }
            self.journal.message(&person.phone, shown);
        }
        self.journal.player(&person.phone, person.shown());
    }

    pub(super) async fn say(&self, person: &Person, text: &str, reply_to: Option<&str>) -> Result<(), PlayerError> {
        let context = reply_to.map(Context::reply_to).unwrap_or_default();
        let id = person.handle.send_with(text.to_owned(), context).await?;
        self.own(person, &id, "text", json!({ "text": text, "reply_to": reply_to }));
        Ok(())
    }

    /// Taps a choice of a message.
    pub(super) async fn tap(&self, person: &Person, message: &str, index: usize) -> Result<(), PlayerError> {
        let title = person.handle.inbox().into_iter().find(|received| received.id == message);
        let title = title.and_then(|received| received.choices.get(index).map(|choice| choice.title.clone())).unwrap_or_default();
        let id = person.handle.tap_choice(message, index).await?;
        self.own(person, &id, "tap", json!({ "text": title, "reply_to": message }));
        Ok(())
    }

    pub(super) async fn react(&self, person: &Person, message: &str, emoji: &str) -> Result<(), PlayerError> {
        person.handle.react(message, emoji).await?;
        self.journal.change_message(&person.phone, message, |shown| shown["reaction"] = emoji.into());
        self.journal.player(&person.phone, person.shown());
        Ok(())
    }

    pub(super) async fn send_file(&self, person: &Person, sent: Sent) -> Result<(), PlayerError> {
        let Sent { mime_type, filename, caption, bytes, url } = sent;
        let file = MediaFile::new(&mime_type, bytes);
        let is_image = matches!(mime_type.as_str(), "image/jpeg" | "image/png");
        let (kind, inbound) = match is_image {
            true => ("image", Inbound::Image { file, caption: caption.clone() }),
            false => ("document", Inbound::Document { file, filename: filename.clone(), caption: caption.clone() }),
        };
        let id = person.handle.send(inbound).await?;
        self.own(person, &id, kind, json!({ "text": caption, "media": { "kind": kind, "url": url, "filename": filename } }));
        Ok(())
    }

    /// A message of the player's own: one tick, until a step has handled it.
    fn own(&self, person: &Person, id: &str, kind: &str, more: Value) {
        let mut shown = json!({ "id": id, "from": "player", "kind": kind, "at_ms": self.emulator.now_ms(), "state": "sent" });
        if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
            shown.extend(more);
        }
        self.journal.message(&person.phone, shown);
        self.journal.player(&person.phone, person.shown());
    }
}

/// What the page shows of a message from the game.
fn show(received: &Received) -> Value {
    let json = &received.json;
    let content = &json[received.kind.as_str()];
    let state = match (received.is_read, received.is_delivered) {
        (true, _) => "read",
        (false, true) => "delivered",
        (false, false) => "sent",
    };
    let choices: Vec<Value> = received
        .choices
        .iter()
        .map(|choice| {
            let url = if choice.kind == ChoiceKind::Link { Some(choice.id.as_str()) } else { None };
            json!({ "kind": kind_of(choice.kind), "title": choice.title, "id": choice.id, "description": choice.description, "url": url })
        })
        .collect();
    let mut shown = json!({
        "id": received.id, "from": "game", "at_ms": received.at_ms, "kind": received.kind, "text": received.text(), "state": state,
        "header": received.header, "footer": received.footer, "reply_to": received.reply_to, "choices": choices,
        "ref": json["biz_opaque_callback_data"],
    });
    if received.kind == "template" {
        shown["template"] = content["name"].clone();
    }
    if content["type"] == "list" {
        let sections = content["action"]["sections"].as_array().map_or(&[][..], Vec::as_slice);
        let shape: Vec<Value> = (sections.iter())
            .map(|section| json!({ "title": section["title"], "rows": section["rows"].as_array().map_or(0, Vec::len) }))
            .collect();
        shown["list"] = json!({ "button": content["action"]["button"], "sections": shape });
    }
    let file = |kind: &str, file: &Value| json!({ "kind": kind, "url": file["link"], "id": file["id"], "filename": file["filename"] });
    let header = &content["header"];
    match (received.kind.as_str(), header["type"].as_str()) {
        (kind @ ("image" | "video" | "audio" | "document" | "sticker"), _) => shown["media"] = file(kind, content),
        (_, Some(kind @ ("image" | "video" | "document"))) => shown["media"] = file(kind, &header[kind]),
        _ => {}
    }
    shown
}

fn kind_of(kind: ChoiceKind) -> &'static str {
    match kind {
        ChoiceKind::Row => "row",
        ChoiceKind::Link => "link",
        ChoiceKind::CopyCode => "code",
        _ => "button",
    }
}

/// Meta's codes that a flow's author meets most.
fn meaning(code: u32) -> &'static str {
    match code {
        131_047 => "The service window is closed: only a template reaches the player.",
        131_050 => "The player has stopped marketing messages.",
        131_026 => "The player cannot be reached.",
        132_000 | 132_012 => "The template's values do not fit it.",
        _ => "The steps beside the chat tell what the host made of it.",
    }
}
