//! A game as the rules see it: its flows with what they are granted, its routes, its templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::factor::TwoFactorRules;
use crate::account::link::LinkRules;
use crate::capability::Grants;
use crate::consent::ConsentRules;
use crate::event::Event;
use crate::flow::FlowLimits;
use crate::id::{FlowName, GameId, NumberId};
use crate::lane::TimeToLive;
use crate::media::MediaRules;
use crate::permit::hours::LocalHours;
use crate::permit::windows::MARKETING_PER_WEEK;
use crate::recovery::RecoveryRules;
use crate::reply::ReplyRules;
use crate::retry::Backoff;
use crate::sensitive::Sensitivity;
use crate::template::Template;
use crate::template::at_meta::AtMeta;
use crate::verification::VerificationRules;

/// What operations of a game's backend ask to have proven first, by name; what asks for nothing is not in it.
pub type SensitiveOperations = BTreeMap<String, Sensitivity>;

/// One game.
#[derive(Debug, Clone)]
pub struct Game {
    /// Its id.
    pub id: GameId,
    /// What players call it.
    pub name: String,
    /// BCP 47; where nothing better is known.
    pub locale: String,
    /// In front of ticket numbers.
    pub ticket_prefix: String,
    /// The numbers it talks from.
    pub numbers: Vec<NumberId>,
    /// Its flows.
    pub flows: BTreeMap<FlowName, FlowBinding>,
    /// Which events go where; the first that fits wins.
    pub routes: Vec<Route>,
    /// Where all else goes.
    pub default_flow: FlowName,
    /// By name.
    pub templates: BTreeMap<String, Template>,
    /// What Meta says of them.
    pub at_meta: AtMeta,
    /// What goes in place of replies outside the service window.
    pub replies: ReplyRules,
    /// Sent in place of a message that came after the service window had closed: a template without parameters.
    pub window_closed_template: Option<String>,
    /// How often and how fast a failed step is tried again.
    pub step_retry: Backoff,
    /// What becomes of conversations that a flow of an older release keeps.
    pub mid_flow: MidFlow,
    /// Temporary credentials, if the game has them.
    pub recovery: Option<RecoveryRules>,
    /// Operations of the backend that ask for a proof first.
    pub sensitive: Arc<SensitiveOperations>,
    /// One-time codes, if the game has them.
    pub verification: Option<VerificationRules>,
    /// Links of contacts to accounts, if the host makes them.
    pub links: Option<LinkRules>,
    /// What the studio's backend is told of frozen accounts.
    pub security: SecurityRules,
    /// The second factor of players; where there are no one-time codes, there is none.
    pub two_factor: TwoFactorRules,
    /// What players are asked to agree to, and words that end it.
    pub consent: ConsentRules,
    /// How much marketing players get, and when nobody is disturbed.
    pub sending: SendingRules,
    /// Files that it sends.
    pub media: MediaRules,
}

/// `[sending]` in game.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingRules {
    /// Marketing messages that a player gets in a week at most.
    pub marketing_per_week: u32,
    /// Whoever plays is not disturbed.
    pub quiet_in_game: bool,
    /// When reminders and promotions may come, by the player's day; none: at any time.
    pub local_hours: Option<LocalHours>,
    /// How long a message of each class may wait.
    pub time_to_live: TimeToLive,
}

impl Default for SendingRules {
    fn default() -> Self {
        Self { marketing_per_week: MARKETING_PER_WEEK, quiet_in_game: true, local_hours: None, time_to_live: TimeToLive::default() }
    }
}

/// What a game says about frozen accounts: `[security]` in game.toml.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityRules {
    /// The backend's operation that freezes an account; none where it has none.
    pub freeze_operation: Option<String>,
    /// The one that ends it.
    pub unfreeze_operation: Option<String>,
}

/// The flow that no game has: what is addressed to it is the host's own.
pub const HOST_FLOW: &str = "host";

/// What becomes of conversations that a flow of an older release keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MidFlow {
    /// They go on with that release until the flow is done.
    Keep,
    /// They go on with this one, their state migrated where its version differs.
    #[default]
    Migrate,
}

/// A flow in a game.
#[derive(Debug, Clone)]
pub struct FlowBinding {
    /// Its name in this game.
    pub name: FlowName,
    /// What game.toml and operator both grant.
    pub grants: Grants,
    /// What one call may use up.
    pub limits: FlowLimits,
    /// JSON, handed to the flow as it is.
    pub settings: Arc<str>,
}

/// Sends events to a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Kinds of events it is about; any, if empty.
    pub events: Vec<String>,
    /// Names of game events it is about; any, if empty.
    pub game_events: Vec<String>,
    /// Intents that it is about; any, if empty. Only texts have intents.
    pub intents: Vec<String>,
    /// Where they go.
    pub flow: Option<FlowName>,
}

