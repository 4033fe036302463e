//! Whether a release is taken: everything that can be wrong is found before it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use questline_core::id::{FlowName, GameId, ReleaseDigest};
use questline_core::release::Origin;
use questline_wasm::LoadedFlow;

use super::{Refusal, Releaser};
use crate::app::{self, FlowsError};
use crate::game::{self, Bundle, DeclaredGame, LoadedGame, SecretRule};
use crate::media;
use crate::transcript;

/// Bytes of a failed transcript's report that a refusal tells.
const TRANSCRIPT_BYTES_MAX: usize = 8 << 10;

impl Releaser {
    /// The release in an archive, ready to be played; or the first reason why it is not taken.
    pub(super) async fn check(&self, game: &GameId, digest: &ReleaseDigest, archive: &Bytes) -> Result<Arc<LoadedGame>, Refusal> {
        let bundle = self.unpack(game, digest, archive.clone()).await?;
        let declared = self.declare(bundle.clone(), Origin::Upload).await?;
        check_media(&bundle).await?;
        self.check_components(&declared, &bundle).await?;
        let loaded = self.load_declared(declared, &bundle).await?;
        play_transcripts(&loaded, &bundle).await?;
        Ok(loaded)
    }

    /// The game of a bundle, ready to be played.
    pub(super) async fn make(&self, bundle: Bundle, origin: Origin) -> Result<Arc<LoadedGame>, Refusal> {
        let declared = self.declare(bundle.clone(), origin).await?;
        self.load_declared(declared, &bundle).await
    }

    async fn declare(&self, bundle: Bundle, origin: Origin) -> Result<DeclaredGame, Refusal> {
        let (config, http) = (self.parts.config.clone(), self.parts.http.clone());
        let declare = move || {
            let mut context = app::load_context(&config, bundle.game(), &http);
            if origin == Origin::Upload {
                context.secrets = SecretRule::Own {
                    game: bundle.game().clone(),
                    games: config.numbers.iter().map(|number| number.game.clone()).collect(),
                    dirs: config.operator.secret_dirs.clone(),
                };
            }
            game::declare(&bundle, &context).map_err(|problem| Refusal::from(&problem))
        };
        tokio::task::spawn_blocking(declare).await.map_err(|problem| Refusal::new("host-failed", problem.to_string()))?
    }

    /// What a component is, and its compilation, before anything of it runs.
    async fn check_components(&self, declared: &DeclaredGame, bundle: &Bundle) -> Result<(), Refusal> {
        let engine = self.parts.loader.engine();
        for flow in declared.rules.flows.values() {
            let file = component_of(&declared.plugins, &flow.name);
            let Some(component) = bundle.file(&file) else {
                let detail = format!("it is missing, and flow {} is it: `questline deploy` builds and adds it", flow.name);
                return Err(Refusal::in_file("component-missing", file, detail));
            };
            LoadedFlow::check(engine, component, flow.grants).map_err(|problem| Refusal::of_component(&file, &problem))?;
            if !engine.is_compiled(component) {
                self.compiler.compile(component).await.map_err(|problem| Refusal::of_compilation(&file, &problem))?;
            }
        }
        Ok(())
    }

    async fn load_declared(&self, declared: DeclaredGame, bundle: &Bundle) -> Result<Arc<LoadedGame>, Refusal> {
        let plugins = declared.plugins.clone();
        let file = |flow: &str| FlowName::parse(flow).map(|flow| component_of(&plugins, &flow)).unwrap_or_default();
        let loaded = self.parts.loader.load(declared, bundle).await.map_err(|problem| match &problem {
            FlowsError::Load { flow, problem, .. } => Refusal::of_component(&file(flow), problem),
            FlowsError::Missing { flow, .. } => Refusal::in_file("component-missing", file(flow), problem.to_string()),
            FlowsError::Engine(_) => Refusal::new("host-failed", problem.to_string()),
        })?;
        Ok(Arc::new(loaded))
    }
}

/// Pictures that have to be made to fit are made so once, before anybody waits for them.
pub(super) async fn check_media(bundle: &Bundle) -> Result<(), Refusal> {
    media::check_files(bundle).await.map_err(|(file, misfit)| Refusal::in_file("media", file, misfit.to_string()))
}

fn component_of(plugins: &BTreeMap<FlowName, String>, flow: &FlowName) -> String {
    format!("components/{}.wasm", plugins.get(flow).map_or("", String::as_str))
}

/// Plays the release's own transcripts, against its sample players: what its studio wrote down has to hold.
async fn play_transcripts(game: &Arc<LoadedGame>, bundle: &Bundle) -> Result<(), Refusal> {
    let reports = transcript::play_all(game, bundle).await;
    let Some(failed) = reports.iter().find(|report| !report.passed()) else { return Ok(()) };
    let mut words = failed.to_string();
    if words.len() > TRANSCRIPT_BYTES_MAX {
        words.truncate(words.floor_char_boundary(TRANSCRIPT_BYTES_MAX));
        words.push_str("...\n");
    }
    words.push_str(&format!("`questline flow test` on flows/{} shows the same", bundle.game()));
    Err(Refusal::in_file("transcript-failed", failed.path.clone(), words))
}
