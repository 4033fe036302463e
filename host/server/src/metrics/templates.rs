//! Figures of templates: what becomes of their messages, and clicks on their links.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use questline_core::id::GameId;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTemplate {
    game: String,
    template: String,
    outcome: &'static str,
}

/// The figures.
#[derive(Debug, Default)]
pub struct TemplateFigures {
    clicks: Family<Outcome, Counter>,
    messages: Family<OfTemplate, Counter>,
}

impl TemplateFigures {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("link_clicks", "Clicks on links that are counted, by what became of them", self.clicks.clone());
        let help = "Messages by the template that a game declares, and what became of them";
        registry.register("template_messages", help, self.messages.clone());
    }

    /// Something became of a message by a template that the game declares.
    pub fn message(&self, game: &GameId, template: &str, outcome: &'static str) {
        self.messages.get_or_create(&OfTemplate { game: game.to_string(), template: template.to_owned(), outcome }).inc();
    }

    /// Somebody followed a link, or tried to.
    pub fn click(&self, outcome: &'static str) {
        self.clicks.get_or_create(&Outcome { outcome }).inc();
    }

    /// One of each, for what is there once it has counted something.
    #[cfg(test)]
    pub(super) fn an_example(&self) {
        self.click("followed");
        if let Ok(game) = GameId::parse("starfall") {
            self.message(&game, "welcome", "accepted");
        }
    }
}
