//! A game as the rules see it: its flows with what they are granted, its routes, its templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::Grants;
use crate::event::Event;
use crate::flow::FlowLimits;
use crate::id::{FlowName, GameId, NumberId};
use crate::retry::Backoff;
use crate::template::Template;

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
    /// Sent in place of a message that came after the service window had closed: a template without parameters.
    pub window_closed_template: Option<String>,
    /// How often and how fast a failed step is tried again.
    pub step_retry: Backoff,
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
    /// The flows to ask, in order and each once: who is addressed or active, then the routes that fit, then the
    /// default flow. `intent` is the likeliest one of a text.
    pub fn candidates(&self, active: Option<&FlowName>, event: &Event, intent: Option<&str>) -> Vec<&FlowBinding> {
        let addressed = match event {
            Event::Timer(timer) => return self.flows.get(&timer.flow).into_iter().collect(),
            Event::HandedOver(over) => return self.flows.get(&over.to).into_iter().collect(),
            _ => active,
        };
        let routed = self.routes.iter().filter(|route| route.fits(event, intent)).filter_map(|route| route.flow.as_ref());
        let mut found: Vec<&FlowBinding> = Vec::with_capacity(2);
        for name in addressed.into_iter().chain(routed).chain([&self.default_flow]) {
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
