//! Links of contacts to accounts: tokens are made here, and every change of who belongs to whom is made here in the store.
//! What a conversation has to do with it stands in the rooms below.

mod deeds;
mod turn;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use questline_core::account::link::token::LinkToken;
use questline_core::account::link::{self, Book, KeptToken, LinkId, LinkRules, LinkedContact, Missing, Wish, shown};
use questline_core::account::{Account, ContactKey};
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::event::{Event, LinkNotice};
use questline_core::id::{GameId, NumberId, PlayerId};
use questline_core::operation::Operation;
use questline_core::port::{AccountKeys, Accounts, Batch, Clock, Desk, Inbox, Incoming, StoreError};
use questline_core::time::{SECOND_MS, UnixMs};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::game::LoadedGame;
use crate::metrics::Metrics;
use crate::verification::{CodeDesk, dedup_key};
pub(crate) use turn::{Turn, Turned};

/// Pages that one change may turn out to need.
const KEYS_MAX: usize = 32;

/// All that links need.
pub struct LinkDesk {
    /// Who belongs to whom.
    pub accounts: Arc<dyn Accounts>,
    /// Where conversations are told.
    pub inbox: Arc<dyn Inbox>,
    /// Where a player is.
    pub desk: Arc<dyn Desk>,
    /// Codes, for proofs.
    pub codes: Arc<CodeDesk>,
    /// Our numbers as players dial them, those that are known.
    pub numbers: HashMap<NumberId, PhoneNumber>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// A link to the chat.
pub struct NewLink {
    /// What opens the chat with the text in it.
    pub url: String,
    /// What the text carries.
    pub token: String,
    /// What the player sends.
    pub text: String,
    /// When it dies.
    pub expires_at: UnixMs,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    /// The game has none.
    #[error("game.toml has no [links]")]
    NotConfigured,
    /// It talks from no such number.
    #[error("number: the game talks from no such number")]
    NoNumber,
    /// Nobody knows how it is dialled.
    #[error("number {0} has no display_phone: set it in [[numbers]] of questline.toml")]
    NoDisplayPhone(NumberId),
    /// The player has frozen it.
    #[error("the account is frozen by its player: nothing is linked to it")]
    Frozen,
    /// So many were made.
    #[error("too many links for this player")]
    TooMany {
        /// Not before.
        retry_at: UnixMs,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map(|()| bytes).map_err(|_| StoreError::Unavailable("the system gives no random bytes".to_owned()))
}

/// A new name.
fn new_id() -> Result<LinkId, StoreError> {
    random().map(LinkId::from_bytes)
}

impl LinkDesk {
    /// Makes a change of pages, first of these and then of those that it turns out to need.
    async fn change<T: Send + 'static>(
        &self,
        game: &GameId,
        mut keys: AccountKeys,
        make: impl Fn(&mut Book<'_>) -> Result<T, Missing> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        for _ in 0..KEYS_MAX {
            let slot = Arc::new(Mutex::new(None));
            let (told, all, make) = (Arc::clone(&slot), keys.clone(), make.clone());
            let change = move |pages: &mut _| {
                let made = link::change(&all, pages, |book| make(book));
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            };
            self.accounts.change_accounts(game, keys.clone(), Box::new(change)).await?;
            let made = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            match made {
                Some(Ok(made)) => return Ok(made),
                Some(Err(missing)) => keys = keys.with(missing),
                None => break,
            }
        }
        Err(StoreError::Unavailable("a change of links was not made".to_owned()))
    }

    /// Makes a token for a player, and the link to the chat that carries it.
    pub async fn make(&self, game: &LoadedGame, wish: Wish, number: Option<NumberId>) -> Result<NewLink, NoLink> {
        let rules = game.rules.links.clone().ok_or(NoLink::NotConfigured)?;
        let numbers = &game.rules.numbers;
        let number = match number {
            Some(number) => numbers.iter().find(|known| **known == number),
            // The first one that can be dialled.
            None => numbers.iter().find(|number| self.numbers.contains_key(*number)).or_else(|| numbers.first()),
        };
        let number = number.ok_or(NoLink::NoNumber)?;
        let phone = self.numbers.get(number).ok_or_else(|| NoLink::NoDisplayPhone(number.clone()))?;
        let token = LinkToken::from_bytes(random().map_err(|_| NoLink::NoRandomness)?);
        let now = self.clock.now();
        let expires_at = now.plus_ms(u64::from(rules.valid_s) * SECOND_MS);
        let locale = wish.locale.clone();
        self.keep(game, &rules, wish, &token, expires_at, now).await?;
        self.metrics.link(&game.rules.id, "created");
        let token = token.reveal();
        let text = words::text(game, locale.as_deref(), words::MESSAGE, &[("token", &token)]);
        let url = format!("https://wa.me/{}?text={}", phone.digits(), percent(&text));
        Ok(NewLink { url, token, text, expires_at })
    }

