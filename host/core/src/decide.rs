//! Turns a flow's answer into a commit, or says which effects the rules refuse.
//!
//! All or none: one refused effect refuses the whole answer. The flow is asked again with the reasons in its snapshot;
//! a second refusal fails the step.

mod templates;

use crate::audit::{Action, Actor, AuditRecord};
use crate::authentication::AskedCode;
use crate::authentication::route::{Sending, give_to_channel};
use crate::capability::Capability;
use crate::commit::{Commit, Ticket, TimerChange};
use crate::consent::{Marketing, Told, Unwanted};
use crate::conversation::FlowState;
use crate::effect::{ChangeConsent, Effect, IssueRecovery, OpenTicket, TicketPriority};
use crate::event::{Event, HandedOver, TimerEvent};
use crate::flow::Snapshot;
use crate::game::{FlowBinding, Game};
use crate::message::Outbound;
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::outcome::{Next, Outcome, Refusal, RefusalReason};
use crate::permit::Known;
use crate::recovery::{CredentialsPromise, DELIVERY_MS_MAX, RecoveryAttempt, RecoveryRefusal, RecoveryRules};
use crate::step::Step;
use crate::time::UnixMs;
use crate::window::WINDOW_MS;

/// Longest timer: a template can wake a player later than that, a flow cannot hold a conversation longer.
pub const TIMER_MS_MAX: u64 = 30 * crate::time::DAY_MS;

/// A figure that a flow tracked; counted after the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// What is added.
    pub value: f64,
}

/// A step that is ready to be written.
#[derive(Debug)]
pub struct Decision {
    /// To the store.
    pub commit: Commit,
    /// To the metrics, once it is written.
    pub measures: Vec<Measure>,
}

impl<'a> Step<'a> {
    /// What a flow may know. `None` when the game's ticket prefix is unusable, which loading a game rules out.
    pub fn snapshot(&self, flow: &FlowBinding, refused: Vec<Refusal>) -> Option<Snapshot> {
        let conversation = &self.conversation;
        let session = &conversation.session;
        let phone = || conversation.contact.phone().map(|phone| format!("+{}", phone.digits()));
        Some(Snapshot {
            conversation: conversation.id.to_string(),
            state: conversation.state_of(&flow.name).map(|kept| kept.state.clone()),
            locale: session.locale.clone().unwrap_or_else(|| self.game.locale.clone()),
            player: session.player.clone(),
            authentication: session.authentication.clone(),
            window_closes_at: conversation.window.closes_at(self.now),
            marketing_consent: conversation.marketing == Marketing::Granted,
            ticket_number: conversation.ticket_number(&self.game.ticket_prefix, self.entry.seq, 0)?,
            phone: if flow.grants.has(crate::capability::Capability::ContactPhone) { phone() } else { None },
            settings: flow.settings.clone(),
            refused,
            extensions: Vec::new(),
        })
    }

