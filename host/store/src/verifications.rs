//! One-time codes over an engine's pages: what a call concerns, read and written in one go. All rules are core's.
//!
//! | page of a game | holds |
//! | --- | --- |
//! | `contact/<place>` | a contact's verifications and how many it asked for, JSON |
//! | `id/<verification>` | the places of a verification; written once |
//! | `player/<place>` | when a player last proved themselves |
//! | `ip/<place>`, `device/<place>`, `prefix/<place>` | codes of the last hour |
//! | `dial/<place>` | codes of a country calling code, and how many of them were used |

use questline_core::id::GameId;
use questline_core::port::{
    CheckVerification, EndVerifications, ForgetVerifications, Place, Places, ResendVerification, StartVerification, StoreError,
};
use questline_core::time::{HOUR_MS, UnixMs};
use questline_core::verification::VerificationId;
use questline_core::verification::book::{Checked, Guards, Issued, PlayerMark, ResendRefusal, State, Subject, Verification};
use questline_core::verification::country::OTHER;
use questline_core::verification::guard::{Dial, Refused, Window};
use questline_core::verification::measure::Fact;
use questline_core::verification::trail::CodeWatch;
use questline_core::verification::way::{Begun, CodeStanding, Way};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{decode, encode};
use crate::measures::MeasuredPages;
use crate::pages::{PageWrite, Pages, change_with_answer};

/// How long after its last code a verification can be asked for by its id.
const ID_KEPT_MS: u64 = 26 * HOUR_MS;

const CONTACT: &str = "a contact's verifications";
const PLACES: &str = "a verification's places";
const MARK: &str = "a player's last proof";
const WINDOW: &str = "a guard's hour";
const DIAL: &str = "a guard's country";

fn contact_page(place: &Place) -> String {
    format!("contact/{}", place.0)
}

fn id_page(id: &VerificationId) -> String {
    format!("id/{id}")
}

fn player_page(place: &Place) -> String {
    format!("player/{}", place.0)
}

fn dial_page(place: &Place) -> String {
    format!("dial/{}", place.0)
}

fn read<T: DeserializeOwned>(what: &'static str, page: Option<&Option<Vec<u8>>>) -> Result<Option<T>, StoreError> {
    page.and_then(Option::as_deref).map(|json| decode(what, json)).transpose()
}

fn write<T: Serialize>(what: &'static str, value: &T, forget_at: UnixMs) -> Result<PageWrite, StoreError> {
    Ok(PageWrite { value: encode(what, value)?.into_bytes(), forget_at })
}

/// Where the guards of a verification lie among the pages of a change.
struct GuardPages {
    names: Vec<String>,
    ip: Option<usize>,
    device: Option<usize>,
    prefix: Option<usize>,
    dial: Option<usize>,
}

impl GuardPages {
    /// After these pages.
    fn after(names: Vec<String>, places: &Places) -> Self {
        let mut pages = Self { names, ip: None, device: None, prefix: None, dial: None };
        let mut add = |kind: &str, place: &Option<Place>| {
            place.as_ref().map(|place| {
                pages.names.push(format!("{kind}/{}", place.0));
                pages.names.len() - 1
            })
        };
        let (ip, device, prefix, dial) =
            (add("ip", &places.ip), add("device", &places.device), add("prefix", &places.prefix), add("dial", &places.dial));
        Self { ip, device, prefix, dial, ..pages }
    }

    fn read(&self, pages: &[Option<Vec<u8>>]) -> Result<Guards, StoreError> {
        let window = |place: Option<usize>| -> Result<Option<Window>, StoreError> {
            place.map(|place| Ok(read(WINDOW, pages.get(place))?.unwrap_or_default())).transpose()
        };
        let dial = self.dial.map(|place| Ok::<_, StoreError>(read(DIAL, pages.get(place))?.unwrap_or_default())).transpose()?;
        Ok(Guards { ip: window(self.ip)?, device: window(self.device)?, prefix: window(self.prefix)?, dial })
    }

