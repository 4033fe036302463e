//! Signed webhooks as bytes, at as little cost as can be: what makes load must not be what is measured.

use ring::hmac;

use crate::cli::sandbox::NUMBER;

/// A text message's webhook in Meta's form.
pub(super) struct Webhooks {
    key: hmac::Key,
    text: String,
}

impl Webhooks {
    pub(super) fn new(app_secret: &str, text: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, app_secret.as_bytes()), text: text.to_owned() }
    }

    /// Body and signature header of message `id` from `phone`.
    pub(super) fn make(&self, id: u64, phone: &str, sent_s: u64) -> (String, String) {
        let text = &self.text;
        let body = format!(
            "{{\"object\":\"whatsapp_business_account\",\"entry\":[{{\"id\":\"102290129340398\",\"changes\":[{{\"value\":{{\"messaging_product\":\"whatsapp\",\
             \"metadata\":{{\"display_phone_number\":\"15550100001\",\"phone_number_id\":\"{NUMBER}\"}},\"contacts\":[{{\"profile\":{{\"name\":\"Player {phone}\"}},\
             \"wa_id\":\"{phone}\"}}],\"messages\":[{{\"from\":\"{phone}\",\"id\":\"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQ{id:020X}AA==\",\
             \"timestamp\":\"{sent_s}\",\"text\":{{\"body\":\"{text}\"}},\"type\":\"text\"}}]}},\"field\":\"messages\"}}]}}]}}"
        );
        let signature = format!("sha256={}", hex::encode(hmac::sign(&self.key, body.as_bytes())));
        (body, signature)
    }
}
