//! `[security]` in game.toml: what the studio's backend is told of accounts that players freeze.

use questline_core::game::SecurityRules;
use serde::Deserialize;

use super::GameProblem;
use crate::connector::BackendFile;

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SecurityFile {
    freeze_operation: Option<String>,
    unfreeze_operation: Option<String>,
}

impl SecurityFile {
    pub(super) fn into_rules(self, backend: &BackendFile) -> Result<SecurityRules, GameProblem> {
        let Self { freeze_operation, unfreeze_operation } = self;
        for (key, operation) in [("freeze_operation", &freeze_operation), ("unfreeze_operation", &unfreeze_operation)] {
            if let Some(operation) = operation.as_ref().filter(|operation| !backend.declares(operation)) {
                return Err(GameProblem::Rule(format!(
                    "security.{key} is {operation:?}, and there is no [backend.operations.{operation}]"
                )));
            }
        }
        if unfreeze_operation.is_some() && freeze_operation.is_none() {
            return Err(GameProblem::Rule("security.unfreeze_operation ends what freeze_operation begins: name that too".to_owned()));
        }
        Ok(SecurityRules { freeze_operation, unfreeze_operation })
    }
}
