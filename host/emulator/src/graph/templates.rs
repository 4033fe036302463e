//! The template book: found by name and language when sending, listed, created and deleted through the Graph API.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use serde_json::{Value, json};

use super::Call;
use super::error::{MetaError, make};
use super::number;
use crate::http::Reply;
use crate::player::inbox::{array, string};
use crate::rules::check;
use crate::rules::template::{self, Spec};
use crate::sync::{read, write};
use crate::template::{Category, Template, TemplateStatus};

const NAME_CHARS_MAX: usize = 512;
const HEADER_CHARS_MAX: usize = 60;
const BODY_CHARS_MAX: usize = 1024;
const FOOTER_CHARS_MAX: usize = 60;
const BUTTONS_MAX: usize = 10;
const BUTTON_CHARS_MAX: usize = 25;
const URL_CHARS_MAX: usize = 2000;
const URL_BUTTONS_MAX: usize = 2;
/// Apps that one button may bring a code into, and characters of their signing keys' hashes.
const SUPPORTED_APPS_MAX: usize = 5;
const SIGNATURE_HASH_CHARS: usize = 11;
/// Templates of an account whose business is not verified.
const ACCOUNT_TEMPLATES_MAX: usize = 250;
/// Templates on one page if the call does not say.
const PAGE_TEMPLATES: usize = 25;

/// All templates, by name.
#[derive(Default)]
pub(crate) struct TemplateBook {
    by_name: RwLock<HashMap<String, Vec<Arc<Spec>>>>,
}

impl TemplateBook {
    /// Adds a template, in place of one of the same account, name and language.
    pub(crate) fn put(&self, spec: Spec) {
        let mut book = write(&self.by_name);
        let versions = book.entry(spec.template.name.clone()).or_default();
        versions.retain(|known| known.template.language != spec.template.language || known.template.waba_id != spec.template.waba_id);
        versions.push(Arc::new(spec));
    }

    /// The template that a send of this account means (132001 if there is none).
    pub(crate) fn find(&self, waba_id: &str, name: &str, language: &str) -> Result<Arc<Spec>, MetaError> {
        read(&self.by_name)
            .get(name)
            .into_iter()
            .flatten()
            .find(|spec| spec.template.language == language && belongs(spec, waba_id))
            .cloned()
            .ok_or_else(|| template::missing(name, language))
    }

    /// Changes templates of this name, in one language or all; gives back each with what it was before.
    pub(crate) fn change(&self, name: &str, language: Option<&str>, change: impl Fn(&mut Template)) -> Vec<(Template, Arc<Spec>)> {
        let mut book = write(&self.by_name);
        book.get_mut(name)
            .into_iter()
            .flatten()
            .filter(|spec| language.is_none_or(|language| spec.template.language == language))
            .map(|spec| {
                let before = spec.template.clone();
                let mut after = before.clone();
                change(&mut after);
                *spec = Arc::new(Spec::new(spec.id.clone(), after));
                (before, Arc::clone(spec))
            })
            .collect()
    }

    /// The template of this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Spec>> {
        read(&self.by_name).values().flatten().find(|spec| spec.id == id).cloned()
    }

    /// Takes all versions of a name away.
    pub(crate) fn remove_all(&self, name: &str) -> bool {
        write(&self.by_name).remove(name).is_some()
    }

    fn of_account(&self, waba_id: &str) -> Vec<Arc<Spec>> {
        let mut all: Vec<_> = read(&self.by_name).values().flatten().filter(|spec| belongs(spec, waba_id)).cloned().collect();
        all.sort_by(|a, b| (&a.template.name, &a.template.language).cmp(&(&b.template.name, &b.template.language)));
        all
    }

    fn remove(&self, waba_id: &str, name: &str, id: Option<&str>) -> bool {
        let mut book = write(&self.by_name);
        let Some(versions) = book.get_mut(name) else {
            return false;
        };
        let before = versions.len();
        versions.retain(|spec| !belongs(spec, waba_id) || id.is_some_and(|id| spec.id != id));
        let removed = versions.len() < before;
        if versions.is_empty() {
            book.remove(name);
        }
        removed
    }
}

