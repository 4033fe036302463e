//! The second factor in the chat: what the host asks and answers there itself, before any flow.

use super::Account;
use super::challenge::{ChallengeStatus, Denial};
use super::device::Device;
use super::factor::Answered;
use super::push::{DeviceKey, OpenChallenge, Push, Removing, Route, Tap, TwoFactorEvent};
use crate::audit::{Action, Actor, AuditRecord};
use crate::commit::Commit;
use crate::event::{AuthenticationEvent, CodeIssued, Event, Inbound, Message};
use crate::id::PlayerId;
use crate::message::{
    BODY_CHARS_MAX, BUTTON_TITLE_CHARS_MAX, Button, Outbound, ROW_DESCRIPTION_CHARS_MAX, ROW_TITLE_CHARS_MAX, ROWS_MAX, Row, Section,
};
use crate::outbox::{Content, MessageClass};
use crate::port::Copy;
use crate::step::Step;
use crate::time::{MINUTE_MS, UnixMs};
use crate::verification::Purpose;

/// How a session that a challenge proved was proven.
pub const BY_TWO_FACTOR: &str = "two-factor";

/// Texts of the host's own, by key, for games whose copy lacks them.
pub(crate) const TEXTS: [(&str, &str); 25] = [
    (
        "host-challenge",
        "{ $detail }\n\nIs this you? Then tap the number that { $game } shows you. If it is not you, answer { $no }: nobody gets in.",
    ),
    ("host-challenge-no", "NO"),
    ("host-challenge-login", "Somebody signs in to your account."),
    ("host-challenge-registration", "Somebody makes an account with your number."),
    ("host-challenge-device-authorisation", "Somebody wants to use your account on a new device."),
    ("host-challenge-high-value", "Somebody wants to change something important in your account."),
    ("host-challenge-security-alert", "Something happened to your account that you should know of."),
    ("host-challenge-approved", "Thank you: it was you, and it goes on in the game."),
    ("host-challenge-denied", "Thank you: nobody gets in. If somebody else may know your password, change it now."),
    ("host-challenge-wrong", "That is not the number that the game shows, so nobody gets in. If it was you, try once more in the game."),
    (
        "host-challenge-locked",
        "Nobody gets in, and you are not asked again for { $minutes } minutes. If it was not you, change your password now.",
    ),
    ("host-challenge-over", "This question is over. If it is you, try once more in the game."),
    (
        "host-two-factor-on",
        "Two-factor protection is on: from now on { $game } asks you here whether it is you. Keep your recovery codes in a safe place.",
    ),
    ("host-two-factor-off", "Two-factor protection is off: { $game } no longer asks you here whether it is you."),
    ("host-devices", "These devices may use your account. Choose one to remove it."),
    ("host-devices-button", "Devices"),
    ("host-devices-none", "No device is bound to your account."),
    ("host-devices-unknown", "I do not know which account is yours."),
    ("host-device-unnamed", "A device"),
    ("host-device-seen", "Last seen { $date }"),
    ("host-device-removed", "{ $device } is removed from your account."),
    ("host-device-code", "To remove { $device } I have to know that it is you: write the code that comes now here in the chat."),
    ("host-device-gone", "This device is not bound to your account any more."),
    ("host-device-later", "I cannot send you a code now. Please try again later."),
    ("host-challenge-from", "{ $what } From { $ip }."),
];

/// What a message of the player's means to the second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// A button or row of the host's.
    Tapped(Tap),
    /// The answer that it was not them, while a challenge waits here.
    NotMe,
    /// DEVICES: which are bound?
    Devices,
}

