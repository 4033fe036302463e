//! `[sending]` of game.toml: how much marketing players get, and when nobody is disturbed.

use std::collections::BTreeMap;

use questline_core::game::SendingRules;
use questline_core::lane::TimeToLive;
use questline_core::outbox::MessageClass;
use questline_core::permit::hours::LocalHours;
use questline_core::permit::windows::MARKETING_PER_WEEK;
use questline_core::template::Template;
use questline_core::time::SECOND_MS;
use serde::Deserialize;

use super::GameProblem;

/// A cap above it caps nothing.
const MARKETING_PER_WEEK_MAX: u32 = 50;

/// The section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SendingFile {
    marketing_per_week: u32,
    quiet_in_game: bool,
    local_hours: Option<HoursFile>,
    time_to_live_s: TimeToLiveFile,
}

impl Default for SendingFile {
    fn default() -> Self {
        Self { marketing_per_week: MARKETING_PER_WEEK, quiet_in_game: true, local_hours: None, time_to_live_s: TimeToLiveFile::default() }
    }
}

/// `[sending.time_to_live_s]`: seconds, by class.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeToLiveFile {
    critical: Option<u64>,
    high: Option<u64>,
    normal: Option<u64>,
    low: Option<u64>,
}

/// From what may still be of use to what nobody can mean.
const TIME_TO_LIVE_S: std::ops::RangeInclusive<u64> = 10..=2_592_000;

impl TimeToLiveFile {
    fn into_rules(self) -> Result<TimeToLive, GameProblem> {
        let mut rules = TimeToLive::default();
        let set = [self.critical, self.high, self.normal, self.low];
        for ((class, ms), seconds) in MessageClass::ALL.into_iter().zip(&mut rules.ms).zip(set) {
            let Some(seconds) = seconds else { continue };
            if !TIME_TO_LIVE_S.contains(&seconds) {
                let text = format!("sending.time_to_live_s.{} is {seconds}; it takes 10 to 2592000", class.as_str());
                return Err(GameProblem::Rule(text));
            }
            *ms = seconds * SECOND_MS;
        }
        Ok(rules)
    }
}

/// `[sending.local_hours]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursFile {
    from: String,
    to: String,
    /// Where nothing better is known of a player.
    #[serde(default = "utc")]
    time_zone: String,
    /// Reminders, besides all marketing.
    #[serde(default)]
    templates: Vec<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl SendingFile {
    pub(super) fn into_rules(self, templates: &BTreeMap<String, Template>) -> Result<SendingRules, GameProblem> {
        let rule = |text: String| GameProblem::Rule(text);
        if !(0..=MARKETING_PER_WEEK_MAX).contains(&self.marketing_per_week) {
            let text = format!("sending.marketing_per_week is {}; it takes 0 to {MARKETING_PER_WEEK_MAX}", self.marketing_per_week);
            return Err(rule(text));
        }
        let hours = self.local_hours.map(|file| {
            if let Some(unknown) = file.templates.iter().find(|name| !templates.contains_key(*name)) {
                let text = format!("sending.local_hours.templates names {unknown:?}, and templates/ has none of that name");
                return Err(GameProblem::TemplateMissing(text));
            }
            let hours = LocalHours::new(&file.from, &file.to, &file.time_zone, file.templates);
            hours.map_err(|problem| rule(format!("sending.local_hours: {problem}")))
        });
        let (marketing_per_week, quiet_in_game) = (self.marketing_per_week, self.quiet_in_game);
        let time_to_live = self.time_to_live_s.into_rules()?;
        Ok(SendingRules { marketing_per_week, quiet_in_game, local_hours: hours.transpose()?, time_to_live })
    }
}
