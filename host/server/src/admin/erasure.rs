//! Forgets a player: what the host knows of the account, its open codes, and what the audit log tells of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use questline_core::account::{Account, ContactKey};
use questline_core::contact::Contact;
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{AccountKeys, AccountPages};
use serde::Serialize;

use super::token::{Bearer, no_game};
use super::{Admin, Problem};

/// What an erasure did.
#[derive(Serialize)]
pub(super) struct Erased {
    /// Entries of the audit log that have lost their details.
    audit_entries: u64,
    /// The entry that says so.
    audit_entry: u64,
    /// Whether the host knew something of the account: devices, linked contacts, tries to recover it.
    account: bool,
    /// Verifications that named the player.
    verifications: u64,
}

/// Erases a player. A frozen account is not forgotten: nobody would hold it any more.
pub(super) async fn erase(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
) -> Result<Json<Erased>, Problem> {
    let id = GameId::parse(&game).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let game = admin.games.get(&id).ok_or_else(|| no_game(&game))?;
    let player = PlayerId::parse(&player).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let account = admin.accounts.accounts(&id, AccountKeys::player(&player)).await?.players.into_iter().next().unwrap_or_default();
    let contacts = contacts(&admin, &id, &player, &account).await?;
    let held = forget_account(&admin, &id, &player, &contacts).await?;
    if let Some(ticket) = held.frozen.map(|frozen| frozen.ticket) {
        return Err(Problem::conflict(format!("the player has frozen the account: close ticket {ticket} first")));
    }
    let verifications = admin.codes.forget_player(&game, &player, &contacts).await?;
    let erased = admin.audit.erase_player(&id, &player, &bearer.actor(), admin.clock.now()).await?;
    tracing::info!(game = %id, entries = erased.entries, by = bearer.name(), "a player was erased");
    let account = !account.is_empty();
    Ok(Json(Erased { audit_entries: erased.entries, audit_entry: erased.seq, account, verifications }))
}

/// All contacts that are the player's, as far as the host knows.
async fn contacts(admin: &Admin, game: &GameId, player: &PlayerId, account: &Account) -> Result<Vec<Contact>, Problem> {
    let linked = account.contacts.iter().map(|linked| linked.contact.clone());
    let seen = account.seen_in.iter().map(|seen| seen.address.contact.clone());
    let there = admin.desk.conversations_of(game, player).await?.into_iter().map(|found| found.address.contact);
    let mut contacts: Vec<Contact> = Vec::new();
    for contact in linked.chain(seen).chain(there) {
        if !contacts.contains(&contact) {
            contacts.push(contact);
        }
    }
    Ok(contacts)
}

/// Forgets the account, unless it is frozen, and that its contacts are its; gives what is there then.
async fn forget_account(admin: &Admin, game: &GameId, player: &PlayerId, contacts: &[Contact]) -> Result<Account, Problem> {
    let keys = AccountKeys {
        players: vec![player.clone()],
        contacts: contacts.iter().flat_map(ContactKey::all).collect(),
        ..AccountKeys::default()
    };
    let whose = player.clone();
    let forget = move |pages: &mut AccountPages| {
        let Some(account) = pages.players.first_mut().filter(|account| account.frozen.is_none()) else { return };
        *account = Account::default();
        pages.contacts.iter_mut().for_each(|record| record.forget_link(&whose));
    };
    let left = admin.accounts.change_accounts(game, keys, Box::new(forget)).await?;
    Ok(left.players.into_iter().next().unwrap_or_default())
}
