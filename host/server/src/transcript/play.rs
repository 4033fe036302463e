//! Plays one scene: does what is written, beat by beat, and has each judged.

use std::sync::Arc;
use std::time::Instant;

use questline_core::event::{
    Choice, ContactCard, Event, GameEvent, Inbound, Location, Media, Message, QuickReply, Reaction, SharedContacts, Wamid,
};
use questline_core::message::{MediaKind, Outbound};
use questline_core::outbox::Content;
use questline_core::port::Services;
use questline_core::template::TemplateButton;

use super::cast::Casting;
use super::codes;
use super::judge::{Came, judge};
use super::log;
use super::report::{Failure, SceneReport, StepReport};
use super::script::{Action, Attachment, Beat, EnteredCode, Scene};
use super::simulation::{Arrived, Simulation};
use super::studio::SceneBackend;
use crate::connector::SampleData;
use crate::game::LoadedGame;
use crate::metrics::Metrics;

/// Plays a scene in a world of its own.
pub(super) async fn scene(game: &LoadedGame, sample: &SampleData, scene: &Scene, metrics: &Arc<Metrics>) -> SceneReport {
    let started = Instant::now();
    let mut steps = Vec::new();
    let failures = match stage(game, sample, scene, metrics) {
        Err(failure) => vec![failure],
        Ok((world, backend)) => {
            let mut stage = Stage { world, backend, messages: 0 };
            log::captured(Box::pin(stage.play(scene, &mut steps))).await
        }
    };
    let wall_us = started.elapsed().as_micros() as u64;
    SceneReport { title: scene.title.clone(), line: scene.line, failures, steps, wall_us }
}

/// The world before the first beat.
fn stage(
    game: &LoadedGame,
    sample: &SampleData,
    scene: &Scene,
    metrics: &Arc<Metrics>,
) -> Result<(Simulation, Arc<SceneBackend>), Failure> {
    let at = |line: u32| move |text: String| Failure { line, text };
    let mut casting = Casting::new(sample.clone());
    for role in &scene.roles {
        casting.add(role).map_err(at(role.line))?;
    }
    for beat in &scene.beats {
        if let Some(player) = beat.action.player() {
            casting.add_by_name(player).map_err(at(beat.line))?;
        }
    }
    let (sample, actors) = casting.done();
    let (players, backend) = sample.connect().map_err(|problem| at(scene.line)(problem.to_string()))?;
    let backend = Arc::new(SceneBackend::new(backend, sample.operations));
    let Services { intents, copy, .. } = game.services.clone();
    let services = Services { players, backend: backend.clone(), intents, copy };
    let world = Simulation::new(game.with_services(services), actors, scene.starts_at, metrics).map_err(at(scene.line))?;
    Ok((world, backend))
}

impl Action {
    /// Whom it is about.
    fn player(&self) -> Option<&str> {
        match self {
            Self::Says { player, .. }
            | Self::Taps { player, .. }
            | Self::Picks { player, .. }
            | Self::Sends { player, .. }
            | Self::Reacts { player, .. }
            | Self::Enters { player, .. }
            | Self::CodeSent { player, .. }
            | Self::GameEvent { player, .. }
            | Self::DeliveryFails { player, .. }
            | Self::AgentCloses { player, .. } => Some(player),
            Self::Passes { .. } | Self::Backend { .. } => None,
        }
    }
}

struct Stage {
    world: Simulation,
    backend: Arc<SceneBackend>,
    /// Messages of players so far.
    messages: u64,
}

