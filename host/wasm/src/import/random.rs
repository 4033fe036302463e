//! `random`: the operating system's randomness, fetched in portions and recorded with the step.

use std::cell::RefCell;

use ring::rand::{SecureRandom, SystemRandom};

use crate::bindings::random::Host;
use crate::state::State;
use crate::trap::Stop;

/// Numbers fetched at once.
const PORTION: usize = 64;

thread_local! {
    static NUMBERS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A number that nobody can foretell and nobody gets twice.
fn next() -> Result<u64, Stop> {
    NUMBERS.with_borrow_mut(|numbers| {
        if let Some(number) = numbers.pop() {
            return Ok(number);
        }
        let mut bytes = [0u8; PORTION * 8];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Stop::Host("the system gives no random numbers".into()))?;
        let (chunks, _) = bytes.as_chunks::<8>();
        numbers.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
        numbers.pop().ok_or_else(|| Stop::Host("the system gives no random numbers".into()))
    })
}

impl Host for State {
    fn next(&mut self) -> wasmtime::Result<u64> {
        const IMPORT: &str = "random.next";
        self.enter(IMPORT, 0)?;
        let number = match self.recorded(IMPORT, "null")? {
            Some(number) => number,
            None => next()?,
        };
        self.record(IMPORT, "null".to_owned(), &number)?;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_number_comes_twice() {
        let numbers: std::collections::HashSet<u64> = (0..1000).map(|_| next().unwrap()).collect();
        assert_eq!(numbers.len(), 1000);
    }
}
