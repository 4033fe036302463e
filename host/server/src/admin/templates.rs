//! A game's templates at Meta: looked at, read anew, handed in for review.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use questline_core::audit::Action;
use serde::{Deserialize, Serialize};

use super::events::known_game;
use super::token::Bearer;
use super::{Admin, Problem, audit};
use crate::templates::{HandedIn, Listing, NotHandedIn, NotListed, Submission, TemplateView, TemplatesView};

/// Bytes of a submission's body.
const BODY_BYTES_MAX: usize = 1_024;

impl From<NotListed> for Problem {
    fn from(problem: NotListed) -> Self {
        match problem {
            NotListed::Store(problem) => problem.into(),
            NotListed::TooOften(_) => Self { status: StatusCode::TOO_MANY_REQUESTS, title: "too often", detail: problem.to_string() },
            NotListed::Graph { .. } | NotListed::Endless(_) => {
                Self { status: StatusCode::BAD_GATEWAY, title: "Meta did not answer as it should", detail: problem.to_string() }
            }
        }
    }
}

impl From<NotHandedIn> for Problem {
    fn from(problem: NotHandedIn) -> Self {
        let detail = problem.to_string();
        match problem {
            NotHandedIn::NotListed(problem) => problem.into(),
            NotHandedIn::NoTemplate(_) | NotHandedIn::NoLanguage { .. } => Self::not_found(detail),
            NotHandedIn::Unfit(_) => Self { status: StatusCode::UNPROCESSABLE_ENTITY, title: "Meta would refuse the template", detail },
            NotHandedIn::NoAccount => Self::conflict(detail),
            NotHandedIn::SharedAccount(_) => Self { status: StatusCode::FORBIDDEN, title: "not allowed", detail },
        }
    }
}

/// All templates of a game.
pub(super) async fn list(State(admin): State<Arc<Admin>>, Path(game): Path<String>) -> Result<Json<TemplatesView>, Problem> {
    let game = known_game(&admin, &game)?;
    Ok(Json(admin.templates.view(&game.rules)))
}

#[derive(Serialize)]
pub(super) struct Synced {
    /// By account.
    accounts: BTreeMap<String, Listing>,
    /// As they are now.
    templates: Vec<TemplateView>,
}

/// Reads Meta's lists now, and answers as they are.
pub(super) async fn sync(State(admin): State<Arc<Admin>>, Path(game): Path<String>) -> Result<Json<Synced>, Problem> {
    let game = known_game(&admin, &game)?;
    let accounts = admin.templates.list_for(&game.rules.id).await?.into_iter().collect();
    let TemplatesView { templates, .. } = admin.templates.view(&game.rules);
    Ok(Json(Synced { accounts, templates }))
}

/// What to hand in.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    /// In this language alone.
    language: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Submitted {
    template: String,
    versions: Vec<HandedIn>,
}

/// Hands a template in for review.
pub(super) async fn submit(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, name)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Submitted>, Problem> {
    let game = known_game(&admin, &game)?;
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::invalid(format!("the body has {} bytes; it may have {BODY_BYTES_MAX}", body.len())));
    }
    let wanted: Wanted = match body.is_empty() {
        true => Wanted::default(),
        false => serde_json::from_slice(&body)
            .map_err(|problem| Problem::invalid(format!("the body takes {{\"language\": \"...\"}}: {problem}")))?,
    };
    let by_operator = matches!(bearer, Bearer::Operator);
    let submission = Submission { name: &name, language: wanted.language.as_deref(), by_operator };
    let versions = admin.templates.submit(&game.rules, submission).await?;
    let done = |outcome: &str| versions.iter().filter(|version| version.outcome == outcome).count();
    let detail = format!("template {name}: {} created, {} edited, {} refused", done("created"), done("edited"), done("refused"));
    if done("created") + done("edited") > 0 {
        audit::note(&admin, &bearer, std::slice::from_ref(&game.rules.id), Action::TemplateSubmitted, &detail).await?;
    }
    Ok(Json(Submitted { template: name, versions }))
}