impl Stage {
    /// Plays until the end, or until something goes otherwise.
    async fn play(&mut self, scene: &Scene, steps: &mut Vec<StepReport>) -> Vec<Failure> {
        for beat in &scene.beats {
            let acted = self.act(beat).await;
            let (happened, new_steps) = self.world.take_happened();
            steps.extend(new_steps.into_iter().map(|step| StepReport { line: beat.line, ..step }));
            if let Err(problem) = acted {
                return vec![Failure { line: beat.line, text: format!("{}\n{problem}", beat.text) }];
            }
            let came = Came { happened, calls: self.backend.take_calls(), log: log::take(), world: &self.world };
            let failures = judge(beat, &came, scene.ignores_replies);
            if !failures.is_empty() {
                return failures;
            }
        }
        Vec::new()
    }

    async fn act(&mut self, beat: &Beat) -> Result<(), String> {
        match &beat.action {
            Action::Says { player, text } => self.says(player, Inbound::Text(text.clone()), None).await,
            Action::Taps { player, title } => {
                let (content, on) = self.tapped(player, title)?;
                self.says(player, content, Some(on)).await
            }
            Action::Picks { player, title } => {
                let (content, on) = self.picked(player, title)?;
                self.says(player, content, Some(on)).await
            }
            Action::Sends { player, what } => {
                let content = self.attached(player, what)?;
                self.says(player, content, None).await
            }
            Action::Reacts { player, emoji } => {
                let room = self.world.room_of(player)?;
                let last = self.world.rooms[room].arrived.last().ok_or_else(|| format!("{player} has no message to react to"))?;
                let target = last.wamid.clone();
                self.says(player, Inbound::Reaction(Reaction { target, emoji: Some(emoji.clone()) }), None).await
            }
            Action::Enters { player, code } => {
                let room = self.world.room_of(player)?;
                match code {
                    EnteredCode::InGame => self.world.enter_in_game(room).await,
                    EnteredCode::Newest => self.says(player, Inbound::Text(self.world.code_of(room)?.reveal().to_owned()), None).await,
                    EnteredCode::Wrong => self.says(player, Inbound::Text(codes::wrong(&self.world.code_of(room)?)), None).await,
                }
            }
            Action::CodeSent { player, purpose } => {
                let room = self.world.room_of(player)?;
                self.world.send_code(room, *purpose).await
            }
            Action::Passes { ms } => self.world.pass(*ms).await,
            Action::GameEvent { name, player, payload } => {
                let room = self.world.room_of(player)?;
                let player = self.world.rooms[room].player.clone();
                let event = GameEvent {
                    name: name.clone(),
                    id: format!("event-{}", beat.line),
                    payload: payload.clone(),
                    at: self.world.now(),
                    player,
                };
                self.world.hand(room, Event::GameEvent(event)).await
            }
            Action::DeliveryFails { player, code, detail } => {
                let room = self.world.room_of(player)?;
                self.world.fail_delivery(room, *code, detail).await
            }
            Action::AgentCloses { player, resolution } => {
                let room = self.world.room_of(player)?;
                self.world.close_ticket(room, resolution).await
            }
            Action::Backend { operation, answer } => self.backend.set(operation, answer.clone()),
        }
    }

    async fn says(&mut self, player: &str, content: Inbound, reply_to: Option<Wamid>) -> Result<(), String> {
        let room = self.world.room_of(player)?;
        self.messages += 1;
        let message = Message {
            wamid: Wamid(format!("wamid.player.{}", self.messages).into()),
            sent_at: self.world.now(),
            content,
            reply_to,
            forwarded: false,
            referral: None,
            profile_name: Some(player.to_owned()),
            identity_key_hash: None,
        };
        self.world.hand(room, Event::Message(message)).await
    }

    /// The newest button with this title on the player's phone.
    fn tapped(&self, player: &str, title: &str) -> Result<(Inbound, Wamid), String> {
        let room = self.world.room_of(player)?;
        let mut there = Vec::new();
        for arrived in self.world.rooms[room].arrived.iter().rev() {
            for (found, content) in self.buttons(arrived) {
                if found == title {
                    return Ok((content, arrived.wamid.clone()));
                }
                there.push(found);
            }
        }
        Err(nothing_called(title, "button", &there))
    }

