//! The operator's keys for one-time codes: each gives a key for digests, one for sealing and a name. The first makes, all
//! compare and open, and the last names places: a key that joins in front moves nothing that is counted.

use questline_core::account::recovery_codes::RecoveryCode;
use questline_core::id::{GameId, PlayerId};
use questline_core::port::Place;
use questline_core::verification::VerificationId;
use questline_core::verification::code::{Code, CodeDigest, CodeKeys, KeyId, SealedCode};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::config::Secret;

/// Characters of a key: 32 random bytes in base64 have 44.
const KEY_CHARS_MIN: usize = 32;

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKeys {
    /// One of them.
    #[error("key {place} has fewer than {KEY_CHARS_MIN} characters; `openssl rand -base64 32` makes one")]
    Short {
        /// Which, from 1 on.
        place: usize,
    },
    /// None at all.
    #[error("there is no key")]
    None,
}

/// The keys.
pub struct Keyring {
    keys: Vec<Key>,
    random: SystemRandom,
}

struct Key {
    id: KeyId,
    digest: hmac::Key,
    seal: LessSafeKey,
    place: hmac::Key,
    recovery: hmac::Key,
}

impl Key {
    fn new(secret: &Secret) -> Option<Self> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        let derive = |label: &str| hmac::sign(&root, label.as_bytes());
        let id = hex::encode(derive("questline code key's name").as_ref().get(..4)?);
        let seal = UnboundKey::new(&CHACHA20_POLY1305, derive("questline code sealing").as_ref()).ok()?;
        Some(Self {
            id: KeyId(id.into()),
            digest: hmac::Key::new(hmac::HMAC_SHA256, derive("questline code digests").as_ref()),
            seal: LessSafeKey::new(seal),
            place: hmac::Key::new(hmac::HMAC_SHA256, derive("questline code places").as_ref()),
            recovery: hmac::Key::new(hmac::HMAC_SHA256, derive("questline recovery codes").as_ref()),
        })
    }

    fn tag(&self, id: &VerificationId, send: u32, code: &Code) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.digest);
        context.update(id.as_bytes());
        context.update(&send.to_be_bytes());
        context.update(code.reveal().as_bytes());
        context.sign()
    }

    fn recovery_tag(&self, game: &GameId, player: &PlayerId, code: &RecoveryCode) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.recovery);
        for part in [game.as_str(), player.as_str(), code.reveal()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// What a sealed code belongs to: it opens as nothing else.
fn belongs(id: &VerificationId, send: u32) -> Aad<[u8; 20]> {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(id.as_bytes());
    bytes[16..].copy_from_slice(&send.to_be_bytes());
    Aad::from(bytes)
}

impl Keyring {
    /// From the operator's secrets, the one that makes first.
    pub fn new(secrets: &[Secret]) -> Result<Self, UnusableKeys> {
        let key = |(place, secret): (usize, &Secret)| {
            let long_enough = secret.reveal().len() >= KEY_CHARS_MIN;
            long_enough.then(|| Key::new(secret)).flatten().ok_or(UnusableKeys::Short { place: place + 1 })
        };
        let keys = secrets.iter().enumerate().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(UnusableKeys::None);
        }
        Ok(Self { keys, random: SystemRandom::new() })
    }

    /// Random bytes of the system.
    pub(crate) fn random<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The name of a place in a game, which tells nobody without the key what it stands for.
    pub(super) fn place(&self, game: &GameId, kind: &str, what: &str) -> Option<Place> {
        let mut context = hmac::Context::with_key(&self.keys.last()?.place);
        for part in [game.as_str(), kind, what] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Some(Place(hex::encode(context.sign().as_ref().get(..16)?).into()))
    }

    fn key(&self, id: &KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == *id)
    }
}

impl CodeKeys for Keyring {
    fn digest(&self, id: &VerificationId, send: u32, code: &Code) -> CodeDigest {
        let key = &self.keys[0];
        let mut tag = [0; 32];
        tag.copy_from_slice(key.tag(id, send, code).as_ref());
        CodeDigest::new(key.id.clone(), tag)
    }

    fn matches(&self, id: &VerificationId, send: u32, code: &Code, digest: &CodeDigest) -> bool {
        let Some(key) = self.key(&digest.key) else { return false };
        let mut tag = [0; 32];
        tag.copy_from_slice(key.tag(id, send, code).as_ref());
        digest.is(&tag)
    }

    fn seal(&self, id: &VerificationId, send: u32, code: &Code) -> Option<SealedCode> {
        let key = self.keys.first()?;
        let nonce: [u8; NONCE_LEN] = self.random()?;
        let mut text = code.reveal().as_bytes().to_vec();
        key.seal.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), belongs(id, send), &mut text).ok()?;
        Some(SealedCode { key: key.id.clone(), text: format!("{}{}", hex::encode(nonce), hex::encode(&text)).into() })
    }

    fn open(&self, id: &VerificationId, send: u32, sealed: &SealedCode) -> Option<Code> {
        let key = self.key(&sealed.key)?;
        let bytes = Zeroizing::new(hex::decode(sealed.text.as_bytes()).ok()?);
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = key.seal.open_in_place(nonce, belongs(id, send), &mut text).ok()?;
        Code::parse(std::str::from_utf8(opened).ok()?)
    }
}

