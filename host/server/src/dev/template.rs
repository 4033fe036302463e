//! The game's templates as Meta keeps them: approved at once, as on a good day.

use questline_core::template::{Category, OtpButton, OtpType, Template, TemplateButton, Texts};
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
        return authentication(template, texts);
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
            TemplateButton::Otp(otp) => button_of(otp),
        };
        components.push(json!({ "type": "BUTTONS", "buttons": texts.buttons.iter().map(button).collect::<Vec<_>>() }));
    }
    Value::Array(components)
}

/// Meta's own words around the code, and the button.
fn authentication(template: &Template, texts: &Texts) -> Value {
    let mut components = vec![json!({ "type": "BODY", "add_security_recommendation": template.add_security_recommendation })];
    if let Some(minutes) = template.code_expiration_minutes {
        components.push(json!({ "type": "FOOTER", "code_expiration_minutes": minutes }));
    }
    let buttons = texts.buttons.iter().filter_map(|button| match button {
        TemplateButton::Otp(otp) => Some(button_of(otp)),
        _ => None,
    });
    components.push(json!({ "type": "BUTTONS", "buttons": buttons.collect::<Vec<_>>() }));
    Value::Array(components)
}

fn button_of(otp: &OtpButton) -> Value {
    let mut button = json!({ "type": "OTP", "otp_type": otp.otp_type.as_meta() });
    if let Some(text) = &otp.text {
        button["text"] = json!(text);
    }
    if let Some(text) = &otp.autofill_text {
        button["autofill_text"] = json!(text);
    }
    if !otp.supported_apps.is_empty() {
        button["supported_apps"] = json!(otp.supported_apps);
    }
    if otp.otp_type == OtpType::ZeroTap {
        button["zero_tap_terms_accepted"] = json!(otp.zero_tap_terms_accepted);
    }
    button
}
