//! `/{waba-id}` and its edges: templates, subscribed apps, phone numbers.

use hyper::Method;
use serde_json::{Value, json};

use super::Call;
use super::error::{MetaError, make};
use super::{number, templates};
use crate::http::Reply;

pub(crate) fn handle(call: &Call<'_>, waba_id: &str, edge: &str) -> Result<Reply, MetaError> {
    match (call.request.method(), edge) {
        (&Method::GET, "") => {
            Ok(Reply::json(200, &json!({"id": waba_id, "name": "Questline Emulator", "message_template_namespace": "questline_emulator"})))
        }
        (&Method::GET, "message_templates") => templates::list(call, waba_id),
        (&Method::POST, "message_templates") => templates::create(call, waba_id),
        (&Method::DELETE, "message_templates") => templates::delete(call, waba_id),
        (&Method::GET, "subscribed_apps") => {
            let app = json!({"whatsapp_business_api_data": {"id": "1", "name": "emulated app"}});
            Ok(Reply::json(200, &json!({ "data": [app] })))
        }
        (&Method::POST | &Method::DELETE, "subscribed_apps") => Ok(Reply::success()),
        (&Method::GET, "phone_numbers") => {
            let fields = call.request.query("fields");
            let mut numbers: Vec<_> = call.state.numbers.values().filter(|number| &*number.waba_id == waba_id).collect();
            numbers.sort_by(|a, b| a.id.cmp(&b.id));
            let data: Value = numbers.into_iter().map(|number| number::with_fields(number::info(number), fields.as_deref())).collect();
            Ok(Reply::json(200, &json!({ "data": data })))
        }
        _ => Err(make::object_missing(waba_id)),
    }
}
