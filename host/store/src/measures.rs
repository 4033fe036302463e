//! How well codes do, over an engine's pages: counted in the change that it is about.
//!
//! | page of a game | holds |
//! | --- | --- |
//! | `measured/<day>` | the countries that have figures of that day, JSON |
//! | `measured/<day>/<country>` | a country's figures of that day, JSON |

use std::collections::{BTreeMap, BTreeSet};

use questline_core::day::Day;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::verification::measure::{CountryDay, DayMeasures, Fact, Measured};

use crate::codec::{decode, encode};
use crate::pages::{PageWrite, Pages};

const COUNTRIES: &str = "a day's countries";
const FIGURES: &str = "a country's figures";
/// Pages that are read in one go.
const READ_MAX: usize = 1_000;

fn day_page(day: Day) -> String {
    format!("measured/{}", day.0)
}

fn country_page(day: Day, country: &str) -> String {
    format!("measured/{}/{country}", day.0)
}

/// Where the figures of a verification lie among the pages of a change.
pub(crate) struct MeasuredPages {
    place: usize,
    measured: Measured,
}

impl MeasuredPages {
    /// Behind these pages; none where the verification is not counted.
    pub(crate) fn after(names: &mut Vec<String>, measured: Option<&Measured>) -> Option<Self> {
        let measured = measured?.clone();
        let place = names.len();
        names.extend([day_page(measured.day), country_page(measured.day, &measured.country)]);
        Some(Self { place, measured })
    }

    /// Counts something.
    pub(crate) fn count(
        &self,
        pages: &[Option<Vec<u8>>],
        writes: &mut [Option<PageWrite>],
        channel: &str,
        fact: Fact,
    ) -> Result<(), StoreError> {
        let page = |place: usize| pages.get(place).and_then(Option::as_deref);
        let forget_at = self.measured.forget_at();
        let mut countries: BTreeSet<Box<str>> = page(self.place).map_or_else(|| Ok(BTreeSet::new()), |json| decode(COUNTRIES, json))?;
        if countries.insert(self.measured.country.clone()) {
            writes[self.place] = Some(PageWrite { value: encode(COUNTRIES, &countries)?.into_bytes(), forget_at });
        }
        let mut figures: CountryDay = page(self.place + 1).map_or_else(|| Ok(CountryDay::default()), |json| decode(FIGURES, json))?;
        figures.note(channel, fact);
        writes[self.place + 1] = Some(PageWrite { value: encode(FIGURES, &figures)?.into_bytes(), forget_at });
        Ok(())
    }
}

/// The figures of these days, each day that has some.
pub(crate) async fn read(store: &dyn Pages, game: &GameId, first: Day, last: Day) -> Result<Vec<DayMeasures>, StoreError> {
    let days: Vec<Day> = (first.0..=last.0).map(Day).collect();
    let mut wanted: Vec<(Day, Box<str>)> = Vec::new();
    for days in days.chunks(READ_MAX) {
        let pages = store.read_pages(game, days.iter().map(|day| day_page(*day)).collect()).await?;
        for (day, page) in days.iter().zip(pages) {
            let countries: BTreeSet<Box<str>> = page.map_or_else(|| Ok(BTreeSet::new()), |json| decode(COUNTRIES, &json))?;
            wanted.extend(countries.into_iter().map(|country| (*day, country)));
        }
    }
    let mut found: BTreeMap<Day, BTreeMap<Box<str>, CountryDay>> = BTreeMap::new();
    for wanted in wanted.chunks(READ_MAX) {
        let pages = store.read_pages(game, wanted.iter().map(|(day, country)| country_page(*day, country)).collect()).await?;
        for ((day, country), page) in wanted.iter().zip(pages) {
            if let Some(json) = page {
                found.entry(*day).or_default().insert(country.clone(), decode(FIGURES, &json)?);
            }
        }
    }
    Ok(found.into_iter().map(|(day, countries)| DayMeasures { day, countries }).collect())
}
