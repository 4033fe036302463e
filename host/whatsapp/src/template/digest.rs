//! A digest of a template's texts: tells whether Meta's version is the game's.

use ring::digest::{SHA256, digest};
use serde_json::Value;

/// The digest of parts as Meta lists them, or as [`super::components`] makes them. What Meta writes itself does not count: the
/// words around a code, and the button that copies it.
pub fn texts_digest(components: &Value) -> u64 {
    let mut written = String::new();
    let mut add = |name: &str, value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        written.push_str(&format!("{name}:{}:{text};", text.len()));
    };
    for component in components.as_array().into_iter().flatten() {
        let kind = component["type"].as_str().unwrap_or_default().to_ascii_uppercase();
        let codes = &component["add_security_recommendation"];
        match kind.as_str() {
            "BODY" if codes.is_boolean() => add("codes", codes),
            "FOOTER" if component["code_expiration_minutes"].is_number() => add("minutes", &component["code_expiration_minutes"]),
            "HEADER" | "BODY" | "FOOTER" => add(&kind, &component["text"]),
            "BUTTONS" => {
                for button in component["buttons"].as_array().into_iter().flatten() {
                    let kind = button["type"].as_str().unwrap_or_default().to_ascii_uppercase();
                    match kind.as_str() {
                        "OTP" => {}
                        "URL" if button["url"].as_str().is_some_and(|url| url.starts_with("https://www.whatsapp.com/otp/code/")) => {}
                        _ => {
                            add(&kind, &button["text"]);
                            add("url", &button["url"]);
                        }
                    }
                }
            }
            _ => add(&kind, &Value::Null),
        }
    }
    let digest = digest(&SHA256, written.as_bytes());
    let first: [u8; 8] = digest.as_ref().first_chunk().copied().unwrap_or_default();
    // 53 bits, so that every reader of JSON has the same number.
    u64::from_be_bytes(first) >> 11
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_player_reads_counts_and_what_meta_adds_does_not() {
        let ours = json!([
            {"type": "BODY", "text": "Hello {{1}}, welcome.", "example": {"body_text": [["Ada"]]}},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Hi"}]},
        ]);
        let metas = json!([
            {"type": "BODY", "text": "Hello {{1}}, welcome."},
            {"type": "BUTTONS", "buttons": [{"text": "Hi", "type": "QUICK_REPLY"}]},
        ]);
        let other = json!([
            {"type": "BODY", "text": "Hello {{1}}, welcome!"},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Hi"}]},
        ]);
        assert_eq!(texts_digest(&ours), texts_digest(&metas));
        assert_ne!(texts_digest(&ours), texts_digest(&other));
        let ours = json!([
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 10},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]},
        ]);
        let metas = json!([
            {"type": "BODY", "text": "*{{1}}* is your verification code.", "add_security_recommendation": true},
            {"type": "FOOTER", "text": "This code expires in 10 minutes.", "code_expiration_minutes": 10},
            {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Copy", "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}]},
        ]);
        assert_eq!(texts_digest(&ours), texts_digest(&metas));
    }
}
