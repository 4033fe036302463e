//! Which access token a number sends with.

use std::collections::HashMap;
use std::fmt;

use questline_core::id::NumberId;

/// A Graph API access token. `Debug` hides it.
#[derive(Clone)]
pub struct AccessToken(Box<str>);

impl AccessToken {
    /// Takes a token; surrounding white space is not part of it.
    pub fn new(token: &str) -> Self {
        Self(token.trim().into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(hidden)")
    }
}

/// Our numbers with their access tokens.
#[derive(Debug, Clone, Default)]
pub struct NumberDirectory(HashMap<NumberId, AccessToken>);

impl NumberDirectory {
    /// Adds a number, or gives it another token.
    pub fn insert(&mut self, number: NumberId, token: AccessToken) {
        self.0.insert(number, token);
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (NumberId, AccessToken)> {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_stay_hidden() {
        let mut directory = NumberDirectory::default();
        directory.insert(NumberId::parse("1001").unwrap(), AccessToken::new(" EAAJ-secret\n"));
        assert!(!format!("{directory:?}").contains("EAAJ"));
        assert_eq!(directory.0[&NumberId::parse("1001").unwrap()].reveal(), "EAAJ-secret");
    }
}
