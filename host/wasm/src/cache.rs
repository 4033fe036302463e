//! Compiled code on disk, so that a start does not compile every flow again.
//!
//! Loading compiled code runs it: whoever can write a file here could run anything. So every file carries a MAC under a
//! key that only this host reads, is checked whole before it is loaded, and is loaded from the very bytes that were
//! checked. A file that fails is worth nothing and is replaced.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use wasmtime::component::Component;

/// Bytes of the key, and of a MAC.
const KEY_BYTES: usize = 32;
/// The key's file.
const KEY_FILE: &str = "key";

/// Why compiled code cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory or the key's file cannot be made, read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the key, so it proves nothing.
    #[error("{path} can be read by others (mode {mode:o}): remove it, and look who could have written compiled code beside it")]
    KeyExposed {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not a key.
    #[error("{path} is no key: remove it, and all that lies beside it is compiled again")]
    KeyDamaged {
        /// Where.
        path: PathBuf,
    },
    /// The system gives no random numbers for a key.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// The digest of a component's bytes.
pub(crate) type Digest = [u8; 32];

/// A directory of compiled code.
pub(crate) struct Cache {
    dir: PathBuf,
    key: hmac::Key,
    /// Tells engines apart whose code does not fit each other: version, target, configuration.
    engine: String,
}

impl Cache {
    /// Opens the directory, and makes it and its key where they are missing.
    pub(crate) fn open(dir: &Path, engine: &wasmtime::Engine) -> Result<Self, CacheError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::File { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
        let path = dir.join(KEY_FILE);
        let key = match read_key(&path)? {
            Some(key) => key,
            None => {
                make_key(dir, &path)?;
                read_key(&path)?.ok_or_else(|| CacheError::KeyDamaged { path: path.clone() })?
            }
        };
        let mut fingerprint = Fingerprint(Context::new(&SHA256));
        engine.precompile_compatibility_hash().hash(&mut fingerprint);
        let engine = hex(&fingerprint.0.finish().as_ref()[..16]);
        Ok(Self { dir: dir.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &key), engine })
    }

    /// The compiled component, if it is there and was written by this host. What is damaged is removed.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<Component> {
        let name = self.name(digest);
        let path = self.dir.join(&name);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be read");
                return None;
            }
        };
        let component = self.verified(&name, &file).and_then(|code| {
            // SAFETY: the MAC proves that this host wrote exactly these bytes, as the output of `precompile_component` of an
            // engine with the same compatibility hash, under a key that nobody else reads. They are in private memory since
            // before they were checked, so no one can change them in between.
            #[allow(unsafe_code)]
            unsafe { Component::deserialize(engine, code) }.ok()
        });
        if component.is_none() {
            tracing::warn!(path = %path.display(), "compiled code is damaged or forged: it is thrown away and compiled again");
            let _ = fs::remove_file(&path);
        }
        component
    }

    /// Whether there is a file for it, right or not.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.dir.join(self.name(digest)).is_file()
    }

    /// Keeps compiled code. The file appears whole or not at all.
    pub(crate) fn store(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let name = self.name(digest);
        let draft = self.dir.join(format!("{name}.{}.draft", random_hex()?));
        let mac = hmac::sign(&self.key_of(&name), code);
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(mac.as_ref())?;
            file.write_all(code)?;
            file.sync_all()?;
            fs::rename(&draft, self.dir.join(&name))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{}-{}.cwasm", hex(digest), self.engine)
    }

    /// Each name has its own key: code of one component cannot be passed off as another's.
    fn key_of(&self, name: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.key, name.as_bytes()).as_ref())
    }

    fn verified<'a>(&self, name: &str, file: &'a [u8]) -> Option<&'a [u8]> {
        let (mac, code) = file.split_at_checked(KEY_BYTES)?;
        hmac::verify(&self.key_of(name), code, mac).ok().map(|()| code)
    }
}

fn read_key(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, CacheError> {
    let failed = |source| CacheError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CacheError::KeyExposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    bytes.try_into().map(Some).map_err(|_| CacheError::KeyDamaged { path: path.to_owned() })
}

/// Makes a key that is there whole or not at all. Of two hosts that start at once, the first one's stays.
fn make_key(dir: &Path, path: &Path) -> Result<(), CacheError> {
    let failed = |source| CacheError::File { path: path.to_owned(), source };
    let mut key = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| CacheError::NoRandomness)?;
    let draft = dir.join(format!("{KEY_FILE}.{}.draft", random_hex().map_err(failed)?));
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(&key)?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    })();
    let _ = fs::remove_file(&draft);
    made.map_err(failed)
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Feeds a hash into SHA-256: the name of a file must not depend on the standard library's hasher.
struct Fingerprint(Context);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
