//! `questline flow new`: a flow that works, with a test and a transcript, and a game to play it in if there is none.

use std::path::{Path, PathBuf};

use clap::Parser;
use questline_core::id::{FlowName, GameId};

use super::super::{Failure, Outcome};

/// Names that cargo or the flow's own crate cannot use.
const TAKEN: [&str; 14] = [
    "alloc",
    "core",
    "proc-macro",
    "std",
    "test",
    "serde",
    "serde-json",
    "questline",
    "questline-sdk",
    "wit-bindgen",
    "build",
    "deps",
    "crate",
    "self",
];
/// Characters of a plugin's name.
const NAME_CHARS_MAX: usize = 40;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// The flow's name: a-z, 0-9 and -, for instance `daily-quiz`.
    name: String,
    /// The game that it is for. Where there is none of this name it is made; by default it is called as the flow.
    #[arg(long)]
    game: Option<String>,
    /// The SDK's folder, `plugins/sdk` of a Questline checkout. By default that of the checkout which this program was built
    /// in. Only for a workspace that does not have it yet.
    #[arg(long)]
    sdk: Option<PathBuf>,
    /// Where: a checkout of Questline, a workspace that this command made, or a folder that becomes one.
    #[arg(long, default_value = ".")]
    workspace: PathBuf,
}

pub(super) fn run(args: &Args) -> Outcome {
    let name = checked_name(&args.name)?;
    let game = args.game.as_deref().unwrap_or(name.as_str());
    let game = GameId::parse(game).map_err(|problem| Failure::new(format!("--game {game}: {problem}")))?;
    let here = args.workspace.canonicalize().map_err(|problem| Failure::new(format!("{}: {problem}", args.workspace.display())))?;
    let workspace = Workspace::at(&here, args.sdk.as_deref())?;
    workspace.check_member(&name)?;
    let plugin = workspace.root.join("plugins").join(name.as_str());
    let folder = workspace.root.join("flows").join(game.as_str());
    let makes_game = !folder.join("game.toml").exists();
    if plugin.exists() {
        return Err(Failure::new(format!("{} is there already: choose another name", plugin.display())));
    }
    if makes_game && folder.exists() {
        return Err(Failure::new(format!("{} is there already, without a game.toml: choose another --game", folder.display())));
    }

    let texts = Texts::new(&name, &game);
    let mut files = workspace.files()?;
    let lints = if workspace.has_lints { "\n[lints]\nworkspace = true\n" } else { "" };
    files.push((plugin.join("Cargo.toml"), texts.fill(include_str!("new/plugin.toml")).replace("{{lints}}", lints)));
    files.push((plugin.join("src/lib.rs"), texts.fill(include_str!("new/lib.rs.txt"))));
    files.push((plugin.join("tests/flow.rs"), texts.fill(include_str!("new/test.rs.txt"))));
    if makes_game {
        files.push((folder.join("game.toml"), texts.fill(include_str!("new/game.toml"))));
        files.push((folder.join("copy/en.ftl"), texts.fill(include_str!("new/en.ftl"))));
        files.push((folder.join("players.json"), texts.fill(include_str!("new/players.json"))));
        files.push((folder.join(format!("{name}.chat")), texts.fill(include_str!("new/flow.chat"))));
    }
    for (path, text) in &files {
        write_new(path, text)?;
    }
    tell(args, &workspace, &name, &game, makes_game);
    Ok(())
}

