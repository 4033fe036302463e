//! Routes players by their tier, answers balances and events, opens tickets.
//!
//! Who is unknown is asked to prove who they are and learns nothing personal before. Each answer leaves a way on: a
//! button, a ticket number, or what to do in the game.

mod account;
mod active_events;
mod backend;
mod identity;
mod player;
mod settings;
mod step;
mod tickets;
mod topic;

use questline_sdk::prelude::*;
use questline_sdk::types::TicketClosed;

use player::Player;
use step::Step;
use topic::{Content, Topic};

/// The flow.
pub struct VipRouting;

impl Flow for VipRouting {
    fn describe() -> Description {
        Description::new("vip-routing", env!("CARGO_PKG_VERSION"))
            .wants(&[EventKind::Message, EventKind::Authenticated, EventKind::CodeRejected, EventKind::TicketClosed, EventKind::HandedOver])
            .needs(&[
                Capability::Players,
                Capability::Backend,
                Capability::Intents,
                Capability::Copy,
                Capability::Log,
                Capability::Reply,
                Capability::Authentication,
                Capability::Tickets,
            ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let step = Step::read(conversation)?;
        match event {
            Event::Message(message) => on_message(step, &message.content),
            Event::Authenticated(_) => identity::proved(step),
            Event::CodeRejected(rejected) => identity::rejected(step, rejected.attempts_left),
            Event::TicketClosed(ticket) => on_ticket_closed(step, &ticket),
            Event::HandedOver(_) => match Player::of(&step)? {
                Some(player) => menu(step, &player),
                None => identity::ask(step, Topic::Menu),
            },
            _ => Ok(Outcome::done().keep_state(conversation)),
        }
    }
}

questline_sdk::export!(VipRouting);

fn on_message(step: Step<'_>, content: &Inbound) -> Result<Outcome, FlowError> {
    let content = Content::read(content, &step.settings)?;
    if content.topic == Topic::Silence {
        return step.done();
    }
    match Player::of(&step)? {
        Some(player) => answer(step, &player, content),
        None => identity::unknown(step, content),
    }
}

/// Answers a known player.
fn answer(step: Step<'_>, player: &Player, content: Content<'_>) -> Result<Outcome, FlowError> {
    match content.topic {
        Topic::Balance => account::balance(step),
        Topic::Transactions => account::transactions(step),
        Topic::ClaimRewards => account::claim_rewards(step),
        Topic::Events => active_events::list(step),
        Topic::EventDetails(id) => active_events::details(step, &id),
        Topic::PurchaseProblem => tickets::purchase_problem(step, player, content.words),
        Topic::Agent => tickets::agent(step, Some(player), content.words),
        Topic::NewCode => identity::new_code(step, player),
        Topic::Menu => menu(step, player),
        Topic::Media => {
            let body = step.copy("media-received", &[])?;
            step.reply_with(body, &["agent", "menu"])
        }
        Topic::Unreadable => step.say_with_menu("content-unreadable"),
        Topic::Unclear => step.say_with_menu("not-understood"),
        Topic::Silence => step.done(),
    }
}

/// Greets, and shows what there is to ask for.
fn menu(step: Step<'_>, player: &Player) -> Result<Outcome, FlowError> {
    let body = match &player.name {
        Some(name) => step.copy("greeting", &[("name", name)])?,
        None => step.copy("greeting-nameless", &[])?,
    };
    step.reply_with(body, step::MENU)
}

fn on_ticket_closed(mut step: Step<'_>, ticket: &TicketClosed) -> Result<Outcome, FlowError> {
    step.state.close(&ticket.number);
    // Agents close tickets at their own time: days later nothing but a template could be sent.
    if !step.conversation.is_window_open() || step.conversation.refusal("reply").is_some() {
        return step.done();
    }
    let body = match ticket.resolution.trim() {
        "" => step.copy("ticket-closed", &[("number", &ticket.number)])?,
        resolution => step.copy("ticket-closed-because", &[("number", &ticket.number), ("resolution", resolution)])?,
    };
    step.reply_with(body, step::MENU)
}
