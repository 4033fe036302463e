//! The game's templates as Meta keeps them: its component list.

use questline_core::template::{TemplateButton, Texts};
use serde_json::{Value, json};

pub(super) fn components(texts: &Texts) -> Value {
    let mut components = Vec::new();
    if let Some(header) = &texts.header {
        components.push(json!({ "type": "HEADER", "format": "TEXT", "text": header }));
    }
    components.push(json!({ "type": "BODY", "text": texts.body }));
    if let Some(footer) = &texts.footer {
        components.push(json!({ "type": "FOOTER", "text": footer }));
    }
    if !texts.buttons.is_empty() {
        let button = |button: &TemplateButton| match button {
            TemplateButton::QuickReply { text } => json!({ "type": "QUICK_REPLY", "text": text }),
            TemplateButton::Url { text, url } => json!({ "type": "URL", "text": text, "url": url }),
        };
        components.push(json!({ "type": "BUTTONS", "buttons": texts.buttons.iter().map(button).collect::<Vec<_>>() }));
    }
    Value::Array(components)
}
