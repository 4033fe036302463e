//! Message templates as a configuration names them.

use serde_json::{Value, json};

/// What a template is for. Meta prices and limits by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// One-time codes.
    Authentication,
    /// What the player asked for or must know.
    Utility,
    /// All else.
    Marketing,
}

impl Category {
    /// As Meta writes it in template objects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "AUTHENTICATION",
            Self::Utility => "UTILITY",
            Self::Marketing => "MARKETING",
        }
    }

    /// As Meta writes it in `pricing.category`.
    pub(crate) fn in_pricing(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Utility => "utility",
            Self::Marketing => "marketing",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Authentication, Self::Utility, Self::Marketing].into_iter().find(|category| category.as_str().eq_ignore_ascii_case(text))
    }
}

/// Where a template stands with Meta's review and quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateStatus {
    /// May be sent.
    Approved,
    /// Under review: a send answers 132001.
    Pending,
    /// Review said no: a send answers 132001.
    Rejected,
    /// Paused for quality: a send answers 132015.
    Paused,
    /// Disabled for good: a send answers 132016.
    Disabled,
}

impl TemplateStatus {
    /// As Meta writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Pending => "PENDING",
            Self::Rejected => "REJECTED",
            Self::Paused => "PAUSED",
            Self::Disabled => "DISABLED",
        }
    }
}

/// What players' reactions say of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateQuality {
    /// High.
    Green,
    /// Medium.
    Yellow,
    /// Low: it will be paused.
    Red,
    /// Not yet known.
    Unknown,
}

impl TemplateQuality {
    /// As Meta writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "GREEN",
            Self::Yellow => "YELLOW",
            Self::Red => "RED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// One template in one language.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Template {
    /// The account that owns it; `None` gives it to every account of this emulator.
    pub waba_id: Option<String>,
    /// Lowercase letters, digits and underscores.
    pub name: String,
    /// For example `en_US`. Sends must name exactly this.
    pub language: String,
    /// What it is for.
    pub category: Category,
    /// Meta's component list, as in the creation request.
    pub components: Value,
    /// Where it stands.
    pub status: TemplateStatus,
    /// What players think of it.
    pub quality: TemplateQuality,
    /// What Meta has announced that its category will be.
    pub correct_category: Option<Category>,
    /// Seconds for which delivery is tried.
    pub send_ttl_s: Option<u64>,
}

impl Template {
    /// An approved template with the components given as Meta's JSON.
    pub fn new(name: impl Into<String>, language: impl Into<String>, category: Category, components: Value) -> Self {
        Self {
            waba_id: None,
            name: name.into(),
            language: language.into(),
            category,
            components,
            status: TemplateStatus::Approved,
            quality: TemplateQuality::Unknown,
            correct_category: None,
            send_ttl_s: None,
        }
    }

    /// An approved template that is a body alone; `{{1}}` or `{{name}}` are its variables.
    pub fn body(name: impl Into<String>, language: impl Into<String>, category: Category, body: &str) -> Self {
        let mut component = json!({"type": "BODY", "text": body});
        if let Some(example) = example(body) {
            component["example"] = example;
        }
        Self::new(name, language, category, json!([component]))
    }

    /// An approved authentication template with a copy-code button, as Meta defines it.
    pub fn one_time_code(name: impl Into<String>, language: impl Into<String>) -> Self {
        let components = json!([
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 10},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}]},
        ]);
        Self::new(name, language, Category::Authentication, components)
    }

    /// Changes where the template stands.
    pub fn status(mut self, status: TemplateStatus) -> Self {
        self.status = status;
        self
    }
}

/// Meta's templates carry an example of every variable in their body.
fn example(body: &str) -> Option<Value> {
    let names: Vec<&str> = body.split("{{").skip(1).filter_map(|piece| Some(piece.split_once("}}")?.0.trim())).collect();
    if names.is_empty() {
        return None;
    }
    if names.iter().all(|name| name.parse::<usize>().is_ok()) {
        let values: Vec<_> = names.iter().map(|name| format!("example {name}")).collect();
        return Some(json!({ "body_text": [values] }));
    }
    let values: Value = names.iter().map(|name| json!({"param_name": name, "example": format!("example {name}")})).collect();
    Some(json!({ "body_text_named_params": values }))
}
