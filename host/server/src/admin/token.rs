//! Who may use the API: the operator, whose token is in the configuration, and studios, whose tokens are in the store.
//!
//! A studio's token opens its scopes of its games. Other games do not exist for it: they answer as unknown ones do.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Extension, RawPathParams, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use questline_core::audit::Actor;
use questline_core::id::GameId;
use questline_core::port::{Clock, StoreError, Tokens};
use questline_core::time::UnixMs;
use questline_core::token::{Scope, StudioToken, TokenHash};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::{Admin, Problem};
use crate::config::Secret;

/// In front of every studio's token: secret scanners find it, and people know what they have found.
const PREFIX: &str = "qlst_";
/// Bytes of a token's name for itself.
const ID_BYTES: usize = 6;
/// Bytes of randomness in a token.
const SECRET_BYTES: usize = 32;
/// How long tokens are remembered before the store is asked again: another node may have revoked one.
const REMEMBERED_MS: u64 = 3_000;

/// The operator's token, kept so that comparing takes the same time whatever was shown.
#[derive(Clone)]
pub struct AdminToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl AdminToken {
    /// From the token's text.
    pub fn new(token: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"questline operator token");
        let tag = hmac::sign(&key, token.reveal().as_bytes());
        Self { key, tag }
    }

    fn is(&self, shown: &str) -> bool {
        hmac::verify(&self.key, shown.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

/// Who asks.
#[derive(Clone)]
pub(super) enum Bearer {
    /// Whoever runs the host: everything.
    Operator,
    /// A studio: its games, its scopes.
    Studio(Arc<StudioToken>),
}

impl Bearer {
    /// What stands beside what was done.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::Studio(token) => &token.name,
        }
    }

    /// Who it is in the audit log.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Operator => Actor::Operator,
            Self::Studio(token) => Actor::Token(token.name.clone()),
        }
    }

    /// Whether this game exists for whoever asks.
    pub(super) fn knows(&self, game: &GameId) -> bool {
        match self {
            Self::Operator => true,
            Self::Studio(token) => token.knows(game),
        }
    }

    fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Operator => true,
            Self::Studio(token) => token.scopes.contains(&scope),
        }
    }
}

/// A token's text, shown once, and what is kept of it.
pub(super) fn make(now: UnixMs, name: String, games: Vec<GameId>, scopes: Vec<Scope>, expires_at: UnixMs) -> Option<(String, StudioToken)> {
    let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
    let random = SystemRandom::new();
    random.fill(&mut id).and_then(|()| random.fill(&mut secret)).ok()?;
    let id = hex::encode(id);
    let text = format!("{PREFIX}{id}_{}", hex::encode(secret));
    let hash = hash(&text);
    Some((text, StudioToken { id, name, hash, games, scopes, created_at: now, expires_at, revoked_at: None }))
}

fn hash(text: &str) -> TokenHash {
    TokenHash::new(hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes())))
}

/// Every token there is.
pub struct TokenBook {
    store: Arc<dyn Tokens>,
    clock: Arc<dyn Clock>,
    operator: Option<AdminToken>,
    /// For comparing: what is compared is a MAC, so that time tells nothing.
    key: hmac::Key,
    remembered: ArcSwap<Remembered>,
}

#[derive(Default)]
struct Remembered {
    at: UnixMs,
    tokens: HashMap<String, Arc<StudioToken>>,
}

impl TokenBook {
    /// Over the store's tokens. Without an operator's token the API is closed.
    pub fn new(store: Arc<dyn Tokens>, clock: Arc<dyn Clock>, operator: Option<AdminToken>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"questline studio tokens");
        Self { store, clock, operator, key, remembered: ArcSwap::default() }
    }

    pub(super) fn store(&self) -> &dyn Tokens {
        &*self.store
    }

    /// Has the next request look into the store.
    pub(super) fn forget(&self) {
        self.remembered.store(Arc::default());
    }

    async fn bearer(&self, shown: &str) -> Result<Option<Bearer>, StoreError> {
        if self.operator.as_ref().is_some_and(|operator| operator.is(shown)) {
            return Ok(Some(Bearer::Operator));
        }
        let Some(id) = shown.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map(|(id, _)| id) else { return Ok(None) };
        let now = self.clock.now();
        let mut remembered = self.remembered.load_full();
        if now.since_ms(remembered.at) >= REMEMBERED_MS {
            let tokens = self.store.tokens().await?.into_iter().map(|token| (token.id.clone(), Arc::new(token))).collect();
            remembered = Arc::new(Remembered { at: now, tokens });
            self.remembered.store(remembered.clone());
        }
        let Some(token) = remembered.tokens.get(id) else { return Ok(None) };
        let expected = hmac::sign(&self.key, token.hash.as_bytes());
        let is_right = hmac::verify(&self.key, hash(shown).as_bytes(), expected.as_ref()).is_ok();
        Ok((is_right && token.is_valid(now)).then(|| Bearer::Studio(token.clone())))
    }
}

