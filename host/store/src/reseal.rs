//! A walk over all rows that rewrites what lies under older keys, as far as it is the same over every engine.

use std::collections::BTreeMap;

use questline_core::port::{KeyRows, Resealing, StoreError};

use crate::seal::{PLAIN, Sealer, key_of};

/// What a walk has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) looked_at: u64,
    pub(crate) rewritten: u64,
    rows: BTreeMap<String, u64>,
}

impl Tally {
    /// A row that lies under the first key, or does now.
    pub(crate) fn first(&mut self, sealer: &Sealer) {
        *self.rows.entry(sealer.first_id().to_string()).or_default() += 1;
    }

    /// So many of them.
    pub(crate) fn first_rows(&mut self, sealer: &Sealer, rows: u64) {
        *self.rows.entry(sealer.first_id().to_string()).or_default() += rows;
    }

    /// A row that cannot be rewritten. What is sealed in it may stand behind words that are not.
    pub(crate) fn unreadable(&mut self, bytes: &[u8], problem: &StoreError) {
        let sealed = bytes.iter().position(|byte| matches!(byte, 1 | 2)).and_then(|at| bytes.get(at..)).unwrap_or_default();
        let key = key_of(sealed).map_or_else(|| PLAIN.to_owned(), |key| key.to_string());
        tracing::error!(%problem, key, "a row stays under its key");
        *self.rows.entry(key).or_default() += 1;
    }

    /// Whether rows are left under other keys than the first.
    pub(crate) fn is_clean(&self, sealer: &Sealer) -> bool {
        let first = sealer.first_id().to_string();
        self.rows.iter().all(|(key, rows)| *key == first || *rows == 0)
    }

    /// As it is told. Keys that the data's list names are told also where nothing was found under them.
    pub(crate) fn told(&self, sealer: &Sealer, done: bool) -> Resealing {
        let first = sealer.first_id().to_string();
        let mut rows = self.rows.clone();
        for key in sealer.older() {
            rows.entry(key).or_default();
        }
        let of_first = KeyRows { rows: rows.remove(&first).unwrap_or_default(), key: first };
        let keys = std::iter::once(of_first).chain(rows.into_iter().map(|(key, rows)| KeyRows { key, rows }));
        Resealing { done, looked_at: self.looked_at, rewritten: self.rewritten, keys: keys.collect() }
    }
}
