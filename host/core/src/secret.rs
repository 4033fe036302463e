//! A text that nobody may see but whom it is for: it cannot be printed, logged, compared or written as JSON, and leaves no
//! trace in memory once it is dropped.

use zeroize::Zeroize;

use crate::template::TemplateMessage;

/// Such a text.
pub struct SecretText(String);

impl SecretText {
    /// Takes it; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A template whose values nobody may see, in the same way.
pub struct SecretTemplate(TemplateMessage);

impl SecretTemplate {
    /// Takes it; the caller keeps no copy.
    pub fn new(template: TemplateMessage) -> Self {
        Self(template)
    }

    /// The template, for the one place that sends it.
    pub fn reveal(&self) -> &TemplateMessage {
        &self.0
    }
}

impl Drop for SecretTemplate {
    fn drop(&mut self) {
        self.0.header.zeroize();
        self.0.body.zeroize();
        self.0.buttons.iter_mut().for_each(|button| button.value.zeroize());
    }
}
