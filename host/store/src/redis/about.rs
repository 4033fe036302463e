//! What a server says it is: fit to be a store at all, and fit to keep what it is given.

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::options::{DurabilityWarning, OpenError};
use super::value;

/// The oldest major version: hash-tagged scripts, `ZADD GT`, `HRANDFIELD`, `EXPIRE` as used here are all of 7 or before.
const MAJOR_MIN: u32 = 7;

/// Looks at a server. Warnings are about data that may be lost.
pub(super) async fn look(connection: &mut MultiplexedConnection) -> Result<Vec<DurabilityWarning>, OpenError> {
    let mut info = redis::cmd("INFO");
    info.arg("server").arg("persistence").arg("memory").arg("replication").arg("cluster");
    let answers = super::server::pipeline(connection, vec![info]).await?;
    let [info] = value::exactly(&answers)?;
    let info = value::text(&verbatim(info))?.to_owned();

    // Valkey tells the version of Redis that it stands in for.
    let version = field(&info, "redis_version").unwrap_or("unknown");
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < MAJOR_MIN) {
        return Err(OpenError::TooOld { found: version.chars().filter(|c| !c.is_control()).take(32).collect() });
    }
    if field(&info, "cluster_enabled") == Some("1") {
        return Err(OpenError::Cluster);
    }
    if field(&info, "role") == Some("slave") {
        return Err(OpenError::Replica);
    }
    let mut warnings = Vec::new();
    match field(&info, "aof_enabled") {
        Some("1") => warnings.extend(fsync(connection).await),
        Some(_) => warnings.push(DurabilityWarning::NoAppendOnlyFile),
        None => warnings.push(DurabilityWarning::Unknown { setting: "append-only file (INFO persistence)" }),
    }
    match field(&info, "maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => warnings.push(DurabilityWarning::Eviction { policy: policy.to_owned() }),
        None => warnings.push(DurabilityWarning::Unknown { setting: "maxmemory-policy (INFO memory)" }),
    }
    Ok(warnings)
}

/// How often the append-only file reaches the disk. Hosted servers often do not tell.
async fn fsync(connection: &mut MultiplexedConnection) -> Option<DurabilityWarning> {
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("appendfsync");
    let answers = super::server::pipeline(connection, vec![config]).await.ok();
    let setting = answers.as_deref().and_then(|answers| match answers {
        [Value::Array(pair)] => pair.get(1).and_then(|setting| value::text(setting).ok()),
        [Value::Map(pairs)] => pairs.first().and_then(|(_, setting)| value::text(setting).ok()),
        _ => None,
    });
    match setting {
        Some("always") => None,
        Some("everysec") => Some(DurabilityWarning::FsyncEverySecond),
        Some("no") => Some(DurabilityWarning::FsyncNever),
        _ => Some(DurabilityWarning::Unknown { setting: "appendfsync (CONFIG GET)" }),
    }
}

/// Newer protocols mark `INFO` as text.
fn verbatim(value: &Value) -> Value {
    match value {
        Value::VerbatimString { text, .. } => Value::SimpleString(text.clone()),
        other => other.clone(),
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}
