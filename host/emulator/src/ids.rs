//! Ids that look like Meta's: wamids that carry the other party, numeric media ids, trace ids.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

const WAMID_PREFIX: &str = "wamid.";
/// Opens every real wamid; the party's length and text follow.
const WAMID_HEAD: [u8; 2] = [0x1c, 0x18];
/// Stands between party and unique part.
const WAMID_MIDDLE: [u8; 3] = [0x15, 0x02, 0x00];

/// Who sent the message that a wamid names.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    ToPlayer,
    FromPlayer,
}

/// Unique ids, the same in every run with the same seed.
pub(crate) struct Ids {
    seed: u64,
    issued: AtomicU64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, issued: AtomicU64::new(0) }
    }

    /// A number never given before: the mixing below is a bijection of the counter.
    pub(crate) fn unique(&self) -> u64 {
        let n = self.issued.fetch_add(1, Ordering::Relaxed);
        mix(self.seed.wrapping_add(n.wrapping_mul(GOLDEN)))
    }

    /// `wamid.` + base64 of a small binary record that holds the party (phone or BSUID) and a unique part, as Meta's do.
    pub(crate) fn wamid(&self, direction: Direction, party: &str) -> String {
        let party = &party.as_bytes()[..party.len().min(usize::from(u8::MAX))];
        let mut record = Vec::with_capacity(32 + party.len());
        record.extend_from_slice(&WAMID_HEAD);
        record.push(party.len() as u8);
        record.extend_from_slice(party);
        record.extend_from_slice(&WAMID_MIDDLE);
        record.push(match direction {
            Direction::ToPlayer => 0x11,
            Direction::FromPlayer => 0x12,
        });
        record.extend_from_slice(&[0x18, 18]);
        let mut unique = [0u8; 16];
        let _ = hex::encode_to_slice(self.unique().to_be_bytes(), &mut unique);
        unique.make_ascii_uppercase();
        record.extend_from_slice(b"3A");
        record.extend_from_slice(&unique);
        record.push(0);
        let mut id = String::with_capacity(WAMID_PREFIX.len() + record.len().div_ceil(3) * 4);
        id.push_str(WAMID_PREFIX);
        BASE64.encode_string(&record, &mut id);
        id
    }

    /// Media, template and similar ids: 15 or 16 digits.
    pub(crate) fn numeric(&self) -> String {
        (self.unique() % 9_000_000_000_000_000 + 100_000_000_000_000).to_string()
    }

    /// What Meta's support asks for.
    pub(crate) fn trace(&self) -> String {
        let mut record = [0u8; 9];
        record[..8].copy_from_slice(&self.unique().to_be_bytes());
        let mut id = String::from("A");
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_string(record, &mut id);
        id
    }
}

/// The phone or BSUID inside a wamid; `None` if the id has not that shape.
pub(crate) fn wamid_party(id: &str) -> Option<String> {
    let record = BASE64.decode(id.strip_prefix(WAMID_PREFIX)?).ok()?;
    let rest = record.strip_prefix(&WAMID_HEAD)?;
    let (&length, rest) = rest.split_first()?;
    let party = rest.get(..usize::from(length))?;
    String::from_utf8(party.to_vec()).ok()
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of splitmix64.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wamid_carries_its_party_and_is_unique_and_repeatable() {
        let ids = Ids::new(7);
        let first = ids.wamid(Direction::ToPlayer, "16505551234");
        let second = ids.wamid(Direction::ToPlayer, "16505551234");
        assert_ne!(first, second);
        assert!(first.starts_with("wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI"));
        assert_eq!(wamid_party(&first).unwrap(), "16505551234");
        assert_eq!(Ids::new(7).wamid(Direction::ToPlayer, "16505551234"), first);
        assert_eq!(wamid_party("wamid.!!"), None);
        assert_eq!(wamid_party("HBgL"), None);
    }
}
