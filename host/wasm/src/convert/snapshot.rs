//! What a flow may know of a conversation: borrowed from the host's snapshot, straight into the guest's memory.

use questline_core::capability::{Capability, Grants};
use questline_core::conversation::Authentication as CoreAuthentication;
use questline_core::event::Extension;
use questline_core::flow::Snapshot;
use questline_core::id::GameId;
use questline_core::outcome::{Refusal as CoreRefusal, RefusalReason as CoreReason};
use questline_core::time::UnixMs;

use crate::bindings::types::{Authenticated, Authentication, Conversation, ExtensionParam, Refusal, RefusalReason};

/// Refusals of the first answer, which [`conversation`] points at.
pub(crate) fn refusals(refused: &[CoreRefusal]) -> Vec<Refusal<'_>> {
    refused.iter().map(refusal).collect()
}

fn refusal(refusal: &CoreRefusal) -> Refusal<'_> {
    let CoreRefusal { index, effect, reason, detail } = refusal;
    Refusal { index: *index, effect, reason: reason_of(*reason), detail }
}

fn reason_of(reason: CoreReason) -> RefusalReason {
    match reason {
        CoreReason::NotGranted => RefusalReason::NotGranted,
        CoreReason::WindowClosed => RefusalReason::WindowClosed,
        CoreReason::NoConsent => RefusalReason::NoConsent,
        CoreReason::UnknownTarget => RefusalReason::UnknownTarget,
        CoreReason::Unreachable => RefusalReason::Unreachable,
        CoreReason::Other => RefusalReason::Other,
    }
}

/// What [`conversation`] points at beside its fields.
pub(crate) fn extensions(extensions: &[Extension]) -> Vec<ExtensionParam<'_>> {
    extensions.iter().map(|Extension { name, value }| ExtensionParam { name, value }).collect()
}

/// The snapshot in the contract's words. The phone number passes only with its capability, whatever the snapshot holds.
pub(crate) fn conversation<'a>(
    game: &'a GameId,
    snapshot: &'a Snapshot,
    state: Option<&'a str>,
    refused: &'a [Refusal<'a>],
    extensions: &'a [ExtensionParam<'a>],
    grants: Grants,
    now: UnixMs,
) -> Conversation<'a> {
    let authentication = match &snapshot.authentication {
        CoreAuthentication::Unauthenticated => Authentication::Unauthenticated,
        CoreAuthentication::CodeSent => Authentication::CodeSent,
        CoreAuthentication::Authenticated { method, at } => Authentication::Authenticated(Authenticated { method, at: at.0 }),
    };
    Conversation {
        id: &snapshot.conversation,
        game: game.as_str(),
        state,
        locale: &snapshot.locale,
        player: snapshot.player.as_ref().map(|player| player.as_str()),
        authentication,
        window_closes_at: snapshot.window_closes_at.filter(|at| *at > now).map(|at| at.0),
        marketing_consent: snapshot.marketing_consent,
        ticket_number: snapshot.ticket_number.as_str(),
        phone: snapshot.phone.as_deref().filter(|_| grants.has(Capability::ContactPhone)),
        settings: &snapshot.settings,
        refused,
        extensions,
    }
}
