//! `/{phone-number-id}` and its edges: information, media, settings, registration, profile, blocked users.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::Method;
use serde_json::{Map, Value, json};

use super::error::{MetaError, make};
use super::{Call, media};
use crate::http::Reply;
use crate::player::inbox::{array, string};
use crate::rules::{check, recipient, window};
use crate::state::NumberState;
use crate::sync::lock;

/// Meta keeps a list of at most 64,000 blocked users.
const BLOCKED_MAX: usize = 64_000;

pub(crate) async fn handle(call: &Call<'_>, number: &Arc<NumberState>, edge: &str) -> Result<Reply, MetaError> {
    match (call.request.method(), edge) {
        (&Method::GET, "") => Ok(Reply::json(200, &with_fields(info(number), call.request.query("fields").as_deref()))),
        (&Method::POST, "media") => media::upload(call, &number.id).await,
        (&Method::GET, "settings") => Ok(Reply::json(200, &*lock(&number.settings))),
        (&Method::POST, "settings") => settings(call, number),
        (&Method::POST, "register") => register(call),
        (&Method::POST, "" | "deregister" | "whatsapp_business_profile") => Ok(Reply::success()),
        (&Method::GET, "whatsapp_business_profile") => {
            let profile = json!({
                "messaging_product": "whatsapp",
                "about": number.config.verified_name,
                "vertical": "ENTERTAIN",
            });
            Ok(Reply::json(200, &json!({ "data": [profile] })))
        }
        (&Method::GET, "block_users") => {
            let blocked: Vec<_> = lock(&number.blocked).iter().map(|user| user_on_wire(user, input(user))).collect();
            Ok(Reply::json(200, &json!({ "data": blocked })))
        }
        (&Method::POST, "block_users") => block(call, number),
        (&Method::DELETE, "block_users") => unblock(call, number),
        _ => Err(make::object_missing(&number.id)),
    }
}

/// What a GET of the number shows.
pub(crate) fn info(number: &NumberState) -> Value {
    let level = match number.throughput_mps.load(Ordering::Relaxed) {
        1000.. => "HIGH",
        _ => "STANDARD",
    };
    json!({
        "verified_name": number.config.verified_name,
        "code_verification_status": "VERIFIED",
        "display_phone_number": number.config.display_phone_number,
        "quality_rating": number.config.quality_rating,
        "platform_type": "CLOUD_API",
        "throughput": {"level": level},
        "name_status": "APPROVED",
        "whatsapp_business_manager_messaging_limit": "TIER_250",
        "id": &*number.id,
    })
}

/// Keeps only what `?fields=` asks for; the id always stays.
pub(crate) fn with_fields(mut object: Value, fields: Option<&str>) -> Value {
    if let (Some(fields), Value::Object(map)) = (fields, &mut object) {
        let wanted: Vec<&str> = fields.split(',').map(str::trim).collect();
        map.retain(|key, _| key == "id" || wanted.contains(&key.as_str()));
    }
    object
}

pub(crate) fn body(call: &Call<'_>) -> Result<Value, MetaError> {
    match serde_json::from_slice(&call.request.body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(make::invalid("The body must be a JSON object.")),
    }
}

fn settings(call: &Call<'_>, number: &NumberState) -> Result<Reply, MetaError> {
    let new = body(call)?;
    if let (Value::Object(kept), Value::Object(new)) = (&mut *lock(&number.settings), new) {
        kept.extend(new);
    }
    Ok(Reply::success())
}

fn register(call: &Call<'_>) -> Result<Reply, MetaError> {
    let request = body(call)?;
    let pin = check::text(&request, "pin", "register")?;
    if pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(Reply::success())
    } else {
        Err(make::invalid("Param pin must be 6 characters long."))
    }
}

/// Blocks users, of whom Meta takes only those who wrote in the last 24 hours.
fn block(call: &Call<'_>, number: &Arc<NumberState>) -> Result<Reply, MetaError> {
    let (mut added, mut failed) = (Vec::new(), Vec::new());
    for input in users(call)? {
        let key = user_key(&input);
        let has_written = call.state.players.find(&key).is_some_and(|player| {
            let last_ms = player.with(&number.id, |conversation| conversation.last_inbound_ms);
            window::is_open(last_ms, call.now_ms)
        });
        let mut blocked = lock(&number.blocked);
        let error = if !has_written {
            Some(MetaError::new(131_047, "The user has not written in the last 24 hours."))
        } else if blocked.len() >= BLOCKED_MAX {
            Some(MetaError::new(139_101, "The blocklist is full."))
        } else {
            None
        };
        let entry = self::input(&input);
        match error {
            Some(error) => {
                let mut user = user_on_wire(&key, entry);
                user["errors"] = json!([error.to_webhook()]);
                failed.push(user);
            }
            None => {
                if !blocked.contains(&key) {
                    blocked.push(key.clone());
                }
                added.push(user_on_wire(&key, entry));
            }
        }
    }
    let mut answer = json!({
        "messaging_product": "whatsapp",
        "block_users": {"added_users": added},
    });
    if failed.is_empty() {
        return Ok(Reply::json(200, &answer));
    }
    let error = MetaError::new(139_100, "Failed to block some users.");
    answer["block_users"]["failed_users"] = failed.into();
    answer["error"] = error.to_graph(&call.state.ids.trace())["error"].take();
    Ok(Reply::json(error.http_status(), &answer))
}

fn unblock(call: &Call<'_>, number: &NumberState) -> Result<Reply, MetaError> {
    let mut removed = Vec::new();
    for input in users(call)? {
        let key = user_key(&input);
        lock(&number.blocked).retain(|known| *known != key);
        removed.push(user_on_wire(&key, self::input(&input)));
    }
    Ok(Reply::json(
        200,
        &json!({
            "messaging_product": "whatsapp",
            "block_users": {"removed_users": removed},
        }),
    ))
}

fn users(call: &Call<'_>) -> Result<Vec<String>, MetaError> {
    let request = body(call)?;
    let users: Vec<String> = array(&request["block_users"])
        .iter()
        .map(|entry| match entry["user"].as_str() {
            Some(phone) => phone.to_owned(),
            None => string(&entry["user_id"]),
        })
        .collect();
    if users.is_empty() || users.iter().any(String::is_empty) {
        return Err(make::invalid("The parameter block_users is required."));
    }
    Ok(users)
}

/// The key of the directory: `wa_id` or BSUID.
fn user_key(input: &str) -> String {
    recipient::wa_id(input).unwrap_or_else(|| input.to_owned())
}

/// How the caller named the user.
fn input(text: &str) -> Map<String, Value> {
    Map::from_iter([("input".to_owned(), text.into())])
}

fn user_on_wire(key: &str, mut entry: Map<String, Value>) -> Value {
    let name = if recipient::is_user_id(key) { "user_id" } else { "wa_id" };
    entry.insert("messaging_product".into(), "whatsapp".into());
    entry.insert(name.into(), key.into());
    Value::Object(entry)
}
