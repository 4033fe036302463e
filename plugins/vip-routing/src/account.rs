//! What a player owns: balances, transactions, rewards.
use questline_sdk::backend::{Sensitive, call_sensitive, find_json};
use questline_sdk::limits::fit;
use questline_sdk::locale::{date, number, signed};
use questline_sdk::prelude::*;

use crate::backend::{Claimed, Currency, Nothing, Transactions, TransactionsRequest};
use crate::identity;
use crate::step::Step;
use crate::topic::Topic;

/// Longest description in a line of a message, so that ten lines and their frame fit into a body.
const DESCRIPTION_MAX: usize = 48;
/// Most lines.
const LINES_MAX: usize = 10;

/// Premium and free currency, pending rewards; transactions, rewards and an agent one tap away.
pub(crate) fn balance(step: Step<'_>) -> Result<Outcome, FlowError> {
    let balances = match players::balances() {
        Ok(balances) => balances,
        Err(ImportError::NotGranted(_) | ImportError::NotFound) => return unavailable(step),
        Err(error) => return Err(error.into()),
    };
    let locale = &step.conversation.locale;
    let body = step.copy(
        "balance",
        &[
            ("premium", &number(balances.premium, locale)),
            ("free", &number(balances.free, locale)),
            ("rewards", &number(balances.pending_rewards.into(), locale)),
        ],
    )?;
    step.reply_with(body, &["transactions", "claim-rewards", "agent"])
}

/// The last transactions, newest first.
pub(crate) fn transactions(step: Step<'_>) -> Result<Outcome, FlowError> {
    let limit = step.settings.transactions_shown;
    let Some(answer) = find_json::<Transactions>("transactions", &TransactionsRequest { limit })? else {
        return unavailable(step);
    };
    if answer.transactions.is_empty() {
        let body = step.copy("transactions-none", &[])?;
        return step.reply_with(body, &["balance", "agent"]);
    }
    let locale = &step.conversation.locale;
    let (premium, free) = (step.copy("currency-premium", &[])?, step.copy("currency-free", &[])?);
    let shown = usize::try_from(limit).unwrap_or(LINES_MAX).min(LINES_MAX);
    let lines: Vec<String> = answer
        .transactions
        .iter()
        .take(shown)
        .map(|transaction| {
            let currency = match transaction.currency {
                Currency::Premium => &premium,
                Currency::Free => &free,
            };
            format!(
                "{}  {} {currency}  {}",
                date(transaction.at_ms, locale),
                signed(transaction.amount, locale),
                fit(transaction.description.of(locale), DESCRIPTION_MAX)
            )
        })
        .collect();
    let body = step.copy("transactions", &[("lines", &lines.join("\n"))])?;
    step.reply_with(body, &["balance", "agent"])
}

/// Gives the player what is waiting for them. A second time there is nothing left, and that is what it says.
pub(crate) fn claim_rewards(step: Step<'_>) -> Result<Outcome, FlowError> {
    let answer = match call_sensitive::<Claimed>("claim-rewards", &Nothing {})? {
        Sensitive::Done(answer) => answer,
        // Nothing was claimed: the rewards wait until the player has proven who they are.
        Sensitive::NotProven => return identity::confirm(step, Topic::ClaimRewards),
        Sensitive::Missing => return unavailable(step),
    };
    if answer.claimed.is_empty() {
        let body = step.copy("rewards-none", &[])?;
        return step.reply_with(body, &["balance", "events"]);
    }
    let locale = &step.conversation.locale;
    let (premium, free) = (step.copy("currency-premium", &[])?, step.copy("currency-free", &[])?);
    let mut lines: Vec<String> = answer
        .claimed
        .iter()
        .take(LINES_MAX)
        .map(|reward| {
            let mut line = format!("• {}", fit(reward.name.of(locale), DESCRIPTION_MAX));
            for (amount, currency) in [(reward.premium, &premium), (reward.free, &free)] {
                if amount > 0 {
                    line.push_str(&format!("  +{} {currency}", number(amount, locale)));
                }
            }
            line
        })
        .collect();
    if answer.claimed.len() > LINES_MAX {
        lines.push("…".to_owned());
    }
    let body = step.copy(
        "rewards-claimed",
        &[("lines", &lines.join("\n")), ("premium", &number(answer.premium, locale)), ("free", &number(answer.free, locale))],
    )?;
    step.reply_with(body, &["balance", "transactions"])
}

/// The game has no such thing here: a human does.
pub(crate) fn unavailable(step: Step<'_>) -> Result<Outcome, FlowError> {
    let body = step.copy("service-unavailable", &[])?;
    step.reply_with(body, &["agent", "menu"])
}
