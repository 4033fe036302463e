//! `questline doctor`: looks at configuration, games, flows, store, Meta and machine, and says what to do.

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use questline_core::port::{Clock, GuestLog};

use super::{Failure, Outcome};
use questline_store::{embedded, redis};

use crate::app::{self, GameLoader, StartError, StoreOpenError};
use crate::clock::SystemClock;
use crate::config::{self, Config, Engine, NumberConfig};
use crate::game::{Bundle, DeclaredGame};
use crate::guest_log::TracedGuestLog;
use crate::metrics::Metrics;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Do not ask Meta about the numbers.
    #[arg(long)]
    offline: bool,
}

/// What a look found.
enum Found {
    Good(String),
    /// It works, and could be better.
    Odd(String),
    /// It does not work.
    Bad(String),
}

/// Open files that a busy host needs: connections in and out, and components.
const OPEN_FILES_MIN: u64 = 4_096;
/// `memfd`-backed resets of linear memory need this kernel for their fastest way.
const PAGEMAP_SCAN_KERNEL: (u32, u32) = (6, 7);

pub(super) async fn run(args: &Args, path: &Path) -> Outcome {
    let mut report = Report::default();
    report.add("machine", kernel());
    report.add("machine", open_files());
    match Config::load(path) {
        Err(problem) => report.add("configuration", Found::Bad(problem.to_string())),
        Ok(config) => {
            report.add("configuration", Found::Good(format!("{} is right", path.display())));
            look_at(args, &config, &mut report).await;
        }
    }
    match report.bad {
        0 => Ok(()),
        1 => Err(Failure::new("one thing does not work")),
        bad => Err(Failure::new(format!("{bad} things do not work"))),
    }
}

async fn look_at(args: &Args, config: &Config, report: &mut Report) {
    report.add("secrets", secrets(config));
    if config.numbers.is_empty() {
        report.add("numbers", Found::Odd("no [[numbers]] are configured: nobody can write to this host".to_owned()));
    }
    let games = app::connector_client().and_then(|http| app::declare_games(config, &http));
    match games {
        Err(problem) => report.add("games", Found::Bad(problem.to_string())),
        Ok(games) => {
            for number in config.numbers.iter().filter(|number| !games.iter().any(|(bundle, _)| *bundle.game() == number.game)) {
                let text = format!(
                    "number {} is of game {}, which has no folder in {}: it is played if a release was uploaded (`questline releases {}`)",
                    number.id,
                    number.game,
                    config.games_dir.display(),
                    number.game
                );
                report.add("games", Found::Odd(text));
            }
            let names: Vec<_> = games.iter().map(|(bundle, _)| bundle.game().to_string()).collect();
            report.add("games", Found::Good(format!("{} in {}", names.join(", "), config.games_dir.display())));
            report.add("flows", flows(config, games).await);
        }
    }
    store(config, report).await;
    if args.offline {
        report.add("meta", Found::Odd("not asked".to_owned()));
    } else {
        meta(config, report).await;
    }
}

fn secrets(config: &Config) -> Found {
    let sources = config
        .apps
        .iter()
        .flat_map(|app| app.secrets.iter().chain([&app.verify_token]).map(move |source| (source, format!("app {:?}", app.name))))
        .chain(config.numbers.iter().map(|number| (&number.access_token, format!("number {}", number.id))))
        .chain(config.admin.token.iter().map(|source| (source, "the API".to_owned())))
        .chain(config.store.url.iter().map(|source| (source, "Redis".to_owned())))
        .chain(config.store.keys.iter().map(|source| (source, "the store".to_owned())))
        .chain(config.audit.key.iter().map(|source| (source, "the audit log".to_owned())));
    let problems: Vec<String> =
        sources.filter_map(|(source, of)| source.read(&format!("a secret of {of}")).err()).map(|problem| problem.to_string()).collect();
    match problems.is_empty() {
        true if config.admin.token.is_none() => Found::Odd("all there; without [admin] token the API is closed".to_owned()),
        true => Found::Good("all there".to_owned()),
        false => Found::Bad(problems.join("; ")),
    }
}

async fn flows(config: &Config, games: Vec<(Bundle, DeclaredGame)>) -> Found {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log: Arc<dyn GuestLog> = Arc::new(TracedGuestLog::new(clock, Arc::new(Metrics::default())));
    let loader = match GameLoader::of(config, log) {
        Ok(loader) => loader,
        Err(problem) => return Found::Bad(problem.to_string()),
    };
    let mut loaded = 0;
    for (bundle, declared) in games {
        match loader.load(declared, &bundle).await {
            Ok(game) => loaded += game.rules.flows.len(),
            Err(problem) => return Found::Bad(problem.to_string()),
        }
    }
    Found::Good(format!("{loaded} loaded"))
}

