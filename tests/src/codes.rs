//! A stage whose games send one-time codes: the key they are kept under, and Meta's template that they go by.

use questline_emulator as meta;

use crate::stage::Stage;

/// The template of codes, in the games' folders and at Meta.
pub const CODE_TEMPLATE: &str = "cup_code";

impl Stage {
    /// Puts lines at the end of a game's `game.toml`.
    pub fn append(&self, game: &str, lines: &str) {
        let path = self.game_dir(game).join("game.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}\n{lines}\n")).unwrap();
    }

    /// Writes a file of a game, in a folder that may be new.
    pub fn write(&self, game: &str, path: &str, text: &str) {
        let path = self.game_dir(game).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Gives these games [`CODE_TEMPLATE`], approved in English and German, and the host a key for codes.
    pub fn sends_codes(self, games: &[&str]) -> Self {
        let source = include_str!("../../flows/starfall/templates/starfall_code.toml").replace("starfall_code", CODE_TEMPLATE);
        for game in games {
            self.write(game, "templates/cup_code.toml", &source);
        }
        for language in ["en", "de"] {
            self.emulator.put_template(meta::Template::one_time_code(CODE_TEMPLATE, language));
        }
        let key = self.dir().join("code-key");
        std::fs::write(&key, "a key of the tests: 32 characters at the least").unwrap();
        self.extra(&format!("[verification]\nkeys = [{{ file = {key:?} }}]"))
    }
}
