//! Proofs of who the player is, as a step deals with them: a flow asks for one, the host begins its code, and the code goes
//! out with the commit of the answer that asked; a proof that came makes the session authenticated.

pub(crate) mod route;

use crate::audit::{Action, Actor};
use crate::conversation::{Authentication, Conversation};
use crate::effect::Effect;
use crate::event::{AuthenticationEvent, CodeIssued};
use crate::game::FlowBinding;
use crate::outcome::{Outcome, RefusalReason};
use crate::step::Step;
use crate::time::{SECOND_MS, UnixMs};
use crate::verification::guard::Refused;
use crate::verification::{Purpose, VerificationRules};

/// A one-time code that the player typed in the chat.
pub const BY_CODE: &str = "code";
/// A one-time code that the player entered in the game, and the studio had checked.
pub const BY_CODE_IN_GAME: &str = "code-in-game";

/// Why no proof is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationRefusal {
    /// There are no codes here.
    #[error("not-configured: game.toml has no [verification], or the host has no keys for codes")]
    NotConfigured,
    /// Nobody has heard of this purpose.
    #[error("unknown-purpose: {purpose:?} is none of {}, nor an alias in [verification.aliases]", Purpose::ALL.map(Purpose::as_str).join(", "))]
    UnknownPurpose {
        /// As the flow wrote it.
        purpose: String,
    },
    /// A code proves to be the player that the contact is linked to: here is none.
    #[error("player-unknown: nobody knows which player is behind this contact, so there is nothing to prove")]
    PlayerUnknown,
    /// The player wrote BLOCK.
    #[error("secured: the account is secured until its ticket is closed")]
    Secured,
    /// Meta sends authentication templates to phone numbers only (error 131062).
    #[error("no-phone: the contact is known by its user id alone, and Meta sends codes to phone numbers only: ask for the number first")]
    NoPhone,
    /// An answer asks twice.
    #[error("repeated: one answer asks for one proof")]
    Repeated,
    /// A guard: so many codes were asked for.
    #[error("{}: too many codes were asked for; the next one can be sent in {} s", .refused.reason.as_str(), .wait_s)]
    Guard {
        /// Which.
        refused: Refused,
        /// How long it holds.
        wait_s: u64,
    },
}

impl AuthenticationRefusal {
    /// A guard's word.
    pub fn guard(refused: Refused, now: UnixMs) -> Self {
        Self::Guard { refused, wait_s: refused.retry_at.since_ms(now).div_ceil(SECOND_MS).max(1) }
    }

    /// The name in the audit.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::UnknownPurpose { .. } => "unknown-purpose",
            Self::PlayerUnknown => "player-unknown",
            Self::Secured => "secured",
            Self::NoPhone => "no-phone",
            Self::Repeated => "repeated",
            Self::Guard { refused, .. } => refused.reason.as_str(),
        }
    }

    /// What the flow is told.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::NotConfigured => RefusalReason::NotGranted,
            Self::UnknownPurpose { .. } | Self::PlayerUnknown => RefusalReason::UnknownTarget,
            Self::NoPhone => RefusalReason::Unreachable,
            Self::Secured | Self::Repeated | Self::Guard { .. } => RefusalReason::Other,
        }
    }

    /// Whether somebody was kept from something: a game without codes, and a contact without a player, are no attempts.
    fn is_audited(&self) -> bool {
        !matches!(self, Self::NotConfigured | Self::PlayerUnknown)
    }
}

/// The code that an answer asks for, begun before the answer is decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedCode {
    /// It asks for none, or there is nobody who begins one.
    None,
    /// Begun: it goes out with the commit.
    Begun(CodeIssued),
    /// A guard is against it.
    Refused(AuthenticationRefusal),
}

/// What a flow asks to have proven.
pub(crate) fn asked(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::RequestAuthentication(wish) => Some(&wish.purpose),
        _ => None,
    }
}

