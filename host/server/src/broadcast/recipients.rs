//! Recipients become messages, or are passed over with the reason. The dry run and the feeder ask here, so that the one says what
//! the other does.

use futures_util::stream::{self, StreamExt};
use questline_core::broadcast::{
    Audience, Broadcast, Entry, FeedPlace, InvalidSchedule, LATE_MS_MAX, Person, Piece, Round, Segment, Skip, Verdict, Wall, Whereabouts,
    Who, has_language, piece_of, verdict,
};
use questline_core::contact::{Address, Contact};
use questline_core::conversation::Conversation;
use questline_core::id::{NumberId, PlayerId};
use questline_core::outbox::{Campaign, Content};
use questline_core::permit::Known;
use questline_core::port::{DedupKey, Enqueue, ServiceError, StoreError};
use questline_core::template::{Template, TemplateMismatch};
use questline_core::time::UnixMs;

use super::{BroadcastDesk, campaign_of, template_of};
use crate::game::LoadedGame;

/// Players that are looked up at the same time.
const LOOKUPS_MAX: usize = 32;
/// Recipients whose keys share a second, and the seconds that keys of a broadcast spread over.
const NEIGHBOURS: u64 = 4_096;
const HOUR_S: u64 = 3_600;
/// Conversations that a part of a segment's walk looks at.
const WALK: usize = 250;

/// One recipient, and what becomes of them.
pub(crate) struct Recipient {
    /// Their line in the list.
    pub(crate) line: Option<u64>,
    /// Who it is, where the studio's id says it.
    pub(crate) player: Option<PlayerId>,
    /// Their own time, where everybody has one.
    pub(crate) due: Option<UnixMs>,
    /// Their time was in an earlier round: most of them have the message.
    pub(crate) is_of_earlier_round: bool,
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
    /// A piece of the list whose recipients' own times were found: it is to be kept before anything else is.
    pub(crate) timed: Option<(u64, Piece)>,
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
    /// Its values are for another template than the game declares now.
    #[error("its values do not fit the template any more: {0}")]
    NoFit(TemplateMismatch),
    /// Nobody is written to from a number that the game has not.
    #[error("the game does not talk from {0}")]
    NoNumber(String),
    /// Its time is none: it is told when it is made, and a newer host may know fewer.
    #[error("it has no time that can be told: {0}")]
    NoTime(InvalidSchedule),
    /// The list is not whole.
    #[error("the list is not whole")]
    NoPiece,
}

/// Somebody of a list, as they were looked up.
struct Found {
    address: Option<Address>,
    conversation: Option<Conversation>,
}

/// What a batch is made for: the game, its broadcast and template, and the time.
#[derive(Clone, Copy)]
struct Cast<'a> {
    game: &'a LoadedGame,
    broadcast: &'a Broadcast,
    template: &'a Template,
    wall: Option<Wall<'a>>,
    now: UnixMs,
}

impl BroadcastDesk {
    /// At most `limit` recipients behind a place, of a round where everybody has their own time; all of them where no round is
    /// asked for.
    pub(crate) async fn batch(
        &self,
        game: &LoadedGame,
        broadcast: &Broadcast,
        place: FeedPlace,
        round: Option<&mut Round>,
        limit: usize,
        now: UnixMs,
    ) -> Result<Batch, Unready> {
        let template = template_of(game, broadcast).ok_or_else(|| Unready::NoTemplate(broadcast.wish.wording.template.clone()))?;
        broadcast.wish.wording.check(template).map_err(Unready::NoFit)?;
        match &broadcast.wish.number {
            Some(number) if !game.rules.numbers.contains(number) => return Err(Unready::NoNumber(format!("its number {number}"))),
            None if game.rules.numbers.is_empty() => return Err(Unready::NoNumber("any number".to_owned())),
            _ => {}
        }
        let wall = broadcast.wish.local.as_ref().map(|local| local.wall().map_err(Unready::NoTime)).transpose()?;
        let cast = Cast { game, broadcast, template, wall, now };
        match &broadcast.wish.audience {
            Audience::List => self.of_list(cast, place, round, limit).await,
            Audience::Segment(segment) => self.of_segment(cast, segment, place, round, limit).await,
        }
    }

