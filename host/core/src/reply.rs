//! What goes in place of a reply that comes when the service window is closed: a template that the game names for the flow.

use std::collections::BTreeMap;

use crate::id::FlowName;
use crate::template::{Template, TemplateMismatch};

/// Characters of a late reply's words that its template takes; the rest is cut.
pub const WORDS_CHARS_MAX: usize = 600;
/// Stands for the late replies' words.
const TEXT: &str = "{text}";
/// Stands for the game's name.
const GAME: &str = "{game}";

/// Templates in place of late replies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyRules {
    /// Of one flow.
    pub flows: BTreeMap<FlowName, StandIn>,
    /// Of all others; none refuses their replies to them.
    pub others: Option<StandIn>,
}

impl ReplyRules {
    /// What goes in place of a flow's late replies.
    pub fn of(&self, flow: &FlowName) -> Option<&StandIn> {
        self.flows.get(flow).or(self.others.as_ref())
    }
}

/// A template in place of late replies: one for all replies of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// Which.
    pub template: String,
    /// The body's values; `{text}` and `{game}` in them stand for the replies' words and the game's name.
    pub body: Vec<String>,
}

impl StandIn {
    /// Whether the replies' words go with it.
    pub fn takes_words(&self) -> bool {
        self.body.iter().any(|value| value.contains(TEXT))
    }

    /// The body's values.
    pub fn values(&self, game: &str, words: &str) -> Vec<String> {
        // In one pass: what a player or a flow wrote is never taken for a stand-in.
        let value = |value: &String| {
            let text = |part: &str| part.split(GAME).collect::<Vec<_>>().join(game);
            value.split(TEXT).map(text).collect::<Vec<_>>().join(words)
        };
        self.body.iter().map(value).collect()
    }

    /// Whether its template takes what it has, in each of its languages.
    pub fn check(&self, template: &Template) -> Result<(), TemplateMismatch> {
        let values = self.values("game", "words");
        template.languages.keys().try_for_each(|language| template.fill(language, None, &values, &[]).map(drop))
    }
}

/// Words as a template's value: on one line, and no longer than it takes.
pub fn on_one_line(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS_CHARS_MAX) {
        None => line,
        Some(_) => {
            let end = line.char_indices().nth(WORDS_CHARS_MAX - 1).map_or(line.len(), |(at, _)| at);
            format!("{}…", line[..end].trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_put_in_once() {
        let stand_in = StandIn { template: "t".into(), body: vec!["{game}".into(), "About: {text} ({game})".into()] };
        assert!(stand_in.takes_words());
        assert_eq!(stand_in.values("Starfall", "write {game} {text}"), ["Starfall", "About: write {game} {text} (Starfall)"]);
        assert!(!StandIn { template: "t".into(), body: vec!["{game}".into()] }.takes_words());
    }

    #[test]
    fn words_are_one_line_and_bounded() {
        assert_eq!(on_one_line("  Your crystals\n\nare\tback.  "), "Your crystals are back.");
        let long = "ä".repeat(WORDS_CHARS_MAX + 1);
        let cut = on_one_line(&long);
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (WORDS_CHARS_MAX, true));
        assert_eq!(on_one_line(&"ä".repeat(WORDS_CHARS_MAX)).chars().count(), WORDS_CHARS_MAX);
    }
}
