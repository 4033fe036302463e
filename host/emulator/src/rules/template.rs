//! Templates as they are sent: which variables and buttons one has, whether a send fills them, and what the player reads.

use serde_json::Value;

use super::check;
use super::content::{Late, media_object};
use crate::graph::error::{MetaError, make};
use crate::graph::media::MediaStore;
use crate::player::inbox::{Choice, ChoiceKind, array, string};
use crate::template::{Category, Template, TemplateStatus};

const BODY_CHARS_MAX: usize = 1024;
const CODE_CHARS_MAX: usize = 15;
const COUPON_CHARS_MAX: usize = 20;
const PAYLOAD_CHARS_MAX: usize = 128;

/// A template made ready to check sends against.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) template: Template,
    header: Option<Header>,
    body: Text,
    buttons: Vec<Button>,
}

#[derive(Clone, Debug)]
enum Header {
    Text(Text),
    /// `image`, `video`, `document` or `location`.
    Object(String),
}

/// A text with its variables, in the order in which they stand.
#[derive(Clone, Debug)]
struct Text {
    text: String,
    names: Vec<String>,
    is_named: bool,
}

#[derive(Clone, Debug)]
struct Button {
    kind: ButtonKind,
    text: String,
    url: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ButtonKind {
    QuickReply,
    Url,
    Phone,
    CopyCode,
    OneTimeCode,
    Flow,
    RequestContact,
    Other,
}

impl Spec {
    pub(crate) fn new(id: String, template: Template) -> Self {
        let part = |kind: &str| array(&template.components).iter().find(|part| is(&part["type"], kind));
        let header = part("HEADER").map(|header| match header["format"].as_str() {
            None | Some("TEXT") => Header::Text(Text::new(&string(&header["text"]))),
            Some(format) => Header::Object(format.to_lowercase()),
        });
        let body = match template.category {
            Category::Authentication => "{{1}} is your verification code.".to_owned(),
            _ => part("BODY").map_or_else(String::new, |body| string(&body["text"])),
        };
        let buttons = part("BUTTONS").map(|part| array(&part["buttons"]).iter().map(Button::new).collect()).unwrap_or_default();
        Self { id, header, body: Text::new(&body), buttons, template }
    }

    /// Checks the `template` object of a send, whose name and language have been found.
    pub(crate) fn check(&self, content: &Value, media: &MediaStore) -> Result<Late, MetaError> {
        match self.template.status {
            TemplateStatus::Approved => {}
            TemplateStatus::Paused => {
                return Err(MetaError::new(132_015, "Template is paused due to low quality so it cannot be sent in a template message."));
            }
            TemplateStatus::Disabled => {
                return Err(MetaError::new(
                    132_016,
                    "Template has been paused too many times due to low quality and is now permanently disabled.",
                ));
            }
            TemplateStatus::Pending | TemplateStatus::Rejected => {
                return Err(missing(&self.template.name, &self.template.language));
            }
        }
        let late = self.check_header(parameters(content, "header"), media)?;
        self.body.check("body", parameters(content, "body"))?;
        if self.rendered_body(content).chars().count() > BODY_CHARS_MAX {
            return Err(MetaError::new(
                132_005,
                format!("The body is longer than {BODY_CHARS_MAX} characters once its variables are filled in."),
            ));
        }
        self.check_buttons(content)?;
        Ok(late)
    }

    fn check_header(&self, given: &[Value], media: &MediaStore) -> Result<Late, MetaError> {
        match &self.header {
            None if given.is_empty() => Ok(None),
            None => Err(count_mismatch("header", given.len(), 0)),
            Some(Header::Text(text)) => text.check("header", given).map(|()| None),
            Some(Header::Object(format)) => {
                let [parameter] = given else {
                    return Err(count_mismatch("header", given.len(), 1));
                };
                if !is(&parameter["type"], format) {
                    return Err(format_mismatch(format!(
                        "header: Format mismatch, expected {}, received {}",
                        format.to_uppercase(),
                        string(&parameter["type"]).to_uppercase()
                    )));
                }
                let object = check::object(parameter, format, "template['header']")?;
                if format == "location" {
                    return Ok(None);
                }
                media_object(object, format, media)
            }
        }
    }

