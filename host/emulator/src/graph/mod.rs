//! The Graph API: tokens, paths, faults, and the handlers behind them.

pub(crate) mod account;
pub(crate) mod error;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod number;
pub(crate) mod templates;

use std::sync::Arc;

use hyper::Method;

use crate::clock::UnixMs;
use crate::fault::Fault;
use crate::http::{Ending, Reply, Request};
use crate::ledger::add;
use crate::state::State;
use error::{MetaError, make};

/// One authorised call.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a Arc<State>,
    pub(crate) request: &'a Request,
    pub(crate) now_ms: UnixMs,
}

/// Answers one HTTP request.
pub(crate) async fn answer(state: &Arc<State>, request: Request) -> Ending {
    match handle(state, &request).await {
        Ok(ending) => ending,
        Err(error) => {
            add(&state.tally.refused, 1);
            Ending::Reply(Reply::json(error.http_status(), &error.to_graph(&state.ids.trace())))
        }
    }
}

async fn handle(state: &Arc<State>, request: &Request) -> Result<Ending, MetaError> {
    authorise(state, request)?;
    let call = Call { state, request, now_ms: state.clock.now_ms() };
    if request.path().starts_with(media::DOWNLOAD_PATH) {
        return Ok(Ending::Reply(match state.media.download(request, call.now_ms) {
            Some((mime_type, bytes)) => Reply::bytes(&mime_type, bytes),
            None => Reply::page(404),
        }));
    }
    let (node, edge) = split_path(request.path()).ok_or_else(unknown_path)?;
    if edge == "messages" && *request.method() == Method::POST {
        return send(&call, node).await;
    }
    let reply = match (request.method(), state.numbers.get(node)) {
        (_, Some(number)) => number::handle(&call, number, edge).await?,
        (_, None) if state.has_account(node) => account::handle(&call, node, edge)?,
        (&Method::GET, None) if edge.is_empty() => media::look_up(&call, node).ok_or_else(|| make::object_missing(node))??,
        (&Method::POST, None) if edge.is_empty() => templates::edit(&call, node).ok_or_else(|| make::object_missing(node))??,
        (&Method::DELETE, None) if edge.is_empty() => media::delete(&call, node).ok_or_else(|| make::object_missing(node))??,
        _ => return Err(make::object_missing(node)),
    };
    Ok(Ending::Reply(reply))
}

/// `POST /{phone-number-id}/messages`, with whatever fault is due.
async fn send(call: &Call<'_>, node: &str) -> Result<Ending, MetaError> {
    let Some(number) = call.state.numbers.get(node) else {
        return Err(make::object_missing(node));
    };
    let plan = call.state.faults.next_for(node);
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    let mut doom = None;
    let after = match plan.fault {
        None => None,
        Some(Fault::Error(error)) => return Err(error),
        Some(Fault::Http(status)) => {
            add(&call.state.tally.refused, 1);
            return Ok(Ending::Reply(Reply::page(status)));
        }
        Some(Fault::HangBefore) => return Ok(Ending::Hang),
        Some(Fault::ResetBefore) => return Ok(Ending::Reset),
        Some(Fault::HangAfter) => Some(Ending::Hang),
        Some(Fault::ResetAfter) => Some(Ending::Reset),
        Some(Fault::FailedStatus(error)) => {
            doom = Some(error);
            None
        }
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            None
        }
    };
    let reply = messages::post(call, number, doom)?;
    Ok(after.unwrap_or(Ending::Reply(reply)))
}

fn authorise(state: &State, request: &Request) -> Result<(), MetaError> {
    let Some(header) = request.header("authorization") else {
        return Err(MetaError::new(0, "An access token is required to request this resource."));
    };
    // Plain comparison: the token of an emulator guards nothing.
    if header.strip_prefix("Bearer ").map(str::trim) == Some(state.access_token.as_str()) {
        Ok(())
    } else {
        Err(MetaError::new(190, "Invalid OAuth access token - Cannot parse access token"))
    }
}

/// `/{version}/{node}` or `/{version}/{node}/{edge}`. Without a version Meta takes the app's default.
fn split_path(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?.trim_end_matches('/');
    let path = match path.split_once('/') {
        Some((version, rest)) if is_version(version) => rest,
        _ => path,
    };
    let (node, edge) = path.split_once('/').unwrap_or((path, ""));
    let is_id = !node.is_empty() && !is_version(node);
    (is_id && !edge.contains('/')).then_some((node, edge))
}

/// `v25.0` and the like.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v').and_then(|version| version.split_once('.')).is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn unknown_path() -> MetaError {
    MetaError::new(2500, "Unknown path components")
}

#[cfg(test)]
mod tests {
    use super::split_path;

    #[test]
    fn paths_have_a_node_and_at_most_one_edge_and_mostly_a_version() {
        assert_eq!(split_path("/v25.0/1001/messages"), Some(("1001", "messages")));
        assert_eq!(split_path("/v9.0/1001"), Some(("1001", "")));
        assert_eq!(split_path("/1001/block_users"), Some(("1001", "block_users")));
        for bad in ["/v25.0", "/v25.0/1/2/3", "/1/2/3", "/"] {
            assert_eq!(split_path(bad), None, "{bad}");
        }
    }
}