/// Lets only bearers of a token through, and tells the rest who it is.
pub(super) async fn authenticate(State(admin): State<Arc<Admin>>, mut request: Request, next: Next) -> Response {
    if admin.tokens.operator.is_none() {
        let detail = "No operator token is configured: set [admin] token in questline.toml.".to_owned();
        return Problem { status: StatusCode::FORBIDDEN, title: "the API is closed", detail }.into_response();
    }
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let bearer = match shown {
        Some(shown) => admin.tokens.bearer(shown).await,
        None => Ok(None),
    };
    match bearer {
        Ok(Some(bearer)) => {
            request.extensions_mut().insert(bearer);
            next.run(request).await
        }
        Ok(None) => {
            let detail =
                "Send a token as `Authorization: Bearer <token>`: the operator's, or a studio's that is neither expired nor revoked.";
            let problem = Problem { status: StatusCode::UNAUTHORIZED, title: "not authorized", detail: detail.to_owned() };
            let mut response = problem.into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Err(problem) => Problem::from(problem).into_response(),
    }
}

/// Routes that are the operator's alone.
pub(super) fn for_operator(routes: Router<Arc<Admin>>) -> Router<Arc<Admin>> {
    routes.route_layer(axum::middleware::from_fn(operator_only))
}

/// Routes under `/games/{game}` that a token of this scope opens, for its own games.
pub(super) fn for_scope(scope: Scope, routes: Router<Arc<Admin>>) -> Router<Arc<Admin>> {
    routes.route_layer(axum::middleware::from_fn_with_state(scope, scoped))
}

async fn operator_only(Extension(bearer): Extension<Bearer>, request: Request, next: Next) -> Response {
    match bearer {
        Bearer::Operator => next.run(request).await,
        Bearer::Studio(_) => forbidden("only the operator's token opens this".to_owned()).into_response(),
    }
}

async fn scoped(
    State(scope): State<Scope>,
    Extension(bearer): Extension<Bearer>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    if matches!(bearer, Bearer::Operator) {
        return next.run(request).await;
    }
    let name = parameters.iter().find(|(name, _)| *name == "game").map_or("", |(_, game)| game);
    let knows = GameId::parse(name).is_ok_and(|game| bearer.knows(&game));
    if !knows {
        return no_game(name).into_response();
    }
    if !bearer.has(scope) {
        return forbidden(format!("this token has not the scope {scope}: ask the operator for one that has")).into_response();
    }
    next.run(request).await
}

fn forbidden(detail: String) -> Problem {
    Problem { status: StatusCode::FORBIDDEN, title: "not allowed", detail }
}

/// What every unknown game is answered with, and every game of somebody else.
pub(super) fn no_game(name: &str) -> Problem {
    Problem::not_found(format!("there is no game {name:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_long_random_and_known_by_its_prefix() {
        let make = || make(UnixMs(1), "ci".to_owned(), Vec::new(), Vec::new(), UnixMs(2)).unwrap();
        let ((one, kept), (other, _)) = (make(), make());
        assert_ne!(one, other);
        assert!(one.starts_with("qlst_") && one.len() == 5 + 12 + 1 + 64, "{one}");
        assert!(one.contains(&kept.id) && kept.hash == hash(&one));
        assert!(!format!("{kept:?}").contains(&one[20..]) && !serde_json::to_string(&kept).unwrap().contains(&one[20..]));
    }
}
