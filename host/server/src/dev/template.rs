//! The game's templates as Meta keeps them: approved at once, as on a good day.

use questline_core::template::{Category, Template, TemplateButton, Texts};
use questline_emulator as meta;
use serde_json::{Value, json};

/// Meta has approved this template in all its languages.
pub fn approve(emulator: &meta::Emulator, template: &Template) {
    let category = match template.category {
        Category::Authentication => meta::Category::Authentication,
        Category::Utility => meta::Category::Utility,
        Category::Marketing => meta::Category::Marketing,
    };
    for (language, texts) in &template.languages {
        emulator.put_template(meta::Template::new(&template.name, language, category, components(template, texts)));
    }
}

fn components(template: &Template, texts: &Texts) -> Value {
    if template.category == Category::Authentication {
        return authentication(template);
    }
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

/// Meta's own words around the code, and a button that copies it.
fn authentication(template: &Template) -> Value {
    let mut components = vec![json!({ "type": "BODY", "add_security_recommendation": true })];
    if let Some(minutes) = template.code_expiration_minutes {
        components.push(json!({ "type": "FOOTER", "code_expiration_minutes": minutes }));
    }
    components.push(json!({ "type": "BUTTONS", "buttons": [{ "type": "OTP", "otp_type": "COPY_CODE" }] }));
    Value::Array(components)
}
