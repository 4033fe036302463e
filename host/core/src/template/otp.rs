//! The button of an authentication template: how the code gets from WhatsApp into the app ("Authentication templates",
//! Cloud API v25.0).

use serde::{Deserialize, Serialize};

/// Apps that one button may name.
pub const SUPPORTED_APPS_MAX: usize = 5;

/// How the code gets into the app. One-tap and zero-tap work on Android only; elsewhere the button copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtpType {
    /// The player copies it.
    CopyCode,
    /// A tap fills it in.
    OneTap,
    /// It is filled in by itself.
    ZeroTap,
}

impl OtpType {
    /// As Meta writes it.
    pub fn as_meta(self) -> &'static str {
        match self {
            Self::CopyCode => "COPY_CODE",
            Self::OneTap => "ONE_TAP",
            Self::ZeroTap => "ZERO_TAP",
        }
    }
}

/// The button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtpButton {
    /// How the code gets into the app.
    pub otp_type: OtpType,
    /// What the button that copies says; Meta has words of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the button that fills in says; Meta has words of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autofill_text: Option<String>,
    /// Which apps may get the code, for one-tap and zero-tap: 1 to [`SUPPORTED_APPS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supported_apps: Vec<SupportedApp>,
    /// The studio has accepted Meta's terms of zero-tap: players expect that the code is filled in for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_tap_terms_accepted: bool,
}

impl OtpButton {
    /// A button that copies, in Meta's words.
    pub fn copy_code() -> Self {
        Self { otp_type: OtpType::CopyCode, text: None, autofill_text: None, supported_apps: Vec::new(), zero_tap_terms_accepted: false }
    }
}

/// An app that may get the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportedApp {
    /// Which.
    pub package_name: PackageName,
    /// Of the key that it is signed with.
    pub signature_hash: SignatureHash,
}

/// The text is no name of an Android package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("package_name takes an Android package: two or more words of letters, digits and _ joined by dots, for instance com.example.game")]
pub struct InvalidPackageName;

/// An Android package, for instance `com.example.game`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(Box<str>);

impl PackageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PackageName {
    type Error = InvalidPackageName;
    fn try_from(text: String) -> Result<Self, InvalidPackageName> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match text.len() <= 224 && text.contains('.') && text.split('.').all(is_word) {
            true => Ok(Self(text.into())),
            false => Err(InvalidPackageName),
        }
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> String {
        name.0.into()
    }
}

/// The text is no signature hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature_hash takes the app's signing key hash: 11 characters of A-Z, a-z, 0-9, + and /")]
pub struct InvalidSignatureHash;

/// The hash of an app's signing key: 11 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignatureHash(Box<str>);

impl SignatureHash {
    /// The hash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SignatureHash {
    type Error = InvalidSignatureHash;
    fn try_from(text: String) -> Result<Self, InvalidSignatureHash> {
        match text.len() == 11 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')) {
            true => Ok(Self(text.into())),
            false => Err(InvalidSignatureHash),
        }
    }
}

impl From<SignatureHash> for String {
    fn from(hash: SignatureHash) -> String {
        hash.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_hashes_are_what_android_has() {
        for good in ["com.example.game", "a.b", "com.Example.game_2"] {
            assert!(PackageName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "game",
            "com.",
            ".com",
            "com..game",
            "com.2game",
            "com.example.my-game",
            "com.example game",
            &format!("com.{}", "a".repeat(230)),
        ] {
            assert!(PackageName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(SignatureHash::try_from("K8a/AINcGX7".to_owned()).is_ok());
        for bad in ["", "K8a/AINcGX", "K8a/AINcGX78", "K8a-AINcGX7", "K8a/AINcGX\u{e4}"] {
            assert!(SignatureHash::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
