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

/// The next number of a transcript (SplitMix64, Steele, Lea and Flood 2014): the same for the same seed.
fn follow(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Host for State {
    fn next(&mut self) -> wasmtime::Result<u64> {
        const IMPORT: &str = "random.next";
        self.enter(IMPORT, 0)?;
        let number = match self.recorded(IMPORT, "null")? {
            Some(number) => number,
            None => match self.caller.as_mut().and_then(|caller| caller.seed.as_mut()) {
                Some(seed) => follow(seed),
                None => next()?,
            },
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
    fn a_seed_gives_the_same_numbers_every_time() {
        let numbers = |mut seed: u64| (0..3).map(|_| follow(&mut seed)).collect::<Vec<_>>();
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        // The published first value for the seed 0.
        assert_eq!(numbers(0)[0], 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn no_number_comes_twice() {
        let numbers: std::collections::HashSet<u64> = (0..1000).map(|_| next().unwrap()).collect();
        assert_eq!(numbers.len(), 1000);
    }
}
