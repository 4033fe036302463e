//! Message templates: what Meta approved to be sent at any time.

pub mod at_meta;
mod otp;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use otp::{InvalidPackageName, InvalidSignatureHash, OtpButton, OtpType, PackageName, SUPPORTED_APPS_MAX, SignatureHash, SupportedApp};

/// Meta's category; it decides on price, consent and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// One-time codes.
    Authentication,
    /// Asked for, or about the player's own affairs.
    Utility,
    /// Everything that invites.
    Marketing,
}

/// A template as a game declares it, in each of its languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Lower-case words joined by `_`.
    pub name: String,
    /// As approved.
    pub category: Category,
    /// How many minutes a one-time code is said to be good for, 1 to 90; of authentication templates only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_expiration_minutes: Option<u8>,
    /// Meta adds that the code is not to be shared; of authentication templates only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub add_security_recommendation: bool,
    /// Seconds for which Meta tries to deliver it, then it gives up without a word; Meta's default is 600 for authentication and
    /// 30 days for all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_ttl_s: Option<u32>,
    /// By language as Meta writes it, for instance `pt_BR`.
    pub languages: BTreeMap<String, Texts>,
}

/// A template's texts in one language; `{{1}}`, `{{2}}`, ... are parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// One line, at most one parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What it says.
    pub body: String,
    /// One line, no parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// What its parameters may hold, for Meta's review.
    #[serde(default, skip_serializing_if = "Examples::is_empty")]
    pub examples: Examples,
    /// Below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<TemplateButton>,
}

/// Examples of a template's values: Meta reviews no template with parameters that has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Examples {
    /// Of the header's parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Of the body's parameters, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Whole web addresses, of the buttons whose address has a parameter, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

impl Examples {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A template's button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "type")]
pub enum TemplateButton {
    /// Comes back as a quick reply, with the payload set at sending.
    QuickReply {
        /// What the player reads.
        text: String,
    },
    /// Leads to a web page; `{{1}}` at its end is a parameter.
    Url {
        /// What the player reads.
        text: String,
        /// Where it leads.
        url: String,
        /// Where it leads in the end, where `url` leads to this host, which counts the click: what is put into `url` is a token,
        /// and what whoever sends it gives is the value of `{{1}}` in here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leads_to: Option<String>,
    },
    /// Takes the code of an authentication template into the app.
    Otp(OtpButton),
}

impl TemplateButton {
    /// Whether sending it takes a value.
    pub fn takes_value(&self) -> bool {
        match self {
            Self::QuickReply { .. } => true,
            Self::Url { url, leads_to, .. } => parameters(leads_to.as_deref().unwrap_or(url)) > 0,
            Self::Otp(_) => true,
        }
    }

    /// Where it leads in the end, if clicks on it are counted.
    pub fn leads_to(&self) -> Option<&str> {
        match self {
            Self::Url { leads_to, .. } => leads_to.as_deref(),
            Self::QuickReply { .. } | Self::Otp(_) => None,
        }
    }
}

/// How many parameters a text has: the highest of `{{n}}`.
pub fn parameters(text: &str) -> usize {
    let mut highest = 0;
    for part in text.split("{{").skip(1) {
        if let Some((inside, _)) = part.split_once("}}") {
            highest = highest.max(inside.trim().parse().unwrap_or(0));
        }
    }
    highest
}

/// A template that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateMessage {
    /// Which.
    pub name: String,
    /// In which language.
    pub language: String,
    /// What it may cost and needs.
    pub category: Category,
    /// Value of the header's parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Values of the body's parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Values of buttons that take one, with their positions and kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ButtonValue>,
}

/// A button's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonValue {
    /// Position among the buttons.
    pub index: u32,
    /// True: a quick reply's payload. False: the end of a web address.
    pub quick_reply: bool,
    /// The value.
    pub value: String,
}