    async fn of_segment(
        &self,
        cast: Cast<'_>,
        segment: &Segment,
        place: FeedPlace,
        mut round: Option<&mut Round>,
        limit: usize,
    ) -> Result<Batch, Unready> {
        let Cast { game, broadcast, now, .. } = cast;
        let is_from = |number: &NumberId| match &broadcast.wish.number {
            Some(wanted) => number == wanted,
            None => game.rules.numbers.contains(number),
        };
        // More are looked at than may be taken, for a segment takes few of them; where it takes too many, no more than may be.
        let mut walk = WALK;
        loop {
            let page = self.audiences.conversations_after(&game.rules.id, place.conversation, walk).await?;
            let before = round.as_deref().copied();
            let mut recipients = Vec::new();
            for known in page.conversations.iter().filter(|known| is_from(&known.number) && segment.takes(known, now)) {
                let session = &known.session;
                let whereabouts = Whereabouts { zone: session.time_zone.as_deref(), country: session.country.as_deref() };
                let due = cast.wall.map(|wall| wall.due(whereabouts, Some(&known.contact)));
                let mut is_of_earlier_round = false;
                if let (Some(round), Some(due)) = (round.as_deref_mut(), due)
                    && !round.takes(due)
                {
                    // Who has talked meanwhile may be somewhere else than was thought: the outbox knows who has it.
                    let is_behind = due <= round.after && now.since_ms(due) <= LATE_MS_MAX;
                    is_of_earlier_round = is_behind && broadcast.started_at.is_some_and(|began| session.active_at >= began);
                    if !is_of_earlier_round {
                        continue;
                    }
                }
                recipients.push(Recipient { is_of_earlier_round, ..self.of_conversation(cast, known, due) });
            }
            if recipients.len() > limit && walk > limit {
                walk = limit.max(1);
                if let (Some(round), Some(before)) = (round.as_deref_mut(), before) {
                    *round = before;
                }
                continue;
            }
            let place = FeedPlace { conversation: page.next.or(place.conversation), ..place };
            return Ok(Batch { recipients, place, is_last: page.next.is_none(), timed: None });
        }
    }

    async fn of_list(&self, cast: Cast<'_>, place: FeedPlace, mut round: Option<&mut Round>, limit: usize) -> Result<Batch, Unready> {
        let Cast { broadcast, .. } = cast;
        let list = broadcast.list.as_ref().ok_or(Unready::NoPiece)?;
        let (number, skip) = piece_of(place.entries);
        let first = place.entries;
        let mut piece = match place.entries < list.recipients {
            true => self.store.piece(&broadcast.game, &broadcast.id, &list.upload, number).await?.ok_or(Unready::NoPiece)?,
            false => Vec::new(),
        };
        let end = if round.is_some() { piece.len() } else { piece.len().min(skip + limit) };
        let entries = piece.get_mut(skip..end).unwrap_or_default();
        let mut found: Vec<Option<Found>> = Vec::new();
        let mut is_timed = false;
        if let Some(wall) = cast.wall
            && entries.iter().any(|entry| entry.due.is_none())
        {
            found = self.look_up(cast, &entries.iter().collect::<Vec<_>>()).await?.into_iter().map(Some).collect();
            for (entry, found) in entries.iter_mut().zip(&found) {
                let Some(Found { address, conversation }) = found else { continue };
                let session = conversation.as_ref().map(|known| &known.session);
                let zone = entry.zone.as_deref().or(session.and_then(|session| session.time_zone.as_deref()));
                let whereabouts = Whereabouts { zone, country: session.and_then(|session| session.country.as_deref()) };
                // Once it was found it stays: nobody is passed over, or has it twice, because they travel.
                entry.due.get_or_insert_with(|| wall.due(whereabouts, address.as_ref().map(|address| &address.contact)));
            }
            is_timed = true;
        }
        found.resize_with(entries.len(), || None);
        let (mut taken, mut seen) = (Vec::new(), 0);
        for (n, entry) in entries.iter().enumerate() {
            let is_due = match (round.as_deref_mut(), entry.due) {
                (Some(_), _) if taken.len() == limit => break,
                (Some(round), Some(due)) => round.takes(due),
                _ => true,
            };
            if is_due {
                taken.push(n);
            }
            seen += 1;
        }
        let missing: Vec<usize> = taken.iter().copied().filter(|n| found[*n].is_none()).collect();
        let looked_up = self.look_up(cast, &missing.iter().map(|n| &entries[*n]).collect::<Vec<_>>()).await?;
        for (n, one) in missing.into_iter().zip(looked_up) {
            found[n] = Some(one);
        }
        let mut recipients = Vec::with_capacity(taken.len());
        for n in taken {
            let (entry, Some(found)) = (&entries[n], found[n].take()) else { continue };
            let player = match &entry.who {
                Who::Player(player) => Some(player.clone()),
                Who::Phone(_) | Who::UserId(_) => None,
            };
            let outcome = match found.address {
                None => Err(Skip::NoContact),
                Some(address) => {
                    let conversation = found.conversation.as_ref();
                    let to = To {
                        address,
                        conversation,
                        locale: entry.locale.as_deref(),
                        key: entry.who.key(),
                        place: first + n as u64,
                        due: entry.due,
                    };
                    self.message(cast, to, &entry.values)
                }
            };
            recipients.push(Recipient { line: Some(entry.line), player, due: entry.due, is_of_earlier_round: false, outcome });
        }
        let entries = place.entries + seen;
        let timed = is_timed.then_some((number, piece));
        Ok(Batch { recipients, place: FeedPlace { entries, ..place }, is_last: entries >= list.recipients, timed })
    }

