//! Humans: what cannot wait goes to an agent at once, all else is queued by tier and intent.
use questline_sdk::limits::fit;
use questline_sdk::locale::{date, number};
use questline_sdk::prelude::*;

use crate::player::Player;
use crate::step::{OpenTicket, Step};

/// Most characters of the player's own words in a ticket.
const WORDS_MAX: usize = 2000;

/// Up to this priority a ticket is queued as high, up to the second as normal, then as low.
const HIGH_PRIORITY_MAX: u8 = 3;
const NORMAL_PRIORITY_MAX: u8 = 5;

/// A purchase went wrong.
pub(crate) fn purchase_problem(step: Step<'_>, player: &Player, words: Option<&str>) -> Result<Outcome, FlowError> {
    const INTENT: &str = "purchase-problem";
    if let Some(number) = open_ticket(&step, |ticket| ticket.intent == INTENT) {
        return already_open(step, &number);
    }
    let mut body = agent_lines(&step, Some(player), words)?;
    match players::last_purchase() {
        Ok(Some(purchase)) => {
            let minor = format!("{:02}", purchase.amount_minor % 100);
            body.push('\n');
            body.push_str(&agent_copy(
                &step,
                "agent-last-purchase",
                &[
                    ("product", &purchase.product),
                    ("id", &purchase.id),
                    ("amount", &format!("{}.{minor}", purchase.amount_minor / 100)),
                    ("currency", &purchase.currency),
                    ("date", &date(purchase.at, &step.settings.agent_locale)),
                ],
            )?);
        }
        Ok(None) | Err(ImportError::NotGranted(_) | ImportError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    if step.settings.is_critical(player.priority) {
        let target_s = step.settings.critical_target_s;
        let ticket = new_ticket(&step, TicketPriority::Critical, INTENT, Some(player))?.body(body).target_s(target_s);
        return open(step, ticket, "purchase-critical", target_s);
    }
    let ticket = new_ticket(&step, queue(player.priority), INTENT, Some(player))?.body(body);
    open(step, ticket, "purchase-queued", 0)
}

/// The player wants a human. `player` is none for a contact that nobody knows.
pub(crate) fn agent(step: Step<'_>, player: Option<&Player>, words: Option<&str>) -> Result<Outcome, FlowError> {
    // Whatever is open has an agent's eye on it already.
    if let Some(number) = open_ticket(&step, |_| true) {
        return already_open(step, &number);
    }
    let priority = player.map_or(TicketPriority::Low, |player| queue(player.priority));
    let body = agent_lines(&step, player, words)?;
    let ticket = new_ticket(&step, priority, "agent", player)?.body(body);
    open(step, ticket, "agent-queued", 0)
}

fn queue(priority: u8) -> TicketPriority {
    if priority <= HIGH_PRIORITY_MAX {
        TicketPriority::High
    } else if priority <= NORMAL_PRIORITY_MAX {
        TicketPriority::Normal
    } else {
        TicketPriority::Low
    }
}

fn new_ticket(step: &Step<'_>, priority: TicketPriority, intent: &str, player: Option<&Player>) -> Result<Ticket, FlowError> {
    let tier = player.map_or("unknown", |player| player.tier.as_str());
    let subject = agent_copy(step, &format!("agent-subject-{intent}"), &[("tier", tier)])?;
    let ticket = Ticket::new(priority, intent, subject).tag(format!("tier:{tier}"));
    Ok(match player {
        Some(player) => ticket.tag(format!("priority:{}", player.priority)),
        None => ticket,
    })
}

/// What an agent should know, in the agents' language.
fn agent_lines(step: &Step<'_>, player: Option<&Player>, words: Option<&str>) -> Result<String, FlowError> {
    let who = match player {
        Some(player) => agent_copy(
            step,
            "agent-player",
            &[
                ("name", player.name.as_deref().unwrap_or("-")),
                ("tier", &player.tier),
                ("priority", &player.priority.to_string()),
                ("locale", &step.conversation.locale),
            ],
        )?,
        None => agent_copy(step, "agent-unknown-player", &[("locale", &step.conversation.locale)])?,
    };
    let words = words.map(|words| fit(words, WORDS_MAX)).unwrap_or_default();
    Ok(if words.is_empty() { who } else { format!("{who}\n\n{words}\n") })
}

fn agent_copy(step: &Step<'_>, key: &str, arguments: &[(&str, &str)]) -> Result<String, FlowError> {
    Ok(questline_sdk::copy_in(&step.settings.agent_locale, key, arguments)?)
}

/// Opens the ticket and tells its number; `key` may use the target in seconds.
fn open(mut step: Step<'_>, ticket: Ticket, key: &str, target_s: u32) -> Result<Outcome, FlowError> {
    if step.conversation.refusal("open-ticket").is_some() {
        let body = step.copy("agent-unavailable", &[])?;
        return step.reply_with(body, &["events", "menu"]);
    }
    let ticket_number = step.conversation.ticket_number.clone();
    let target = number(target_s.into(), &step.conversation.locale);
    let body = step.copy(key, &[("number", &ticket_number), ("seconds", &target)])?;
    step.state.tickets.push(OpenTicket { number: ticket_number, intent: ticket.intent.clone() });
    Ok(step.done()?.ticket(ticket)?.reply(body)?)
}

fn open_ticket(step: &Step<'_>, is_it: impl Fn(&OpenTicket) -> bool) -> Option<String> {
    step.state.tickets.iter().find(|ticket| is_it(ticket)).map(|ticket| ticket.number.clone())
}

fn already_open(step: Step<'_>, number: &str) -> Result<Outcome, FlowError> {
    let body = step.copy("ticket-already-open", &[("number", number)])?;
    step.reply_with(body, &["balance", "events"])
}
