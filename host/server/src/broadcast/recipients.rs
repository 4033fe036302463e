//! Recipients become messages, or are passed over with the reason. The dry run and the feeder ask here, so that the one says what
//! the other does.

use futures_util::stream::{self, StreamExt};
use questline_core::broadcast::{Audience, Broadcast, Entry, FeedPlace, Person, Skip, Verdict, Who, has_language, piece_of, verdict};
use questline_core::contact::{Address, Contact};
use questline_core::conversation::Conversation;
use questline_core::id::{NumberId, PlayerId};
use questline_core::outbox::{Campaign, Content};
use questline_core::permit::Known;
use questline_core::port::{DedupKey, Enqueue, ServiceError, StoreError};
use questline_core::template::Template;
use questline_core::time::UnixMs;

use super::{BroadcastDesk, campaign_of, template_of};
use crate::game::LoadedGame;

/// Players that are looked up at the same time.
const LOOKUPS_MAX: usize = 32;
/// Conversations that a part of a segment's walk looks at.
const WALK: usize = 250;

/// One recipient, and what becomes of them.
pub(crate) struct Recipient {
    /// Their line in the list.
    pub(crate) line: Option<u64>,
    /// Who it is, where the studio's id says it.
    pub(crate) player: Option<PlayerId>,
    /// What is sent, and whether it takes a place of the portfolio's limit; or why nothing is.
    pub(crate) outcome: Result<(Box<Enqueue>, bool), Skip>,
}

/// Some of a broadcast's recipients, in their order.
pub(crate) struct Batch {
    pub(crate) recipients: Vec<Recipient>,
    /// Where to go on.
    pub(crate) place: FeedPlace,
    /// Nobody is behind them.
    pub(crate) is_last: bool,
}

/// Why recipients cannot be told now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The studio's database.
    #[error("the players' database does not answer: {0}")]
    Players(String),
    /// The game declares the template no more.
    #[error("the game declares no template {0:?}")]
    NoTemplate(String),
    /// Nobody is written to from a number that the game has not.
    #[error("the game does not talk from {0}")]
    NoNumber(String),
    /// The list is not whole.
    #[error("the list is not whole")]
    NoPiece,
}

impl BroadcastDesk {
    /// About `limit` recipients behind a place.
    pub(crate) async fn batch(
        &self,
        game: &LoadedGame,
        broadcast: &Broadcast,
        place: FeedPlace,
        limit: usize,
        now: UnixMs,
    ) -> Result<Batch, Unready> {
        let template = template_of(game, broadcast).ok_or_else(|| Unready::NoTemplate(broadcast.wish.wording.template.clone()))?;
        match &broadcast.wish.number {
            Some(number) if !game.rules.numbers.contains(number) => return Err(Unready::NoNumber(format!("its number {number}"))),
            None if game.rules.numbers.is_empty() => return Err(Unready::NoNumber("any number".to_owned())),
            _ => {}
        }
        match &broadcast.wish.audience {
            Audience::List => self.of_list(game, broadcast, template, place, limit, now).await,
            Audience::Segment(segment) => {
                let page = self.audiences.conversations_after(&game.rules.id, place.conversation, limit.min(WALK)).await?;
                let wish = &broadcast.wish;
                let is_from = |number: &NumberId| match &wish.number {
                    Some(wanted) => number == wanted,
                    None => game.rules.numbers.contains(number),
                };
                let taken = page.conversations.iter().filter(|known| is_from(&known.number) && segment.takes(known, now));
                let recipients = taken.map(|known| self.of_conversation(game, broadcast, template, known, now)).collect();
                let place = FeedPlace { conversation: page.next.or(place.conversation), ..place };
                Ok(Batch { recipients, place, is_last: page.next.is_none() })
            }
        }
    }

    async fn of_list(
        &self,
        game: &LoadedGame,
        broadcast: &Broadcast,
        template: &Template,
        place: FeedPlace,
        limit: usize,
        now: UnixMs,
    ) -> Result<Batch, Unready> {
        let list = broadcast.list.as_ref().ok_or(Unready::NoPiece)?;
        let (number, skip) = piece_of(place.entries);
        let entries = match place.entries < list.recipients {
            true => self.store.piece(&broadcast.game, &broadcast.id, &list.upload, number).await?.ok_or(Unready::NoPiece)?,
            false => Vec::new(),
        };
        let entries: Vec<Entry> = entries.into_iter().skip(skip).take(limit).collect();
        let mut lookups = Vec::with_capacity(entries.len());
        for entry in &entries {
            lookups.push(self.reach(game, broadcast, &entry.who));
        }
        let addresses: Vec<Result<Option<Address>, Unready>> = stream::iter(lookups).buffered(LOOKUPS_MAX).collect().await;
        let addresses = addresses.into_iter().collect::<Result<Vec<_>, _>>()?;
        let known = self.audiences.conversations_at(addresses.iter().flatten().cloned().collect()).await?;
        let mut known = known.into_iter();
        let mut recipients = Vec::with_capacity(entries.len());
        let seen = entries.len() as u64;
        for (entry, address) in entries.into_iter().zip(addresses) {
            let player = match &entry.who {
                Who::Player(player) => Some(player.clone()),
                Who::Phone(_) | Who::UserId(_) => None,
            };
            let outcome = match address {
                None => Err(Skip::NoContact),
                Some(address) => {
                    let conversation = known.next().flatten();
                    let to = To { address, conversation: conversation.as_ref(), locale: entry.locale.as_deref(), key: entry.who.key() };
                    self.message(game, broadcast, template, to, &entry.values, now)
                }
            };
            recipients.push(Recipient { line: Some(entry.line), player, outcome });
        }
        let entries = place.entries + seen;
        Ok(Batch { recipients, place: FeedPlace { entries, ..place }, is_last: entries >= list.recipients })
    }