async fn store(config: &Config, report: &mut Report) {
    let kind = match config.store.engine {
        Engine::Embedded => format!("embedded, in {}", config.store.dir.display()),
        Engine::Redis => "Redis".to_owned(),
    };
    if config.store.engine == Engine::Embedded && config.store.keys.is_empty() {
        let dir = config.store.dir.display();
        let text = format!(
            "sealed under {dir}/store.key: backups of the database alone say nothing, a copy of the whole directory says all; \
             [store] keys keeps the key elsewhere"
        );
        report.add("store", Found::Odd(text));
    }
    match app::open_store(config).await {
        Ok(store) => {
            match store.desk.check().await {
                Ok(()) => report.add("store", Found::Good(format!("{kind}: answers and can be written"))),
                Err(problem) => report.add("store", Found::Bad(problem.to_string())),
            }
            for warning in &store.warnings {
                report.add("store", Found::Odd(warning.clone()));
            }
            if let Ok(depth) = store.desk.depth().await {
                let text = format!("{} events and {} messages wait, {} dead letters", depth.inbox, depth.outbox, depth.dead_letters);
                report.add(
                    "store",
                    if depth.dead_letters == 0 {
                        Found::Good(text)
                    } else {
                        Found::Odd(format!("{text}: `questline dead-letters list` shows them"))
                    },
                );
            }
            if let Err(problem) = store.close().await {
                report.add("store", Found::Bad(problem.to_string()));
            }
        }
        Err(problem) if in_use(&problem) => report.add("store", Found::Good(format!("{kind}: in use by a running host"))),
        Err(problem) => report.add("store", Found::Bad(problem.to_string())),
    }
}

/// A running host is no fault.
fn in_use(problem: &StoreOpenError) -> bool {
    match problem {
        StoreOpenError::Embedded(problem) => matches!(problem, embedded::OpenError::InUse { .. }),
        StoreOpenError::Redis(problem) => matches!(problem, redis::OpenError::Held { .. }),
        StoreOpenError::Secret(_) | StoreOpenError::AuditKey(_) | StoreOpenError::Keys(_) | StoreOpenError::NoUrl => false,
    }
}

async fn meta(config: &Config, report: &mut Report) {
    let graph = match app::graph(config) {
        Ok(graph) => graph,
        Err(StartError::Secret(_)) => return,
        Err(problem) => return report.add("meta", Found::Bad(problem.to_string())),
    };
    for number in &config.numbers {
        let found = match graph.phone_number_info(&number.id).await {
            Ok(info) => {
                let text = format!(
                    "number {}: quality {}, throughput {}",
                    number.id,
                    info.quality_rating.as_deref().unwrap_or("unknown"),
                    info.throughput_level().unwrap_or("unknown")
                );
                report.add("meta", dialled(number, info.display_phone_number.as_deref()));
                if info.quality_rating.as_deref() == Some("RED") { Found::Odd(text) } else { Found::Good(text) }
            }
            Err(problem) => Found::Bad(format!("number {}: {problem}", number.id)),
        };
        report.add("meta", found);
    }
}

fn kernel() -> Found {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut parts = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    match version >= PAGEMAP_SCAN_KERNEL {
        true => Found::Good(format!("kernel {release}")),
        false => Found::Odd(format!("kernel {release}: from 6.7 on a flow call costs about a third less")),
    }
}

/// Whether links to the chat lead to the number that Meta knows.
fn dialled(number: &NumberConfig, meta: Option<&str>) -> Found {
    let id = &number.id;
    match (&number.display_phone, meta.and_then(config::dialled)) {
        (Some(own), Some(meta)) if *own != meta => {
            Found::Bad(format!("number {id}: display_phone is not the number that Meta has: links would lead elsewhere"))
        }
        (Some(_), Some(_)) => Found::Good(format!("number {id}: display_phone is Meta's")),
        (Some(_), None) => Found::Odd(format!("number {id}: Meta does not say how it is dialled")),
        (None, _) => Found::Odd(format!("number {id}: without display_phone in [[numbers]] there are no links to the chat")),
    }
}

fn open_files() -> Found {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => {
            Found::Odd(format!("{limit} open files are allowed: raise it to {OPEN_FILES_MIN} (LimitNOFILE= in systemd, or ulimit -n)"))
        }
        Some(limit) => Found::Good(format!("{limit} open files are allowed")),
        None => Found::Good("any number of open files is allowed".to_owned()),
    }
}

#[derive(Default)]
struct Report {
    bad: usize,
}

impl Report {
    fn add(&mut self, about: &str, found: Found) {
        let (mark, text) = match &found {
            Found::Good(text) => ("ok  ", text),
            Found::Odd(text) => ("warn", text),
            Found::Bad(text) => ("FAIL", text),
        };
        self.bad += usize::from(matches!(found, Found::Bad(_)));
        println!("{mark}  {about:<14} {text}");
    }
}
