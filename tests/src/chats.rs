//! Games as their transcripts are played: built, loaded on an engine that counts fuel, connected to sample data.

use std::path::Path;
use std::sync::Arc;

use questline::app::{GameLoader, connector_client};
use questline::game::{self, Bundle, LoadContext, LoadedGame, Studio};
use questline::transcript::SceneLog;
use questline_wasm::EngineOptions;

use crate::guests::workspace;

/// Builds the plugins of a game's folder and loads it.
pub async fn load(dir: &Path) -> (Arc<LoadedGame>, Bundle) {
    let plugins = game::plugins(&Bundle::read(dir).expect("a game's folder")).expect("a game.toml");
    let names: Vec<&str> = plugins.iter().map(String::as_str).collect();
    let built = questline_guest_build::build_guests(
        questline_guest_build::Purpose::Ship,
        workspace(),
        &names,
        &workspace().join("target"),
        &mut |_| {},
    )
    .expect("plugins build");
    let bundle = game::read_folder(dir, built[0].path.parent().expect("a folder")).expect("a game");
    let game = load_bundle(&bundle).await;
    (game, bundle)
}

/// Loads a game with its components.
pub async fn load_bundle(bundle: &Bundle) -> Arc<LoadedGame> {
    let options = EngineOptions { calls_max: 4, calls_per_game_max: 4, count_fuel: true, ..EngineOptions::default() };
    let loader = GameLoader::new(options, Arc::new(SceneLog)).expect("an engine");
    let http = connector_client().expect("a client");
    let context = LoadContext::to_try(Studio::Sample, &http);
    let declared = game::declare(bundle, &context).expect("a game that can be played");
    Arc::new(loader.load(declared, bundle).await.expect("flows load"))
}

/// The same game with these transcripts and no others.
pub fn with_chats(bundle: &Bundle, chats: &[(&str, &str)]) -> Bundle {
    let mut files = bundle.files().clone();
    files.retain(|path, _| !path.ends_with(".chat"));
    files.extend(chats.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec().into())));
    Bundle::new(bundle.game().clone(), files).expect("a bundle")
}