impl Route {
    fn fits(&self, event: &Event, intent: Option<&str>) -> bool {
        let has =
            |list: &[String], value: Option<&str>| list.is_empty() || value.is_some_and(|value| list.iter().any(|known| known == value));
        let game_event = match event {
            Event::GameEvent(event) => Some(event.name.as_str()),
            _ => None,
        };
        has(&self.events, Some(event.kind())) && has(&self.game_events, game_event) && has(&self.intents, intent)
    }
}

impl Game {
    /// The flows to ask, in order and each once: who is addressed, who is active, then the routes that fit, then the
    /// default flow. `intent` is the likeliest one of a text.
    ///
    /// A button or row addresses the flow whose name and a colon its id begins with: an answer comes to the flow that asked,
    /// whichever holds the conversation by then.
    pub fn candidates(&self, active: Option<&FlowName>, event: &Event, intent: Option<&str>) -> Vec<&FlowBinding> {
        let addressed = match event {
            Event::Timer(timer) => return self.flows.get(&timer.flow).into_iter().collect(),
            Event::HandedOver(over) => return self.flows.get(&over.to).into_iter().collect(),
            Event::Message(message) => message.content.picked_id().and_then(|id| id.split_once(':')).map(|(name, _)| name),
            _ => None,
        };
        let addressed = addressed.and_then(|name| self.flows.keys().find(|known| known.as_str() == name));
        let routed = self.routes.iter().filter(|route| route.fits(event, intent)).filter_map(|route| route.flow.as_ref());
        let mut found: Vec<&FlowBinding> = Vec::with_capacity(2);
        for name in addressed.into_iter().chain(active).chain(routed).chain([&self.default_flow]) {
            if let Some(flow) = self.flows.get(name)
                && !found.iter().any(|known| known.name == flow.name)
            {
                found.push(flow);
            }
        }
        found
    }

    /// Whether a route asks for intents at all: classifying costs time.
    pub fn routes_by_intent(&self) -> bool {
        self.routes.iter().any(|route| !route.intents.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::capability::Grants;
    use crate::event::{Choice, Inbound, Message, QuickReply, Wamid};
    use crate::time::UnixMs;

    fn flow(name: &str) -> FlowName {
        FlowName::parse(name).unwrap()
    }

    fn game() -> Game {
        let binding = |name: &str| FlowBinding {
            name: flow(name),
            grants: Grants::default(),
            limits: FlowLimits::default(),
            settings: Arc::from("{}"),
        };
        Game {
            id: GameId::parse("starfall").unwrap(),
            name: "Starfall".into(),
            locale: "en".into(),
            ticket_prefix: "SF".into(),
            numbers: Vec::new(),
            flows: ["help", "match", "shop"].map(|name| (flow(name), binding(name))).into(),
            routes: vec![Route { intents: vec!["buy".into()], flow: Some(flow("shop")), ..Route::default() }],
            default_flow: flow("help"),
            templates: BTreeMap::new(),
            at_meta: AtMeta::default(),
            replies: ReplyRules::default(),
            window_closed_template: None,
            step_retry: Backoff { base_ms: 1, ceiling_ms: 1, attempts_max: 1 },
            mid_flow: MidFlow::default(),
            sensitive: Default::default(),
            recovery: None,
            verification: None,
            links: None,
            security: SecurityRules::default(),
            two_factor: TwoFactorRules::default(),
            consent: ConsentRules::default(),
            sending: Default::default(),
            media: MediaRules::default(),
        }
    }

    fn asked(active: Option<&str>, content: Inbound, intent: Option<&str>) -> Vec<String> {
        let event = Event::Message(Message {
            wamid: Wamid("wamid.1".into()),
            sent_at: UnixMs(0),
            content,
            reply_to: None,
            forwarded: false,
            referral: None,
            profile_name: None,
            identity_key_hash: None,
        });
        let active = active.map(flow);
        game().candidates(active.as_ref(), &event, intent).iter().map(|flow| flow.name.to_string()).collect()
    }

    #[test]
    fn who_is_active_then_what_it_is_about_then_the_default() {
        assert_eq!(asked(Some("match"), Inbound::Text("buy".into()), Some("buy")), ["match", "shop", "help"]);
        assert_eq!(asked(None, Inbound::Text("hello".into()), None), ["help"]);
    }

    #[test]
    fn an_answer_comes_first_to_the_flow_that_asked() {
        let button = |id: &str| Inbound::Button(Choice { id: id.into(), title: "Accept".into() });
        assert_eq!(asked(Some("shop"), button("match:accept:m-7"), None), ["match", "shop", "help"]);
        let quick_reply = Inbound::QuickReply(QuickReply { payload: "match:accept:m-7".into(), text: "Accept".into() });
        assert_eq!(asked(None, quick_reply, None), ["match", "help"]);
        assert_eq!(asked(Some("shop"), button("unknown:accept"), None), ["shop", "help"]);
        assert_eq!(asked(Some("shop"), Inbound::Text("match:accept".into()), None), ["shop", "help"], "words address nobody");
    }
}
