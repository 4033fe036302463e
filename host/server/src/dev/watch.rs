//! Sees files being saved, waits until the editor is done with them, and says what they change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::workshop::Rebuild;

/// Editors write a file in several moves: it is done when nothing came for so long ...
const QUIET: Duration = Duration::from_millis(40);
/// ... or after this time, for something always comes.
const QUIET_MAX: Duration = Duration::from_millis(500);
/// What the SDK's folder is called: all flows are built of it.
const SDK: &str = "sdk";

/// Files were saved.
#[derive(Debug)]
pub(super) struct Saved {
    /// When the first of them was.
    pub(super) at: Instant,
    /// One of them, for people.
    pub(super) path: PathBuf,
    /// What follows.
    pub(super) rebuild: Rebuild,
}

/// Watches the folders of plugins and of one game.
pub(super) struct Watch {
    plugins_dir: PathBuf,
    game_dir: PathBuf,
    changes: mpsc::UnboundedReceiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Starts to watch.
    pub(super) fn start(plugins_dir: &Path, game_dir: &Path) -> notify::Result<Self> {
        let (told, changes) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)) {
                event.paths.into_iter().for_each(|path| drop(told.send(path)));
            }
        })?;
        watcher.watch(plugins_dir, RecursiveMode::Recursive)?;
        watcher.watch(game_dir, RecursiveMode::Recursive)?;
        Ok(Self { plugins_dir: plugins_dir.to_owned(), game_dir: game_dir.to_owned(), changes, _watcher: watcher })
    }

    /// Waits until files that matter were saved; all that are saved in one go count as one. `None` when watching ended.
    pub(super) async fn saved(&mut self) -> Option<Saved> {
        let mut saved = loop {
            let path = self.changes.recv().await?;
            if let Some(rebuild) = self.meaning(&path) {
                break Saved { at: Instant::now(), path, rebuild };
            }
        };
        while saved.at.elapsed() < QUIET_MAX {
            match tokio::time::timeout(QUIET, self.changes.recv()).await {
                Ok(Some(path)) => {
                    if let Some(rebuild) = self.meaning(&path) {
                        saved.rebuild = saved.rebuild.and(rebuild);
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        Some(saved)
    }

    fn meaning(&self, path: &Path) -> Option<Rebuild> {
        meaning(path, &self.plugins_dir, &self.game_dir)
    }
}

/// What a saved file changes; `None` for what makes no difference.
fn meaning(path: &Path, plugins_dir: &Path, game_dir: &Path) -> Option<Rebuild> {
    let extension = path.extension().and_then(|extension| extension.to_str())?;
    let hidden =
        |part: &Path| part.components().any(|part| part.as_os_str().to_str().is_none_or(|name| name.starts_with('.') || name == "target"));
    if let Ok(inside) = path.strip_prefix(game_dir) {
        let is_read = ["toml", "ftl", "json"].contains(&extension) || inside.starts_with("media");
        return (is_read && !hidden(inside)).then_some(Rebuild::Nothing);
    }
    let inside = path.strip_prefix(plugins_dir).ok()?;
    let mut parts = inside.components();
    let plugin = parts.next()?.as_os_str().to_str()?;
    let is_test = parts.next().is_some_and(|part| part.as_os_str() == "tests");
    if !["rs", "toml"].contains(&extension) || hidden(inside) || is_test {
        return None;
    }
    Some(if plugin == SDK { Rebuild::All } else { Rebuild::Plugins(BTreeSet::from([plugin.to_owned()])) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_changed_is_built() {
        let of = |path: &str| meaning(Path::new(path), Path::new("/w/plugins"), Path::new("/w/flows/dice"));
        assert_eq!(of("/w/plugins/dice/src/lib.rs"), Some(Rebuild::Plugins(["dice".to_owned()].into())));
        assert_eq!(of("/w/plugins/sdk/src/lib.rs"), Some(Rebuild::All));
        assert_eq!(of("/w/flows/dice/copy/en.ftl"), Some(Rebuild::Nothing));
        assert_eq!(of("/w/flows/dice/media/banner.png"), Some(Rebuild::Nothing));
        for nothing in [
            "/w/plugins/dice/src/.lib.rs.swp",
            "/w/plugins/dice/tests/game.rs",
            "/w/plugins/dice/src/lib.rs~",
            "/w/flows/dice/README.md",
            "/w/other/a.rs",
            "/w/plugins/dice/target/x.rs",
        ] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }

    #[tokio::test]
    async fn files_saved_together_are_one_change() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (plugins, game) = (root.join("plugins"), root.join("flows/dice"));
        std::fs::create_dir_all(plugins.join("dice/src")).unwrap();
        std::fs::create_dir_all(&game).unwrap();
        let mut watch = Watch::start(&plugins, &game).unwrap();
        std::fs::write(game.join("README.md"), "nothing").unwrap();
        std::fs::write(game.join("game.toml"), "name = 1").unwrap();
        std::fs::write(plugins.join("dice/src/lib.rs"), "fn main() {}").unwrap();
        let saved = tokio::time::timeout(Duration::from_secs(20), watch.saved()).await.unwrap().unwrap();
        assert_eq!(saved.rebuild, Rebuild::Plugins(["dice".to_owned()].into()));
    }
}