    fn buttons(&self, arrived: &Arrived) -> Vec<(String, Inbound)> {
        match &arrived.message.content {
            Content::Reply { message: Outbound::Buttons { buttons, .. }, .. } => buttons
                .iter()
                .map(|button| {
                    let choice = Choice { id: button.id.clone(), title: button.title.clone() };
                    (button.title.clone(), Inbound::Button(choice))
                })
                .collect(),
            Content::Template(sent) => {
                let texts = self.world.game().rules.templates.get(&sent.name).and_then(|template| template.languages.get(&sent.language));
                let buttons = texts.map(|texts| texts.buttons.as_slice()).unwrap_or_default();
                let quick_replies = buttons.iter().enumerate().filter_map(|(place, button)| match button {
                    TemplateButton::QuickReply { text } => Some((place, text)),
                    TemplateButton::Url { .. } | TemplateButton::Otp(_) => None,
                });
                quick_replies
                    .map(|(place, text)| {
                        // Without a payload of its own Meta gives back the text.
                        let value = sent.buttons.iter().find(|value| value.index as usize == place);
                        let payload = value.map_or_else(|| text.clone(), |value| value.value.clone());
                        (text.clone(), Inbound::QuickReply(QuickReply { payload, text: text.clone() }))
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The newest row with this title on the player's phone.
    fn picked(&self, player: &str, title: &str) -> Result<(Inbound, Wamid), String> {
        let room = self.world.room_of(player)?;
        let mut there = Vec::new();
        for arrived in self.world.rooms[room].arrived.iter().rev() {
            let Content::Reply { message: Outbound::List { sections, .. }, .. } = &arrived.message.content else { continue };
            for row in sections.iter().flat_map(|section| &section.rows) {
                if row.title == title {
                    let choice = Choice { id: row.id.clone(), title: row.title.clone() };
                    return Ok((Inbound::ListItem(choice), arrived.wamid.clone()));
                }
                there.push(row.title.clone());
            }
        }
        Err(nothing_called(title, "row", &there))
    }

    fn attached(&self, player: &str, what: &Attachment) -> Result<Inbound, String> {
        Ok(match what {
            Attachment::Location { latitude, longitude, name } => {
                Inbound::Location(Location { latitude: *latitude, longitude: *longitude, name: name.clone(), address: None })
            }
            Attachment::Contact { phone } => {
                let room = self.world.room_of(player)?;
                let last = self.world.rooms[room].arrived.last().map(|arrived| &arrived.message.content);
                let requested = matches!(last, Some(Content::Reply { message: Outbound::ContactRequest { .. }, .. }));
                let card = ContactCard { name: player.to_owned(), phones: vec![phone.clone()] };
                Inbound::Contacts(SharedContacts { cards: vec![card], requested })
            }
            Attachment::Media { kind, caption } => {
                let (of, mime_type): (fn(Media) -> Inbound, _) = match kind {
                    MediaKind::Image => (Inbound::Image, "image/jpeg"),
                    MediaKind::Video => (Inbound::Video, "video/mp4"),
                    MediaKind::Audio => (Inbound::Audio, "audio/ogg"),
                    MediaKind::Document => (Inbound::Document, "application/pdf"),
                    MediaKind::Sticker => (Inbound::Sticker, "image/webp"),
                };
                of(Media {
                    id: format!("{}", 1_000_000 + self.messages),
                    mime_type: mime_type.to_owned(),
                    sha256: None,
                    caption: caption.clone(),
                    filename: (*kind == MediaKind::Document).then(|| "document.pdf".to_owned()),
                    voice: *kind == MediaKind::Audio,
                })
            }
        })
    }
}

fn nothing_called(title: &str, what: &str, there: &[String]) -> String {
    match there {
        [] => format!("there is no {what} {title:?}, nor any other"),
        there => format!("there is no {what} {title:?}; there are, newest first: {}", there.join(" | ")),
    }
}
