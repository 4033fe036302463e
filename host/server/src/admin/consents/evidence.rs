//! Records as evidence: everything that stands in them, contacts in full.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use questline_core::audit::Actor;
use questline_core::consent::{ConsentRecord, Marketing, Standing};
use questline_core::contact::Contact;
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{AccountKeys, ConsentPlace, ServiceError};
use questline_core::time::UnixMs;
use serde::Serialize;

use super::super::{Admin, Problem};
use crate::game::LoadedGame;

/// Records that are read at once for an export.
const PAGE: usize = 200;

/// One record.
#[derive(Serialize)]
pub(in crate::admin) struct Row {
    id: String,
    decision: Marketing,
    at: UnixMs,
    recorded_at: UnixMs,
    method: String,
    wording: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    source: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    player: Option<PlayerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<Person>,
}

/// A contact as the API takes it.
#[derive(Serialize)]
struct Person {
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

impl From<&Contact> for Person {
    fn from(contact: &Contact) -> Self {
        Self {
            phone: contact.phone().map(|phone| format!("+{}", phone.digits())),
            user_id: contact.bsuid().map(|bsuid| bsuid.as_str().to_owned()),
        }
    }
}

impl From<ConsentRecord> for Row {
    fn from(record: ConsentRecord) -> Self {
        Self {
            contact: record.contact.as_ref().map(Person::from),
            id: record.id,
            decision: record.marketing,
            at: record.at,
            recorded_at: record.recorded_at,
            method: record.method,
            wording: record.wording,
            version: record.wording_version,
            locale: record.locale,
            source: record.source,
            player: record.player,
        }
    }
}

/// All of a player's contacts.
#[derive(Serialize)]
pub(in crate::admin) struct Evidence {
    player: PlayerId,
    /// What the newest record says.
    decision: Marketing,
    /// In the order in which the host was told.
    rows: Vec<Row>,
}

/// Of all contacts that the host or the studio knows a player by.
pub(super) async fn of_player(admin: &Admin, game: &LoadedGame, player: PlayerId) -> Result<Evidence, Problem> {
    let id = &game.rules.id;
    let mut contacts: Vec<Contact> = Vec::new();
    let there = admin.desk.conversations_of(id, &player).await?;
    contacts.extend(there.into_iter().map(|found| found.address.contact));
    let accounts = admin.consents.accounts.accounts(id, AccountKeys::player(&player)).await?;
    contacts.extend(accounts.players.into_iter().flat_map(|account| account.contacts).map(|linked| linked.contact));
    match game.services.players.contact(&player).await {
        Ok(contact) => contacts.push(contact),
        Err(ServiceError::Unavailable(reason)) => {
            tracing::warn!(%reason, "a player's contact could not be asked for");
            return Err(Problem {
                status: axum::http::StatusCode::SERVICE_UNAVAILABLE,
                title: "the players' database does not answer",
                detail: "player: nobody can say now which contacts are theirs: evidence might be missing. Ask again.".to_owned(),
            });
        }
        Err(_) => {}
    }
    let mut records = admin.consents.store.consents_of(id, &game.rules.numbers, &contacts).await?;
    records.sort_by_key(|record| (record.recorded_at, record.counts_from()));
    let mut standing = Standing::default();
    records.iter().for_each(|record| {
        standing.hear(record);
    });
    Ok(Evidence { player, decision: standing.marketing, rows: records.into_iter().map(Row::from).collect() })
}

/// The last line of an export: without it, it broke off.
#[derive(Serialize)]
struct Last {
    records: u64,
}

/// Where an export stands.
enum Stand {
    Behind(Option<ConsentPlace>),
    End,
}

/// All records of a game, part by part: no more than one of them is in memory.
pub(super) async fn stream(admin: Arc<Admin>, game: GameId) -> Result<Response, Problem> {
    // The first part before the answer begins: a store that is not there is told as an error.
    let first = part(&admin, &game, None, 0).await.map_err(Problem::from)?;
    let (lines, stand, count) = first;
    let parts = stream::unfold((Some(lines), stand, count), move |(ready, stand, count)| {
        let (admin, game) = (admin.clone(), game.clone());
        async move {
            if let Some(lines) = ready {
                return Some((Ok(lines), (None, stand, count)));
            }
            let Stand::Behind(after) = stand else { return None };
            match part(&admin, &game, after, count).await {
                Ok((lines, stand, count)) => Some((Ok(lines), (None, stand, count))),
                // The answer breaks off, without its last line.
                Err(problem) => {
                    tracing::error!(%problem, "an export of consents broke off");
                    Some((Err(problem), (None, Stand::End, count)))
                }
            }
        }
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(response)
}

async fn part(
    admin: &Admin,
    game: &GameId,
    after: Option<ConsentPlace>,
    count: u64,
) -> Result<(Bytes, Stand, u64), questline_core::port::StoreError> {
    let page = admin.consents.store.consents_after(game, after, PAGE).await?;
    let count = count + page.records.len() as u64;
    let mut lines = Vec::new();
    for record in page.records {
        line(&mut lines, &Row::from(record));
    }
    let stand = match page.next {
        Some(next) => Stand::Behind(Some(next)),
        None => {
            line(&mut lines, &Last { records: count });
            Stand::End
        }
    };
    Ok((lines.into(), stand, count))
}

fn line(lines: &mut Vec<u8>, value: &impl Serialize) {
    // Texts and numbers alone: they always have a JSON form, and a Vec always has room.
    let _ = serde_json::to_writer(&mut *lines, value);
    lines.push(b'\n');
}
