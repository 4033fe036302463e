//! `X-Hub-Signature-256`: HMAC-SHA256 over the raw body, keyed with the app secret.

use ring::hmac;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "X-Hub-Signature-256";

/// The header's value: `sha256=` and 64 lowercase hex digits.
pub fn sign(app_secret: &str, body: &[u8]) -> String {
    Signer::new(app_secret).sign(body)
}

/// A secret made ready to sign many bodies.
pub(crate) struct Signer(hmac::Key);

impl Signer {
    pub(crate) fn new(app_secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, app_secret.as_bytes()))
    }

    pub(crate) fn sign(&self, body: &[u8]) -> String {
        format!("sha256={}", hex::encode(hmac::sign(&self.0, body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vectors() {
        assert_eq!(
            sign("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
        assert_eq!(
            sign("app-secret", br#"{"text":{"body":"\u00e4\u00f6\u00e5 https:\/\/x"}}"#),
            "sha256=d30fb6016c32f8a39cbdc9a231d011aaf87508090fff492e2b794930d8c15790"
        );
        assert_eq!(
            sign("app-secret", r#"{"text":{"body":"äöå https://x"}}"#.as_bytes()),
            "sha256=328fe0b705ac2fa957a4b8324d99b684c4a5a7df3c14540e2dd93b0e196a4f5a"
        );
    }

    #[test]
    fn our_own_json_gives_the_signature_of_the_escaped_form() {
        let body = super::super::to_meta_json(&serde_json::json!({"text": {"body": "äöå https://x"}}));
        assert_eq!(sign("app-secret", &body), "sha256=d30fb6016c32f8a39cbdc9a231d011aaf87508090fff492e2b794930d8c15790");
    }
}
