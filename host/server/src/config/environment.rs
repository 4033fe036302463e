//! `QUESTLINE_*` variables that stand for keys of questline.toml: `QUESTLINE_STORE_DIR` is `dir` under `[store]`.

use toml::{Table, Value};

use super::ConfigError;

/// Settings that the environment can give. A list rather than a rule: secrets have names of the operator's choice, and
/// must never be taken for settings.
const SETTINGS: [(&str, &str, &str); 24] = [
    ("QUESTLINE_LISTEN", "", "listen"),
    ("QUESTLINE_GAMES_DIR", "", "games_dir"),
    ("QUESTLINE_COMPONENTS_DIR", "", "components_dir"),
    ("QUESTLINE_STORE_ENGINE", "store", "engine"),
    ("QUESTLINE_STORE_DIR", "store", "dir"),
    ("QUESTLINE_STORE_PREFIX", "store", "prefix"),
    ("QUESTLINE_GRAPH_URL", "graph", "url"),
    ("QUESTLINE_GRAPH_VERSION", "graph", "version"),
    ("QUESTLINE_GRAPH_TIMEOUT_MS", "graph", "timeout_ms"),
    ("QUESTLINE_GRAPH_SETTLE_MS", "graph", "settle_ms"),
    ("QUESTLINE_GRAPH_IN_FLIGHT_MAX", "graph", "in_flight_max"),
    ("QUESTLINE_LIMITS_BODY_BYTES_MAX", "limits", "body_bytes_max"),
    ("QUESTLINE_LIMITS_BODIES_BYTES_MAX", "limits", "bodies_bytes_max"),
    ("QUESTLINE_LIMITS_CONNECTIONS_MAX", "limits", "connections_max"),
    ("QUESTLINE_LIMITS_INBOX_MAX", "limits", "inbox_max"),
    ("QUESTLINE_LIMITS_INBOX_PER_GAME_MAX", "limits", "inbox_per_game_max"),
    ("QUESTLINE_LIMITS_OUTBOX_MAX", "limits", "outbox_max"),
    ("QUESTLINE_LIMITS_STEPS_MAX", "limits", "steps_max"),
    ("QUESTLINE_LIMITS_STEPS_PER_GAME_MAX", "limits", "steps_per_game_max"),
    ("QUESTLINE_LIMITS_COMPONENT_BYTES_MAX", "limits", "component_bytes_max"),
    ("QUESTLINE_LIMITS_DRAIN_MS", "limits", "drain_ms"),
    ("QUESTLINE_LOG_FORMAT", "log", "format"),
    ("QUESTLINE_LOG_LEVEL", "log", "level"),
    ("QUESTLINE_LOG", "log", "level"),
];

/// Puts the variables over the table.
pub(super) fn apply(table: &mut Table, environment: impl Iterator<Item = (String, String)>) -> Result<(), ConfigError> {
    for (name, text) in environment {
        let Some((_, section, key)) = SETTINGS.iter().find(|(known, ..)| *known == name) else { continue };
        let number = key.ends_with("_max") || key.ends_with("_ms");
        let value = match text.parse::<i64>() {
            Ok(value) if number => Value::Integer(value),
            Err(_) if number => return Err(ConfigError::Environment { name, problem: format!("{key} is a whole number, not {text:?}") }),
            _ => Value::String(text),
        };
        let target = if section.is_empty() {
            &mut *table
        } else {
            let section = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            section
                .as_table_mut()
                .ok_or_else(|| ConfigError::Environment { name: name.clone(), problem: "the file has no such section".to_owned() })?
        };
        target.insert((*key).to_owned(), value);
    }
    Ok(())
}
