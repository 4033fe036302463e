//! Accounts over an engine's pages: what a call concerns, read and written in one go. All rules are core's.
//!
//! | page of a game | holds |
//! | --- | --- |
//! | `account/<player>` | what the host knows of a player's account, JSON |
//! | `phone/<digits>`, `bsuid/<id>` | what it knows of a contact, JSON |
//! | `link/<SHA-256>` | what a token for a link is for, JSON |

use questline_core::account::link::KeptToken;
use questline_core::account::link::token::LinkHash;
use questline_core::account::{Account, ContactKey, ContactRecord};
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{AccountChange, AccountKeys, AccountPages, StoreError};
use questline_core::time::UnixMs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{decode, encode};
use crate::pages::{PageWrite, Pages, change_with_answer};

const ACCOUNT: &str = "an account";
const CONTACT: &str = "a contact's record";
const TOKEN: &str = "a token for a link";

/// Long after all who read this.
const KEPT_UNTIL: UnixMs = UnixMs(32_503_680_000_000);
/// Forgotten as soon as somebody looks.
const FORGOTTEN: UnixMs = UnixMs(1);

fn account_page(player: &PlayerId) -> String {
    format!("account/{player}")
}

fn contact_page(key: &ContactKey) -> String {
    match key {
        ContactKey::Phone(phone) => format!("phone/{}", phone.digits()),
        ContactKey::Bsuid(bsuid) => format!("bsuid/{}", bsuid.as_str()),
    }
}

fn token_page(hash: &LinkHash) -> String {
    format!("link/{hash}")
}

fn names(keys: &AccountKeys) -> Vec<String> {
    let people = keys.players.iter().map(account_page).chain(keys.contacts.iter().map(contact_page));
    people.chain(keys.tokens.iter().map(token_page)).collect()
}

fn read<T: DeserializeOwned + Default>(what: &'static str, pages: &[Option<Vec<u8>>]) -> Result<Vec<T>, StoreError> {
    pages.iter().map(|page| page.as_deref().map_or_else(|| Ok(T::default()), |json| decode(what, json))).collect()
}

fn found(keys: &AccountKeys, pages: &[Option<Vec<u8>>]) -> Result<AccountPages, StoreError> {
    let (players, rest) = pages.split_at(keys.players.len().min(pages.len()));
    let (contacts, tokens) = rest.split_at(keys.contacts.len().min(rest.len()));
    Ok(AccountPages {
        players: read::<Account>(ACCOUNT, players)?,
        contacts: read::<ContactRecord>(CONTACT, contacts)?,
        tokens: read::<Option<KeptToken>>(TOKEN, tokens)?,
    })
}

/// What becomes of one page, kept until then or for good; none where it stays as it is.
fn write<T: Serialize + PartialEq + Default>(
    what: &'static str,
    before: &T,
    after: &T,
    forget_at: Option<UnixMs>,
) -> Result<Option<PageWrite>, StoreError> {
    if before == after {
        return Ok(None);
    }
    let forget_at = if *after == T::default() { FORGOTTEN } else { forget_at.unwrap_or(KEPT_UNTIL) };
    Ok(Some(PageWrite { value: encode(what, after)?.into_bytes(), forget_at }))
}

pub(crate) async fn accounts(store: &dyn Pages, game: &GameId, keys: AccountKeys) -> Result<AccountPages, StoreError> {
    found(&keys, &store.read_pages(game, names(&keys)).await?)
}

pub(crate) async fn change(
    store: &dyn Pages,
    game: &GameId,
    keys: AccountKeys,
    mut change: AccountChange,
) -> Result<AccountPages, StoreError> {
    let names = names(&keys);
    let apply = move |pages: &[Option<Vec<u8>>]| {
        let before = found(&keys, pages)?;
        let mut after = before.clone();
        change(&mut after);
        let players = before.players.iter().zip(&after.players).map(|(before, after)| write(ACCOUNT, before, after, after.forget_at()));
        let contacts = before.contacts.iter().zip(&after.contacts).map(|(before, after)| write(CONTACT, before, after, after.forget_at()));
        let token = |(before, after): (&Option<KeptToken>, &Option<KeptToken>)| {
            write(TOKEN, before, after, after.as_ref().map(KeptToken::forget_at))
        };
        let tokens = before.tokens.iter().zip(&after.tokens).map(token);
        let writes = players.chain(contacts).chain(tokens).collect::<Result<_, _>>()?;
        Ok((after, writes))
    };
    change_with_answer(store, game, names, apply).await
}

/// The port over an engine's pages.
macro_rules! accounts_over_pages {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl questline_core::port::Accounts for $store {
            async fn accounts(
                &self,
                game: &questline_core::id::GameId,
                keys: questline_core::port::AccountKeys,
            ) -> Result<questline_core::port::AccountPages, questline_core::port::StoreError> {
                $crate::accounts::accounts(self, game, keys).await
            }

            async fn change_accounts(
                &self,
                game: &questline_core::id::GameId,
                keys: questline_core::port::AccountKeys,
                change: questline_core::port::AccountChange,
            ) -> Result<questline_core::port::AccountPages, questline_core::port::StoreError> {
                $crate::accounts::change(self, game, keys, change).await
            }
        }
    };
}

pub(crate) use accounts_over_pages;