impl Step<'_> {
    /// What a message means to the second factor; none for all else.
    pub fn meant(&self, message: &Message, copy: &dyn Copy) -> Option<Meant> {
        match &message.content {
            Inbound::Text(text) if text.len() > 64 => None,
            Inbound::Text(text) if is_word(text, &["DEVICES"]) => Some(Meant::Devices),
            Inbound::Text(text) if !self.conversation.session.challenges.is_empty() => {
                let no = self.text(copy, "host-challenge-no", &[]);
                is_word(text, &["NO", "NOT ME", "NEIN", "NICHT ICH", &no]).then_some(Meant::NotMe)
            }
            content => content.picked_id().and_then(Tap::parse).map(Meant::Tapped),
        }
    }

    /// Whether a message can mean anything to the second factor: what [`Self::meant`] looks into. Costs next to nothing.
    pub fn may_be_meant(waits: bool, message: &Message) -> bool {
        match &message.content {
            Inbound::Text(text) => text.len() <= 64 && (waits || is_word(text, &["DEVICES"])),
            content => content.picked_id().is_some_and(|id| id.starts_with("host:")),
        }
    }

    /// Does what something that happened to the second factor means here.
    pub fn hear_two_factor(mut self, event: &TwoFactorEvent, copy: &dyn Copy) -> Commit {
        match event {
            TwoFactorEvent::On { player, locale } => {
                self.conversation.trust_as_second_factor(player);
                self.speak(locale.as_deref());
                self.notice("host-two-factor-on", copy)
            }
            TwoFactorEvent::Off { player } => {
                let was = self.conversation.second_factor_of.contains(player);
                self.conversation.distrust_as_second_factor(player);
                if was { self.notice("host-two-factor-off", copy) } else { self.done() }
            }
            TwoFactorEvent::DeviceRemoved { player, device } => {
                let is_theirs = self.conversation.session.player.as_ref().is_none_or(|known| known == player);
                if is_theirs && self.conversation.distrust_device(device) {
                    let audit = self.audit(Action::TrustRevoked, Actor::Host, "the device was removed from the account");
                    self.audits.push(audit);
                }
                self.done()
            }
            TwoFactorEvent::Challenged(push) => self.push(push, copy),
        }
    }

    /// Asks the player whether it is them; where that cannot be done, the audit says why.
    fn push(mut self, push: &Push, copy: &dyn Copy) -> Commit {
        match self.conversation.route(push, self.now) {
            Route::Message => {}
            Route::Code => return self.not_asked(push, "no code can be sent"),
            Route::Nowhere(why) => return self.not_asked(push, why),
        }
        self.speak(push.locale.as_deref());
        let what = self.text(copy, purpose_key(push.purpose), &[]);
        let no = self.text(copy, "host-challenge-no", &[]);
        let from = push.ip.map(|ip| self.text(copy, "host-challenge-from", &[("what", &what), ("ip", &ip.to_string())]));
        let detail = push.detail.as_deref().or(from.as_deref()).unwrap_or(&what);
        let body = self.text(copy, "host-challenge", &[("detail", detail), ("game", &self.game.name), ("no", &no)]);
        let button = |number: &u8| Button { id: Tap::Number(push.id, *number).to_string(), title: number.to_string() };
        let message = Outbound::Buttons {
            header: None,
            body: cut(body, BODY_CHARS_MAX),
            footer: None,
            buttons: push.numbers.iter().map(button).collect(),
        };
        let mut sent = self.reply(String::new());
        sent.class = MessageClass::Critical;
        sent.content = Content::Reply { message, reply_to: None };
        sent.expires_at = Some(sent.expires_at.map_or(push.expires_at, |closes_at| closes_at.min(push.expires_at)));
        self.conversation.session.outbound = self.conversation.session.outbound.saturating_add(1);
        let open = OpenChallenge { id: push.id, player: push.player.clone(), expires_at: push.expires_at };
        self.conversation.expect_answer(open, self.now);
        self.note(Action::ChallengeSent, Actor::Host, &push.player, format!("by message, for {}", push.purpose.as_str()));
        let mut commit = self.done();
        commit.outbox.push(sent);
        commit
    }

    /// A challenge does not reach the player.
    pub fn not_asked(mut self, push: &Push, why: &str) -> Commit {
        self.note(Action::ChallengeRefused, Actor::Host, &push.player, format!("for {}: {why}", push.purpose.as_str()));
        self.done()
    }

    /// The player answered challenges of this chat: says what came of it. An approval makes the session authenticated.
    pub fn challenges_answered(mut self, answers: Vec<(OpenChallenge, Option<Answered>)>, copy: &dyn Copy) -> Commit {
        let (mut key, mut minutes, mut proofs) = ("host-challenge-over", String::new(), Vec::new());
        for (open, answered) in answers {
            let Some(Answered { purpose, device, status, counts: true, locked_until }) = answered else {
                self.note(Action::ChallengeRefused, Actor::Player, &open.player, "an answer to a challenge that was over");
                continue;
            };
            let how = format!("by {}, for {}", status.how().unwrap_or_default(), purpose.as_str());
            match status {
                ChallengeStatus::Approved(_) => {
                    key = "host-challenge-approved";
                    self.note(Action::ChallengeApproved, Actor::Player, &open.player, how);
                    let (method, purpose) = (BY_TWO_FACTOR.to_owned(), purpose.as_str().to_owned());
                    proofs.push(Event::Authenticated(AuthenticationEvent {
                        purpose,
                        method,
                        attempts_left: 0,
                        player: Some(open.player.clone()),
                        device: Some(device.id),
                    }));
                }
                _ => {
                    key = if status == ChallengeStatus::Denied(Denial::WrongNumber) {
                        "host-challenge-wrong"
                    } else {
                        "host-challenge-denied"
                    };
                    self.note(Action::ChallengeDenied, Actor::Player, &open.player, how);
                }
            }
            if let Some(until) = locked_until {
                // The lock began a little after this step: in whole minutes, the nearest.
                let whole = (until.since_ms(self.now) + MINUTE_MS / 2) / MINUTE_MS;
                (key, minutes) = ("host-challenge-locked", whole.max(1).to_string());
                self.note(Action::ChallengesLocked, Actor::Host, &open.player, format!("too many denials; for {minutes} minutes"));
            }
        }
        let text = self.text(copy, key, &[("minutes", &minutes)]);
        let mut commit = self.done_saying(text);
        commit.follow_ups.extend(proofs);
        commit
    }

    /// A tap on what does not wait in this chat: another's, an old one, or one that was answered.
    pub fn stray_tap(mut self, copy: &dyn Copy) -> Commit {
        let audit = self.audit(Action::ChallengeRefused, Actor::Player, "a tap on a challenge that does not wait in this chat");
        self.audits.push(audit);
        let text = self.text(copy, "host-challenge-over", &[]);
        self.done_saying(text)
    }

    /// Lists the devices of an account; none where nobody knows which it is.
    pub fn list_devices(mut self, account: Option<&Account>, copy: &dyn Copy) -> Commit {
        let mut devices: Vec<&Device> = account.into_iter().flat_map(|account| account.devices.iter()).collect();
        if devices.is_empty() {
            let text = self.text(copy, if account.is_some() { "host-devices-none" } else { "host-devices-unknown" }, &[]);
            return self.done_saying(text);
        }
        devices.sort_by_key(|device| std::cmp::Reverse(device.seen_at));
        let row = |device: &&Device| Row {
            id: Tap::Device(DeviceKey::of(&device.id)).to_string(),
            title: cut(self.device_name(device, copy), ROW_TITLE_CHARS_MAX),
            description: Some(cut(self.text(copy, "host-device-seen", &[("date", &device.seen_at.date())]), ROW_DESCRIPTION_CHARS_MAX)),
        };
        let message = Outbound::List {
            header: None,
            body: cut(self.text(copy, "host-devices", &[]), BODY_CHARS_MAX),
            footer: None,
            button: cut(self.text(copy, "host-devices-button", &[]), BUTTON_TITLE_CHARS_MAX),
            sections: vec![Section { title: String::new(), rows: devices.iter().take(ROWS_MAX).map(row).collect() }],
        };
        let mut sent = self.reply(String::new());
        sent.content = Content::Reply { message, reply_to: None };
        self.conversation.session.outbound = self.conversation.session.outbound.saturating_add(1);
        let mut commit = self.done();
        commit.outbox.push(sent);
        commit
    }

    /// A device was removed by the player here; none where it was not bound any more.
    pub fn device_removed(mut self, player: &PlayerId, device: Option<&Device>, copy: &dyn Copy) -> Commit {
        self.conversation.session.removing = None;
        let Some(device) = device else {
            let text = self.text(copy, "host-device-gone", &[]);
            return self.done_saying(text);
        };
        self.conversation.distrust_device(&device.id);
        self.note(Action::DeviceRemoved, Actor::Player, player, "in chat");
        let text = self.text(copy, "host-device-removed", &[("device", &self.device_name(device, copy))]);
        self.done_saying(text)
    }

    /// The player has to prove themselves first: this code goes out, and the device is removed when it comes back. None where
    /// no code can be sent.
    pub fn ask_before_removal(mut self, player: PlayerId, device: Device, code: Option<CodeIssued>, copy: &dyn Copy) -> Commit {
        let name = self.device_name(&device, copy);
        let text = self.text(copy, if code.is_some() { "host-device-code" } else { "host-device-later" }, &[("device", &name)]);
        self.conversation.session.removing = code.as_ref().map(|code| Removing { device, player, expires_at: code.expires_at });
        let mut commit = self.done_saying(text);
        commit.follow_ups.extend(code.map(Event::CodeIssued));
        commit
    }

    fn device_name(&self, device: &Device, copy: &dyn Copy) -> String {
        if device.name.trim().is_empty() { self.text(copy, "host-device-unnamed", &[]) } else { device.name.clone() }
    }

    /// Words where the window is open: nobody is written a template for them.
    fn notice(self, key: &str, copy: &dyn Copy) -> Commit {
        if self.conversation.window.closes_at(self.now).is_none() || self.conversation.secured.is_some() {
            return self.done();
        }
        let text = self.text(copy, key, &[("game", &self.game.name)]);
        self.done_saying(text)
    }

    /// The language of whoever asked, where the conversation has none yet.
    fn speak(&mut self, locale: Option<&str>) {
        let known = &mut self.conversation.session.locale;
        if known.is_none() {
            *known = locale.map(str::to_owned);
        }
    }

    fn note(&mut self, action: Action, actor: Actor, player: &PlayerId, detail: impl Into<String>) {
        let record = AuditRecord { player: Some(player.clone()), ..self.audit(action, actor, detail) };
        self.audits.push(record);
    }
}

