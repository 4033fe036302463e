//! The files of a game, held together and named by their digest: what a release is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use questline_core::id::{GameId, ReleaseDigest};
use ring::digest::{self, SHA256, SHA256_OUTPUT_LEN};

/// Bytes of one file.
const FILE_BYTES_MAX: usize = 32 << 20;
/// Bytes of all files.
const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// Files.
const FILES_MAX: usize = 1_024;
/// Bytes of a file's path.
const PATH_BYTES_MAX: usize = 200;
/// What a game's folder is read for; all else in it, for instance a README, is the studio's own.
const EXTENSIONS: [&str; 5] = ["toml", "ftl", "json", "chat", "wasm"];
/// Whose files are taken whatever they are called: those that the game sends.
const MEDIA: &str = "media/";
/// Where components lie in a bundle: `components/<plugin>.wasm`.
const COMPONENTS: &str = "components";

/// The files of one game by their paths, for instance `copy/en.ftl`. Immutable: a change is another bundle.
#[derive(Debug, Clone)]
pub struct Bundle {
    game: GameId,
    digest: ReleaseDigest,
    files: BTreeMap<String, Bytes>,
}

/// Why files are no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file.
    #[error("cannot read {path}: {problem}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// The folder's name.
    #[error("{path} is to be named after its game: {problem}")]
    Name {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A path in a bundle.
    #[error("a file cannot be called {0:?}: paths are relative, of letters, digits and ._- , at most {PATH_BYTES_MAX} bytes long")]
    Path(String),
    /// Too large.
    #[error("{0}")]
    TooLarge(String),
}

impl Bundle {
    /// From files by their paths.
    pub fn new(game: GameId, files: BTreeMap<String, Bytes>) -> Result<Self, BundleError> {
        if files.len() > FILES_MAX {
            return Err(BundleError::TooLarge(format!("{} files are too many: {FILES_MAX} at most", files.len())));
        }
        let mut hash = digest::Context::new(&SHA256);
        let mut bytes = 0;
        for (path, content) in &files {
            if !is_path(path) {
                return Err(BundleError::Path(path.clone()));
            }
            if content.len() > FILE_BYTES_MAX {
                return Err(BundleError::TooLarge(format!("{path} has {} bytes: {FILE_BYTES_MAX} at most", content.len())));
            }
            bytes += content.len();
            // Both parts have a fixed end, so that no two different bundles are read as the same bytes.
            hash.update(&(path.len() as u64).to_be_bytes());
            hash.update(path.as_bytes());
            hash.update(digest::digest(&SHA256, content).as_ref());
        }
        if bytes > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge(format!("the files have {bytes} bytes: {BUNDLE_BYTES_MAX} at most")));
        }
        let mut digest = [0; SHA256_OUTPUT_LEN];
        digest.copy_from_slice(hash.finish().as_ref());
        Ok(Self { game, digest: ReleaseDigest::from_bytes(digest), files })
    }

    /// Reads a game's folder, named after the game.
    pub fn read(dir: &Path) -> Result<Self, BundleError> {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let game = GameId::parse(&name).map_err(|problem| BundleError::Name { path: dir.to_owned(), problem: problem.to_string() })?;
        let mut files = BTreeMap::new();
        read_into(&mut files, dir, "")?;
        Self::new(game, files)
    }

    /// With the components of these plugins from a folder of components, in place of those it holds.
    pub fn with_components(mut self, plugins: &BTreeSet<String>, components_dir: &Path) -> Result<Self, BundleError> {
        let mut files = std::mem::take(&mut self.files);
        for plugin in plugins {
            let path = components_dir.join(format!("{plugin}.wasm"));
            files.insert(component_path(plugin), read(&path)?);
        }
        Self::new(self.game, files)
    }

    /// Whose files they are.
    pub fn game(&self) -> &GameId {
        &self.game
    }

    /// What names them: SHA-256 over all paths and contents.
    pub fn digest(&self) -> &ReleaseDigest {
        &self.digest
    }

    /// All files, sorted by path.
    pub fn files(&self) -> &BTreeMap<String, Bytes> {
        &self.files
    }

    /// One file.
    pub fn file(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path)
    }

    /// The component of a plugin.
    pub fn component(&self, plugin: &str) -> Option<&Bytes> {
        self.files.get(&component_path(plugin))
    }

    /// Files of a folder with an extension, as name without extension, path and content. `""` is the bundle's root.
    pub fn under(&self, folder: &str, extension: &str) -> impl Iterator<Item = (&str, &str, &Bytes)> {
        self.files.iter().filter_map(move |(path, content)| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let (stem, found) = name.rsplit_once('.')?;
            (parent == folder && found == extension).then_some((stem, path.as_str(), content))
        })
    }
}