    fn check_buttons(&self, content: &Value) -> Result<(), MetaError> {
        let given: Vec<&Value> = components(content, "button").collect();
        for component in &given {
            let index = button_index(component);
            let known = index.and_then(|index| self.buttons.get(index));
            if known.is_none_or(|button| !button.kind.takes(&component["sub_type"])) {
                return Err(format_mismatch(format!(
                    "buttons: no button of sub_type {} at index {}",
                    string(&component["sub_type"]),
                    component["index"]
                )));
            }
        }
        for (index, button) in self.buttons.iter().enumerate() {
            let parameters = given
                .iter()
                .find(|component| button_index(component) == Some(index))
                .map_or(&[][..], |component| array(&component["parameters"]));
            button.check(index, parameters)?;
            if button.kind == ButtonKind::OneTimeCode {
                let body = self::parameters(content, "body");
                let code = body.first().and_then(|code| code["text"].as_str());
                if code != parameters.first().and_then(|code| code["text"].as_str()) {
                    return Err(format_mismatch("buttons: the code must be the same in the body and in the button".to_owned()));
                }
                if code.is_some_and(|code| code.chars().count() > CODE_CHARS_MAX) {
                    return Err(make::bad_value(format!("The code must be at most {CODE_CHARS_MAX} characters long.")));
                }
            }
        }
        Ok(())
    }

    /// Whether its variables have names rather than places.
    pub(crate) fn is_named(&self) -> bool {
        self.body.is_named
    }

    /// What the player reads.
    pub(crate) fn rendered_body(&self, content: &Value) -> String {
        self.body.filled(parameters(content, "body"))
    }

    /// The line above it.
    pub(crate) fn rendered_header(&self, content: &Value) -> Option<String> {
        match &self.header {
            Some(Header::Text(text)) => Some(text.filled(parameters(content, "header"))),
            _ => None,
        }
    }

    /// The small print below it.
    pub(crate) fn footer(&self) -> Option<String> {
        let footer = array(&self.template.components).iter().find(|part| is(&part["type"], "FOOTER"))?;
        footer["text"].as_str().map(str::to_owned)
    }

