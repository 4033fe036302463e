//! How a recovery ends: with credentials, with a human, with a lock, or because the player wants no more of it.
use questline_sdk::copy_in;
use questline_sdk::limits::fit;
use questline_sdk::prelude::*;

use crate::player::Player;
use crate::state::Verdict;
use crate::{IDLE, INTENT, Recovery, UNLOCK};

/// Most characters of the name that an unknown contact gives.
const NAME_MAX: usize = 100;

impl Recovery<'_> {
    /// Clear enough: the host has the studio issue credentials, and sends them past this flow.
    pub(crate) fn verified(mut self, measures: Vec<String>) -> Result<Outcome, FlowError> {
        if self.conversation.refusal("issue-recovery-credentials").is_some() {
            return self.human_with("refused", None, measures);
        }
        let points = self.state.points(&self.settings);
        let matched = self.state.steps.iter().filter(|step| step.verdict == Verdict::Matched);
        let reason = format!("matched: {}", matched.map(|step| step.check.name()).collect::<Vec<_>>().join(", "));
        let body = self.copy("recovery-verified", &[])?;
        self.state.end();
        self.state.forgive();
        let outcome = self
            .done()?
            .reply(body)?
            .issue_recovery_credentials(&reason, f64::from(points) / 100.0)?
            .cancel_timer(IDLE)?
            .track("recovery_verified", 1.0)?;
        tracked(outcome, &measures)
    }

    /// A human decides; `why` is one of the keys `agent-recovery-why-...`.
    pub(crate) fn human(self, why: &str) -> Result<Outcome, FlowError> {
        self.human_with(why, None, Vec::new())
    }

    /// As [`Recovery::human`], with the name that an unknown contact gave.
    pub(crate) fn human_with(mut self, why: &str, name: Option<&str>, measures: Vec<String>) -> Result<Outcome, FlowError> {
        if let Some(number) = self.state.ticket.clone() {
            let body = self.copy("ticket-already-open", &[("number", &number)])?;
            self.state.end();
            return tracked(self.done()?.reply(body)?.cancel_timer(IDLE)?, &measures);
        }
        let ticket = self.ticket(why, name)?;
        self.state.end();
        if self.conversation.refusal("open-ticket").is_some() {
            let body = self.copy("agent-unavailable", &[])?;
            return tracked(self.done()?.reply(body)?.cancel_timer(IDLE)?, &measures);
        }
        let number = self.conversation.ticket_number.clone();
        let body = self.copy("recovery-human", &[("number", &number)])?;
        self.state.ticket = Some(number);
        tracked(self.done()?.ticket(ticket)?.reply(body)?.cancel_timer(IDLE)?.track("recovery_human", 1.0)?, &measures)
    }

    /// Too many wrong answers: nothing more can be tried for a while, and a human looks at it.
    pub(crate) fn lock(mut self, measures: Vec<String>) -> Result<Outcome, FlowError> {
        let lock_ms = self.settings.lock_s.saturating_mul(1_000);
        let minutes = self.settings.lock_s.div_ceil(60).to_string();
        let locked = self.copy("recovery-locked", &[("minutes", &minutes)])?;
        self.state.locked_until_ms = Some(clock::now().saturating_add(lock_ms));
        let mut outcome = self.human_with("locked", None, measures)?;
        let others = std::mem::take(&mut outcome.effects);
        let mut outcome = outcome.reply(locked)?.set_timer(NewTimer::new(UNLOCK, lock_ms))?.track("recovery_locked", 1.0)?;
        outcome.effects.extend(others);
        Ok(outcome)
    }

    /// The player wants no more of it.
    pub(crate) fn cancel(mut self) -> Result<Outcome, FlowError> {
        self.state.end();
        let body = self.copy("recovery-cancelled", &[])?;
        Ok(self.done()?.reply(body)?.cancel_timer(IDLE)?.track("recovery_cancelled", 1.0)?)
    }

    /// For the agent: who it is said to be, what was asked and what matched. Never an answer.
    fn ticket(&self, why: &str, name: Option<&str>) -> Result<Ticket, FlowError> {
        let agent = |key: &str, arguments: &[(&str, &str)]| copy_in(&self.settings.agent_locale, key, arguments);
        let player = self.player()?;
        let locale = self.conversation.locale.as_str();
        let mut lines = vec![match &player {
            Some(Player { name, tier }) => agent("agent-recovery-player", &[("name", name), ("tier", tier), ("locale", locale)])?,
            None => agent("agent-unknown-player", &[("locale", locale)])?,
        }];
        if let Some(name) = name.map(|name| fit(name.trim(), NAME_MAX)).filter(|name| !name.is_empty()) {
            lines.push(agent("agent-recovery-name", &[("name", &name)])?);
        }
        lines.push(agent(&format!("agent-recovery-why-{why}"), &[])?);
        for step in &self.state.steps {
            let check = agent(&format!("agent-recovery-check-{}", step.check.name()), &[])?;
            let verdict = agent(&format!("agent-recovery-verdict-{}", step.verdict.name()), &[])?;
            lines.push(format!("- {check}: {verdict}"));
        }
        let points = self.state.points(&self.settings).to_string();
        let points_min = self.settings.points_min.to_string();
        lines.push(agent(
            "agent-recovery-points",
            &[("points", &points), ("needed", &points_min), ("wrong", &self.state.wrong.to_string())],
        )?);
        let tier = player.map_or_else(|| "unknown".to_owned(), |player| player.tier);
        let subject = agent("agent-subject-account-recovery", &[("tier", &tier)])?;
        Ok(Ticket::new(TicketPriority::High, INTENT, subject)
            .body(lines.join("\n"))
            .tag(format!("tier:{tier}"))
            .tag(format!("recovery:{why}")))
    }
}

fn tracked(outcome: Outcome, measures: &[String]) -> Result<Outcome, FlowError> {
    measures.iter().try_fold(outcome, |outcome, name| Ok(outcome.track(name, 1.0)?))
}
