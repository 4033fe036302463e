//! A workspace of a studio's own, beside the checkout: one game with one flow, which the test breaks and mends. Its target
//! directory stays for the next run.

use std::path::{Path, PathBuf};

use questline_tests::guests;

const FLOW: &str = include_str!("workspace/lib.rs.txt");
const GAME: &str = include_str!("workspace/game.toml");
const COPY: &str = include_str!("workspace/en.ftl");
const PLAYERS: &str = include_str!("workspace/players.json");
const TEMPLATE: &str = include_str!("workspace/dice_reminder.toml");

/// The files of one test.
pub(crate) struct Workspace {
    pub(crate) dir: PathBuf,
}

impl Workspace {
    /// Files as the test begins with.
    pub(crate) fn new(name: &str) -> Self {
        let dir = guests::workspace().join("target/questline-tests/dev").join(name);
        let workspace = Self { dir };
        workspace.write("Cargo.toml", &manifest(guests::workspace()));
        // The same versions as the checkout's: nothing is looked up.
        std::fs::copy(guests::workspace().join("Cargo.lock"), workspace.dir.join("Cargo.lock")).expect("a lock file");
        workspace.write(
            "plugins/dice/Cargo.toml",
            "[package]\nname = \"dice\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nquestline-sdk.workspace = true\nserde.workspace = true\n",
        );
        workspace.write("flows/dice/game.toml", GAME);
        workspace.reset();
        workspace.write("flows/dice/players.json", PLAYERS);
        workspace.write("flows/dice/templates/dice_reminder.toml", TEMPLATE);
        // A compiler that was made for the checkout's guests is made for these too.
        let sysroot = guests::workspace().join("target/guest-sysroot");
        let linked = workspace.dir.join("target/guest-sysroot");
        if sysroot.is_dir() && !linked.exists() {
            std::fs::create_dir_all(workspace.dir.join("target")).expect("a folder");
            std::os::unix::fs::symlink(sysroot, linked).expect("a link");
        }
        workspace
    }

    /// The flow and its texts as the test begins with.
    pub(crate) fn reset(&self) {
        self.write("plugins/dice/src/lib.rs", FLOW);
        self.write("flows/dice/copy/en.ftl", COPY);
    }

    /// Saves a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return;
        }
        std::fs::write(path, text).expect("a file");
    }

    /// Saves the flow with something in it changed.
    pub(crate) fn change_flow(&self, from: &str, to: &str) {
        assert!(FLOW.contains(from), "the flow has {from:?}");
        self.write("plugins/dice/src/lib.rs", &FLOW.replace(from, to));
    }

    /// Saves the texts with something in them changed.
    pub(crate) fn change_copy(&self, from: &str, to: &str) {
        assert!(COPY.contains(from), "the texts have {from:?}");
        self.write("flows/dice/copy/en.ftl", &COPY.replace(from, to));
    }
}

fn manifest(checkout: &Path) -> String {
    let sdk = checkout.join("plugins/sdk");
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\"]\n\n[workspace.dependencies]\nquestline-sdk = {{ path = {sdk:?} }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n"
    )
}
