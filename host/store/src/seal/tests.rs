//! Sealing, without a store.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn keys(secrets: &[&str]) -> StoreKeys {
    StoreKeys::new(secrets).unwrap()
}

const ONE: &str = "one secret of thirty-two characters";
const TWO: &str = "two secret of thirty-two characters";

fn sealer(secrets: &[&str], listed: &[&str]) -> Sealer {
    Sealer::new(keys(secrets), listed.iter().copied()).unwrap()
}

const OWNER: Owner<'static> = Owner { kind: Kind::Message, of: Of::Number(7) };

#[test]
fn short_same_and_missing_keys_are_named() {
    assert_eq!(StoreKeys::new(&[ONE, "short"]).unwrap_err(), UnusableKeys::Short { place: 2 });
    assert_eq!(StoreKeys::new(&[ONE, TWO, ONE]).unwrap_err(), UnusableKeys::Twice { first: 1, place: 3 });
    assert_eq!(StoreKeys::new::<&str>(&[]).unwrap_err(), UnusableKeys::None);
    let two = keys(&[TWO]).ids().next().unwrap().to_string();
    let missing = Sealer::new(keys(&[ONE]), [two.as_str(), PLAIN]).err().unwrap();
    assert!(missing.to_string().contains(&format!("under key {two}")), "{missing}");
    assert!(!format!("{:?}", keys(&[ONE])).contains("secret"));
}

#[test]
fn a_key_gives_the_same_for_ever() {
    let sealer = sealer(&[ONE], &[]);
    assert_eq!(sealer.first_id().to_string(), "a724af3b", "changing what is derived loses all that is stored");
    let index = sealer.index(Named::Alias, &["100/p/15550100"]);
    assert_eq!(Index::from_hex(&index.to_hex()), Some(index));
    assert_eq!(index.key(), sealer.first_id());
    assert_ne!(sealer.index(Named::Player, &["100/p/15550100"]), index);
    assert_ne!(sealer.index(Named::Alias, &["100/p/", "15550100"]), index);
}

#[test]
fn a_value_opens_where_it_belongs_and_nowhere_else() {
    let sealer = sealer(&[ONE], &[]);
    let sealed = sealer.seal_json(OWNER, &"+15550100").unwrap();
    assert_eq!(sealer.open::<String>(OWNER, &sealed).unwrap(), "+15550100");
    assert_ne!(sealer.seal_json(OWNER, &"+15550100").unwrap(), sealed, "no nonce comes twice");
    let others = [
        Owner::number(Kind::Message, 8),
        // Under the same subkey: what refuses it is what is authenticated.
        Owner::number(Kind::Message, 7 + 256 * 1024),
        Owner::number(Kind::Event, 7),
        Owner::texts(Kind::Message, "7", ""),
        Owner::index(Kind::Message, sealer.index(Named::Page, &["7"])),
    ];
    for other in others {
        let error = sealer.open::<String>(other, &sealed).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt(text) if text.starts_with(other.kind.what())), "{error}");
    }
    assert_eq!(OWNER.subkey(), Owner::number(Kind::Message, 7 + 256 * 1024).subkey());
    let texts = sealer.seal_json(Owner::texts(Kind::Ticket, "ab", "c"), &1).unwrap();
    assert!(sealer.open::<u8>(Owner::texts(Kind::Ticket, "a", "bc"), &texts).is_err());
}

#[test]
fn what_lies_open_opens_only_while_the_list_says_so() {
    let sealer = sealer(&[ONE], &[PLAIN]);
    assert_eq!(sealer.open::<String>(OWNER, b"\"hello\"").unwrap(), "hello");
    assert_eq!(sealer.older(), [PLAIN]);
    sealer.forget_older();
    let error = sealer.open::<String>(OWNER, b"\"hello\"").unwrap_err().to_string();
    assert!(error.contains("a message cannot be read: it is not sealed") && !error.contains("hello"), "{error}");
}

#[test]
fn older_keys_open_and_the_first_seals() {
    let old = sealer(&[ONE], &[]);
    let (sealed, index) = (old.seal_json(OWNER, &1).unwrap(), old.index(Named::Alias, &["a"]));
    let one = old.first_id().to_string();
    let new = sealer(&[TWO, ONE], &[&one]);
    assert_eq!(new.open::<u8>(OWNER, &sealed).unwrap(), 1);
    assert_eq!(new.indexes(Named::Alias, &["a"]).collect::<Vec<_>>(), [new.index(Named::Alias, &["a"]), index]);
    let again = new.reseal(OWNER, &sealed).unwrap().unwrap();
    assert_eq!((key_of(&sealed), key_of(&again)), (Some(old.first_id()), Some(new.first_id())));
    assert_eq!(new.reseal(OWNER, &again).unwrap(), None);
    assert_eq!(sealer(&[TWO], &[]).open::<u8>(OWNER, &again).unwrap(), 1);
    let error = old.open::<u8>(OWNER, &again).unwrap_err().to_string();
    assert!(error.contains(&format!("under key {}", new.first_id())), "{error}");
    assert_eq!(sealer(&[TWO, ONE], &[]).older_indexes(Named::Alias, &["a"]).count(), 0, "a key without rows costs nothing");
}

proptest! {
    /// Whatever is changed, and wherever it is cut: it is refused, and nothing of it is told.
    #[test]
    fn what_was_changed_does_not_open(text in "[a-z]{0,80}", place: prop::sample::Index, bit in 0u8..8, cut: bool) {
        let sealer = sealer(&[ONE], &[]);
        let mut sealed = sealer.seal_json(OWNER, &text).unwrap();
        prop_assert_eq!(sealer.open::<String>(OWNER, &sealed).unwrap(), text.as_str());
        let place = place.index(sealed.len());
        if cut { sealed.truncate(place) } else { sealed[place] ^= 1 << bit }
        let error = sealer.open::<String>(OWNER, &sealed).unwrap_err();
        prop_assert!(matches!(&error, StoreError::Corrupt(said) if text.len() < 12 || !said.contains(&text)), "{}", error);
    }
}

#[test]
fn keys_for_something_else_are_of_one_label_and_one_key() {
    let secrets = |keys: &[&str], label: &str| -> Vec<([u8; 4], [u8; 32])> {
        StoreKeys::new(keys).unwrap().derived(label).iter().map(|key| (key.id, *key.secret)).collect()
    };
    let (one, two) = ("the first of two keys for a store, in full", "the second of two keys for a store, in full");
    let both = secrets(&[two, one], "links");
    assert_eq!(both.len(), 2);
    assert_eq!(secrets(&[one], "links"), both[1..], "the same one, wherever it stands");
    assert_ne!(both[0].1, both[1].1);
    assert_ne!(secrets(&[one], "other")[0].1, both[1].1);
}
