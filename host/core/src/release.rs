//! Releases of a game as the store keeps them: which there are, which one is played, and what there is to go back to.

use serde::{Deserialize, Serialize};

use crate::conversation::SESSION_TTL_MS;
use crate::id::ReleaseDigest;
use crate::time::{HOUR_MS, UnixMs};

/// Releases that are kept whatever becomes of them: the newest.
pub const NEWEST_KEPT: usize = 50;
/// Releases of a game in all. Beyond it the oldest go, even those that a conversation holds: it then migrates.
pub const RELEASES_MAX: usize = 200;
/// How many activations back a game can be rolled.
pub const HISTORY_MAX: usize = 50;
/// How often it is noted that conversations hold a release.
pub const HOLD_NOTED_EVERY_MS: u64 = HOUR_MS;

/// Where a release came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A folder of the operator's, read at a start.
    Folder,
    /// Uploaded with a token.
    Upload,
}

impl Origin {
    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Upload => "upload",
        }
    }
}

/// What is known of a release beside its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// What names it.
    pub digest: ReleaseDigest,
    /// Where it came from.
    pub origin: Origin,
    /// Who brought it: the token's name, or the host.
    pub by: String,
    /// Bytes of its archive.
    pub bytes: u64,
    /// When it came.
    pub uploaded_at: UnixMs,
    /// When it last became the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<UnixMs>,
    /// When it last ceased to be the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<UnixMs>,
    /// When a conversation last went on with it although it was not active; noted once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<UnixMs>,
}

impl Release {
    /// A release that comes now.
    pub fn new(digest: ReleaseDigest, origin: Origin, by: String, at: UnixMs) -> Self {
        Self { digest, origin, by, bytes: 0, uploaded_at: at, activated_at: None, left_at: None, held_at: None }
    }

    /// Whether a conversation may still hold it: sessions end a day after their last event.
    fn may_be_held(&self, now: UnixMs) -> bool {
        let last = self.left_at.max(self.held_at);
        last.is_some_and(|last| now.since_ms(last) < SESSION_TTL_MS + 2 * HOLD_NOTED_EVERY_MS)
    }
}

/// All releases of a game. It is one document: every change of it is atomic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// The one that is played.
    #[serde(default)]
    pub active: Option<ReleaseDigest>,
    /// Those that were played before it, the latest last: what a rollback goes back to.
    #[serde(default)]
    pub history: Vec<ReleaseDigest>,
    /// What the operator's folder held when it was last looked at.
    #[serde(default)]
    pub folder: Option<ReleaseDigest>,
    /// All that are kept, the oldest first.
    #[serde(default)]
    pub releases: Vec<Release>,
}

/// A change of a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShelfChange {
    /// Play this one from now on.
    Activate {
        /// Which.
        digest: ReleaseDigest,
        /// When.
        at: UnixMs,
    },
    /// Go back to one that was played before; those after it are not gone back to again.
    RollBack {
        /// Which.
        digest: ReleaseDigest,
        /// When.
        at: UnixMs,
    },
    /// A conversation goes on with it.
    Hold {
        /// Which.
        digest: ReleaseDigest,
        /// When.
        at: UnixMs,
    },
    /// The operator's folder holds this.
    Folder {
        /// Which.
        digest: ReleaseDigest,
    },
}

impl Shelf {
    /// What is known of a release.
    pub fn release(&self, digest: &ReleaseDigest) -> Option<&Release> {
        self.releases.iter().find(|release| release.digest == *digest)
    }

    /// The active release.
    pub fn active(&self) -> Option<&Release> {
        self.release(&self.active?)
    }

    /// What a rollback goes back to.
    pub fn previous(&self) -> Option<ReleaseDigest> {
        self.history.iter().rev().find(|digest| Some(**digest) != self.active && self.release(digest).is_some()).copied()
    }

    /// Adds a release. False when it is known; what was a folder's becomes an upload when somebody uploads the same.
    pub fn put(&mut self, release: Release) -> bool {
        match self.releases.iter_mut().find(|known| known.digest == release.digest) {
            Some(known) => {
                if release.origin == Origin::Upload && known.origin == Origin::Folder {
                    (known.origin, known.by) = (release.origin, release.by);
                }
                false
            }
            None => {
                self.releases.push(release);
                true
            }
        }
    }

    /// Makes the change. False when the release is not there.
    pub fn apply(&mut self, change: &ShelfChange) -> bool {
        match change {
            ShelfChange::Folder { digest } => {
                self.folder = Some(*digest);
                return true;
            }
            ShelfChange::Hold { digest, at } => {
                let found = self.releases.iter_mut().find(|release| release.digest == *digest);
                return found.map(|release| release.held_at = Some(*at)).is_some();
            }
            ShelfChange::Activate { digest, .. } | ShelfChange::RollBack { digest, .. } if self.release(digest).is_none() => return false,
            ShelfChange::Activate { digest, at } => {
                if self.active == Some(*digest) {
                    return true;
                }
                self.history.extend(self.active);
                self.switch(*digest, *at);
            }
            ShelfChange::RollBack { digest, at } => {
                match self.history.iter().rposition(|played| played == digest) {
                    Some(place) => self.history.truncate(place),
                    // It was never played: then this is a way forward.
                    None => return self.apply(&ShelfChange::Activate { digest: *digest, at: *at }),
                }
                self.switch(*digest, *at);
            }
        }
        true
    }

