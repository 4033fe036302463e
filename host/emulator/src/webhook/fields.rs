//! The fields beside `messages`, each with the keys that matter. For any other key build the value with [`Change::new`].

use serde_json::{Value, json};

use super::build::{Change, Metadata};
use super::message::Sender;

/// `message_template_status_update`: `event` is `APPROVED`, `PAUSED`, `DISABLED`, `REJECTED`, ...; `more` adds keys such
/// as `disable_info`, `other_info`, `rejection_info` (null for none).
pub fn message_template_status_update(event: &str, template_id: &str, name: &str, language: &str, more: Value) -> Change {
    let value = json!({
        "event": event,
        "message_template_id": id_on_wire(template_id),
        "message_template_name": name,
        "message_template_language": language,
        "reason": if event == "REJECTED" { "INVALID_FORMAT" } else { "NONE" },
    });
    Change::new("message_template_status_update", &merged(value, more))
}

/// `message_template_quality_update`: scores are `GREEN`, `YELLOW`, `RED`, `UNKNOWN`.
pub fn message_template_quality_update(previous: &str, new: &str, template_id: &str, name: &str, language: &str) -> Change {
    Change::new(
        "message_template_quality_update",
        &json!({
            "previous_quality_score": previous,
            "new_quality_score": new,
            "message_template_id": id_on_wire(template_id),
            "message_template_name": name,
            "message_template_language": language,
        }),
    )
}

/// `message_template_components_update`: the new body text.
pub fn message_template_components_update(template_id: &str, name: &str, language: &str, body: &str) -> Change {
    Change::new(
        "message_template_components_update",
        &json!({
            "message_template_id": id_on_wire(template_id),
            "message_template_name": name,
            "message_template_language": language,
            "message_template_element": body,
        }),
    )
}

/// `template_category_update`, done: from one category to another.
pub fn template_category_update(template_id: &str, name: &str, language: &str, previous: &str, new: &str) -> Change {
    Change::new(
        "template_category_update",
        &json!({
            "message_template_id": id_on_wire(template_id),
            "message_template_name": name,
            "message_template_language": language,
            "previous_category": previous,
            "new_category": new,
        }),
    )
}

/// `template_category_update`, announced: what the category will be, and when (seconds since the Unix epoch).
pub fn template_category_announced(template_id: &str, name: &str, language: &str, correct: &str, new: &str, at_s: u64) -> Change {
    Change::new(
        "template_category_update",
        &json!({
            "message_template_id": id_on_wire(template_id),
            "message_template_name": name,
            "message_template_language": language,
            "correct_category": correct,
            "new_category": new,
            "category_update_timestamp": at_s,
        }),
    )
}

/// `phone_number_quality_update`: `event` is `ONBOARDING`, `THROUGHPUT_UPGRADE`, and in older days `UPGRADE`, `DOWNGRADE`.
pub fn phone_number_quality_update(display_phone_number: &str, event: &str) -> Change {
    Change::new(
        "phone_number_quality_update",
        &json!({
            "display_phone_number": display_phone_number,
            "event": event,
            "max_daily_conversations_per_business": "TIER_UNLIMITED",
        }),
    )
}

/// `business_capability_update`: the portfolio's tier, as text (`TIER_2K`) or as the number of Meta's sample.
pub fn business_capability_update(tier: Value, numbers_max: u32) -> Change {
    Change::new(
        "business_capability_update",
        &json!({
            "max_daily_conversations_per_business": tier,
            "max_phone_numbers_per_business": numbers_max,
        }),
    )
}

/// `account_update`: `more` adds `violation_info`, `ban_info`, ... (null for none).
pub fn account_update(event: &str, more: Value) -> Change {
    Change::new("account_update", &merged(json!({ "event": event }), more))
}

/// `account_alerts`: `severity` is `CRITICAL`, `WARNING` or `INFORMATIONAL`.
pub fn account_alerts(entity_type: &str, entity_id: &str, severity: &str, kind: &str, description: &str) -> Change {
    Change::new(
        "account_alerts",
        &json!({
            "entity_type": entity_type,
            "entity_id": entity_id,
            "alert_info": {
                "alert_severity": severity,
                "alert_status": "ACTIVE",
                "alert_type": kind,
                "alert_description": description,
            },
        }),
    )
}

/// `account_review_update`
pub fn account_review_update(decision: &str) -> Change {
    Change::new("account_review_update", &json!({ "decision": decision }))
}

/// `user_preferences`: `value` is `stop`, `resume` or `signup`. The timestamp is a number here, not a text.
pub fn user_preferences(number: Metadata<'_>, user: &Sender, value: &str, timestamp_s: u64) -> Change {
    let mut preference = json!({
        "detail": format!("User requested to {value} marketing messages"),
        "category": "marketing_messages",
        "value": value,
        "timestamp": timestamp_s,
    });
    let contact = json!(user);
    for key in ["wa_id", "user_id"] {
        if let Some(id) = contact.get(key) {
            preference[key] = id.clone();
        }
    }
    Change::new(
        "user_preferences",
        &json!({
            "messaging_product": "whatsapp",
            "metadata": number,
            "contacts": [contact],
            "user_preferences": [preference],
        }),
    )
}

/// `phone_number_name_update`: `decision` is `APPROVED` or `REJECTED`.
pub fn phone_number_name_update(display_phone_number: &str, decision: &str, requested_verified_name: &str) -> Change {
    Change::new(
        "phone_number_name_update",
        &json!({
            "display_phone_number": display_phone_number,
            "decision": decision,
            "requested_verified_name": requested_verified_name,
            "rejection_reason": if decision == "APPROVED" { Value::Null } else { "NAME_NOT_CLEAR".into() },
        }),
    )
}

/// `phone_number_username_update`: the decision on a business username.
pub fn phone_number_username_update(
    display_phone_number: &str,
    decision: &str,
    requested_username: &str,
    rejection_reasons: &[&str],
) -> Change {
    Change::new(
        "phone_number_username_update",
        &json!({
            "display_phone_number": display_phone_number,
            "decision": decision,
            "requested_username": requested_username,
            "rejection_reasons": rejection_reasons,
        }),
    )
}

/// `user_id_update`: a user's BSUID before and after. Meta's exact keys are not documented.
pub fn user_id_update(number: Metadata<'_>, previous: &str, current: &str, wa_id: Option<&str>) -> Change {
    let mut update = json!({"previous_user_id": previous, "user_id": current});
    if let Some(wa_id) = wa_id {
        update["wa_id"] = wa_id.into();
    }
    Change::new(
        "user_id_update",
        &json!({
            "messaging_product": "whatsapp",
            "metadata": number,
            "user_id_update": [update],
        }),
    )
}

/// `security`: a PIN was changed or asked for.
pub fn security(display_phone_number: &str, event: &str, requester: &str) -> Change {
    Change::new(
        "security",
        &json!({
            "display_phone_number": display_phone_number,
            "event": event,
            "requester": requester,
        }),
    )
}

/// Numeric ids are numbers in these fields.
fn id_on_wire(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}

fn merged(mut value: Value, more: Value) -> Value {
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}