    /// Applies the rules to an answer, with the code that it asks for: see [`Self::code_to_begin`]. Gives the step back with
    /// the reasons when an effect is refused.
    pub fn decide(
        mut self,
        flow: &FlowBinding,
        state_version: u32,
        outcome: Outcome,
        code: AskedCode,
    ) -> Result<Decision, (Box<Self>, Vec<Refusal>)> {
        let recovery = self.check_recovery(flow, &outcome.effects);
        let (mut proofs, mut refused_code) = (0, None);
        let withdraws = outcome.effects.iter().any(|effect| matches!(effect, Effect::ChangeConsent(change) if !change.marketing));
        let refusals: Vec<_> = outcome
            .effects
            .iter()
            .enumerate()
            .filter_map(|(index, effect)| {
                let refused = match (effect, &recovery) {
                    // Whatever stands first in the answer.
                    (Effect::SendTemplate(template), _) if withdraws && self.is_marketing(template) => {
                        Err((RefusalReason::NoConsent, "the same answer withdraws the consent to marketing".to_owned()))
                    }
                    (Effect::IssueRecoveryCredentials(_), Err(refusal)) => {
                        self.refuse(flow, effect).and(Err((refusal.reason(), refusal.to_string())))
                    }
                    (Effect::RequestAuthentication(wish), _) => self.refuse(flow, effect).and_then(|()| {
                        let checked = self.refuse_authentication(&wish.purpose, proofs, &code);
                        proofs += 1;
                        checked.map_err(|refusal| {
                            let told = (refusal.reason(), refusal.to_string());
                            refused_code.get_or_insert((wish.purpose.as_str(), refusal));
                            told
                        })
                    }),
                    _ => self.refuse(flow, effect),
                };
                let (reason, detail) = refused.err()?;
                Some(Refusal { index: index as u32, effect: effect.kind().to_owned(), reason, detail })
            })
            .collect();
        if !refusals.is_empty() {
            if let Err(refusal) = recovery {
                let confidence = outcome.effects.iter().find_map(confidence).unwrap_or_default();
                let detail = format!("{}; confidence {confidence:.3}", refusal.kind());
                let audit = self.audit(Action::CredentialsRefused, Actor::Flow(flow.name.clone()), detail);
                self.audits.push(audit);
            }
            if let Some((purpose, refusal)) = refused_code {
                self.audit_refused_code(flow, purpose, &refusal);
            }
            return Err((Box::new(self), refusals));
        }
        Ok(self.apply(flow, state_version, outcome, code))
    }

    pub(crate) fn refuse(&self, flow: &FlowBinding, effect: &Effect) -> Result<(), (RefusalReason, String)> {
        let capability = match effect {
            Effect::Extension(extension) if RecoveryAttempt::is(extension) => Some(Capability::RecoveryCredentials),
            _ => effect.capability(),
        };
        match capability {
            None => return Err((RefusalReason::NotGranted, "this host knows no such effect".to_owned())),
            Some(capability) if !flow.grants.has(capability) => {
                return Err((
                    RefusalReason::NotGranted,
                    format!("{capability} is not granted to this flow in game.toml, or not by the operator"),
                ));
            }
            Some(_) => {}
        }
        match effect {
            Effect::Reply(reply) if self.conversation.window.closes_at(self.now).is_none() => self.refuse_stand_in(flow, &reply.content),
            Effect::Reply(reply) => self.refuse_reply(reply.reply_to.map(|seq| seq.0), &reply.content),
            Effect::SendTemplate(template) => self.refuse_template(template),
            Effect::React(react) => {
                self.open_window()?;
                self.conversation
                    .wamid_of(react.target)
                    .map(|_| ())
                    .ok_or_else(|| (RefusalReason::UnknownTarget, "no such recent message".to_owned()))
            }
            Effect::Extension(extension) if RecoveryAttempt::is(extension) => {
                RecoveryAttempt::read(extension).map(drop).map_err(|problem| (RefusalReason::Other, problem))
            }
            Effect::ChangeConsent(change) => self.refuse_consent(change),
            Effect::HandOver(over) if !self.game.flows.contains_key(&over.flow) => {
                Err((RefusalReason::UnknownTarget, format!("{} has no flow {}", self.game.id, over.flow)))
            }
            _ => Ok(()),
        }
    }