    fn of_conversation(
        &self,
        game: &LoadedGame,
        broadcast: &Broadcast,
        template: &Template,
        known: &Conversation,
        now: UnixMs,
    ) -> Recipient {
        let session = &known.session;
        let column = |name: &str| match name {
            "player" => session.player.as_ref().map(PlayerId::as_str),
            "tier" => session.tier.as_deref(),
            "country" => session.country.as_deref(),
            "locale" => session.locale.as_deref(),
            _ => None,
        };
        let outcome = match broadcast.wish.wording.values(column) {
            Err(_) => Err(Skip::NoValue),
            Ok(values) => {
                let address = Address { game: known.game.clone(), number: known.number.clone(), contact: known.contact.clone() };
                // Whoever talks with several numbers of the game gets it once.
                let contact = &address.contact;
                let key = contact.phone().map(|phone| phone.digits()).or(contact.bsuid().map(|bsuid| bsuid.as_str()));
                let key = key.unwrap_or_default().to_owned();
                let to = To { address, conversation: Some(known), locale: None, key: &key };
                self.message(game, broadcast, template, to, &values, now)
            }
        };
        Recipient { line: None, player: session.player.clone(), outcome }
    }

    fn message(
        &self,
        game: &LoadedGame,
        broadcast: &Broadcast,
        template: &Template,
        to: To<'_>,
        values: &[Box<str>],
        now: UnixMs,
    ) -> Result<(Box<Enqueue>, bool), Skip> {
        let wish = &broadcast.wish;
        let variant = broadcast.variant_of(&to.address.contact);
        let template = match variant {
            Some((_, name)) => game.rules.templates.get(name).ok_or(Skip::NoTemplate)?,
            None => template,
        };
        let counts = match verdict(template.category, Person::of(to.conversation, now), now) {
            Verdict::Gets { counts } => counts,
            Verdict::Skipped(skip) => return Err(skip),
        };
        let locale = to.locale.or(to.conversation.and_then(|known| known.session.locale.as_deref()));
        if !has_language(template, &wish.wording, locale, &game.rules.locale) {
            return Err(Skip::NoLanguage);
        }
        let message = wish.wording.message(template, locale, &game.rules.locale, values).map_err(|_| Skip::NoValue)?;
        let campaign = campaign_of(&broadcast.id).map(|id| Campaign { id, variant: variant.map(|(place, _)| place) });
        let enqueue = Enqueue {
            dedup: dedup(broadcast, to.key),
            address: to.address,
            class: wish.class,
            content: Content::Template(message),
            committed_at: now,
            expires_at: Some(broadcast.expires_at(now)),
            not_before: None,
            campaign,
            known: to.conversation.map(|known| Box::new(Known::of(known, false, now))),
        };
        Ok((Box::new(enqueue), counts))
    }

    /// Where somebody of a list is; none where nobody knows.
    async fn reach(&self, game: &LoadedGame, broadcast: &Broadcast, who: &Who) -> Result<Option<Address>, Unready> {
        let rules = &game.rules;
        let wanted = broadcast.wish.number.as_ref();
        let Some(number) = wanted.or_else(|| rules.numbers.first()) else { return Ok(None) };
        let at = |contact| Address { game: rules.id.clone(), number: number.clone(), contact };
        let player = match who {
            Who::Phone(phone) => return Ok(Contact::new(Some(phone.clone()), None).map(at)),
            Who::UserId(bsuid) => return Ok(Contact::new(None, Some(bsuid.clone())).map(at)),
            Who::Player(player) => player,
        };
        let is_from = |number: &NumberId| wanted.map_or_else(|| rules.numbers.contains(number), |wanted| wanted == number);
        let there = self.desk.conversations_of(&rules.id, player).await?;
        if let Some(found) = there.iter().find(|found| is_from(&found.address.number)) {
            return Ok(Some(found.address.clone()));
        }
        let linked = self.links.contacts(game, player).await?;
        if let Some(linked) = linked.iter().rev().find(|linked| is_from(&linked.number)) {
            return Ok(Some(Address { game: rules.id.clone(), number: linked.number.clone(), contact: linked.contact.clone() }));
        }
        // Known on another number: a phone is the same there, a user id is not.
        let known = there.iter().map(|found| &found.address.contact).chain(linked.iter().rev().map(|linked| &linked.contact));
        if let Some(contact) = known.into_iter().find_map(|contact| Contact::new(contact.phone().cloned(), None)) {
            return Ok(Some(at(contact)));
        }
        match game.services.players.contact(player).await {
            Ok(contact) => Ok(Some(at(contact))),
            Err(ServiceError::Unavailable(reason)) => Err(Unready::Players(reason)),
            Err(_) => Ok(None),
        }
    }
}

/// To whom a message goes.
struct To<'a> {
    address: Address,
    conversation: Option<&'a Conversation>,
    locale: Option<&'a str>,
    /// What names them in this broadcast, whatever else changes.
    key: &'a str,
}

/// Once for each recipient of a broadcast, however often they are handed over.
fn dedup(broadcast: &Broadcast, key: &str) -> DedupKey {
    let digest = crate::verification::dedup_key("broadcast", &broadcast.game, &[broadcast.id.as_str(), key]).digest;
    // Keys of one broadcast share a time: they are written in one place. A key without one holds for all conversations, where
    // somebody may have several.
    let in_several = broadcast.wish.number.is_none() && broadcast.wish.audience != Audience::List;
    DedupKey { sent_s: if in_several { 0 } else { broadcast.created_at.as_s() }, digest }
}
