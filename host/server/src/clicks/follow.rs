//! `GET /l/{token}`: where a link leads. Whatever is not ours is answered alike, so that nothing can be learned by trying.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use questline_core::tracked::{PATH, destination};

use super::{Click, ClickDesk};

const NOT_FOUND: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<title>Not found</title><p>This link leads nowhere any more.</p></html>\n";

/// `GET` and `HEAD /l/{token}`, for anybody.
pub fn router(desk: Arc<ClickDesk>) -> Router {
    Router::new().route("/l/{*token}", get(follow)).with_state(desk)
}

async fn follow(State(desk): State<Arc<ClickDesk>>, method: Method, uri: Uri) -> Response {
    let token = uri.path().strip_prefix(PATH).unwrap_or_default();
    let location = desk.follow(token, method == Method::GET);
    let (mut response, outcome) = match location.as_deref().map(HeaderValue::from_str) {
        Some(Ok(location)) => ((StatusCode::FOUND, [(header::LOCATION, location)]).into_response(), None),
        _ => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
            ];
            ((StatusCode::NOT_FOUND, headers, NOT_FOUND).into_response(), Some("unknown"))
        }
    };
    if let Some(outcome) = outcome {
        desk.metrics.templates.click(outcome);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl ClickDesk {
    /// Where a token leads; the click is noted if it `counts`.
    fn follow(&self, token: &str, counts: bool) -> Option<String> {
        let link = self.keys.read(token)?;
        let (game, button) = self.find(link.button)?;
        let destination = destination(&button.leads_to, &link.value)?;
        if counts {
            let digest = self.digest(token);
            if !self.see(digest) {
                self.metrics.templates.click("repeated");
            } else if self.waiting.try_send(Click { game, button, link, at: self.clock.now(), digest }).is_err() {
                self.forget(digest);
                self.metrics.templates.click("dropped");
            }
        }
        Some(destination)
    }
}
