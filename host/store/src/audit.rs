//! What both engines need for the audit log: the key of its pseudonyms, and salts.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use questline_core::audit::{Action, Actor, AuditRecord, Pseudonyms, Salt};
use questline_core::commit::{DeadLetter, Letter, Ticket};
use questline_core::id::DeadLetterId;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// The file of the key that a data directory makes for itself.
const FILE: &str = "audit.key";

/// The key that makes pseudonyms of players and contacts: HMAC-SHA-256. It is not to change: people who are in the log are
/// found under it only.
#[derive(Clone)]
pub struct AuditKey(hmac::Key);

/// The text is too short to be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of the audit log needs at least {} characters, for instance those of `openssl rand -hex 32`", AuditKey::BYTES_MIN)]
pub struct ShortKey;

impl AuditKey {
    /// Bytes of a secret at least.
    pub const BYTES_MIN: usize = 32;

    /// From a secret.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < Self::BYTES_MIN {
            return Err(ShortKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The one of a data directory; made, for its owner only, when there is none.
    pub(crate) fn of_directory(dir: &Path) -> io::Result<Self> {
        let (path, draft) = (dir.join(FILE), dir.join(format!("{FILE}.new")));
        let mut text = String::new();
        match std::fs::File::open(&path) {
            Ok(file) => {
                file.take(4_096).read_to_string(&mut text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes: Salt = random().map_err(|()| io::Error::other("the system gives no random bytes"))?;
                text = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                std::fs::rename(&draft, &path)?;
                std::fs::File::open(dir)?.sync_all()?;
            }
            Err(error) => return Err(error),
        }
        Self::new(text.trim().as_bytes()).map_err(|short| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {short}")))
    }
}

impl Pseudonyms for AuditKey {
    fn mac(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.0, text).as_ref());
        mac
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(hidden)")
    }
}

/// A new salt.
pub(crate) fn salt() -> Result<Salt, StoreError> {
    random().map_err(|()| StoreError::Unavailable("the system gives no random bytes".to_owned()))
}

fn random() -> Result<[u8; 32], ()> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(drop)?;
    Ok(bytes)
}

/// A ticket was closed.
pub(crate) fn closed(ticket: &Ticket, actor: &Actor, now: UnixMs) -> AuditRecord {
    let detail = format!("ticket {}", ticket.number);
    let record = AuditRecord::new(now, ticket.game.clone(), actor.clone(), Action::TicketClosed, detail);
    record.about(ticket.conversation, ticket.player.clone(), None)
}

/// A dead letter was put back.
pub(crate) fn retried(id: DeadLetterId, letter: &DeadLetter, actor: &Actor, now: UnixMs) -> AuditRecord {
    let detail = format!("dead letter {id}, {}", letter.reason);
    let record = AuditRecord::new(now, letter.game.clone(), actor.clone(), Action::DeadLetterRetried, detail);
    let contact = match &letter.letter {
        Letter::Message(message) => Some(message.contact.clone()),
        Letter::Event { .. } => None,
    };
    record.about(letter.conversation, None, contact)
}
