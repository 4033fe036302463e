//! Both engines, their data as it lies, and ways to spoil it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use questline_core::port::{Clock, Store};
use questline_core::time::UnixMs;
use questline_store::audit::AuditKey;
use questline_store::embedded::{EmbeddedOptions, EmbeddedStore};
use questline_store::redis::{RedisOptions, RedisStore};
use questline_store::seal::StoreKeys;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::redis_server::RedisServer;

pub const NOW: UnixMs = UnixMs(1_790_000_000_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixMs {
        NOW
    }
}

/// A kind of store with data of its own.
pub enum Engine {
    Embedded(TempDir),
    Redis(RedisServer),
}

/// What lies somewhere, and what it says.
pub type Lies = (String, Vec<u8>);

impl Engine {
    pub fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    pub fn redis() -> Self {
        Self::Redis(RedisServer::start())
    }

    /// As a version before sealing left it.
    pub fn fill_open(&self) {
        match self {
            Self::Embedded(dir) => {
                let dump = include_str!("../fixtures/schema-5.sql");
                Connection::open(dir.path().join("questline.db")).unwrap().execute_batch(dump).unwrap();
            }
            Self::Redis(server) => {
                let mut connection = server.connect();
                for line in include_str!("../fixtures/layout-1.jsonl").lines() {
                    let words: Vec<String> = serde_json::from_str(line).unwrap();
                    let mut words = words.iter().map(|word| word.chars().map(|char| char as u8).collect::<Vec<u8>>());
                    let mut command = redis::cmd(std::str::from_utf8(&words.next().unwrap()).unwrap());
                    for word in words {
                        command.arg(word);
                    }
                    command.exec(&mut connection).unwrap();
                }
            }
        }
    }

    /// Opens it with these secrets, the one that seals first.
    pub async fn try_open(&self, secrets: &[&str]) -> Result<Arc<dyn Store>, String> {
        let keys = StoreKeys::new(secrets).unwrap();
        match self {
            Self::Embedded(dir) => {
                let mut options = EmbeddedOptions::new(dir.path(), Arc::new(Fixed));
                options.keys = Some(keys);
                options.audit_key = Some(AuditKey::new(&[7; 32]).unwrap());
                let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(options)).await.unwrap();
                opened.map(|store| Arc::new(store) as Arc<dyn Store>).map_err(|problem| problem.to_string())
            }
            Self::Redis(server) => {
                let mut options = RedisOptions::new(server.url(), Arc::new(Fixed));
                options.keys = Some(keys);
                options.audit_key = Some(AuditKey::new(&[7; 32]).unwrap());
                // The one before gives up its hold when its last call is done.
                options.lease_wait = Duration::from_secs(60);
                let opened = RedisStore::open(options).await;
                opened.map(|(store, _)| Arc::new(store) as Arc<dyn Store>).map_err(|problem| problem.to_string())
            }
        }
    }

    pub async fn open(&self, secrets: &[&str]) -> Arc<dyn Store> {
        self.try_open(secrets).await.unwrap_or_else(|problem| panic!("the store opens: {problem}"))
    }

    /// Ends it as a crash does.
    pub async fn crash(&self, store: Arc<dyn Store>) {
        assert_eq!(Arc::strong_count(&store), 1, "somebody still uses it");
        tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
    }

    /// Everything that is at rest: files, and in Redis every key with what it holds.
    pub fn at_rest(&self) -> Vec<Lies> {
        match self {
            Self::Embedded(dir) => files(dir.path()),
            Self::Redis(server) => {
                let mut all = redis_values(&mut server.connect());
                let socket = server.url().replace("redis+unix://", "");
                all.extend(files(PathBuf::from(socket).parent().unwrap()));
                all
            }
        }
    }

    /// Has nothing but what is there now lie in the server's file; the embedded store does so at its next start.
    pub fn rewrite_files(&self) {
        let Self::Redis(server) = self else { return };
        let mut connection = server.connect();
        redis::cmd("BGREWRITEAOF").exec(&mut connection).unwrap();
        loop {
            let info: String = redis::cmd("INFO").arg("persistence").query(&mut connection).unwrap();
            let is_idle = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"].iter().all(|idle| info.contains(idle));
            if is_idle {
                assert!(info.contains("aof_last_bgrewrite_status:ok"), "{info}");
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Where values of a kind lie, to be spoilt: SQL table and column, or pattern of keys.
    pub fn spoil(&self, (table, column): (&str, &str), pattern: &str, spoil: impl Fn(&mut Vec<Vec<u8>>)) {
        match self {
            Self::Embedded(dir) => {
                let connection = Connection::open(dir.path().join("questline.db")).unwrap();
                let sql = format!("SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY rowid");
                let mut statement = connection.prepare(&sql).unwrap();
                let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
                let (ids, mut values): (Vec<_>, Vec<_>) = rows.map(Result::unwrap).unzip();
                spoil(&mut values);
                for (id, value) in ids.iter().zip(values) {
                    let sql = format!("UPDATE {table} SET {column} = ?2 WHERE rowid = ?1");
                    connection.execute(&sql, (id, value)).unwrap();
                }
            }
            Self::Redis(server) => {
                let mut connection = server.connect();
                let (pattern, field) = pattern.split_once(' ').map_or((pattern, None), |(pattern, field)| (pattern, Some(field)));
                let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut connection).unwrap();
                keys.sort();
                let mut places = Vec::new();
                let mut values: Vec<Vec<u8>> = Vec::new();
                for key in keys {
                    let fields: Vec<(Vec<u8>, Vec<u8>)> = redis::cmd("HGETALL").arg(&key).query(&mut connection).unwrap();
                    for (name, value) in fields {
                        if field.is_none_or(|field| name == field.as_bytes()) {
                            places.push((key.clone(), name));
                            values.push(value);
                        }
                    }
                }
                spoil(&mut values);
                for ((key, name), value) in places.into_iter().zip(values) {
                    redis::cmd("HSET").arg(key).arg(name).arg(value).exec(&mut connection).unwrap();
                }
            }
        }
    }
}

fn files(dir: &Path) -> Vec<Lies> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

fn redis_values(connection: &mut redis::Connection) -> Vec<Lies> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(connection).unwrap();
    let mut all = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(connection).unwrap();
        let mut read = match kind.as_str() {
            "string" => redis::cmd("GET"),
            "hash" => redis::cmd("HGETALL"),
            "set" => redis::cmd("SMEMBERS"),
            "list" => redis::cmd("LRANGE"),
            "zset" => redis::cmd("ZRANGE"),
            "stream" => redis::cmd("XRANGE"),
            // It expired meanwhile.
            "none" => continue,
            other => panic!("a {other}"),
        };
        read.arg(&key);
        match kind.as_str() {
            "list" | "zset" => read.arg(0).arg(-1),
            "stream" => read.arg("-").arg("+"),
            _ => &mut read,
        };
        let value: redis::Value = read.query(connection).unwrap();
        let name = String::from_utf8_lossy(&key).into_owned();
        all.push((format!("the name of {name}"), key));
        flatten(&name, value, &mut all);
    }
    all
}

fn flatten(name: &str, value: redis::Value, all: &mut Vec<Lies>) {
    match value {
        redis::Value::BulkString(bytes) => all.push((name.to_owned(), bytes)),
        redis::Value::Array(values) | redis::Value::Set(values) => values.into_iter().for_each(|value| flatten(name, value, all)),
        redis::Value::Map(pairs) => pairs.into_iter().for_each(|(one, other)| {
            flatten(name, one, all);
            flatten(name, other, all);
        }),
        _ => {}
    }
}