    fn write(&self, guards: &Guards, writes: &mut [Option<PageWrite>], now: UnixMs) -> Result<(), StoreError> {
        for (place, window) in [(self.ip, &guards.ip), (self.device, &guards.device), (self.prefix, &guards.prefix)] {
            if let (Some(place), Some(window)) = (place, window) {
                writes[place] = Some(write(WINDOW, window, window.forget_at(now))?);
            }
        }
        if let (Some(place), Some(dial)) = (self.dial, &guards.dial) {
            writes[place] = Some(write(DIAL, dial, dial.forget_at(now))?);
        }
        Ok(())
    }
}

fn nothing(names: &[String]) -> Vec<Option<PageWrite>> {
    names.iter().map(|_| None).collect()
}

pub(crate) async fn start(store: &dyn Pages, start: StartVerification) -> Result<Result<Issued, Refused>, StoreError> {
    let StartVerification { game, places, wish, rules, limits, now } = start;
    let pages = GuardPages::after(vec![contact_page(&places.contact), id_page(&wish.id)], &places);
    let names = pages.names.clone();
    let apply = move |read_pages: &[Option<Vec<u8>>]| {
        let mut subject: Subject = read(CONTACT, read_pages.first())?.unwrap_or_default();
        let mut guards = pages.read(read_pages)?;
        let mut writes = nothing(&pages.names);
        let answer = subject.start(&mut guards, wish.clone(), rules, &limits, now);
        if answer.as_ref().is_ok_and(|issued| !issued.repeated) {
            writes[0] = Some(write(CONTACT, &subject, subject.forget_at(now))?);
            writes[1] = Some(write(PLACES, &places, now.plus_ms(ID_KEPT_MS))?);
            pages.write(&guards, &mut writes, now)?;
        }
        Ok((answer, writes))
    };
    change_with_answer(store, &game, names, apply).await
}

async fn places_of(store: &dyn Pages, game: &GameId, id: &VerificationId) -> Result<Option<Places>, StoreError> {
    read(PLACES, store.read_pages(game, vec![id_page(id)]).await?.first())
}

/// The mark of a player: its page comes right after the contact's, if there is one.
fn mark_of(places: &Places, pages: &[Option<Vec<u8>>]) -> Result<Option<PlayerMark>, StoreError> {
    match places.player {
        Some(_) => Ok(Some(read(MARK, pages.get(1))?.unwrap_or_default())),
        None => Ok(None),
    }
}

fn names_of(places: &Places) -> Vec<String> {
    [Some(contact_page(&places.contact)), places.player.as_ref().map(player_page)].into_iter().flatten().collect()
}

pub(crate) async fn resend(store: &dyn Pages, resend: ResendVerification) -> Result<Option<Result<Issued, ResendRefusal>>, StoreError> {
    let ResendVerification { game, id, make, limits, now } = resend;
    let Some(places) = places_of(store, &game, &id).await? else { return Ok(None) };
    let mut names = names_of(&places);
    names.push(id_page(&id));
    let id_place = names.len() - 1;
    let pages = GuardPages::after(names, &places);
    let names = pages.names.clone();
    let apply = move |read_pages: &[Option<Vec<u8>>]| {
        let mut subject: Subject = read(CONTACT, read_pages.first())?.unwrap_or_default();
        let mark = mark_of(&places, read_pages)?;
        let mut guards = pages.read(read_pages)?;
        let mut writes = nothing(&pages.names);
        let answer = subject.resend(&mut guards, &id, mark.as_ref(), &*make, &limits, now);
        if matches!(answer, Some(Ok(_))) {
            writes[0] = Some(write(CONTACT, &subject, subject.forget_at(now))?);
            writes[id_place] = Some(write(PLACES, &places, now.plus_ms(ID_KEPT_MS))?);
            pages.write(&guards, &mut writes, now)?;
        }
        Ok((answer, writes))
    };
    change_with_answer(store, &game, names, apply).await
}