    /// What the rules say about credentials that an answer asks for; nothing when it asks for none, or may not ask.
    fn check_recovery(&self, flow: &FlowBinding, effects: &[Effect]) -> Result<(), RecoveryRefusal> {
        let mut wishes = effects.iter().filter_map(|effect| match effect {
            Effect::IssueRecoveryCredentials(wish) if flow.grants.has(Capability::RecoveryCredentials) => Some(wish),
            _ => None,
        });
        let Some(wish) = wishes.next() else { return Ok(()) };
        RecoveryRules::check(self.game.recovery.as_ref(), &self.conversation, wish, self.now)?;
        match (self.recovery, wishes.next()) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(_)) => Err(RecoveryRefusal::Repeated),
            (None, None) => Ok(()),
        }
    }

    fn refuse_marketing(&self) -> Result<(), (RefusalReason, String)> {
        self.conversation.standing().takes_marketing(self.now).map_err(|unwanted| match unwanted {
            Unwanted::NoConsent => (RefusalReason::NoConsent, "the player has not agreed to marketing".to_owned()),
            Unwanted::Held { .. } => {
                (RefusalReason::Other, format!("{}: Meta takes no marketing for this player for a time", unwanted.as_str()))
            }
        })
    }

    /// A flow cannot say yes for a player: only what the player has just written can be taken for it.
    fn refuse_consent(&self, change: &ChangeConsent) -> Result<(), (RefusalReason, String)> {
        if change.marketing && !matches!(*self.entry.event, Event::Message(_)) {
            return Err((RefusalReason::NoConsent, "consent is given by a message of the player's, and this event is none".to_owned()));
        }
        Ok(())
    }

    fn open_window(&self) -> Result<(), (RefusalReason, String)> {
        match self.conversation.window.closes_at(self.now) {
            Some(_) => Ok(()),
            None => Err((RefusalReason::WindowClosed, window_closed())),
        }
    }

    fn refuse_reply(&self, reply_to: Option<u64>, content: &Outbound) -> Result<(), (RefusalReason, String)> {
        if reply_to.is_some_and(|seq| self.conversation.wamid_of(crate::id::InboxSeq(seq)).is_none()) {
            return Err((RefusalReason::UnknownTarget, "no such recent message to quote".to_owned()));
        }
        if matches!(content, Outbound::ContactRequest { .. }) && self.conversation.contact.phone().is_some() {
            return Err((RefusalReason::Unreachable, "the player's number is known".to_owned()));
        }
        let Some((kind, source)) = content.media() else { return Ok(()) };
        self.game.media.check(kind, source).map_err(|refusal| (refusal.reason(), refusal.to_string()))
    }

    fn apply(self, flow: &FlowBinding, state_version: u32, outcome: Outcome, code: AskedCode) -> Decision {
        let Self { game, mut conversation, entry, now, audits, outbox, recovery: _ } = self;
        let session = &mut conversation.session;
        session.states.retain(|kept| kept.flow != flow.name);
        if let Some(state) = outcome.state {
            session.states.push(FlowState { flow: flow.name.clone(), version: state_version, state });
        }
        let own = session.active.as_ref() == Some(&flow.name);
        match outcome.next {
            // A timer or status that one flow handles takes the conversation from no other.
            Next::Stay if matches!(*entry.event, Event::Message(_) | Event::HandedOver(_)) || session.active.is_none() => {
                session.active = Some(flow.name.clone());
            }
            Next::Done | Next::Pass if own => session.active = None,
            _ => {}
        }
        let mut commit = Commit::of(conversation, entry.seq);
        commit.audits = audits;
        let answers = matches!(*entry.event, Event::Message(_) | Event::HandedOver(_) | Event::Authenticated(_) | Event::CodeRejected(_));
        let said_at = match &*entry.event {
            Event::Message(message) => message.sent_at,
            _ => now,
        };
        let mut apply = Apply { game, flow, now, said_at, answers, commit, code, measures: Vec::new(), late: None };
        for effect in outcome.effects {
            apply.effect(effect);
        }
        apply.stand_in();
        let Apply { mut commit, measures, .. } = apply;
        let session = &mut commit.conversation.session;
        session.outbound = session.outbound.saturating_add(commit.outbox.len() as u32);
        commit.outbox.extend(outbox);
        commit.spread_consents(game, now);
        Decision { commit, measures }
    }
}

/// Effects on their way into a commit: none of them is refused any more.
struct Apply<'a> {
    game: &'a Game,
    flow: &'a FlowBinding,
    now: UnixMs,
    /// When the player said what the answer is to.
    said_at: UnixMs,
    /// It answers what the player has just done in the chat.
    answers: bool,
    commit: Commit,
    code: AskedCode,
    measures: Vec<Measure>,
    /// Replies that came after the window had closed.
    late: Option<templates::Late>,
}

