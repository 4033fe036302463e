//! `[links]` in game.toml: links of contacts to accounts.

use std::ops::RangeInclusive;

use questline_core::account::link::LinkRules;
use questline_core::verification::guard::PER_HOUR_MAX;
use serde::Deserialize;

use super::GameProblem;
use crate::connector::BackendFile;

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinksFile {
    valid_s: Option<u32>,
    approval_s: Option<u32>,
    per_player_per_hour: Option<u32>,
    wrong_per_contact_per_hour: Option<u32>,
    operation: Option<String>,
}

fn within(name: &str, value: u32, range: RangeInclusive<u32>) -> Result<u32, GameProblem> {
    match range.contains(&value) {
        true => Ok(value),
        false => Err(GameProblem::Rule(format!("links.{name} is {value}; it takes {} to {}", range.start(), range.end()))),
    }
}

impl LinksFile {
    pub(super) fn into_rules(self, backend: &BackendFile) -> Result<LinkRules, GameProblem> {
        let default = LinkRules::default();
        if let Some(operation) = self.operation.as_ref().filter(|operation| !backend.declares(operation)) {
            let detail = format!("links.operation is {operation:?}, and there is no [backend.operations.{operation}]");
            return Err(GameProblem::Rule(detail));
        }
        let hour = |name, value: Option<u32>, default: u32| within(name, value.unwrap_or(default), 1..=PER_HOUR_MAX);
        Ok(LinkRules {
            valid_s: within("valid_s", self.valid_s.unwrap_or(default.valid_s), 10..=86_400)?,
            approval_s: within("approval_s", self.approval_s.unwrap_or(default.approval_s), 10..=86_400)?,
            per_player_per_hour: hour("per_player_per_hour", self.per_player_per_hour, default.per_player_per_hour)?,
            wrong_per_contact_per_hour: hour(
                "wrong_per_contact_per_hour",
                self.wrong_per_contact_per_hour,
                default.wrong_per_contact_per_hour,
            )?,
            operation: self.operation,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rules(text: &str) -> Result<LinkRules, String> {
        let backend: BackendFile = toml::from_str("connector = \"sample\"\n[operations.contact-changed]").unwrap();
        let file: LinksFile = toml::from_str(text).map_err(|problem| problem.to_string())?;
        file.into_rules(&backend).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_default_and_what_is_wrong_is_named() {
        assert_eq!(rules(""), Ok(LinkRules::default()));
        assert_eq!(rules("operation = \"contact-changed\"").unwrap().operation.as_deref(), Some("contact-changed"));
        let wrong = [
            ("valid_s = 9", "links.valid_s is 9; it takes 10 to 86400"),
            ("approval_s = 0", "links.approval_s is 0"),
            ("per_player_per_hour = 0", "links.per_player_per_hour is 0"),
            ("wrong_per_contact_per_hour = 100000", "links.wrong_per_contact_per_hour"),
            ("operation = \"unknown\"", "there is no [backend.operations.unknown]"),
            ("valid = 9", "unknown field"),
        ];
        for (text, words) in wrong {
            let problem = rules(text).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