impl Step<'_> {
    /// Whether a proof may be asked for; then its purpose. The guards are asked when the code is begun.
    pub fn check_authentication(&self, purpose: &str) -> Result<Purpose, AuthenticationRefusal> {
        let rules = self.game.verification.as_ref().ok_or(AuthenticationRefusal::NotConfigured)?;
        let unknown = || AuthenticationRefusal::UnknownPurpose { purpose: purpose.chars().take(64).collect() };
        let purpose = rules.purpose(purpose).ok_or_else(unknown)?;
        let conversation = &self.conversation;
        if conversation.secured.is_some() {
            return Err(AuthenticationRefusal::Secured);
        }
        // A new account has no player yet.
        if conversation.session.player.is_none() && purpose != Purpose::Registration {
            return Err(AuthenticationRefusal::PlayerUnknown);
        }
        if rules.next_channel(&self.game.templates, &conversation.contact, 0).is_none() {
            return Err(AuthenticationRefusal::NoPhone);
        }
        Ok(purpose)
    }

    /// The purpose of the code that has to be begun before this answer is decided on; none when it asks for none, or when
    /// something in it will be refused anyway.
    pub fn code_to_begin(&self, flow: &FlowBinding, outcome: &Outcome) -> Option<Purpose> {
        let mut wishes = outcome.effects.iter().filter_map(asked);
        let purpose = self.check_authentication(wishes.next()?).ok()?;
        let is_right = wishes.next().is_none() && outcome.effects.iter().all(|effect| self.refuse(flow, effect).is_ok());
        is_right.then_some(purpose)
    }

    /// Why the `nth` request for a proof of an answer is refused.
    pub(crate) fn refuse_authentication(&self, purpose: &str, nth: usize, code: &AskedCode) -> Result<(), AuthenticationRefusal> {
        self.check_authentication(purpose)?;
        match code {
            _ if nth > 0 => Err(AuthenticationRefusal::Repeated),
            AskedCode::Begun(_) => Ok(()),
            AskedCode::Refused(refusal) => Err(refusal.clone()),
            AskedCode::None => Err(AuthenticationRefusal::NotConfigured),
        }
    }

    /// Notes for the audit that a proof is not asked for; once, however often the flow is asked again.
    pub(crate) fn audit_refused_code(&mut self, flow: &FlowBinding, purpose: &str, refusal: &AuthenticationRefusal) {
        if !refusal.is_audited() || self.audits.iter().any(|known| known.action == Action::CodeRefused) {
            return;
        }
        let purpose = self.game.verification.as_ref().and_then(|rules| rules.purpose(purpose)).map_or("a purpose unknown", Purpose::as_str);
        let wait = match refusal {
            AuthenticationRefusal::Guard { wait_s, .. } => format!("; again in {wait_s} s"),
            _ => String::new(),
        };
        let detail = format!("{}, for {purpose}{wait}", refusal.kind());
        self.audits.push(self.audit(Action::CodeRefused, Actor::Flow(flow.name.clone()), detail));
    }

    /// Makes the session authenticated by a proof that came. False when it is about another account than the session's:
    /// then nothing is changed, and the audit says so.
    pub fn authenticate(&mut self, proof: &AuthenticationEvent) -> bool {
        let session = &mut self.conversation.session;
        let known = session.player.as_ref().or(proof.player.as_ref()).cloned();
        if proof.player.is_some() && proof.player != known {
            let detail = format!("another account of this contact: by {}, for {}", proof.method, proof.purpose);
            self.audits.push(self.audit(Action::ProofIgnored, Actor::Player, detail));
            return false;
        }
        session.player = known;
        session.authentication = Authentication::Authenticated { method: proof.method.clone(), at: self.now };
        session.device = proof.device.clone();
        let detail = format!("by {}, for {}", proof.method, proof.purpose);
        self.audits.push(self.audit(Action::Authenticated, Actor::Player, detail));
        true
    }
}

impl VerificationRules {
    /// What a flow means: one of the purposes, or what the game calls one.
    pub fn purpose(&self, name: &str) -> Option<Purpose> {
        Purpose::parse(name).or_else(|| self.aliases.get(name).copied())
    }
}

impl Conversation {
    /// Notes that a code is on its way. Who has proven themselves before still has.
    pub(crate) fn expect_code(&mut self) {
        if self.session.authentication == Authentication::Unauthenticated {
            self.session.authentication = Authentication::CodeSent;
        }
    }
}

#[cfg(test)]
mod tests;