/// A digest of a recovery code belongs to one player of one game.
impl Keyring {
    /// A digest of a player's recovery code.
    pub(crate) fn recovery_digest(&self, game: &GameId, player: &PlayerId, code: &RecoveryCode) -> CodeDigest {
        let key = &self.keys[0];
        CodeDigest::new(key.id.clone(), key.recovery_tag(game, player, code))
    }

    /// Whether the code is the digest's, in constant time. False where the digest's key is there no more.
    pub(crate) fn is_recovery_code(&self, game: &GameId, player: &PlayerId, code: &RecoveryCode, digest: &CodeDigest) -> bool {
        self.key(&digest.key).is_some_and(|key| digest.is(&key.recovery_tag(game, player, code)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secret(n: u8) -> Secret {
        Secret::new(char::from(b'a' + n).to_string().repeat(32))
    }

    fn id(n: u8) -> VerificationId {
        VerificationId::from_bytes([n; 16])
    }

    #[test]
    fn digests_and_seals_belong_to_one_code_of_one_verification() {
        let keys = Keyring::new(&[secret(0)]).unwrap();
        let (code, other) = (Code::parse("012345").unwrap(), Code::parse("012346").unwrap());
        let digest = keys.digest(&id(1), 1, &code);
        assert!(keys.matches(&id(1), 1, &code, &digest));
        assert!(!keys.matches(&id(1), 1, &other, &digest));
        assert!(!keys.matches(&id(1), 2, &code, &digest) && !keys.matches(&id(2), 1, &code, &digest));
        let sealed = keys.seal(&id(1), 1, &code).unwrap();
        assert_eq!(keys.open(&id(1), 1, &sealed).unwrap().reveal(), "012345");
        assert!(keys.open(&id(1), 2, &sealed).is_none() && keys.open(&id(2), 1, &sealed).is_none());
        assert_ne!(keys.seal(&id(1), 1, &code).unwrap(), sealed, "equal codes do not look alike");
        assert!(!sealed.text.contains("012345") && !sealed.text.contains(&hex::encode("012345")));
    }

    #[test]
    fn a_key_is_rotated_without_a_gap() {
        let old = Keyring::new(&[secret(0)]).unwrap();
        let both = Keyring::new(&[secret(1), secret(0)]).unwrap();
        let new = Keyring::new(&[secret(1)]).unwrap();
        let code = Code::parse("012345").unwrap();
        let (digest, sealed) = (old.digest(&id(1), 1, &code), old.seal(&id(1), 1, &code).unwrap());
        assert!(both.matches(&id(1), 1, &code, &digest) && both.open(&id(1), 1, &sealed).is_some());
        assert!(!new.matches(&id(1), 1, &code, &digest) && new.open(&id(1), 1, &sealed).is_none());
        let digest = both.digest(&id(1), 1, &code);
        assert!(new.matches(&id(1), 1, &code, &digest) && !old.matches(&id(1), 1, &code, &digest));
        let game = GameId::parse("cup").unwrap();
        assert_eq!(old.place(&game, "ip", "1.2.3.4"), both.place(&game, "ip", "1.2.3.4"));
        assert_ne!(old.place(&game, "ip", "1.2.3.4"), old.place(&game, "device", "1.2.3.4"));
    }

    #[test]
    fn a_recovery_code_belongs_to_one_player_and_its_key_is_rotated() {
        let (old, both, new) = (Keyring::new(&[secret(0)]), Keyring::new(&[secret(1), secret(0)]), Keyring::new(&[secret(1)]));
        let (old, both, new) = (old.unwrap(), both.unwrap(), new.unwrap());
        let (game, other) = (GameId::parse("cup").unwrap(), GameId::parse("other").unwrap());
        let (ada, bob) = (PlayerId::parse("ada").unwrap(), PlayerId::parse("bob").unwrap());
        let code = RecoveryCode::from_bytes([7; 8]);
        let digest = old.recovery_digest(&game, &ada, &code);
        let is = |keys: &Keyring, game: &GameId, player: &PlayerId| keys.is_recovery_code(game, player, &code, &digest);
        assert!(is(&old, &game, &ada) && is(&both, &game, &ada) && !is(&new, &game, &ada));
        assert!(!is(&old, &game, &bob) && !is(&old, &other, &ada));
        assert!(!old.is_recovery_code(&game, &ada, &RecoveryCode::from_bytes([8; 8]), &digest));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(Keyring::new(&[secret(0), Secret::new("short")]).err(), Some(UnusableKeys::Short { place: 2 }));
        assert_eq!(Keyring::new(&[]).err(), Some(UnusableKeys::None));
    }
}