impl Apply<'_> {
    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(reply) if self.commit.conversation.window.closes_at(self.now).is_none() => self.late(&reply.content),
            Effect::Reply(mut reply) => {
                if let Some(source) = reply.content.media_mut() {
                    self.game.media.pin(source);
                }
                let reply_to = reply.reply_to.and_then(|seq| self.commit.conversation.wamid_of(seq).cloned());
                self.send(MessageClass::Normal, Content::Reply { message: reply.content, reply_to });
            }
            Effect::SendTemplate(template) => self.send_template(&template),
            Effect::React(react) => {
                if let Some(target) = self.commit.conversation.wamid_of(react.target).cloned() {
                    self.send(MessageClass::Normal, Content::Reaction { target, emoji: react.emoji });
                }
            }
            Effect::SetTimer(timer) => self.commit.timers.push(TimerChange::Set {
                due_at: self.now.plus_ms(timer.after_ms.min(TIMER_MS_MAX)),
                timer: TimerEvent { flow: self.flow.name.clone(), id: timer.id, payload: timer.payload },
            }),
            Effect::CancelTimer(id) => self.commit.timers.push(TimerChange::Cancel { flow: self.flow.name.clone(), id }),
            Effect::OpenTicket(ticket) => self.open_ticket(ticket),
            Effect::IssueRecoveryCredentials(wish) => self.issue_recovery(wish),
            Effect::ChangeConsent(change) => self.change_consent(change),
            Effect::HandOver(over) => {
                self.commit.conversation.session.active = Some(over.flow.clone());
                self.commit.follow_ups.push(Event::HandedOver(HandedOver { from: self.flow.name.clone(), to: over.flow, note: over.note }));
            }
            Effect::Track(track) => self.measures.push(Measure { name: track.name, value: track.value }),
            Effect::RequestAuthentication(_) => self.send_code(),
            // Attempts were counted before the answer was decided on; others were refused, and never come here.
            Effect::Extension(_) => {}
        }
    }

    fn send_code(&mut self) {
        let AskedCode::Begun(issued) = std::mem::replace(&mut self.code, AskedCode::None) else { return };
        let conversation = &mut self.commit.conversation;
        if conversation.secured.is_some() || self.now >= issued.expires_at {
            return;
        }
        let Sending { message, timer, action, detail } = give_to_channel(self.game, conversation, issued, 0, None, self.now);
        self.commit.outbox.extend(message);
        self.commit.timers.extend(timer);
        self.audit(action, detail);
    }

    fn change_consent(&mut self, change: ChangeConsent) {
        let ChangeConsent { marketing, wording, method } = change;
        let consent = &self.game.consent;
        let locale = self.commit.conversation.session.locale.as_deref().unwrap_or(&self.game.locale);
        // A flow may name a declared wording in place of its text.
        let (wording, wording_version) = match consent.wording(&wording, locale).or_else(|_| consent.wording(&wording, &self.game.locale)) {
            Ok(text) => (text.to_owned(), Some(wording)),
            Err(_) => {
                let version = consent.version_of(&wording).map(str::to_owned);
                (wording, version)
            }
        };
        let told =
            Told { marketing: Marketing::of(marketing), wording, wording_version, method, source: Actor::Flow(self.flow.name.clone()) };
        let conversation = &mut self.commit.conversation;
        let mut record = conversation.consent_record(self.commit.ack, told, self.said_at, self.now);
        record.id = format!("{}.{}", record.id, self.commit.consents.len());
        let decides = conversation.hear_consent(&record);
        self.commit.consents.push(record);
        let detail = if decides { "in chat" } else { "in chat; a newer decision stands" };
        self.audit(if marketing { Action::ConsentGranted } else { Action::ConsentWithdrawn }, detail);
    }

    fn audit(&mut self, action: Action, detail: impl Into<String>) {
        let of = &self.commit.conversation;
        let record = AuditRecord::new(self.now, self.game.id.clone(), Actor::Flow(self.flow.name.clone()), action, detail);
        self.commit.audits.push(record.about(of.id, of.session.player.clone(), Some(of.contact.clone())));
    }

    fn issue_recovery(&mut self, wish: IssueRecovery) {
        let conversation = &mut self.commit.conversation;
        let (Some(rules), Some(player)) = (&self.game.recovery, conversation.session.player.clone()) else { return };
        conversation.issued_credentials(self.now);
        let promise = CredentialsPromise {
            player,
            locale: conversation.session.locale.clone().unwrap_or_else(|| self.game.locale.clone()),
            reason: wish.reason,
            confidence_permille: (wish.confidence * 1_000.0) as u16,
            valid_s: rules.valid_s,
            idempotency_key: format!("{}.{}.recovery", conversation.id, self.commit.ack),
            identity_key_hash: conversation.identity_key_hash.clone(),
        };
        self.audit(Action::CredentialsPromised, format!("confidence {:.3}", wish.confidence));
        self.send(MessageClass::Critical, Content::Credentials(promise));
    }

    fn open_ticket(&mut self, ticket: OpenTicket) {
        let commit = &mut self.commit;
        let Some(number) = commit.conversation.ticket_number(&self.game.ticket_prefix, commit.ack, commit.tickets.len()) else { return };
        // The words to a player with a critical ticket go before all else that waits.
        if ticket.priority == TicketPriority::Critical {
            commit.outbox.iter_mut().for_each(|message| message.class = message.class.min(MessageClass::High));
        }
        commit.tickets.push(Ticket {
            number,
            conversation: commit.conversation.id,
            game: self.game.id.clone(),
            player: commit.conversation.session.player.clone(),
            priority: ticket.priority,
            intent: ticket.intent,
            subject: ticket.subject,
            body: ticket.body,
            tags: ticket.tags,
            opened_at: self.now,
            due_at: ticket.target_s.map(|target_s| self.now.plus_ms(u64::from(target_s) * 1_000)),
            closed: None,
        });
    }

    fn send(&mut self, class: MessageClass, content: Content) {
        let message = self.message(class, content);
        self.commit.outbox.push(message);
    }

    fn message(&self, class: MessageClass, content: Content) -> NewMessage {
        // After a critical ticket in the same answer, the words to the player are as urgent.
        let asks = content.category().is_some() || !self.answers;
        let known = asks.then(|| Box::new(Known::of(&self.commit.conversation, self.answers, self.now)));
        let urgent = self.commit.tickets.iter().any(|ticket| ticket.priority == TicketPriority::Critical);
        NewMessage {
            game: self.game.id.clone(),
            number: self.commit.conversation.number.clone(),
            contact: self.commit.conversation.contact.clone(),
            class: if urgent { class.min(MessageClass::High) } else { class },
            // A reply that did not leave while the window was open would be refused: it is not sent.
            expires_at: match content {
                Content::Template(_) | Content::Code(_) | Content::Operation(_) | Content::Consent(_) => None,
                Content::Credentials(_) => {
                    self.commit.conversation.window.closes_at(self.now).map(|closes_at| closes_at.min(self.now.plus_ms(DELIVERY_MS_MAX)))
                }
                _ => self.commit.conversation.window.closes_at(self.now),
            },
            content,
            committed_at: self.now,
            campaign: None,
            known,
        }
    }
}

/// How sure a flow is that asks for credentials.
fn confidence(effect: &Effect) -> Option<f64> {
    match effect {
        Effect::IssueRecoveryCredentials(wish) => Some(wish.confidence),
        _ => None,
    }
}

fn window_closed() -> String {
    format!("the player wrote nothing for {} hours: only a template can be sent", WINDOW_MS / crate::time::HOUR_MS)
}

#[cfg(test)]
mod tests;