fn belongs(spec: &Spec, waba_id: &str) -> bool {
    spec.template.waba_id.as_deref().is_none_or(|owner| owner == waba_id)
}

/// `GET /{waba-id}/message_templates`
pub(crate) fn list(call: &Call<'_>, waba_id: &str) -> Result<Reply, MetaError> {
    let query = |name| call.request.query(name);
    let (name, status, language, category) = (query("name"), query("status"), query("language"), query("category"));
    let limit = match query("limit") {
        None => PAGE_TEMPLATES,
        Some(limit) => {
            limit.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| make::invalid("Param limit must be a positive number."))?
        }
    };
    let start = match query("after") {
        None => 0,
        Some(cursor) => read_cursor(&cursor).ok_or_else(|| MetaError::new(131_059, "The cursor is not valid."))?,
    };
    let same = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value));
    let all: Vec<_> = call
        .state
        .templates
        .of_account(waba_id)
        .into_iter()
        .filter(|spec| {
            let template = &spec.template;
            // The name is looked for as a part, as Meta does.
            name.as_deref().is_none_or(|name| template.name.contains(name))
                && same(&status, template.status.as_str())
                && same(&language, &template.language)
                && same(&category, template.category.as_str())
        })
        .collect();
    let fields = query("fields");
    let end = all.len().min(start.saturating_add(limit));
    let data: Value =
        all.get(start..end).unwrap_or_default().iter().map(|spec| number::with_fields(on_wire(spec), fields.as_deref())).collect();
    let mut answer = json!({"data": data});
    if end > start {
        answer["paging"] = json!({"cursors": {"before": cursor(start), "after": cursor(end)}});
    }
    if end < all.len() {
        let path = call.request.path();
        answer["paging"]["next"] = format!("{}{path}?limit={limit}&after={}", call.state.base_url, cursor(end)).into();
    }
    if let Some(summary) = query("summary") {
        let counts = json!({
            "total_count": all.len(),
            "message_template_count": call.state.templates.of_account(waba_id).len(),
            "message_template_limit": ACCOUNT_TEMPLATES_MAX,
            "are_translations_complete": true,
        });
        answer["summary"] = number::with_fields(counts, Some(&summary));
    }
    Ok(Reply::json(200, &answer))
}

/// Cursors are opaque to callers.
fn cursor(at: usize) -> String {
    format!("QVFI{at:x}")
}

fn read_cursor(cursor: &str) -> Option<usize> {
    usize::from_str_radix(cursor.strip_prefix("QVFI")?, 16).ok()
}

fn on_wire(spec: &Spec) -> Value {
    let template = &spec.template;
    let mut written = json!({
        "name": template.name,
        "parameter_format": if spec.is_named() { "NAMED" } else { "POSITIONAL" },
        "components": template.components,
        "language": template.language,
        "status": template.status.as_str(),
        "category": template.category.as_str(),
        "quality_score": {"score": template.quality.as_str()},
        "id": spec.id,
    });
    if let Some(category) = template.correct_category {
        written["correct_category"] = category.as_str().into();
    }
    if template.status == TemplateStatus::Rejected {
        written["rejected_reason"] = "INVALID_FORMAT".into();
    }
    if let Some(send_ttl_s) = template.send_ttl_s {
        written["message_send_ttl_seconds"] = send_ttl_s.into();
    }
    written
}

/// `POST /{waba-id}/message_templates`: the template awaits review (see [`crate::Emulator::review_template`]).
pub(crate) fn create(call: &Call<'_>, waba_id: &str) -> Result<Reply, MetaError> {
    let request = number::body(call)?;
    let name = check::text(&request, "name", "template")?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > NAME_CHARS_MAX || !name.bytes().all(is_name) {
        return Err(make::invalid("Template names have at most 512 lowercase letters, digits and underscores."));
    }
    let language = check::text(&request, "language", "template")?;
    let category = check::text(&request, "category", "template")?;
    let category =
        Category::parse(category).ok_or_else(|| make::invalid("Param category must be one of {AUTHENTICATION, MARKETING, UTILITY}."))?;
    let components = check::list(&request, "components", "template")?;
    for component in components {
        check_component(component, category)?;
    }
    let existing = call.state.templates.of_account(waba_id);
    if existing.len() >= ACCOUNT_TEMPLATES_MAX {
        return Err(make::invalid("The account has reached its limit of message templates."));
    }
    if existing.iter().any(|spec| spec.template.name == name && spec.template.language == language) {
        return Err(make::invalid("Content in this language already exists."));
    }
    let mut template = Template::new(name, language, category, Value::from(components.to_vec()));
    template.waba_id = Some(waba_id.to_owned());
    template.status = TemplateStatus::Pending;
    template.send_ttl_s = send_ttl(&request, category)?;
    let id = call.state.ids.numeric();
    call.state.templates.put(Spec::new(id.clone(), template));
    let answer = json!({
        "id": id,
        "status": TemplateStatus::Pending.as_str(),
        "category": category.as_str(),
    });
    Ok(Reply::json(200, &answer))
}