impl Removing {
    /// Whether this proof is the one that it waits for.
    pub fn is_proven_by(&self, proof: &AuthenticationEvent, now: UnixMs) -> bool {
        now < self.expires_at && proof.player.as_ref().is_none_or(|player| *player == self.player)
    }
}

fn purpose_key(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Login => "host-challenge-login",
        Purpose::Registration => "host-challenge-registration",
        Purpose::DeviceAuthorisation => "host-challenge-device-authorisation",
        Purpose::HighValue => "host-challenge-high-value",
        Purpose::SecurityAlert => "host-challenge-security-alert",
    }
}

/// Whether a text is one of these and nothing else, in any case and with any marks around and between.
fn is_word(text: &str, words: &[&str]) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase)
    }
    words.iter().any(|word| letters(word).next().is_some() && letters(word).eq(letters(text)))
}

/// As much of a text as fits.
fn cut(text: String, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text,
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn only_the_whole_text_is_a_word() {
        for text in ["NO", "no!", " No. ", "N O"] {
            assert!(is_word(text, &["NO"]), "{text}");
        }
        for text in ["", "no way", "nope", "n", "..."] {
            assert!(!is_word(text, &["NO", "", "!"]), "{text}");
        }
    }

    #[test]
    fn every_text_is_there_once_and_fits() {
        let known: HashSet<&str> = TEXTS.iter().map(|(key, _)| *key).collect();
        assert_eq!(known.len(), TEXTS.len());
        assert!(Purpose::ALL.into_iter().all(|purpose| known.contains(purpose_key(purpose))));
        for (key, text) in TEXTS {
            let max = if key == "host-devices-button" { BUTTON_TITLE_CHARS_MAX } else { BODY_CHARS_MAX / 2 };
            assert!(text.chars().count() <= max, "{key}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!((cut("Tablet".into(), 6), cut("Tablets".into(), 6)), ("Tablet".to_owned(), "Table…".to_owned()));
    }
}