fn checked_name(name: &str) -> Result<FlowName, Failure> {
    let wrong = |problem: &str| Failure::new(format!("a flow cannot be called {name:?}: {problem}"));
    let parsed = FlowName::parse(name).map_err(|problem| wrong(&problem.to_string()))?;
    let parts_fit = name.split('-').all(|part| !part.is_empty()) && name.starts_with(|first: char| first.is_ascii_lowercase());
    if !parts_fit || name.len() > NAME_CHARS_MAX {
        return Err(wrong(&format!(
            "it begins with a letter, has no - at its end or beside another, and {NAME_CHARS_MAX} characters at most"
        )));
    }
    // Rust's own words make no crate names.
    let keyword =
        ["as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "extern", "false", "fn", "for", "gen", "if"]
            .into_iter()
            .chain([
                "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "super", "trait",
            ])
            .chain([
                "true", "type", "unsafe", "use", "where", "while", "abstract", "become", "box", "do", "final", "macro", "override", "priv",
            ])
            .chain(["try", "typeof", "unsized", "virtual", "yield"])
            .any(|word| word == name);
    if keyword || TAKEN.contains(&name) { Err(wrong("Rust or cargo use that name")) } else { Ok(parsed) }
}

/// The workspace that the plugin joins, or begins.
struct Workspace {
    root: PathBuf,
    /// None where there is one already.
    begins_with_sdk: Option<PathBuf>,
    has_lints: bool,
    members: Vec<String>,
}

impl Workspace {
    fn at(here: &Path, sdk: Option<&Path>) -> Result<Self, Failure> {
        if let Some(root) = super::workspace_of(here) {
            return Self::existing(root);
        }
        if here.join("Cargo.toml").exists() {
            return Err(Failure::new(format!(
                "{} belongs to one crate: run this in a folder of its own",
                here.join("Cargo.toml").display()
            )));
        }
        let sdk = match sdk {
            Some(sdk) => Some(sdk.canonicalize().map_err(|problem| Failure::new(format!("--sdk {}: {problem}", sdk.display())))?),
            None => sdk_of_this_program(),
        };
        let sdk = sdk.filter(|sdk| sdk.join("Cargo.toml").is_file()).ok_or_else(|| {
            Failure::new(
                "a workspace of its own needs the SDK: name it with --sdk <checkout of Questline>/plugins/sdk, or run this in the checkout",
            )
        })?;
        Ok(Self { root: here.to_owned(), begins_with_sdk: Some(sdk), has_lints: false, members: vec!["plugins/*".to_owned()] })
    }

    fn existing(root: PathBuf) -> Result<Self, Failure> {
        let path = root.join("Cargo.toml");
        let wrong = |problem: String| Failure::new(format!("{}: {problem}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|problem| wrong(problem.to_string()))?;
        let manifest: toml::Table = text.parse().map_err(|problem: toml::de::Error| wrong(problem.to_string()))?;
        let workspace = manifest.get("workspace").and_then(toml::Value::as_table);
        let table = |key: &str| workspace.and_then(|workspace| workspace.get(key)).and_then(toml::Value::as_table);
        for (dependency, line) in [
            ("questline-sdk", "questline-sdk = { path = \"<checkout of Questline>/plugins/sdk\" }"),
            ("serde", "serde = { version = \"1\", features = [\"derive\"] }"),
        ] {
            if !table("dependencies").is_some_and(|dependencies| dependencies.contains_key(dependency)) {
                return Err(wrong(format!("[workspace.dependencies] has no {dependency}; add: {line}")));
            }
        }
        let members = workspace.and_then(|workspace| workspace.get("members")).and_then(toml::Value::as_array);
        let members = members.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned).collect();
        let has_lints = table("lints").is_some();
        Ok(Self { root, begins_with_sdk: None, has_lints, members })
    }

    fn check_member(&self, name: &FlowName) -> Result<(), Failure> {
        let own = format!("plugins/{name}");
        if self.members.iter().any(|member| member == "plugins/*" || *member == own) {
            return Ok(());
        }
        Err(Failure::new(format!("{}: add \"plugins/*\" to the members of the workspace", self.root.join("Cargo.toml").display())))
    }

    /// What the workspace itself needs.
    fn files(&self) -> Result<Vec<(PathBuf, String)>, Failure> {
        let Some(sdk) = &self.begins_with_sdk else { return Ok(Vec::new()) };
        // A TOML string in double quotes is written as a JSON one.
        let path = serde_json::Value::from(sdk.to_string_lossy().as_ref()).to_string();
        let manifest = include_str!("new/workspace.toml").replace("{{sdk}}", &path);
        let mut files = vec![(self.root.join("Cargo.toml"), manifest), (self.root.join(".gitignore"), "target/\n".to_owned())];
        // The versions that the SDK is tested with.
        if let Some(lock) = sdk.ancestors().nth(2).and_then(|checkout| std::fs::read_to_string(checkout.join("Cargo.lock")).ok())
            && !self.root.join("Cargo.lock").exists()
        {
            files.push((self.root.join("Cargo.lock"), lock));
        }
        files.retain(|(path, _)| path.file_name().is_none_or(|name| name != ".gitignore") || !path.exists());
        Ok(files)
    }
}

/// This program lies in `target/<profile>` of a checkout, unless it was put elsewhere.
fn sdk_of_this_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    program.ancestors().map(|dir| dir.join("plugins/sdk")).find(|sdk| sdk.join("Cargo.toml").is_file())
}

/// What differs from flow to flow.
struct Texts {
    name: String,
    type_name: String,
    crate_name: String,
    game: String,
    game_title: String,
    ticket_prefix: String,
}

impl Texts {
    fn new(name: &FlowName, game: &GameId) -> Self {
        let capitalised = |text: &str, between: &str| {
            let word = |word: &str| {
                let mut letters = word.chars();
                letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
            };
            text.split('-').filter(|part| !part.is_empty()).map(word).collect::<Vec<_>>().join(between)
        };
        let letters: String = game.as_str().chars().filter(char::is_ascii_alphabetic).take(2).collect();
        Self {
            name: name.to_string(),
            type_name: capitalised(name.as_str(), ""),
            crate_name: name.as_str().replace('-', "_"),
            game: game.to_string(),
            game_title: capitalised(game.as_str(), " "),
            ticket_prefix: if letters.is_empty() { "T".to_owned() } else { letters.to_ascii_uppercase() },
        }
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("{{name}}", &self.name)
            .replace("{{Type}}", &self.type_name)
            .replace("{{crate}}", &self.crate_name)
            .replace("{{game}}", &self.game)
            .replace("{{Game}}", &self.game_title)
            .replace("{{PREFIX}}", &self.ticket_prefix)
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let failed = |problem: std::io::Error| Failure::new(format!("cannot write {}: {problem}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn tell(args: &Args, workspace: &Workspace, name: &FlowName, game: &GameId, made_game: bool) {
    let root = workspace.root.display();
    println!("plugins/{name}    the flow: a page of Rust in src/lib.rs, and its test");
    if made_game {
        println!("flows/{game}    the game: texts, sample players, and the transcript {name}.chat");
    }
    if let Some(sdk) = &workspace.begins_with_sdk {
        println!("Cargo.toml    a workspace; its questline-sdk is the folder {}", sdk.display());
    }
    println!("\nall in {root}");
    if !made_game {
        let path = workspace.root.join("flows").join(game.as_str()).join("game.toml");
        println!("\n{} was there; to play the flow in it, add:\n", path.display());
        println!("    [flows.{name}]\n    plugin = \"{name}\"\n    grants = [\"players\", \"copy\", \"log\", \"reply\", \"tickets\"]\n");
        println!("a [[routes]] that leads to it, and its texts: hello, hello-again, agent-called, button-agent");
    }
    println!("\nNext{}:", if args.workspace == Path::new(".") { String::new() } else { format!(", in {root}") });
    println!("    cargo test -p {name}");
    println!("    questline flow test flows/{game}");
}
