//! How a tournament ended for the player.
use questline_sdk::copy_in;
use questline_sdk::limits::fit;
use questline_sdk::locale::{Localised, money, number};
use questline_sdk::prelude::*;
use serde::Deserialize;

use crate::Desk;
use crate::questions::Topic;

/// Longest names in a message, so that they fit with the words around them.
const NAME_MAX: usize = 60;

/// The game event `tournament-result`.
#[derive(Deserialize)]
pub(crate) struct TournamentResult {
    tournament: Localised,
    /// 1 is the champion.
    position: u32,
    /// In units of the currency.
    #[serde(default)]
    prize: Option<f64>,
    #[serde(default)]
    currency: Option<String>,
}

impl Desk<'_> {
    pub(crate) fn on_result(self, result: &TournamentResult) -> Result<Outcome, FlowError> {
        if result.position == 0 {
            return Err(FlowError::permanent("tournament-result: positions begin with 1"));
        }
        let tournament = fit(result.tournament.of(self.locale()), NAME_MAX);
        let position = number(result.position.into(), self.locale());
        let prize = self.prize(result)?;
        let measure = match result.position {
            1 => "tournament_champions",
            position if position <= self.settings.top_max => "tournament_top_results",
            _ => "tournament_other_results",
        };
        let ticket = self.personal_ticket(result)?;
        if !self.conversation.is_window_open() {
            let template = self.result_template(&tournament, &position, prize)?;
            let is_unreachable = self.is_unreachable();
            let mut outcome = self.end()?.track(measure, 1.0)?;
            outcome = if is_unreachable { outcome.track("tournament_results_unsent", 1.0)? } else { outcome.template(template)? };
            return match ticket {
                Some(ticket) => Ok(outcome.ticket(ticket)?),
                None => Ok(outcome),
            };
        }
        let key = match result.position {
            1 => "tournament-champion",
            position if position <= self.settings.top_max => "tournament-top",
            _ => "tournament-other",
        };
        let mut body = self.copy(key, &[("tournament", &tournament), ("position", &position)])?;
        if let Some(prize) = &prize {
            body.push_str("\n\n");
            body.push_str(&self.copy("tournament-prize", &[("prize", prize)])?);
        }
        if ticket.is_some() {
            body.push_str("\n\n");
            body.push_str(&self.copy("tournament-personal", &[("number", &self.conversation.ticket_number)])?);
        }
        let message = self.buttons(
            body,
            &[(Topic::Prizes.name(), "button-tournament-prizes"), (Topic::Registration.name(), "button-tournament-registration")],
        )?;
        let outcome = self.end()?.track(measure, 1.0)?;
        match ticket {
            Some(ticket) => Ok(outcome.ticket(ticket)?.reply(message)?),
            None => Ok(outcome.reply(message)?),
        }
    }

    fn result_template(&self, tournament: &str, position: &str, prize: Option<String>) -> Result<Template, FlowError> {
        let prize = match prize {
            Some(prize) => prize,
            None => self.copy("tournament-no-prize", &[])?,
        };
        let template = Template::new(&self.settings.result_template);
        Ok(template.parameter(self.name()?).parameter(tournament).parameter(position).parameter(prize))
    }

    /// What to call the player.
    pub(crate) fn name(&self) -> Result<String, FlowError> {
        let name = self.profile.as_ref().map(|profile| fit(profile.name.trim(), NAME_MAX)).filter(|name| !name.is_empty());
        name.map_or_else(|| self.copy("tournament-player", &[]), Ok)
    }

    /// The prize as the language writes it; none where there is none.
    fn prize(&self, result: &TournamentResult) -> Result<Option<String>, FlowError> {
        let Some(amount) = result.prize.filter(|amount| *amount > 0.0) else { return Ok(None) };
        // A float holds every whole number up to 2^53, and what is beyond becomes the largest.
        let minor = (amount * 100.0).round() as u64;
        let units = || number((minor as f64 / 100.0).round() as u64, self.locale());
        Ok(Some(match result.currency.as_deref() {
            None => units(),
            Some("premium") => format!("{} {}", units(), self.copy("currency-premium", &[])?),
            Some("free") => format!("{} {}", units(), self.copy("currency-free", &[])?),
            Some(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => money(minor, code, self.locale()),
            Some(name) => format!("{} {}", units(), fit(name, NAME_MAX)),
        }))
    }

    /// For the best of the best a human says more than a flow could.
    fn personal_ticket(&self, result: &TournamentResult) -> Result<Option<Ticket>, FlowError> {
        let settings = &self.settings;
        let Some(profile) = self.profile.as_ref().filter(|profile| settings.personal_tiers.contains(&profile.tier)) else {
            return Ok(None);
        };
        let was_refused = self.conversation.refusal("open-ticket").is_some();
        if result.position > settings.personal_position_max || was_refused {
            return Ok(None);
        }
        let locale = settings.agent_locale.as_str();
        let tournament = fit(result.tournament.of(locale), NAME_MAX);
        let position = result.position.to_string();
        let subject = copy_in(locale, "agent-subject-tournament", &[("tier", &profile.tier), ("position", &position)])?;
        let body = copy_in(
            locale,
            "agent-tournament",
            &[
                ("name", &profile.name),
                ("tier", &profile.tier),
                ("tournament", &tournament),
                ("position", &position),
                ("locale", self.locale()),
            ],
        )?;
        let ticket = Ticket::new(TicketPriority::High, "tournament-follow-up", subject).body(body);
        Ok(Some(ticket.tag(format!("tier:{}", profile.tier)).tag(format!("position:{position}"))))
    }
}