    async fn keep(
        &self,
        game: &LoadedGame,
        rules: &LinkRules,
        wish: Wish,
        token: &LinkToken,
        expires_at: UnixMs,
        now: UnixMs,
    ) -> Result<(), NoLink> {
        let (rules, hash, player) = (rules.clone(), token.hash(), wish.player.clone());
        let keys = AccountKeys { tokens: vec![hash], ..AccountKeys::player(&player) };
        let kept = self.change(&game.rules.id, keys, move |book| {
            let account = book.account(&wish.player)?;
            if account.frozen.is_some() {
                return Ok(Err(None));
            }
            if let Err(retry_at) = account.take_token(&rules, now) {
                return Ok(Err(Some(retry_at)));
            }
            book.keep(&hash, KeptToken { wish: wish.clone(), expires_at, used_by: None });
            Ok(Ok(()))
        });
        kept.await?.map_err(|refused| match refused {
            None => NoLink::Frozen,
            Some(retry_at) => {
                self.metrics.link(&game.rules.id, "guarded");
                NoLink::TooMany { retry_at }
            }
        })
    }

    /// Whose contact it is by the host's own links; none in games that have none.
    pub async fn owner(&self, game: &LoadedGame, contact: &Contact) -> Result<Option<PlayerId>, StoreError> {
        if game.rules.links.is_none() {
            return Ok(None);
        }
        let keys = AccountKeys { contacts: ContactKey::all(contact), ..AccountKeys::default() };
        let pages = self.accounts.accounts(&game.rules.id, keys).await?;
        Ok(link::owner(contact, &pages.contacts).cloned())
    }

    /// Contacts that are linked to a player, oldest first.
    pub async fn contacts(&self, game: &LoadedGame, player: &PlayerId) -> Result<Vec<LinkedContact>, StoreError> {
        if game.rules.links.is_none() {
            return Ok(Vec::new());
        }
        let pages = self.accounts.accounts(&game.rules.id, AccountKeys::player(player)).await?;
        Ok(pages.players.into_iter().next().map(|account: Account| account.contacts).unwrap_or_default())
    }

    /// Ends a link for whoever asks for it outside of the chat: the sessions of its contact end, and it is told. False when
    /// there is no such link.
    pub async fn unlink(&self, game: &LoadedGame, player: &PlayerId, id: LinkId) -> Result<Option<LinkedContact>, StoreError> {
        let (of, by) = (player.clone(), format!("api.{}", id.as_str()));
        let ended = self.change(&game.rules.id, AccountKeys::player(player), move |book| book.unlink(&of, |linked| linked.id == id));
        let Some(linked) = ended.await? else { return Ok(None) };
        self.metrics.link(&game.rules.id, "unlinked");
        self.codes.end_all(game, player, std::slice::from_ref(&linked.contact)).await?;
        let home = Address { game: game.rules.id.clone(), number: linked.number.clone(), contact: linked.contact.clone() };
        self.end_sessions(&game.rules.id, player, &linked.contact, Some(home), &by).await?;
        Ok(Some(linked))
    }

    /// Ends what a contact has open for a player: in the conversation of the link, and wherever its session knows the player.
    async fn end_sessions(
        &self,
        game: &GameId,
        player: &PlayerId,
        contact: &Contact,
        home: Option<Address>,
        by: &str,
    ) -> Result<(), StoreError> {
        let there = self.desk.conversations_of(game, player).await?;
        let mut addresses: Vec<Address> = home.into_iter().collect();
        for found in there.into_iter().filter(|found| link::same(&found.address.contact, contact)) {
            if !addresses.iter().any(|known| known.number == found.address.number) {
                addresses.push(found.address);
            }
        }
        for address in addresses {
            let notice = LinkNotice::Unlinked { player: player.clone(), by: by.to_owned() };
            self.tell(address, notice, &[by, "unlinked"]).await?;
        }
        Ok(())
    }

    /// Tells a conversation, once for each name.
    async fn tell(&self, address: Address, notice: LinkNotice, name: &[&str]) -> Result<(), StoreError> {
        let mut names = vec![address.number.as_str()];
        names.extend(name);
        let dedup = Some(dedup_key("link", &address.game, &names));
        let incoming = Incoming { dedup, event: Event::Link(notice), address };
        self.inbox.append(Batch { events: vec![incoming], received_at: self.clock.now(), ..Batch::default() }).await.map(drop)
    }
}

/// What the studio's backend is told of a link that was made or ended.
fn operation(rules: &LinkRules, event: &str, player: &PlayerId, contact: &Contact, id: &str, by: &str, now: UnixMs) -> Option<Operation> {
    let name = rules.operation.clone()?;
    let request = json!({ "event": event, "id": id, "contact": shown(contact), "at_ms": now.0 });
    Some(Operation { name, player: Some(player.clone()), request: request.to_string(), idempotency_key: format!("{by}.link.{event}") })
}

/// A text as a part of an address (RFC 3986).
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_survives_in_an_address() {
        assert_eq!(percent("Link: LINK-0~ä&b"), "Link%3A%20LINK-0~%C3%A4%26b");
    }
}
