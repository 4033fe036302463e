//! What is done for a player only after a fresh proof of who they are: operations of the studio's backend that game.toml
//! marks so, and credentials. The host checks it, whatever a flow says.

use crate::conversation::Session;
use crate::time::{SECOND_MS, UnixMs};

/// What has to be proven first. By default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sensitivity {
    /// The session's proof is at most so old.
    pub fresh_authentication_s: Option<u32>,
    /// It was given on a device that is bound to the account.
    pub bound_device: bool,
}

/// What is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// No proof, or too old a one.
    #[error("fresh-authentication: it needs a proof that is at most {max_s} s old; use request-authentication")]
    NotFresh {
        /// The game's.
        max_s: u32,
    },
    /// A proof that was given elsewhere.
    #[error("bound-device: it needs a proof on a device that is bound to the account; have the player prove themselves in the game")]
    NoBoundDevice,
}

impl NotProven {
    /// The name in the audit, and before the words that a flow reads.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotFresh { .. } => "fresh-authentication",
            Self::NoBoundDevice => "bound-device",
        }
    }
}

/// A proof counts as fresh for so long where only a bound device is asked for.
const FRESH_S_DEFAULT: u32 = 3_600;

impl Sensitivity {
    /// Whether anything has to be proven.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the session has proven it. `is_bound` says whether the device that it is bound to is one of the account's.
    pub fn check(&self, session: &Session, is_bound: bool, now: UnixMs) -> Result<(), NotProven> {
        if !self.is_any() {
            return Ok(());
        }
        let max_s = self.fresh_authentication_s.unwrap_or(FRESH_S_DEFAULT);
        let is_fresh = |at: UnixMs| at <= now && now.since_ms(at) <= u64::from(max_s) * SECOND_MS;
        if !session.authenticated_at().is_some_and(is_fresh) || session.player.is_none() {
            return Err(NotProven::NotFresh { max_s });
        }
        match self.bound_device && !(is_bound && session.device.is_some()) {
            true => Err(NotProven::NoBoundDevice),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::conversation::Authentication;
    use crate::id::{DeviceId, PlayerId};
    use proptest::prelude::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn session(age_s: Option<u64>) -> Session {
        let authentication = match age_s {
            Some(age_s) => Authentication::Authenticated { method: "code".into(), at: NOW.minus_ms(age_s * SECOND_MS) },
            None => Authentication::CodeSent,
        };
        Session { player: PlayerId::parse("ada-1").ok(), authentication, ..Session::default() }
    }

    #[test]
    fn what_is_not_sensitive_asks_for_nothing() {
        assert_eq!(Sensitivity::default().check(&Session::default(), false, NOW), Ok(()));
    }

    #[test]
    fn a_bound_device_is_one_that_the_session_and_the_account_know() {
        let asked = Sensitivity { fresh_authentication_s: None, bound_device: true };
        let mut of_ada = session(Some(1));
        assert_eq!(asked.check(&of_ada, true, NOW), Err(NotProven::NoBoundDevice));
        of_ada.device = DeviceId::parse("Pixel 9").ok();
        assert_eq!(asked.check(&of_ada, false, NOW), Err(NotProven::NoBoundDevice), "it is another's");
        assert_eq!(asked.check(&of_ada, true, NOW), Ok(()));
        of_ada.authentication = Authentication::CodeSent;
        assert!(matches!(asked.check(&of_ada, true, NOW), Err(NotProven::NotFresh { .. })));
    }

    proptest! {
        #[test]
        fn only_a_fresh_proof_of_a_known_player_counts(age_s in 0u64..2_000, max_s in 1u32..2_000, known: bool) {
            let asked = Sensitivity { fresh_authentication_s: Some(max_s), bound_device: false };
            let mut of_ada = session(Some(age_s));
            if !known {
                of_ada.player = None;
            }
            prop_assert_eq!(asked.check(&of_ada, false, NOW).is_ok(), known && age_s <= u64::from(max_s));
            prop_assert!(asked.check(&session(None), true, NOW).is_err());
            // A proof from ahead of our clock is none.
            prop_assert!(asked.check(&of_ada, true, NOW.minus_ms((age_s + 1) * SECOND_MS)).is_err());
        }
    }
}
