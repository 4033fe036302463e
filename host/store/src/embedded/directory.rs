//! The data directory: made private, and held by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::OpenError;

const LOCK_FILE: &str = "lock";
const DATABASE_FILE: &str = "questline.db";

/// A held data directory; given up when dropped, also by a crash: the kernel keeps the lock.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be, for its owner alone, and takes its lock.
    pub(super) fn hold(path: &Path) -> Result<Self, OpenError> {
        let failed = |error: io::Error| OpenError::Directory { dir: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let mut holder = String::new();
            // Who it is helps, but is not needed.
            let _ = (&lock).take(20).read_to_string(&mut holder);
            return Err(OpenError::InUse { dir: path.to_owned(), pid: holder.trim().parse().ok() });
        }
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the data is.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }
}