fn component_path(plugin: &str) -> String {
    let mut path = String::with_capacity(COMPONENTS.len() + plugin.len() + 6);
    let _ = write!(path, "{COMPONENTS}/{plugin}.wasm");
    path
}

fn is_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    path.len() <= PATH_BYTES_MAX && path.split('/').all(part)
}

fn read(path: &Path) -> Result<Bytes, BundleError> {
    let unreadable = |problem| BundleError::Read { path: path.to_owned(), problem };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX as u64 {
        return Err(BundleError::TooLarge(format!("{} has {bytes} bytes: {FILE_BYTES_MAX} at most", path.display())));
    }
    std::fs::read(path).map(Bytes::from).map_err(unreadable)
}

fn read_into(files: &mut BTreeMap<String, Bytes>, dir: &Path, prefix: &str) -> Result<(), BundleError> {
    let unreadable = |problem| BundleError::Read { path: dir.to_owned(), problem };
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            read_into(files, &path, &format!("{prefix}{name}/"))?;
        } else if prefix.starts_with(MEDIA) || path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
        {
            files.insert(format!("{prefix}{name}"), read(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> Result<Bundle, BundleError> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Bytes::copy_from_slice(text.as_bytes()))).collect();
        Bundle::new(GameId::parse("game").unwrap(), files)
    }

    #[test]
    fn the_digest_tells_paths_and_contents_apart() {
        let one = bundle(&[("a.toml", "1"), ("b.toml", "2")]).unwrap();
        for other in [&[("a.toml", "1")][..], &[("a.toml", "12"), ("b.toml", "")], &[("a.toml", "2"), ("b.toml", "1")], &[]] {
            assert_ne!(one.digest(), bundle(other).unwrap().digest());
        }
        assert_eq!(one.digest(), bundle(&[("b.toml", "2"), ("a.toml", "1")]).unwrap().digest());
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for path in ["../game.toml", "/etc/passwd", "a//b", ".hidden", "a/.git/b", "a\\b", "", "a/", "ü.toml", &"a".repeat(201)] {
            assert!(matches!(bundle(&[(path, "")]), Err(BundleError::Path(_))), "{path}");
        }
    }

    #[test]
    fn a_folder_is_read_for_what_belongs_to_the_game() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("game");
        std::fs::create_dir_all(dir.join("copy")).unwrap();
        std::fs::create_dir_all(dir.join("media/s2")).unwrap();
        for path in ["game.toml", "copy/en.ftl", "README.md", ".secret.toml", "media/banner.png", "media/s2/a", "media/.b"] {
            std::fs::write(dir.join(path), path).unwrap();
        }
        let read = Bundle::read(&dir).unwrap();
        assert_eq!(read.files().keys().collect::<Vec<_>>(), ["copy/en.ftl", "game.toml", "media/banner.png", "media/s2/a"]);
        assert_eq!(read.under("copy", "ftl").map(|(stem, ..)| stem).collect::<Vec<_>>(), ["en"]);
        std::fs::write(root.path().join("plug.wasm"), "wasm").unwrap();
        let with = read.clone().with_components(&["plug".to_owned()].into(), root.path()).unwrap();
        assert_eq!(with.component("plug").unwrap(), "wasm");
        assert_ne!(with.digest(), read.digest());
    }
}