    async fn look_up(&self, cast: Cast<'_>, entries: &[&Entry]) -> Result<Vec<Found>, Unready> {
        let mut lookups = Vec::with_capacity(entries.len());
        for entry in entries {
            lookups.push(self.reach(cast.game, cast.broadcast, &entry.who));
        }
        let addresses: Vec<Result<Option<Address>, Unready>> = stream::iter(lookups).buffered(LOOKUPS_MAX).collect().await;
        let addresses = addresses.into_iter().collect::<Result<Vec<_>, _>>()?;
        let known = self.audiences.conversations_at(addresses.iter().flatten().cloned().collect()).await?;
        let mut known = known.into_iter();
        let found = |address: Option<Address>| {
            let conversation = if address.is_some() { known.next().flatten() } else { None };
            Found { address, conversation }
        };
        Ok(addresses.into_iter().map(found).collect())
    }

    fn of_conversation(&self, cast: Cast<'_>, known: &Conversation, due: Option<UnixMs>) -> Recipient {
        let session = &known.session;
        let column = |name: &str| match name {
            "player" => session.player.as_ref().map(PlayerId::as_str),
            "tier" => session.tier.as_deref(),
            "country" => session.country.as_deref(),
            "locale" => session.locale.as_deref(),
            _ => None,
        };
        let outcome = match cast.broadcast.wish.wording.values(column) {
            Err(_) => Err(Skip::NoValue),
            Ok(values) => {
                let address = Address { game: known.game.clone(), number: known.number.clone(), contact: known.contact.clone() };
                // Whoever talks with several numbers of the game gets it once.
                let contact = &address.contact;
                let key = contact.phone().map(|phone| phone.digits()).or(contact.bsuid().map(|bsuid| bsuid.as_str()));
                let key = key.unwrap_or_default().to_owned();
                let to = To { address, conversation: Some(known), locale: None, key: &key, place: known.id.0, due };
                self.message(cast, to, &values)
            }
        };
        Recipient { line: None, player: session.player.clone(), due, is_of_earlier_round: false, outcome }
    }

    fn message(&self, cast: Cast<'_>, to: To<'_>, values: &[Box<str>]) -> Result<(Box<Enqueue>, bool), Skip> {
        let Cast { game, broadcast, template, now, .. } = cast;
        if to.due.is_some_and(|due| broadcast.is_too_late(due, now)) {
            return Err(Skip::TooLate);
        }
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
            dedup: dedup(broadcast, to.key, to.place),
            address: to.address,
            class: wish.class,
            content: Content::Template(message),
            committed_at: now,
            expires_at: Some(broadcast.expires_at(to.due.unwrap_or(now))),
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
    /// About where they are in its order; it never changes either.
    place: u64,
    /// Their own time, where everybody has one.
    due: Option<UnixMs>,
}

/// Once for each recipient of a broadcast, however often they are handed over.
fn dedup(broadcast: &Broadcast, key: &str, place: u64) -> DedupKey {
    let digest = crate::verification::dedup_key("broadcast", &broadcast.game, &[broadcast.id.as_str(), key]).digest;
    // A key without a time holds for all conversations, where somebody may have several.
    let in_several = broadcast.wish.number.is_none() && broadcast.wish.audience != Audience::List;
    // Else keys lead with a time that goes on with the order: those of neighbours are written in one place.
    let sent_s = broadcast.created_at.as_s() + place / NEIGHBOURS % HOUR_S;
    DedupKey { sent_s: if in_several { 0 } else { sent_s }, digest }
}
