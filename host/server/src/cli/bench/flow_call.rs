//! A flow call alone: the same component, the same question, no store and no network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::conversation::Conversation;
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::id::{ConversationId, GameId, InboxSeq, NumberId};
use questline_core::port::{Clock, FlowCall, GuestLog, InboxEntry};
use questline_core::step::{Opened, Step};
use questline_wasm::EngineOptions;

use super::game;
use crate::app::{self, GameLoader};
use crate::cli::Failure;
use crate::cli::sandbox::{GAME, NUMBER, Sandbox};
use crate::clock::SystemClock;
use crate::game::{LoadContext, Studio};
use crate::guest_log::TracedGuestLog;
use crate::metrics::Metrics;

const WARM_UP: u32 = 2_000;
const CALLS: u32 = 20_000;

/// CPU microseconds of one call, user and system.
pub(super) async fn measure(sandbox: &Sandbox, components_dir: &Path, text: &str) -> Result<f64, Failure> {
    let http = app::connector_client().map_err(Failure::new)?;
    let context = LoadContext::to_try(Studio::Real, &http);
    let bundle = crate::game::read_folder(&sandbox.dir.join("flows").join(GAME), components_dir).map_err(Failure::new)?;
    let declared = crate::game::declare(&bundle, &context).map_err(Failure::new)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log: Arc<dyn GuestLog> = Arc::new(TracedGuestLog::new(clock.clone(), Arc::new(Metrics::default())));
    let loader = GameLoader::new(EngineOptions::default(), log).map_err(Failure::new)?;
    let game = loader.load(declared, &bundle).await.map_err(Failure::new)?;
    let flow = game.rules.flows.values().next().ok_or_else(|| Failure::new("the game has no flow"))?;

    let now = clock.now();
    let phone = game::phone(1);
    let address = Address {
        game: GameId::parse(GAME).map_err(Failure::new)?,
        number: NumberId::parse(NUMBER).map_err(Failure::new)?,
        contact: Contact::new(PhoneNumber::parse(&phone).ok(), None).ok_or_else(|| Failure::new("no contact"))?,
    };
    let mut conversation = Conversation::new(ConversationId(1), address);
    if let Ok((player, _)) = game.services.players.by_contact(&conversation.contact).await {
        conversation.session.active_at = now;
        conversation.session.player = Some(player);
    }
    let message = Message {
        wamid: Wamid("wamid.bench".into()),
        sent_at: now,
        content: Inbound::Text(game::text(text).to_owned()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    };
    let entry = InboxEntry { seq: InboxSeq(1), received_at: now, attempts: 0, event: Arc::new(Event::Message(message)) };
    let Opened::Ask(step) = Step::open(&game.rules, conversation, &entry, now, &*game.services.copy) else {
        return Err(Failure::new("the host kept the message to itself"));
    };
    let call = || async {
        let snapshot = step.snapshot(flow, Vec::new()).ok_or_else(|| Failure::new("no snapshot"))?;
        let call = FlowCall {
            game: &game.rules.id,
            flow: &flow.name,
            snapshot,
            event: &entry.event,
            references: &|_| None,
            services: &game.services,
            grants: flow.grants,
            limits: flow.limits,
            now,
            state_version: None,
            idempotency_key: "bench".to_owned(),
            seed: None,
        };
        game.flows.call(call).await.map_err(Failure::new)
    };
    for _ in 0..WARM_UP {
        call().await?;
    }
    let before = cpu();
    for _ in 0..CALLS {
        call().await?;
    }
    Ok(cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(CALLS))
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