/// Why a template cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateMismatch {
    /// None of this language, nor of a nearer one.
    #[error("template {name} has no language near {locale}; it has {known}")]
    Language {
        /// Which template.
        name: String,
        /// Which language.
        locale: String,
        /// What there is.
        known: String,
    },
    /// Wrong number of values.
    #[error("template {name} takes {takes} values in its {part}, and got {got}")]
    Values {
        /// Which template.
        name: String,
        /// Where.
        part: &'static str,
        /// How many it takes.
        takes: usize,
        /// How many there were.
        got: usize,
    },
    /// A value that cannot stand in the address of a link that is counted.
    #[error("template {name}, button {index}: the value of a link is 1 to {} bytes, and not . or ..", crate::tracked::VALUE_BYTES_MAX)]
    LinkValue {
        /// Which template.
        name: String,
        /// Which button, from 0 on.
        index: usize,
    },
}

impl Template {
    /// The language nearest to a locale: itself, its language alone, then any of the same language.
    pub fn language(&self, locale: &str) -> Option<(&str, &Texts)> {
        let language = self.nearest(locale).next()?;
        self.languages.get_key_value(language).map(|(language, texts)| (language.as_str(), texts))
    }

    /// Its languages that do for a locale, the nearest first: `pt_BR`, then `pt`, then `pt_PT`.
    pub fn nearest<'t>(&'t self, locale: &str) -> impl Iterator<Item = &'t str> + use<'t> {
        let wanted = locale.replace('-', "_");
        let plain = wanted.split('_').next().unwrap_or(&wanted).to_owned();
        let known = |language: &str| self.languages.get_key_value(language).map(|(language, _)| language.as_str());
        let exact = known(&wanted);
        let alone = known(&plain).filter(|alone| Some(*alone) != exact);
        let named = [exact, alone];
        let same = self.languages.keys().map(String::as_str).filter(move |language| language.split('_').next() == Some(&plain));
        named.into_iter().flatten().chain(same.filter(move |language| !named.contains(&Some(language))))
    }

    /// Puts values into the template, in the language nearest to the locale.
    pub fn fill(
        &self,
        locale: &str,
        header: Option<&str>,
        body: &[String],
        buttons: &[(u32, String)],
    ) -> Result<TemplateMessage, TemplateMismatch> {
        let (language, texts) = self.language(locale).ok_or_else(|| TemplateMismatch::Language {
            name: self.name.clone(),
            locale: locale.to_owned(),
            known: self.languages.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        let fits = |part, takes: usize, got: usize| {
            if takes == got { Ok(()) } else { Err(TemplateMismatch::Values { name: self.name.clone(), part, takes, got }) }
        };
        fits("header", texts.header.as_deref().map_or(0, parameters), usize::from(header.is_some()))?;
        fits("body", parameters(&texts.body), body.len())?;
        let mut values = Vec::new();
        for (index, button) in texts.buttons.iter().enumerate() {
            let value = buttons.iter().find(|(position, _)| *position as usize == index).map(|(_, value)| value);
            let quick_reply = matches!(button, TemplateButton::QuickReply { .. });
            match (button.takes_value(), value) {
                (true, Some(value)) if button.leads_to().is_some() && !crate::tracked::is_value(value) => {
                    return Err(TemplateMismatch::LinkValue { name: self.name.clone(), index });
                }
                (true, Some(value)) => values.push(ButtonValue { index: index as u32, quick_reply, value: value.clone() }),
                // Without a payload of its own a quick reply comes back with its text.
                (true, None) if quick_reply => {}
                (takes, value) => fits("buttons", usize::from(takes), usize::from(value.is_some()))?,
            }
        }
        let beyond = buttons.iter().filter(|(position, _)| *position as usize >= texts.buttons.len()).count();
        fits("buttons", values.len(), values.len() + beyond)?;
        Ok(TemplateMessage {
            name: self.name.clone(),
            language: language.to_owned(),
            category: self.category,
            header: header.map(str::to_owned),
            body: body.to_vec(),
            buttons: values,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn template() -> Template {
        let texts = |body: &str| Texts {
            header: None,
            body: body.to_owned(),
            footer: None,
            examples: Examples::default(),
            buttons: vec![
                TemplateButton::QuickReply { text: "Accept".into() },
                TemplateButton::Url { text: "Open".into(), url: "https://x.example/{{1}}".into(), leads_to: None },
            ],
        };
        Template {
            name: "match_found_alert".into(),
            category: Category::Utility,
            code_expiration_minutes: None,
            add_security_recommendation: false,
            send_ttl_s: None,
            languages: BTreeMap::from([
                ("en".into(), texts("Hi {{1}}, against {{2}}!")),
                ("pt_BR".into(), texts("Oi {{1}}, contra {{2}}!")),
            ]),
        }
    }

    #[test]
    fn finds_the_nearest_language() {
        let template = template();
        for (locale, found) in [("en", Some("en")), ("en-GB", Some("en")), ("pt-BR", Some("pt_BR")), ("pt", Some("pt_BR")), ("de", None)] {
            assert_eq!(template.language(locale).map(|(language, _)| language), found, "{locale}");
        }
    }

    #[test]
    fn nearer_languages_come_first() {
        let mut template = template();
        let texts = template.languages["en"].clone();
        for language in ["pt", "pt_PT", "de"] {
            template.languages.insert(language.into(), texts.clone());
        }
        assert_eq!(template.nearest("pt-BR").collect::<Vec<_>>(), ["pt_BR", "pt", "pt_PT"]);
        assert_eq!(template.nearest("pt").collect::<Vec<_>>(), ["pt", "pt_BR", "pt_PT"]);
        assert_eq!(template.nearest("pt_AO").collect::<Vec<_>>(), ["pt", "pt_BR", "pt_PT"]);
        assert_eq!(template.nearest("fr").count(), 0);
    }

    #[test]
    fn a_counted_link_takes_the_value_of_where_it_leads_to() {
        let mut template = template();
        let lead_to = |template: &mut Template, to: &str| {
            if let Some(TemplateButton::Url { leads_to, .. }) = template.languages.get_mut("en").and_then(|texts| texts.buttons.get_mut(1))
            {
                *leads_to = Some(to.to_owned());
            }
        };
        let values = ["Ada".to_owned(), "Bo".to_owned()];
        lead_to(&mut template, "https://game.example/cup/{{1}}");
        assert!(template.fill("en", None, &values, &[(1, "m1".into())]).is_ok());
        for wrong in ["", "..", &"x".repeat(257)] {
            let mismatch = template.fill("en", None, &values, &[(1, wrong.to_owned())]).unwrap_err();
            assert!(matches!(mismatch, TemplateMismatch::LinkValue { index: 1, .. }), "{mismatch}");
        }
        lead_to(&mut template, "https://game.example/cup");
        assert_eq!(template.fill("en", None, &values, &[]).unwrap().buttons, [], "the token alone is put in, when it is sent");
        assert!(template.fill("en", None, &values, &[(1, "m1".into())]).is_err());
    }

    #[test]
    fn values_must_fit() {
        let template = template();
        let values = ["Ada".to_owned(), "Bo".to_owned()];
        let filled = template.fill("en-US", None, &values, &[(1, "m1".into())]).unwrap();
        assert_eq!(filled.buttons, [ButtonValue { index: 1, quick_reply: false, value: "m1".into() }]);
        assert!(matches!(
            template.fill("en", None, &values[..1], &[(1, "m1".into())]),
            Err(TemplateMismatch::Values { takes: 2, got: 1, .. })
        ));
        assert!(template.fill("en", None, &values, &[]).is_err(), "the address lacks its end");
        assert!(template.fill("en", None, &values, &[(1, "m1".into()), (7, "x".into())]).is_err());
        assert!(template.fill("en", Some("x"), &values, &[(1, "m1".into())]).is_err());
    }
}