pub(crate) async fn check(store: &dyn Pages, check: CheckVerification) -> Result<Option<Checked>, StoreError> {
    let CheckVerification { game, id, contact, code, by, keys, now } = check;
    let id = match (id, contact) {
        (Some(id), _) => Some(id),
        (None, Some(contact)) => newest(store, &game, &contact, by.as_deref(), now).await?,
        (None, None) => None,
    };
    let Some(id) = id else { return Ok(None) };
    let Some(places) = places_of(store, &game, &id).await? else { return Ok(None) };
    let names = names_of(&places);
    let dial_place = places.dial.as_ref().map(|_| names.len());
    let mut names: Vec<String> = names.into_iter().chain(places.dial.as_ref().map(dial_page)).collect();
    let measured = MeasuredPages::after(&mut names, places.measured.as_ref());
    let all = names.clone();
    let apply = move |pages: &[Option<Vec<u8>>]| {
        let mut subject: Subject = read(CONTACT, pages.first())?.unwrap_or_default();
        let named = mark_of(&places, pages)?;
        let mut mark = named.unwrap_or_default();
        let before = mark;
        let mut dial: Option<Dial> =
            dial_place.map(|place| Ok::<_, StoreError>(read(DIAL, pages.get(place))?.unwrap_or_default())).transpose()?;
        let is_right = |known: &Verification| keys.matches(&known.id, known.sends, &code, &known.digest);
        let target = by.is_none().then_some(&id);
        let answer = subject.check(&mut mark, dial.as_mut(), target, by.as_deref(), is_right, now);
        let mut writes = nothing(&all);
        if answer.is_some() {
            writes[0] = Some(write(CONTACT, &subject, subject.forget_at(now))?);
        }
        if mark != before {
            if named.is_some() {
                let life_ms = subject.verifications.iter().map(|known| known.expires_at.since_ms(known.made_at)).max().unwrap_or_default();
                // Codes for the player with other contacts may live as long as a day.
                writes[1] = Some(write(MARK, &mark, mark.forget_at(life_ms.max(ID_KEPT_MS)))?);
            }
            if let (Some(place), Some(dial)) = (dial_place, &dial) {
                writes[place] = Some(write(DIAL, dial, dial.forget_at(now))?);
            }
            if let (Some(measured), Some(checked)) = (&measured, &answer) {
                let fact = Fact::Approved { took_ms: now.since_ms(checked.asked_at) };
                measured.count(pages, &mut writes, checked.channel.as_deref().unwrap_or(OTHER), fact)?;
            }
        }
        Ok((answer, writes))
    };
    change_with_answer(store, &game, names, apply).await
}

pub(crate) async fn end(store: &dyn Pages, end: EndVerifications) -> Result<(), StoreError> {
    let EndVerifications { game, player, contacts, now } = end;
    let has_player = player.is_some();
    let names: Vec<String> = player.iter().map(player_page).chain(contacts.iter().map(contact_page)).collect();
    let apply = move |pages: &[Option<Vec<u8>>]| {
        let mut writes = Vec::with_capacity(pages.len());
        if has_player {
            let mut mark: PlayerMark = read(MARK, pages.first())?.unwrap_or_default();
            mark.end(now);
            writes.push(Some(write(MARK, &mark, mark.forget_at(ID_KEPT_MS))?));
        }
        for page in pages.iter().skip(writes.len()) {
            let mut subject: Subject = read(CONTACT, Some(page))?.unwrap_or_default();
            let has_ended = subject.end();
            writes.push(has_ended.then(|| write(CONTACT, &subject, subject.forget_at(now))).transpose()?);
        }
        Ok(((), writes))
    };
    change_with_answer(store, &game, names, apply).await
}

