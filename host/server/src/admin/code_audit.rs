//! What the audit log says of codes that the API was asked for or given: every refusal with its reason, and every code that
//! was wrong. What was right stands there with the conversation that it authenticated.

use questline_core::audit::{Action, AuditRecord};
use questline_core::contact::Contact;
use questline_core::id::PlayerId;
use questline_core::time::SECOND_MS;
use questline_core::verification::Purpose;
use questline_core::verification::book::{Checked, Status};

use super::token::Bearer;
use super::{Admin, Problem};
use crate::game::LoadedGame;
use crate::verification::NoCode;

/// Who asks, and of which game.
pub(super) struct Asked<'a> {
    pub(super) admin: &'a Admin,
    pub(super) game: &'a LoadedGame,
    pub(super) bearer: &'a Bearer,
}

impl Asked<'_> {
    /// A code that was asked for was refused. What is no attempt of anybody's is not noted.
    pub(super) async fn refused(
        &self,
        player: Option<PlayerId>,
        contact: Option<Contact>,
        purpose: Option<Purpose>,
        problem: &NoCode,
    ) -> Result<(), Problem> {
        let reason = match problem {
            NoCode::Guard(refused) => {
                let wait_s = refused.retry_at.since_ms(self.admin.clock.now()).div_ceil(SECOND_MS).max(1);
                format!("{}; again in {wait_s} s", refused.reason.as_str())
            }
            NoCode::NoPhone => "no-phone".to_owned(),
            NoCode::Ended(_) => "ended".to_owned(),
            NoCode::Unknown => "unknown-verification".to_owned(),
            NoCode::NotConfigured | NoCode::NoKeys | NoCode::Store(_) | NoCode::NoRandomness => return Ok(()),
        };
        let what = purpose.map_or("another code", Purpose::as_str);
        self.note(player, contact, Action::CodeRefused, format!("over the API, for {what}: {reason}")).await
    }

    /// A code was entered.
    pub(super) async fn checked(&self, checked: Option<&Checked>) -> Result<(), Problem> {
        match checked {
            Some(Checked { status: Status::Approved, .. }) => Ok(()),
            Some(checked) => {
                let Checked { status, purpose, attempts_left, .. } = checked;
                let detail = format!("over the API, for {}: {}; {attempts_left} tries left", purpose.as_str(), status.as_str());
                let contact = checked.to.as_ref().map(|to| to.contact.clone());
                self.note(checked.player.clone(), contact, Action::CodeRejected, detail).await
            }
            None => self.note(None, None, Action::CodeRejected, "over the API: unknown-verification".to_owned()).await,
        }
    }

    async fn note(&self, player: Option<PlayerId>, contact: Option<Contact>, action: Action, detail: String) -> Result<(), Problem> {
        let record = AuditRecord::new(self.admin.clock.now(), self.game.rules.id.clone(), self.bearer.actor(), action, detail);
        let record = AuditRecord { player, contact, ..record };
        Ok(self.admin.audit.append_audit(vec![record]).await?)
    }
}
