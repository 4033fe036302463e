//! Components for tests, built once for a test run.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The folder with the components of the product's flows and of the test guests.
pub fn components() -> &'static Path {
    static COMPONENTS: OnceLock<PathBuf> = OnceLock::new();
    COMPONENTS.get_or_init(|| {
        let packages = [
            "vip-routing",
            "account-recovery",
            "tournament-replies",
            "echo-guest",
            "herald-guest",
            "hostile-guests",
            "puppet-guest",
            "warden-guest",
        ];
        let target = workspace().join("target");
        let built = questline_guest_build::build_guests(questline_guest_build::Purpose::Ship, workspace(), &packages, &target, &mut |_| {})
            .expect("guests build");
        built[0].path.parent().expect("components lie in a folder").to_owned()
    })
}