pub(crate) async fn forget(store: &dyn Pages, forget: ForgetVerifications) -> Result<u64, StoreError> {
    let ForgetVerifications { game, player, nobody, contacts, now } = forget;
    let names: Vec<String> = std::iter::once(contact_page(&nobody)).chain(contacts.iter().map(contact_page)).collect();
    let apply = move |pages: &[Option<Vec<u8>>]| {
        let (mut forgotten, mut writes) = (0, Vec::with_capacity(pages.len()));
        for page in pages {
            let mut subject: Subject = read(CONTACT, Some(page))?.unwrap_or_default();
            let found = subject.forget_player(&player) as u64;
            forgotten += found;
            writes.push((found > 0).then(|| write(CONTACT, &subject, subject.forget_at(now))).transpose()?);
        }
        Ok((forgotten, writes))
    };
    change_with_answer(store, &game, names, apply).await
}

/// The verification of a contact that a code without a name is about: one that is open, else the one that this very entry
/// has approved before.
async fn newest(
    store: &dyn Pages,
    game: &GameId,
    contact: &Place,
    by: Option<&str>,
    now: UnixMs,
) -> Result<Option<VerificationId>, StoreError> {
    let subject: Subject = read(CONTACT, store.read_pages(game, vec![contact_page(contact)]).await?.first())?.unwrap_or_default();
    let by_this = |state: &State| matches!(state, State::Approved { by: Some(known) } if Some(known.as_str()) == by);
    let found = subject.verifications.iter().rev().find(|known| known.status(None, now).is_none() || by_this(&known.state));
    Ok(found.map(|known| known.id))
}

/// What a change of a code is to those who count.
enum Noted {
    /// Nothing was changed.
    Nothing,
    /// Nothing new.
    Change,
    /// Something happened to it at a channel.
    Fact(Box<str>, Fact),
}

/// Changes what is kept of one code, and answers; nothing is written where the answer says so.
async fn change_code<A: Send + 'static>(
    store: &dyn Pages,
    game: &GameId,
    id: &VerificationId,
    now: UnixMs,
    mut apply: impl FnMut(&mut Subject, Option<&PlayerMark>) -> (A, Noted) + Send + 'static,
) -> Result<Option<A>, StoreError> {
    let Some(places) = places_of(store, game, id).await? else { return Ok(None) };
    let mut names = names_of(&places);
    let measured = MeasuredPages::after(&mut names, places.measured.as_ref());
    let all = names.clone();
    let apply = move |pages: &[Option<Vec<u8>>]| {
        let mut subject: Subject = read(CONTACT, pages.first())?.unwrap_or_default();
        let mark = mark_of(&places, pages)?;
        let (answer, noted) = apply(&mut subject, mark.as_ref());
        let mut writes = nothing(&all);
        if !matches!(noted, Noted::Nothing) {
            writes[0] = Some(write(CONTACT, &subject, subject.forget_at(now))?);
        }
        if let (Some(measured), Noted::Fact(channel, fact)) = (&measured, &noted) {
            measured.count(pages, &mut writes, channel, *fact)?;
        }
        Ok((answer, writes))
    };
    change_with_answer(store, game, names, apply).await.map(Some)
}

pub(crate) async fn begin(store: &dyn Pages, game: &GameId, code: CodeWatch, way: Way, now: UnixMs) -> Result<Begun, StoreError> {
    let id = code.id;
    let apply = move |subject: &mut Subject, mark: Option<&PlayerMark>| {
        let is_known = subject.has_way(&code.id, code.send, way.place);
        let begun = subject.begin_way(&code.id, code.send, way.clone(), mark, now);
        let noted = match begun {
            Begun::Go { .. } if is_known => Noted::Change,
            Begun::Go { .. } => Noted::Fact(way.channel.clone(), Fact::Sent),
            Begun::Dead | Begun::Passed => Noted::Nothing,
        };
        (begun, noted)
    };
    Ok(change_code(store, game, &id, now, apply).await?.unwrap_or(Begun::Dead))
}

