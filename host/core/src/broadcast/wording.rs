//! A template with values of which parts come from the recipient: `{name}` stands for the column `name`.

use serde::{Deserialize, Serialize};

use crate::template::{Template, TemplateMessage, TemplateMismatch};

/// Bytes of one value, as it is sent.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// Bytes of a column's name.
pub const COLUMN_BYTES_MAX: usize = 32;
/// Values of one message.
const VALUES_MAX: usize = 32;

/// Which template, and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// Which.
    pub template: String,
    /// In which language, whoever reads it; none: in the recipient's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Value of the header's parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Values of the body's parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Values of buttons, with their positions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<(u32, String)>,
}

/// Why a recipient's values are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordingProblem {
    /// The wording asks for what the row has not.
    #[error("column {0:?} is missing or empty, and the template's values ask for it")]
    NoColumn(String),
    /// Meta refuses it.
    #[error("a value is empty, has line breaks or other control characters, or is longer than {VALUE_BYTES_MAX} bytes")]
    Value,
    /// There are too many.
    #[error("a message takes up to {VALUES_MAX} values")]
    TooMany,
}

/// A text in pieces.
enum Part<'a> {
    Text(&'a str),
    Column(&'a str),
}

/// `{name}` is a column where the name is one: lower-case letters, digits and `_`. All else is text.
fn parts(mut text: &str) -> impl Iterator<Item = Part<'_>> {
    let is_name = |name: &str| {
        (1..=COLUMN_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut column = None;
    std::iter::from_fn(move || {
        if let Some(name) = column.take() {
            return Some(Part::Column(name));
        }
        if text.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(open) = text[from..].find('{').map(|at| at + from) {
            let end = text[open..].find('}').map(|at| at + open);
            if let Some(end) = end.filter(|end| is_name(&text[open + 1..*end])) {
                let (before, name) = (&text[..open], &text[open + 1..end]);
                text = &text[end + 1..];
                if before.is_empty() {
                    return Some(Part::Column(name));
                }
                column = Some(name);
                return Some(Part::Text(before));
            }
            from = open + 1;
        }
        Some(Part::Text(std::mem::take(&mut text)))
    })
}

impl Wording {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let buttons = self.buttons.iter().map(|(_, value)| value.as_str());
        self.header.as_deref().into_iter().chain(self.body.iter().map(String::as_str)).chain(buttons)
    }

    /// The columns that it asks for, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for part in self.texts().flat_map(parts) {
            if let Part::Column(name) = part
                && !columns.contains(&name)
            {
                columns.push(name);
            }
        }
        columns
    }

    /// Whether it fits the template, in each of its languages that somebody may read.
    pub fn check(&self, template: &Template) -> Result<(), TemplateMismatch> {
        let fill = |locale: &str| template.fill(locale, self.header.as_deref(), &self.body, &self.buttons).map(drop);
        match &self.locale {
            Some(locale) => fill(locale),
            None => template.languages.keys().try_for_each(|language| fill(language)),
        }
    }

    /// The values of one recipient, in the order header, body, buttons.
    pub fn values<'a>(&self, column: impl Fn(&str) -> Option<&'a str>) -> Result<Vec<Box<str>>, WordingProblem> {
        let mut values = Vec::with_capacity(self.body.len() + 2);
        for text in self.texts() {
            if values.len() == VALUES_MAX {
                return Err(WordingProblem::TooMany);
            }
            let mut value = String::new();
            for part in parts(text) {
                match part {
                    Part::Text(text) => value.push_str(text),
                    Part::Column(name) => {
                        let found = column(name).filter(|found| !found.is_empty());
                        value.push_str(found.ok_or_else(|| WordingProblem::NoColumn(name.to_owned()))?);
                    }
                }
            }
            if value.trim().is_empty() || value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control) {
                return Err(WordingProblem::Value);
            }
            values.push(value.into());
        }
        Ok(values)
    }

    /// The message with these values, in the language nearest to the recipient's, else to the game's.
    pub fn message(
        &self,
        template: &Template,
        locale: Option<&str>,
        game_locale: &str,
        values: &[Box<str>],
    ) -> Result<TemplateMessage, TemplateMismatch> {
        let wanted = self.locale.as_deref().or(locale).filter(|locale| template.language(locale).is_some());
        let (header, rest) = match self.header {
            Some(_) => (values.first().map(|value| &**value), values.get(1..).unwrap_or_default()),
            None => (None, values),
        };
        let (body, buttons) = rest.split_at(rest.len().min(self.body.len()));
        let body: Vec<String> = body.iter().map(|value| String::from(&**value)).collect();
        let buttons: Vec<(u32, String)> =
            self.buttons.iter().zip(buttons).map(|((place, _), value)| (*place, String::from(&**value))).collect();
        template.fill(wanted.unwrap_or(game_locale), header, &body, &buttons)
    }
}
