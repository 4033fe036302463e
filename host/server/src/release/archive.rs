//! A bundle as one file: a tar archive of regular files, bounded, without links, owners or times.

use std::collections::BTreeMap;

use bytes::Bytes;
use questline_core::id::GameId;

use crate::game::{Bundle, BundleError};

/// Bytes of an archive: the files of a bundle, and a header and padding for each.
pub const ARCHIVE_BYTES_MAX: usize = (64 << 20) + (2 << 20);
/// Entries that are looked at, folders included.
const ENTRIES_MAX: usize = 4_096;

/// Why bytes are no archive of a release.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not tar.
    #[error("it is no tar archive: {0}")]
    Unreadable(std::io::Error),
    /// A link, a device and the like.
    #[error("{0:?} is no regular file: a release holds files, and no links")]
    NotAFile(String),
    /// A name twice.
    #[error("{0:?} is in it twice")]
    Twice(String),
    /// Too many entries.
    #[error("it has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// The files.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// The archive of a bundle: the same bytes for the same files.
pub fn pack(bundle: &Bundle) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in bundle.files() {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, path, &content[..])?;
    }
    builder.into_inner()
}

/// The bundle in an archive.
pub fn unpack(game: GameId, archive: &Bytes) -> Result<Bundle, ArchiveError> {
    let mut files = BTreeMap::new();
    for (count, entry) in tar::Archive::new(&archive[..]).entries().map_err(ArchiveError::Unreadable)?.enumerate() {
        let entry = entry.map_err(ArchiveError::Unreadable)?;
        if count >= ENTRIES_MAX {
            return Err(ArchiveError::TooMany);
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Regular => {}
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
            _ => return Err(ArchiveError::NotAFile(path)),
        }
        let start = entry.raw_file_position() as usize;
        let end = start.saturating_add(entry.size() as usize);
        if end > archive.len() {
            return Err(ArchiveError::Unreadable(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        if files.insert(path.clone(), archive.slice(start..end)).is_some() {
            return Err(ArchiveError::Twice(path));
        }
    }
    Ok(Bundle::new(game, files)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn game() -> GameId {
        GameId::parse("game").unwrap()
    }

    #[test]
    fn a_bundle_comes_back() {
        let files = [("game.toml", "a"), ("copy/en.ftl", ""), ("components/x.wasm", "\0asm")];
        let files = files.map(|(path, text)| (path.to_owned(), Bytes::from_static(text.as_bytes())));
        let bundle = Bundle::new(game(), files.into_iter().collect()).unwrap();
        let archive = Bytes::from(pack(&bundle).unwrap());
        assert_eq!(archive, pack(&bundle).unwrap());
        let back = unpack(game(), &archive).unwrap();
        assert_eq!((back.digest(), back.files()), (bundle.digest(), bundle.files()));
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "game.toml", "/etc/passwd").unwrap();
        let archive = Bytes::from(builder.into_inner().unwrap());
        assert!(matches!(unpack(game(), &archive), Err(ArchiveError::NotAFile(_))));

        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..12].copy_from_slice(b"../game.toml");
        header.set_size(0);
        header.set_cksum();
        let mut archive = header.as_bytes().to_vec();
        archive.resize(3 * 512, 0);
        assert!(matches!(unpack(game(), &archive.into()), Err(ArchiveError::Bundle(BundleError::Path(_)))));
    }

    #[test]
    fn what_is_no_archive_is_said_so() {
        assert!(matches!(unpack(game(), &Bytes::from_static(&[7; 2_000])), Err(ArchiveError::Unreadable(_))));
        let bundle = Bundle::new(game(), [("a.toml".to_owned(), Bytes::from_static(&[1; 5_000]))].into()).unwrap();
        let archive = Bytes::from(pack(&bundle).unwrap());
        assert!(unpack(game(), &archive.slice(..3_000)).is_err(), "cut off");
    }
}