    fn switch(&mut self, digest: ReleaseDigest, at: UnixMs) {
        let old = self.active.replace(digest);
        for release in &mut self.releases {
            if release.digest == digest {
                release.activated_at = Some(at);
            } else if Some(release.digest) == old {
                release.left_at = Some(at);
            }
        }
        let over = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..over);
    }

    /// Takes out what need not be kept any more; gives it back, so that its files can be removed.
    pub fn forget(&mut self, now: UnixMs) -> Vec<Release> {
        let needed = [self.active, self.previous()];
        let newest = self.releases.len().saturating_sub(NEWEST_KEPT);
        let mut over = self.releases.len().saturating_sub(RELEASES_MAX);
        let mut forgotten = Vec::new();
        for (place, release) in std::mem::take(&mut self.releases).into_iter().enumerate() {
            let is_kept = place >= newest || needed.contains(&Some(release.digest)) || (over == 0 && release.may_be_held(now));
            if is_kept {
                self.releases.push(release);
            } else {
                over = over.saturating_sub(1);
                forgotten.push(release);
            }
        }
        self.history.retain(|digest| !forgotten.iter().any(|release| release.digest == *digest));
        forgotten
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time::DAY_MS;

    fn digest(n: u8) -> ReleaseDigest {
        ReleaseDigest::from_bytes([n; 32])
    }

    fn shelf(count: u8) -> Shelf {
        let mut shelf = Shelf::default();
        for n in 0..count {
            assert!(shelf.put(Release::new(digest(n), Origin::Upload, "ci".to_owned(), UnixMs(n.into()))));
        }
        shelf
    }

    fn activate(shelf: &mut Shelf, n: u8, at: u64) -> bool {
        shelf.apply(&ShelfChange::Activate { digest: digest(n), at: UnixMs(at) })
    }

    fn roll_back(shelf: &mut Shelf, at: u64) -> bool {
        let Some(digest) = shelf.previous() else { return false };
        shelf.apply(&ShelfChange::RollBack { digest, at: UnixMs(at) })
    }

    #[test]
    fn rolling_back_goes_back_one_by_one() {
        let mut shelf = shelf(4);
        assert!(!activate(&mut shelf, 9, 1), "it is not there");
        for n in 0..4 {
            assert!(activate(&mut shelf, n, 100 + u64::from(n)));
        }
        assert_eq!(shelf.release(&digest(2)).unwrap().left_at, Some(UnixMs(103)));
        assert!(roll_back(&mut shelf, 200));
        assert_eq!(shelf.active, Some(digest(2)));
        assert!(roll_back(&mut shelf, 201));
        assert_eq!(shelf.active, Some(digest(1)));
        assert!(activate(&mut shelf, 3, 202));
        assert_eq!(shelf.previous(), Some(digest(1)));
        assert!(roll_back(&mut shelf, 203) && roll_back(&mut shelf, 204));
        assert!(!roll_back(&mut shelf, 205), "there is nothing before the first");
        assert_eq!(shelf.active, Some(digest(0)));
    }

    #[test]
    fn a_rollback_to_one_further_back_forgets_the_way_there() {
        let mut shelf = shelf(4);
        for n in 0..4 {
            activate(&mut shelf, n, 100);
        }
        assert!(shelf.apply(&ShelfChange::RollBack { digest: digest(1), at: UnixMs(5) }));
        assert_eq!((shelf.active, shelf.previous()), (Some(digest(1)), Some(digest(0))));
    }

    #[test]
    fn activating_the_active_one_changes_nothing() {
        let mut shelf = shelf(2);
        activate(&mut shelf, 0, 1);
        activate(&mut shelf, 1, 2);
        let before = shelf.clone();
        assert!(activate(&mut shelf, 1, 3));
        assert_eq!(shelf, before);
    }

    #[test]
    fn the_newest_the_active_the_previous_and_the_held_are_kept() {
        let mut shelf = shelf(60);
        let now = UnixMs(10 * DAY_MS);
        activate(&mut shelf, 0, 1);
        activate(&mut shelf, 1, 2);
        activate(&mut shelf, 2, 3);
        shelf.apply(&ShelfChange::Hold { digest: digest(3), at: UnixMs(now.0 - HOUR_MS) });
        let forgotten: Vec<_> = shelf.forget(now).into_iter().map(|release| release.digest).collect();
        assert_eq!(forgotten, [0, 4, 5, 6, 7, 8, 9].map(digest));
        assert_eq!((shelf.active, shelf.previous()), (Some(digest(2)), Some(digest(1))));
        assert!(shelf.release(&digest(3)).is_some());
        assert!(shelf.forget(now).is_empty(), "50 and the three that are needed");
        let later = UnixMs(now.0 + 2 * DAY_MS);
        assert_eq!(shelf.forget(later).len(), 1, "nobody holds it any more");
    }

    #[test]
    fn what_a_folder_held_becomes_an_upload() {
        let mut shelf = Shelf::default();
        shelf.put(Release::new(digest(1), Origin::Folder, "host".to_owned(), UnixMs(1)));
        assert!(!shelf.put(Release::new(digest(1), Origin::Upload, "ci".to_owned(), UnixMs(2))));
        assert_eq!(shelf.release(&digest(1)).unwrap().origin, Origin::Upload);
        assert!(!shelf.put(Release::new(digest(1), Origin::Folder, "host".to_owned(), UnixMs(3))));
        assert_eq!(shelf.release(&digest(1)).unwrap().origin, Origin::Upload);
    }
}
