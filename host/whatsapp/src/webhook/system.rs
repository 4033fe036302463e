//! System messages: the user behind a contact changed.

use questline_core::contact::{Bsuid, Contact};
use questline_core::event::SystemChange;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::object;
use super::identity::Names;
use super::message::{Head, identity_hash, names};
use super::notice::{Reason, Refused};
use crate::lax::Text;

/// Bytes of a change's type.
const KIND_BYTES_MAX: usize = 64;

#[derive(Default, Deserialize)]
#[serde(default)]
struct SystemBody<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    wa_id: Text<'a>,
    /// As Meta wrote the new number before 2023.
    #[serde(borrow)]
    new_wa_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    parent_user_id: Text<'a>,
    #[serde(borrow)]
    previous_user_id: Text<'a>,
    /// The number that changed, as Meta wrote it before 2023.
    #[serde(borrow)]
    customer: Text<'a>,
    #[serde(borrow)]
    identity: Option<&'a RawValue>,
}

/// Reads the change and whom it befell, by the name they had before. The text of the body is for people: it holds a name
/// that the user chose, so nothing is read from it.
pub(super) fn read(head: &Head<'_>) -> Result<(Contact, SystemChange), Refused> {
    let body: SystemBody<'_> = match head.system {
        Some(body) => object(body)?,
        None => return Err(Refused::detailed(Reason::Unreadable, "no system body")),
    };
    let kind = body.kind.get().unwrap_or_default();
    let mut before = names(head);
    let change = match kind {
        "user_changed_number" | "customer_changed_number" | "user_changed_user_id" => {
            let after = Names::read([&body.wa_id, &body.new_wa_id, &body.user_id, &body.parent_user_id]);
            before.complete(Names::read([&body.customer]));
            // The sender may already be named by what they changed to: the old name finds them.
            if before.bsuid.is_none() || before.bsuid == after.bsuid {
                before.bsuid = body.previous_user_id.get().and_then(|id| Bsuid::parse(id).ok());
            }
            if before.phone == after.phone && before.bsuid.is_some() {
                before.phone = None;
            }
            after.into_contact().map_or_else(|| other(kind), SystemChange::Moved)
        }
        "customer_identity_changed" => match identity_hash(body.identity).or_else(|| identity_hash(head.identity)) {
            Some(hash) => SystemChange::IdentityChanged { hash },
            None => other(kind),
        },
        _ => other(kind),
    };
    let contact = before.into_contact().ok_or_else(|| Refused::because(Reason::NoSender))?;
    Ok((contact, change))
}

fn other(kind: &str) -> SystemChange {
    SystemChange::Other(crate::bound::cut(kind, KIND_BYTES_MAX).to_owned())
}