pub(crate) async fn delivered(store: &dyn Pages, game: &GameId, code: CodeWatch, at: UnixMs) -> Result<bool, StoreError> {
    let id = code.id;
    let apply = move |subject: &mut Subject, _: Option<&PlayerMark>| {
        let is_new = subject.way_delivered(&code.id, code.send, code.place, at);
        let channel = subject.channel_of(&code.id, code.send, code.place).filter(|_| is_new);
        (is_new, channel.map_or(Noted::Nothing, |channel| Noted::Fact(channel, Fact::Delivered)))
    };
    Ok(change_code(store, game, &id, at, apply).await?.unwrap_or(false))
}

pub(crate) async fn standing(store: &dyn Pages, game: &GameId, code: CodeWatch, now: UnixMs) -> Result<Option<CodeStanding>, StoreError> {
    let Some(places) = places_of(store, game, &code.id).await? else { return Ok(None) };
    let pages = store.read_pages(game, names_of(&places)).await?;
    let subject: Subject = read(CONTACT, pages.first())?.unwrap_or_default();
    Ok(subject.standing(&code.id, code.send, code.place, mark_of(&places, &pages)?.as_ref(), now))
}

/// The port over an engine's pages.
macro_rules! verifications_over_pages {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl questline_core::port::Verifications for $store {
            async fn start_verification(
                &self,
                start: questline_core::port::StartVerification,
            ) -> Result<
                Result<questline_core::verification::book::Issued, questline_core::verification::guard::Refused>,
                questline_core::port::StoreError,
            > {
                $crate::verifications::start(self, start).await
            }

            async fn resend_verification(
                &self,
                resend: questline_core::port::ResendVerification,
            ) -> Result<
                Option<Result<questline_core::verification::book::Issued, questline_core::verification::book::ResendRefusal>>,
                questline_core::port::StoreError,
            > {
                $crate::verifications::resend(self, resend).await
            }

            async fn check_verification(
                &self,
                check: questline_core::port::CheckVerification,
            ) -> Result<Option<questline_core::verification::book::Checked>, questline_core::port::StoreError> {
                $crate::verifications::check(self, check).await
            }

            async fn end_verifications(&self, end: questline_core::port::EndVerifications) -> Result<(), questline_core::port::StoreError> {
                $crate::verifications::end(self, end).await
            }

            async fn code_measures(
                &self,
                game: &questline_core::id::GameId,
                first: questline_core::day::Day,
                last: questline_core::day::Day,
            ) -> Result<Vec<questline_core::verification::measure::DayMeasures>, questline_core::port::StoreError> {
                $crate::measures::read(self, game, first, last).await
            }

            async fn forget_verifications(
                &self,
                forget: questline_core::port::ForgetVerifications,
            ) -> Result<u64, questline_core::port::StoreError> {
                $crate::verifications::forget(self, forget).await
            }

            async fn begin_code(
                &self,
                game: &questline_core::id::GameId,
                code: questline_core::verification::trail::CodeWatch,
                way: questline_core::verification::way::Way,
                now: questline_core::time::UnixMs,
            ) -> Result<questline_core::verification::way::Begun, questline_core::port::StoreError> {
                $crate::verifications::begin(self, game, code, way, now).await
            }

            async fn code_delivered(
                &self,
                game: &questline_core::id::GameId,
                code: questline_core::verification::trail::CodeWatch,
                at: questline_core::time::UnixMs,
            ) -> Result<bool, questline_core::port::StoreError> {
                $crate::verifications::delivered(self, game, code, at).await
            }

            async fn code_standing(
                &self,
                game: &questline_core::id::GameId,
                code: questline_core::verification::trail::CodeWatch,
                now: questline_core::time::UnixMs,
            ) -> Result<Option<questline_core::verification::way::CodeStanding>, questline_core::port::StoreError> {
                $crate::verifications::standing(self, game, code, now).await
            }
        }
    };
}

pub(crate) use verifications_over_pages;