    /// What the player can tap.
    pub(crate) fn choices(&self, content: &Value) -> Vec<Choice> {
        let given = |index| {
            components(content, "button")
                .find(|component| button_index(component) == Some(index))
                .map_or(&[][..], |component| array(&component["parameters"]))
        };
        let choice = |(index, button): (usize, &Button)| {
            let parameters = given(index);
            let (kind, id) = match button.kind {
                ButtonKind::QuickReply => {
                    let payload = parameters.first().map(|first| string(&first["payload"]));
                    let payload = payload.filter(|payload| !payload.is_empty());
                    (ChoiceKind::QuickReply, payload.unwrap_or_else(|| button.text.clone()))
                }
                ButtonKind::Url => (ChoiceKind::Link, button.url.filled(parameters)),
                ButtonKind::OneTimeCode => {
                    let code = parameters.first().map(|first| string(&first["text"]));
                    (ChoiceKind::CopyCode, code.unwrap_or_default())
                }
                ButtonKind::CopyCode => {
                    let code = parameters.first().map(|first| string(&first["coupon_code"]));
                    (ChoiceKind::CopyCode, code.unwrap_or_default())
                }
                ButtonKind::Flow => (ChoiceKind::Flow, String::new()),
                ButtonKind::RequestContact => (ChoiceKind::ShareContact, String::new()),
                ButtonKind::Phone | ButtonKind::Other => (ChoiceKind::Link, String::new()),
            };
            Choice { kind, title: button.text.clone(), id, description: None }
        };
        self.buttons.iter().enumerate().map(choice).collect()
    }
}

/// The template is not there in that language, or has not been approved.
pub(crate) fn missing(name: &str, language: &str) -> MetaError {
    MetaError::new(132_001, format!("template name ({name}) does not exist in {language}"))
}

fn count_mismatch(part: &str, given: usize, expected: usize) -> MetaError {
    MetaError::new(
        132_000,
        format!("{part}: number of localizable_params ({given}) does not match the expected number of params ({expected})"),
    )
}

fn format_mismatch(details: String) -> MetaError {
    MetaError::new(132_012, details)
}

impl Text {
    fn new(text: &str) -> Self {
        let mut names: Vec<String> = Vec::new();
        for piece in text.split("{{").skip(1) {
            if let Some((name, _)) = piece.split_once("}}") {
                let name = name.trim();
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        let is_named = names.iter().any(|name| name.parse::<usize>().is_err());
        if !is_named {
            names.sort_by_key(|name| name.parse::<usize>().unwrap_or(usize::MAX));
        }
        Self { text: text.to_owned(), names, is_named }
    }

    fn check(&self, part: &str, given: &[Value]) -> Result<(), MetaError> {
        if given.len() != self.names.len() {
            return Err(count_mismatch(part, given.len(), self.names.len()));
        }
        for parameter in given {
            if !matches!(parameter["type"].as_str(), Some("text" | "currency" | "date_time")) {
                return Err(format_mismatch(format!(
                    "{part}: Format mismatch, expected TEXT, received {}",
                    string(&parameter["type"]).to_uppercase()
                )));
            }
            if self.is_named {
                let name = check::text(parameter, "parameter_name", part)?;
                if !self.names.iter().any(|known| known == name) {
                    return Err(make::invalid(format!("Parameter name {name} is not in the template.")));
                }
            }
            let value = value_of(parameter);
            if value.is_empty() {
                return Err(make::missing(&format!("{part}['parameters']['text']")));
            }
            if value.contains(['\n', '\t']) || value.contains("     ") {
                return Err(format_mismatch("Param text cannot have new-line/tab characters or more than 4 consecutive spaces".to_owned()));
            }
        }
        Ok(())
    }

    fn filled(&self, given: &[Value]) -> String {
        let mut text = self.text.clone();
        for (at, name) in self.names.iter().enumerate() {
            let parameter =
                if self.is_named { given.iter().find(|parameter| parameter["parameter_name"] == name.as_str()) } else { given.get(at) };
            let value = parameter.map(value_of).unwrap_or_default();
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        text
    }
}

/// A parameter's text; currencies and dates carry a fallback that Meta shows.
fn value_of(parameter: &Value) -> &str {
    match parameter["type"].as_str() {
        Some(kind @ ("currency" | "date_time")) => parameter[kind]["fallback_value"].as_str(),
        _ => parameter["text"].as_str(),
    }
    .unwrap_or_default()
}

impl Button {
    fn new(definition: &Value) -> Self {
        let kind = match definition["type"].as_str().unwrap_or_default().to_uppercase().as_str() {
            "QUICK_REPLY" => ButtonKind::QuickReply,
            "URL" => ButtonKind::Url,
            "PHONE_NUMBER" => ButtonKind::Phone,
            "COPY_CODE" => ButtonKind::CopyCode,
            "OTP" => ButtonKind::OneTimeCode,
            "FLOW" => ButtonKind::Flow,
            "REQUEST_CONTACT_INFO" => ButtonKind::RequestContact,
            _ => ButtonKind::Other,
        };
        let default_text = match kind {
            ButtonKind::OneTimeCode | ButtonKind::CopyCode => "Copy code",
            ButtonKind::RequestContact => "Share Contact Info",
            _ => "",
        };
        Self { kind, text: definition["text"].as_str().unwrap_or(default_text).to_owned(), url: Text::new(&string(&definition["url"])) }
    }

    fn check(&self, index: usize, parameters: &[Value]) -> Result<(), MetaError> {
        let required = |what: &str| make::missing(&format!("buttons: Button at index {index} of type {what}"));
        match self.kind {
            ButtonKind::Url => self.url.check("buttons", parameters),
            ButtonKind::OneTimeCode => match parameters {
                [code] if code["text"].as_str().is_some_and(|code| !code.is_empty()) => Ok(()),
                _ => Err(required("OTP requires a code")),
            },
            ButtonKind::CopyCode => match parameters {
                [code] => {
                    let code = check::text(code, "coupon_code", "buttons")?;
                    check::param_length("coupon_code", code, COUPON_CHARS_MAX)
                }
                _ => Err(required("COPY_CODE requires a coupon_code")),
            },
            ButtonKind::QuickReply => match parameters {
                [] => Ok(()),
                [payload, ..] => {
                    let payload = check::text(payload, "payload", "buttons")?;
                    check::param_length("payload", payload, PAYLOAD_CHARS_MAX)
                }
            },
            _ => Ok(()),
        }
    }
}

impl ButtonKind {
    /// Whether a component with this `sub_type` may stand for the button.
    fn takes(self, sub_type: &Value) -> bool {
        let expected = match self {
            Self::QuickReply => "quick_reply",
            Self::Url | Self::OneTimeCode => "url",
            Self::CopyCode => "copy_code",
            Self::Flow => "flow",
            Self::Phone | Self::RequestContact | Self::Other => return false,
        };
        is(sub_type, expected)
    }
}

/// Meta takes the index as text and as number.
fn button_index(component: &Value) -> Option<usize> {
    match &component["index"] {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|index| usize::try_from(index).ok()),
        _ => None,
    }
}

fn components<'a>(content: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    array(&content["components"]).iter().filter(move |component| is(&component["type"], kind))
}

fn parameters<'a>(content: &'a Value, kind: &'a str) -> &'a [Value] {
    components(content, kind).next().map_or(&[], |component| array(&component["parameters"]))
}

fn is(value: &Value, expected: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(expected))
}