/// `POST /{template-id}`: other components, and another category unless it is approved with one. It awaits review again.
pub(crate) fn edit(call: &Call<'_>, id: &str) -> Option<Result<Reply, MetaError>> {
    let spec = call.state.templates.by_id(id)?;
    Some(edited(call, &spec))
}

fn edited(call: &Call<'_>, spec: &Spec) -> Result<Reply, MetaError> {
    let request = number::body(call)?;
    let known = &spec.template;
    if !matches!(known.status, TemplateStatus::Approved | TemplateStatus::Rejected | TemplateStatus::Paused) {
        return Err(make::invalid("Only templates that are approved, rejected or paused can be edited."));
    }
    let category = match check::optional_text(&request, "category", "template")? {
        None => known.category,
        Some(word) => Category::parse(word)
            .filter(|category| *category == known.category || known.status != TemplateStatus::Approved)
            .ok_or_else(|| make::invalid("The category of an approved template cannot be edited."))?,
    };
    let components = check::list(&request, "components", "template")?;
    for component in components {
        check_component(component, category)?;
    }
    let send_ttl_s = send_ttl(&request, category)?;
    let changed = call.state.templates.change(&known.name, Some(&known.language), |template| {
        template.category = category;
        template.components = Value::from(components.to_vec());
        template.status = TemplateStatus::Pending;
        template.send_ttl_s = send_ttl_s.or(template.send_ttl_s);
    });
    for (_, spec) in changed {
        call.state.tell_template_status(&spec, json!(null));
    }
    Ok(Reply::json(200, &json!({"success": true, "id": spec.id, "name": known.name, "category": category.as_str()})))
}

/// How long delivery is tried; each category has its range.
fn send_ttl(request: &Value, category: Category) -> Result<Option<u64>, MetaError> {
    let range = match category {
        Category::Authentication => 30..=900,
        Category::Utility => 30..=43_200,
        Category::Marketing => 43_200..=2_592_000,
    };
    match &request["message_send_ttl_seconds"] {
        Value::Null => Ok(None),
        value => match value.as_u64().filter(|seconds| range.contains(seconds)) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(make::invalid("Param message_send_ttl_seconds is out of the range of the category.")),
        },
    }
}

fn check_component(component: &Value, category: Category) -> Result<(), MetaError> {
    let kind = check::text(component, "type", "components")?.to_uppercase();
    match kind.as_str() {
        "HEADER" if component["text"].is_string() => {
            let title = check::text(component, "text", "components")?;
            check_example(component, title)?;
            check::param_length("components['text']", title, HEADER_CHARS_MAX)
        }
        "BODY" if category != Category::Authentication => {
            let body = check::text(component, "text", "components")?;
            check::param_length("components['text']", body, BODY_CHARS_MAX)?;
            let trimmed = body.trim();
            if trimmed.starts_with("{{") || trimmed.ends_with("}}") {
                return Err(make::invalid("Variables can't be at the start or end of the template."));
            }
            check_example(component, body)
        }
        "FOOTER" if category != Category::Authentication => {
            let footer = check::text(component, "text", "components")?;
            check::param_length("components['text']", footer, FOOTER_CHARS_MAX)
        }
        "FOOTER" => match component["code_expiration_minutes"].as_u64() {
            None | Some(1..=90) => Ok(()),
            Some(_) => Err(make::invalid("Param code_expiration_minutes must be 1 to 90.")),
        },
        "BUTTONS" => check_buttons(check::list(component, "buttons", "components")?),
        "HEADER" | "BODY" | "CAROUSEL" | "LIMITED_TIME_OFFER" => Ok(()),
        _ => Err(make::invalid(format!("Component type {kind} is not valid."))),
    }
}

