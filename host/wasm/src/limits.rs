//! Memory and tables: what a flow asks for is refused past its limits, and noted.

use wasmtime::ResourceLimiter;

use crate::engine::TABLE_ELEMENTS_MAX;

/// What one call has of memory and tables, and whether it asked for more.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    /// By how much it grew last.
    memory_bytes_grown: usize,
    memory_refused: bool,
    table_elements: usize,
    tables_refused: bool,
}

impl Limiter {
    pub(crate) fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, memory_bytes: 0, memory_bytes_grown: 0, memory_refused: false, table_elements: 0, tables_refused: false }
    }

    /// The largest that all its memories together were: memories do not shrink.
    pub(crate) fn memory_peak_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(crate) fn memory_refused(&self) -> bool {
        self.memory_refused
    }

    pub(crate) fn tables_refused(&self) -> bool {
        self.tables_refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory_bytes_grown = total - self.memory_bytes;
        self.memory_bytes = total;
        Ok(true)
    }

    /// Permitted, and yet not possible: the engine's pool gives no memory larger than its own limit.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_bytes -= self.memory_bytes_grown;
        self.memory_bytes_grown = 0;
        self.memory_refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS_MAX {
            self.tables_refused = true;
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_memories_of_a_flow_share_its_limit() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(!limiter.memory_growing(0, 600, None).unwrap(), "a second memory");
        assert!(limiter.memory_refused());
        assert!(limiter.memory_growing(600, 1000, None).unwrap());
        assert_eq!(limiter.memory_peak_bytes(), 1000);
    }

    #[test]
    fn memory_that_the_engine_does_not_have_counts_as_refused() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.memory_growing(100, 900, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(limiter.memory_refused());
        assert_eq!(limiter.memory_peak_bytes(), 100);
    }

    #[test]
    fn tables_are_limited_too() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!limiter.table_growing(TABLE_ELEMENTS_MAX, usize::MAX, None).unwrap());
        assert!(limiter.tables_refused());
    }
}
