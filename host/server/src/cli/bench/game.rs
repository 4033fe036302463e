//! The game that is measured: a folder made for the run.

use std::path::Path;

use serde_json::json;

use crate::cli::Failure;
use crate::cli::sandbox::{GAME, Sandbox};

/// Players. One hears at most 43 messages at once and one in 6 s from then on (Meta's pair limit, which the host keeps),
/// so a long run needs many.
pub(super) const PLAYERS: usize = 24_000;
/// Of which the studio knows so many, when the flow asks: enough to be no cache's friend, too few to be the memory that
/// is measured.
const KNOWN_PLAYERS: usize = 24_000;

/// The packages of a flow's game.
pub(super) fn plugins(flow: &str) -> &'static [&'static str] {
    if flow == "echo" { &["echo-guest"] } else { &["vip-routing", "account-recovery", "tournament-replies"] }
}

/// What players write.
pub(super) fn text(flow: &str) -> &'static str {
    if flow == "echo" { "How many gems do I have?" } else { "What is my balance?" }
}

/// Player `index`'s number.
pub(super) fn phone(index: usize) -> String {
    format!("1555{index:07}")
}

/// Writes the folder of games into the sandbox.
pub(super) fn write(sandbox: &Sandbox, workspace: &Path, flow: &str) -> Result<(), Failure> {
    let dir = sandbox.dir.join("flows").join(GAME);
    let wrong = |problem: std::io::Error| Failure::new(format!("cannot write the measured game: {problem}"));
    std::fs::create_dir_all(dir.join("copy")).map_err(wrong)?;
    if flow == "echo" {
        let game = "name = \"Bench\"\nlocale = \"en\"\nticket_prefix = \"B\"\ndefault_flow = \"echo\"\n\n[flows.echo]\nplugin = \"echo-guest\"\n\
                    grants = [\"reply\", \"log\", \"clock\"]\n\n[players]\nconnector = \"sample\"\nfile = \"players.json\"\n";
        std::fs::write(dir.join("game.toml"), game).map_err(wrong)?;
        std::fs::write(dir.join("copy/en.ftl"), "hello = Hello\n").map_err(wrong)?;
        return std::fs::write(dir.join("players.json"), "{\"players\": []}").map_err(wrong);
    }
    let source = workspace.join("flows").join(GAME);
    std::fs::copy(source.join("game.toml"), dir.join("game.toml")).map_err(wrong)?;
    for folder in ["copy", "templates"] {
        std::fs::create_dir_all(dir.join(folder)).map_err(wrong)?;
        for entry in std::fs::read_dir(source.join(folder)).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if let Some(name) = path.file_name() {
                std::fs::copy(&path, dir.join(folder).join(name)).map_err(wrong)?;
            }
        }
    }
    let tiers = ["diamond", "platinum", "gold", "silver", "bronze", "standard"];
    let player = |index: usize| {
        json!({
            "id": format!("p{index}"), "phone": format!("+{}", phone(index)), "name": format!("Player {index}"),
            "tier": tiers[index % tiers.len()], "locale": "en", "balances": { "premium": index, "free": index * 3 },
        })
    };
    let players: Vec<_> = (0..KNOWN_PLAYERS).map(player).collect();
    std::fs::write(dir.join("players.json"), json!({ "players": players }).to_string()).map_err(wrong)
}