/// A text with variables needs an example of each.
fn check_example(component: &Value, text: &str) -> Result<(), MetaError> {
    if text.contains("{{") && !component["example"].is_object() {
        return Err(make::invalid(format!("component of type {} is missing expected field(s) (example)", string(&component["type"]))));
    }
    Ok(())
}

fn check_buttons(buttons: &[Value]) -> Result<(), MetaError> {
    if buttons.is_empty() || buttons.len() > BUTTONS_MAX {
        return Err(make::invalid(format!("A template has 1 to {BUTTONS_MAX} buttons.")));
    }
    let is_quick_reply = |button: &Value| string(&button["type"]).eq_ignore_ascii_case("QUICK_REPLY");
    let groups = buttons.chunk_by(|a, b| is_quick_reply(a) == is_quick_reply(b)).count();
    if groups > 2 {
        return Err(make::invalid("Quick replies and other buttons must not be mixed."));
    }
    let bounds = [("URL", URL_BUTTONS_MAX), ("PHONE_NUMBER", 1), ("COPY_CODE", 1)];
    for (kind, max) in bounds {
        let is_kind = |button: &&Value| string(&button["type"]).eq_ignore_ascii_case(kind);
        if buttons.iter().filter(is_kind).count() > max {
            return Err(make::invalid(format!("A template has at most {max} buttons of type {kind}.")));
        }
    }
    for button in buttons {
        if let Some(text) = check::optional_text(button, "text", "buttons")? {
            check::param_length("buttons['text']", text, BUTTON_CHARS_MAX)?;
        }
        if let Some(url) = check::optional_text(button, "url", "buttons")? {
            check::param_length("buttons['url']", url, URL_CHARS_MAX)?;
        }
        check_otp(button)?;
    }
    Ok(())
}

/// How a code gets into the app.
fn check_otp(button: &Value) -> Result<(), MetaError> {
    if !string(&button["type"]).eq_ignore_ascii_case("OTP") {
        return Ok(());
    }
    if let Some(text) = check::optional_text(button, "autofill_text", "buttons")? {
        check::param_length("buttons['autofill_text']", text, BUTTON_CHARS_MAX)?;
    }
    let (apps, kind) = (array(&button["supported_apps"]), string(&button["otp_type"]).to_uppercase());
    let is_app = |app: &Value| {
        let (package, hash) = (string(&app["package_name"]), string(&app["signature_hash"]));
        package.contains('.') && hash.chars().count() == SIGNATURE_HASH_CHARS
    };
    let (fits, takes) = match kind.as_str() {
        "COPY_CODE" => (apps.is_empty(), "no supported_apps"),
        "ONE_TAP" => ((1..=SUPPORTED_APPS_MAX).contains(&apps.len()) && apps.iter().all(is_app), "1 to 5 supported_apps"),
        "ZERO_TAP" => (
            (1..=SUPPORTED_APPS_MAX).contains(&apps.len())
                && apps.iter().all(is_app)
                && button["zero_tap_terms_accepted"].as_bool() == Some(true),
            "1 to 5 supported_apps and zero_tap_terms_accepted",
        ),
        _ => return Err(make::invalid("Param otp_type must be one of {COPY_CODE, ONE_TAP, ZERO_TAP}.")),
    };
    if fits { Ok(()) } else { Err(make::invalid(format!("A button of otp_type {kind} takes {takes}."))) }
}

/// `DELETE /{waba-id}/message_templates?name=...[&hsm_id=...]`
pub(crate) fn delete(call: &Call<'_>, waba_id: &str) -> Result<Reply, MetaError> {
    let name = call.request.query("name").ok_or_else(|| make::invalid("The parameter name is required."))?;
    let id = call.request.query("hsm_id");
    if call.state.templates.remove(waba_id, &name, id.as_deref()) {
        Ok(Reply::success())
    } else {
        Err(make::invalid(format!("Template {name} does not exist.")))
    }
}
