//! An account's templates at Meta: listed page by page, created, edited.
//!
//! Pages are asked for by cursor. The address of the next page that Meta's answer holds is not followed: the access token goes
//! where the configuration says, and nowhere else.

use hyper::{Method, Uri};
use questline_core::id::NumberId;
use questline_core::template::at_meta::{Listed, Quality, State, Takes};
use questline_core::template::parameters;
use serde::Deserialize;
use serde_json::Value;

use super::client::{GraphClient, GraphError, JSON, read};
use super::exchange::exchange_on;
use super::pool::{NoConnection, Pieces};
use super::response;
use crate::lax::{self, Obj};
use crate::template::{category_of, texts_digest};

/// Templates on a page: each may have some 5 KiB.
const PAGE_TEMPLATES: usize = 100;
/// Bytes of a page.
const PAGE_BYTES_MAX: usize = 2 << 20;
/// Bytes of a cursor; Meta's have about a hundred.
const CURSOR_BYTES_MAX: usize = 1_024;
/// What is asked of each template.
const FIELDS: &str = "id,name,language,status,category,correct_category,quality_score,rejected_reason,components";

/// A page of Meta's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplatePage {
    /// Those that could be read.
    pub templates: Vec<Listed>,
    /// How many could not: they have no name or language.
    pub unreadable: usize,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// What Meta answers to a template that was handed in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Submitted {
    /// Meta's id of it.
    #[serde(deserialize_with = "lax::short")]
    pub id: Option<String>,
    /// Where it stands now, as Meta writes it; edits are answered without.
    #[serde(deserialize_with = "lax::short")]
    pub status: Option<String>,
    /// What Meta takes it for.
    #[serde(deserialize_with = "lax::short")]
    pub category: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    #[serde(deserialize_with = "lax::list")]
    data: Vec<Obj<OnWire>>,
    #[serde(deserialize_with = "lax::obj")]
    paging: Option<Paging>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paging {
    #[serde(deserialize_with = "lax::obj")]
    cursors: Option<Cursors>,
    /// Only whether there is one counts.
    #[serde(deserialize_with = "lax::short")]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cursors {
    #[serde(deserialize_with = "lax::long")]
    after: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnWire {
    #[serde(deserialize_with = "lax::short")]
    id: Option<String>,
    #[serde(deserialize_with = "lax::long")]
    name: Option<String>,
    #[serde(deserialize_with = "lax::short")]
    language: Option<String>,
    #[serde(deserialize_with = "lax::short")]
    status: Option<String>,
    #[serde(deserialize_with = "lax::short")]
    category: Option<String>,
    #[serde(deserialize_with = "lax::short")]
    correct_category: Option<String>,
    #[serde(deserialize_with = "lax::obj")]
    quality_score: Option<Score>,
    #[serde(deserialize_with = "lax::short")]
    rejected_reason: Option<String>,
    components: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Score {
    #[serde(deserialize_with = "lax::short")]
    score: Option<String>,
}

impl OnWire {
    fn listed(self) -> Option<Listed> {
        let authentication = self.category.as_deref().and_then(category_of) == Some(questline_core::template::Category::Authentication);
        let mut takes = Takes::default();
        for component in self.components.as_array().into_iter().flatten() {
            let values = component["text"].as_str().map_or(0, parameters).min(usize::from(u8::MAX)) as u8;
            match component["type"].as_str().unwrap_or_default() {
                "HEADER" => takes.header = values,
                // Meta writes the words around a code itself.
                "BODY" if authentication => takes.body = 1,
                "BODY" => takes.body = values,
                "BUTTONS" => takes.buttons = component["buttons"].as_array().map_or(0, Vec::len).min(usize::from(u8::MAX)) as u8,
                _ => {}
            }
        }
        let category = self.category.as_deref().and_then(category_of);
        Some(Listed {
            name: self.name.filter(|name| name.len() <= crate::template::NAME_CHARS_MAX)?,
            language: self.language?,
            id: self.id,
            state: self.status.as_deref().map_or(State::Other, State::listed),
            category,
            will_be: self.correct_category.as_deref().and_then(category_of).filter(|correct| Some(*correct) != category),
            quality: self.quality_score.and_then(|score| score.score).as_deref().map_or(Quality::Unknown, Quality::of),
            reason: self.rejected_reason.filter(|reason| reason != "NONE"),
            takes,
            texts: self.components.is_array().then(|| texts_digest(&self.components)),
        })
    }
}

impl GraphClient {
    /// A page of an account's templates, as one of its numbers may see them.
    pub async fn templates(&self, number: &NumberId, account: &str, after: Option<&str>) -> Result<TemplatePage, GraphError> {
        let access = self.known(number)?;
        let after = after.map(|cursor| format!("&after={}", escaped(cursor))).unwrap_or_default();
        let target = self.node(account, &format!("/message_templates?fields={FIELDS}&limit={PAGE_TEMPLATES}{after}"))?;
        let request = self.request(Method::GET, target, &access, None, Pieces::default());
        // Pages are long and seldom: they have a connection of their own, and sends keep theirs.
        let connection = self.pool.connect(self.origin_uri()?).await.map_err(|NoConnection(reason)| GraphError::NotSent(reason))?;
        let answer = exchange_on(connection, request, PAGE_BYTES_MAX, self.timeout).await?;
        if !answer.status.is_success() {
            return Err(GraphError::Refused(response::refusal(answer.status, &answer.body)));
        }
        let Page { data, paging } = read(&answer)?;
        let found = data.len();
        let templates: Vec<_> = data.into_iter().filter_map(|listed| listed.0?.listed()).collect();
        let next = paging.filter(|paging| paging.next.is_some()).and_then(|paging| paging.cursors?.after);
        let unreadable = found - templates.len();
        Ok(TemplatePage { templates, unreadable, next: next.filter(|cursor| cursor.len() <= CURSOR_BYTES_MAX) })
    }

    /// Hands a template in for review ([`crate::template::creation`]).
    pub async fn create_template(&self, number: &NumberId, account: &str, template: &Value) -> Result<Submitted, GraphError> {
        let target = self.node(account, "/message_templates")?;
        self.hand_in(number, target, template).await
    }

    /// Hands another form of a template in for review ([`crate::template::edit`]); `id` is Meta's.
    pub async fn edit_template(&self, number: &NumberId, id: &str, edit: &Value) -> Result<Submitted, GraphError> {
        let target = self.node(id, "")?;
        self.hand_in(number, target, edit).await
    }

    async fn hand_in(&self, number: &NumberId, target: Uri, body: &Value) -> Result<Submitted, GraphError> {
        let access = self.known(number)?;
        let body = serde_json::to_vec(body).map_err(|_| GraphError::Invalid("the template cannot be written as JSON"))?;
        let answer = self.call(self.request(Method::POST, target, &access, Some(JSON), body.into())).await?;
        read(&answer)
    }

    /// The request target of something that Meta names by digits.
    fn node(&self, id: &str, rest: &str) -> Result<Uri, GraphError> {
        if !(1..=32).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(GraphError::Invalid("accounts and templates are named by 1 to 32 digits"));
        }
        self.path(&format!("/{id}{rest}"))
    }
}

/// A cursor as a part of a query.
fn escaped(cursor: &str) -> String {
    let mut text = String::with_capacity(cursor.len());
    for byte in cursor.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
