//! Proving a chain: entry by entry, in bounded memory, by whoever holds them.

use std::collections::BTreeSet;

use super::{Action, AuditHash, Entry, Head};
use crate::id::GameId;
use crate::time::UnixMs;

/// Where a chain is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log of {game} is broken at entry {seq}: {fault}")]
pub struct Break {
    /// Of which game.
    pub game: GameId,
    /// At which entry.
    pub seq: u64,
    /// How.
    pub fault: Fault,
}

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another entry stands here.
    #[error("entry {found} stands in its place; entries are missing, were put in, or are in another order")]
    OutOfOrder {
        /// Which one.
        found: u64,
    },
    /// It is of another chain.
    #[error("it is of game {0}")]
    OtherGame(GameId),
    /// It is not what was written.
    #[error("its hash does not fit: it or an entry before it was changed")]
    Changed,
    /// Its details are not what was written.
    #[error("its details were changed")]
    DetailsChanged,
    /// They are gone, and no entry says that they were erased.
    #[error("its details are gone, and no entry says that they were erased")]
    DetailsMissing,
    /// An erasure of what was not there yet.
    #[error("it says that it erases entry {0}, which is none before it")]
    ErasesNoneBefore(u64),
    /// The chain ends too early or goes on too long.
    #[error("it is the last one, and the head says that the last one is {head}: entries are missing at the end, or the head was changed")]
    Length {
        /// The head's last entry.
        head: u64,
    },
    /// The last entry is another one than the head says.
    #[error("it is not the one that the head names")]
    OtherHead,
    /// The chain is another one than it was.
    #[error("it is not what it was when its head was kept: the log was written anew")]
    KeptHead,
    /// The chain is shorter than it was.
    #[error("it is the last one, and the head that was kept is that of entry {kept}: entries are missing at the end")]
    KeptLength {
        /// The kept head's last entry.
        kept: u64,
    },
    /// The kept head lies before what was looked at.
    #[error("nothing before it was looked at, and the head that was kept is that of entry {kept}: look at more")]
    KeptBefore {
        /// The kept head's last entry.
        kept: u64,
    },
}

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Of which game.
    pub game: GameId,
    /// Entries before the first one that was looked at; 0 when it was all.
    pub before: u64,
    /// The last entry that was looked at, and its hash.
    pub head: Head,
    /// When the first one happened.
    pub first_at: Option<UnixMs>,
    /// When the last one happened.
    pub last_at: Option<UnixMs>,
    /// Entries whose details are erased, as a later entry says.
    pub erased: u64,
    /// Entries whose details are gone, where what erased them is not among those that were looked at.
    pub erased_later: u64,
}

impl Proof {
    /// Entries that were looked at.
    pub fn entries(&self) -> u64 {
        self.head.count - self.before
    }
}

/// Looks at a chain's entries, one after the other.
#[derive(Debug, Clone)]
pub struct Verifier {
    game: GameId,
    before: Head,
    head: Head,
    kept: Option<Head>,
    first_at: Option<UnixMs>,
    last_at: Option<UnixMs>,
    erased: u64,
    /// Entries without details that nothing explains yet.
    unexplained: BTreeSet<u64>,
}

impl Verifier {
    /// For a whole chain.
    pub fn new(game: GameId) -> Self {
        let start = Head::start(&game);
        Self::after(game, start)
    }

    /// For a part of a chain, behind this head.
    pub fn after(game: GameId, before: Head) -> Self {
        let unexplained = BTreeSet::new();
        Self { game, before, head: before, kept: None, first_at: None, last_at: None, erased: 0, unexplained }
    }

    /// Wants the chain to go through a head that somebody kept.
    pub fn through(self, kept: Head) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// How far it has come.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Break> {
        let seq = self.head.count + 1;
        let broken = |fault| Break { game: self.game.clone(), seq, fault };
        if entry.game != self.game {
            return Err(broken(Fault::OtherGame(entry.game.clone())));
        }
        if entry.seq != seq {
            return Err(broken(Fault::OutOfOrder { found: entry.seq }));
        }
        let hash = entry.hash_after(&self.head.hash);
        if hash != entry.hash {
            return Err(broken(Fault::Changed));
        }
        match &entry.details {
            Some(details) if details.hash() != entry.details_hash => return Err(broken(Fault::DetailsChanged)),
            Some(_) => {}
            None => {
                self.unexplained.insert(seq);
            }
        }
        if let Some(kept) = &self.kept
            && kept.count == seq
            && kept.hash != hash
        {
            return Err(broken(Fault::KeptHead));
        }
        for erased in &entry.erases {
            if entry.action != Action::PlayerErased || *erased == 0 || *erased >= seq {
                return Err(broken(Fault::ErasesNoneBefore(*erased)));
            }
            self.erased += u64::from(self.unexplained.remove(erased));
        }
        self.head = Head { count: seq, hash };
        self.first_at.get_or_insert(entry.at);
        self.last_at = Some(entry.at);
        Ok(())
    }

    /// Ends at the chain's head: nothing is missing at the end, and all that is gone was erased.
    pub fn finish(self, head: &Head) -> Result<Proof, Break> {
        let last = self.head.count;
        let broken = |seq, fault| Err(Break { game: self.game.clone(), seq, fault });
        if head.count != last {
            return broken(last, Fault::Length { head: head.count });
        }
        if head.hash != self.head.hash {
            return broken(last, Fault::OtherHead);
        }
        if let Some(seq) = self.unexplained.first() {
            return broken(*seq, Fault::DetailsMissing);
        }
        self.part()
    }

    /// Ends before the chain's head: what comes after is not looked at.
    pub fn part(self) -> Result<Proof, Break> {
        let broken = |seq, fault| Err(Break { game: self.game.clone(), seq, fault });
        match &self.kept {
            Some(kept) if kept.count > self.head.count => return broken(self.head.count, Fault::KeptLength { kept: kept.count }),
            Some(kept) if kept.count < self.before.count => return broken(self.before.count, Fault::KeptBefore { kept: kept.count }),
            Some(kept) if kept.count == self.before.count && *kept != self.before => return broken(kept.count, Fault::KeptHead),
            _ => {}
        }
        Ok(Proof {
            game: self.game,
            before: self.before.count,
            head: self.head,
            first_at: self.first_at,
            last_at: self.last_at,
            erased: self.erased,
            erased_later: self.unexplained.len() as u64,
        })
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    /// As it is shown: `<count>:<hash>`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a head is <count>:<hash>, as `questline audit verify` shows it".to_owned();
        let (count, hash) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self { count: count.parse().map_err(|_| wrong())?, hash: AuditHash::parse(hash).map_err(|_| wrong())? })
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.count, self.hash)
    }
}
