//! A template as Meta's API takes it when it is created or edited (`POST /{WABA}/message_templates`, `POST /{template}`).

use questline_core::template::{Category, OtpButton, OtpType, Template, TemplateButton, Texts, parameters};
use serde_json::{Value, json};

/// A category as Meta writes it.
pub fn category_word(category: Category) -> &'static str {
    match category {
        Category::Authentication => "AUTHENTICATION",
        Category::Utility => "UTILITY",
        Category::Marketing => "MARKETING",
    }
}

/// The category that Meta writes so; `None` for one that is not known here.
pub fn category_of(word: &str) -> Option<Category> {
    let all = [Category::Authentication, Category::Utility, Category::Marketing];
    all.into_iter().find(|category| category_word(*category).eq_ignore_ascii_case(word))
}

/// What creates it in one of its languages; `None` for a language that it lacks.
pub fn creation(template: &Template, language: &str) -> Option<Value> {
    let texts = template.languages.get(language)?;
    let mut body = json!({
        "name": template.name,
        "language": language,
        "category": category_word(template.category),
        "parameter_format": "POSITIONAL",
        "components": components(template, texts),
    });
    add_ttl(&mut body, template);
    Some(body)
}

/// What makes Meta's version of it, in one of its languages, what it is here. An approved template's category cannot be edited:
/// it is told only where it is `with_category`.
pub fn edit(template: &Template, language: &str, with_category: bool) -> Option<Value> {
    let mut body = json!({ "components": components(template, template.languages.get(language)?) });
    if with_category {
        body["category"] = category_word(template.category).into();
    }
    add_ttl(&mut body, template);
    Some(body)
}

fn add_ttl(body: &mut Value, template: &Template) {
    if let Some(send_ttl_s) = template.send_ttl_s {
        body["message_send_ttl_seconds"] = send_ttl_s.into();
    }
}

/// Its parts in one language, as Meta lists them.
pub fn components(template: &Template, texts: &Texts) -> Value {
    if template.category == Category::Authentication {
        return authentication(template, texts);
    }
    let examples = &texts.examples;
    let mut components = Vec::new();
    if let Some(header) = &texts.header {
        let mut component = json!({ "type": "HEADER", "format": "TEXT", "text": header });
        if let Some(example) = &examples.header {
            component["example"] = json!({ "header_text": [example] });
        }
        components.push(component);
    }
    // Files are written with a line's end after the last one.
    let mut body = json!({ "type": "BODY", "text": texts.body.trim() });
    if !examples.body.is_empty() {
        body["example"] = json!({ "body_text": [examples.body] });
    }
    components.push(body);
    if let Some(footer) = &texts.footer {
        components.push(json!({ "type": "FOOTER", "text": footer }));
    }
    if !texts.buttons.is_empty() {
        let mut urls = examples.urls.iter();
        let button = |button: &TemplateButton| match button {
            TemplateButton::QuickReply { text } => json!({ "type": "QUICK_REPLY", "text": text }),
            TemplateButton::Url { text, url, .. } => {
                let mut written = json!({ "type": "URL", "text": text, "url": url });
                if let Some(example) = (parameters(url) > 0).then(|| urls.next()).flatten() {
                    written["example"] = json!([example]);
                }
                written
            }
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
