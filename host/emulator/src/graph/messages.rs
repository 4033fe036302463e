//! `POST /{phone-number-id}/messages`: sends, read marks and typing indicators.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::Call;
use super::error::{MetaError, make};
use crate::clock::{UnixMs, millis};
use crate::config::Report;
use crate::http::Reply;
use crate::ids::{Direction, wamid_party};
use crate::ledger::{Accepted, Recipient, add};
use crate::player::{Arrived, PlayerState, made_up_user_id};
use crate::rules::recipient::{self, Address};
use crate::rules::template::Spec;
use crate::rules::{check, content, window};
use crate::state::{NumberState, State};
use crate::sync::read;
use crate::template::Category;
use crate::webhook::{Change, Pricing, Sender, Status, StatusKind, Update};

/// Answers a call whose faults have been dealt with; `doom` makes an accepted message fail.
pub(crate) fn post(call: &Call<'_>, number: &Arc<NumberState>, doom: Option<MetaError>) -> Result<Reply, MetaError> {
    let mut request: Value =
        serde_json::from_slice(&call.request.body).map_err(|error| make::invalid(format!("The body is not JSON: {error}")))?;
    if !request.is_object() {
        return Err(make::invalid("The body must be a JSON object."));
    }
    if request["messaging_product"] != "whatsapp" {
        return Err(make::invalid("The parameter messaging_product is required."));
    }
    content::unfold(&mut request);
    if request.get("status").is_some() {
        return mark_read(call, number, &request);
    }
    Send { state: call.state, number, now_ms: call.now_ms, request: &request }.accept(&call.request.body, doom)
}

fn mark_read(call: &Call<'_>, number: &Arc<NumberState>, request: &Value) -> Result<Reply, MetaError> {
    if request["status"] != "read" {
        return Err(make::invalid("Param status must be one of {READ}."));
    }
    let id = check::text(request, "message_id", "message")?;
    let party = wamid_party(id).ok_or_else(|| make::bad_value("Param message_id is not the ID of a received message."))?;
    let typing = &request["typing_indicator"];
    if !typing.is_null() && typing["type"] != "text" {
        return Err(make::bad_value("Param typing_indicator['type'] must be text."));
    }
    add(&call.state.tally.marked_read, 1);
    if !typing.is_null() {
        add(&call.state.tally.typing_shown, 1);
    }
    if let Some(player) = call.state.players.find(&party) {
        player.with(&number.id, |conversation| {
            conversation.read_by_business = Some(id.to_owned());
            if !typing.is_null() {
                conversation.typing_since_ms = Some(call.now_ms);
            }
        });
        player.arrived.notify_waiters();
    }
    Ok(Reply::success())
}

/// A send on its way through the rules.
struct Send<'a> {
    state: &'a State,
    number: &'a Arc<NumberState>,
    now_ms: UnixMs,
    request: &'a Value,
}

/// Whom it reaches, and how the answer names them.
struct Reached {
    recipient: Recipient,
    player: Option<Arc<PlayerState>>,
    /// It can reach nobody, whoever plays.
    is_hopeless: bool,
}

impl Send<'_> {
    fn accept(&self, body: &Bytes, doom: Option<MetaError>) -> Result<Reply, MetaError> {
        content::envelope(self.request)?;
        let address = recipient::address(self.request)?;
        let kind = self.request["type"].as_str().unwrap_or("text");
        let (template, late) = match kind {
            "template" => self.template()?,
            _ => (None, content::content(self.request, kind, &self.state.media)?),
        };
        let category = template.as_ref().map(|spec| spec.template.category);
        if matches!(address, Address::UserId(_)) && category == Some(Category::Authentication) {
            return Err(MetaError::new(131_062, "Authentication templates need a phone number."));
        }
        let reached = self.reach(address)?;
        let mps = self.number.throughput_mps.load(Ordering::Relaxed);
        if self.state.rules.number_rate && !self.number.rate.take(self.now_ms, mps) {
            return Err(MetaError::new(130_429, "Cloud API message throughput has been reached."));
        }
        self.pair_rate(&reached)?;
        let doom = match doom.or(late) {
            Some(error) => Some(error),
            None => self.later_refusal(&reached, category)?,
        };
        let window_open = self.window_is_open(&reached);
        let id = self.state.ids.wamid(Direction::ToPlayer, reached.recipient.as_str());
        self.enter(body, &id, &reached, template.as_ref(), doom.as_ref());
        match doom {
            Some(error) => self.fail(&id, &reached, error),
            None => self.follow(&id, &reached, kind, category, window_open),
        }
        Ok(self.answer(address, &reached, &id, category.is_some()))
    }

    fn template(&self) -> Result<(Option<Arc<Spec>>, content::Late), MetaError> {
        let content = check::object(self.request, "template", "message")?;
        let name = check::text(content, "name", "template")?;
        let language = check::object(content, "language", "template")?;
        let language = check::text(language, "code", "template['language']")?;
        let spec = self.state.templates.find(&self.number.waba_id, name, language)?;
        let late = spec.check(content, &self.state.media)?;
        Ok((Some(spec), late))
    }

    fn reach(&self, address: Address<'_>) -> Result<Reached, MetaError> {
        let (recipient, player) = match address {
            Address::UserId(id) => (Recipient::UserId(id.to_owned()), self.state.players.find(id)),
            // A BSUID where a phone belongs is accepted and reaches nobody.
            Address::Phone(to) if recipient::is_user_id(to) => {
                return Ok(Reached { recipient: Recipient::Phone(to.to_owned()), player: None, is_hopeless: true });
            }
            Address::Phone(to) => {
                let wa_id = recipient::wa_id(to).ok_or_else(|| make::bad_value("Param to is not a phone number."))?;
                self.by_phone(to, wa_id)
            }
        };
        if recipient.as_str() == self.number.digits {
            return Err(MetaError::new(131_021, "Sender and recipient phone number is the same."));
        }
        Ok(Reached { recipient, player, is_hopeless: false })
    }

    /// A number without a plus may lack its country code: then the business's own is put before it.
    fn by_phone(&self, to: &str, wa_id: String) -> (Recipient, Option<Arc<PlayerState>>) {
        let known = self.state.players.find(&wa_id);
        if known.is_none()
            && !to.starts_with('+')
            && let Some(code) = self.number.country_code()
            && let Some(local) = recipient::wa_id(&format!("{code}{to}"))
            && let Some(player) = self.state.players.find(&local)
        {
            return (Recipient::Phone(local), Some(player));
        }
        (Recipient::Phone(wa_id), known)
    }

    fn pair_rate(&self, reached: &Reached) -> Result<(), MetaError> {
        let rate = self.state.rules.pair_rate;
        let taken = reached
            .player
            .as_ref()
            .is_none_or(|player| player.with(&self.number.id, |conversation| conversation.pair_debt.take(self.now_ms, rate)));
        taken.then_some(()).ok_or_else(|| {
            MetaError::new(131_056, "Too many messages sent from this phone number to the same recipient in a short period of time.")
        })
    }

    /// What Meta mostly finds only after it has said 200.
    fn later_refusal(&self, reached: &Reached, category: Option<Category>) -> Result<Option<MetaError>, MetaError> {
        let rules = &self.state.rules;
        let (report, error) = if reached.is_hopeless || (reached.player.is_none() && rules.undeliverable != Report::Off) {
            (rules.undeliverable, MetaError::new(131_026, "Message undeliverable."))
        } else if self.is_for_another_identity(reached) {
            (Report::FailedStatus, MetaError::new(137_000, "Recipient identity key hash mismatch."))
        } else if category == Some(Category::Marketing) && self.marketing_is_stopped(reached) {
            (Report::FailedStatus, MetaError::new(131_050, "The user has stopped marketing messages."))
        } else if category.is_none() && rules.window != Report::Off && !self.window_is_open(reached) {
            (
                rules.window,
                MetaError::new(
                    131_047,
                    "Message failed to send because more than 24 hours have passed since the customer last replied \
                     to this number.",
                ),
            )
        } else {
            return Ok(None);
        };
        match report {
            Report::Response => Err(error),
            Report::FailedStatus | Report::Off => Ok(Some(error)),
        }
    }

    /// Whether the business names a hash that is not the recipient's (any more).
    fn is_for_another_identity(&self, reached: &Reached) -> bool {
        let Some(named) = self.request["recipient_identity_key_hash"].as_str() else { return false };
        let known = reached.player.as_ref().and_then(|player| player.identity().identity_key_hash);
        known.is_some_and(|known| known != named)
    }

    fn window_is_open(&self, reached: &Reached) -> bool {
        reached.player.as_ref().is_some_and(|player| {
            let last_ms = player.with(&self.number.id, |conversation| conversation.last_inbound_ms);
            window::is_open(last_ms, self.now_ms)
        })
    }

    fn marketing_is_stopped(&self, reached: &Reached) -> bool {
        reached.player.as_ref().is_some_and(|player| player.with(&self.number.id, |conversation| conversation.marketing_stopped))
    }

    /// Writes the ledger and the player's inbox.
    fn enter(&self, body: &Bytes, id: &str, reached: &Reached, template: Option<&Arc<Spec>>, doom: Option<&MetaError>) {
        let sequence = self.state.ledger.take_sequence();
        let room_max = self.state.inbox_messages_max;
        let player = reached.player.as_ref().filter(|_| doom.is_none() && room_max > 0);
        if player.is_none() && !self.state.ledger.wants_messages() {
            return;
        }
        let message = Arc::new(Accepted {
            sequence,
            id: id.to_owned(),
            phone_number_id: Arc::clone(&self.number.id),
            recipient: reached.recipient.clone(),
            // A copy: the original is a slice of the connection's whole buffer.
            body: Bytes::copy_from_slice(body),
            biz_opaque_callback_data: self.mark(),
            at_ms: self.now_ms,
            instant: Instant::now(),
            failed_code: doom.map(|error| error.code),
        });
        self.state.ledger.record(&message);
        if let Some(player) = player {
            let is_read_by_plan = read(&self.state.statuses).read.is_some();
            player.with(&self.number.id, |conversation| {
                if conversation.inbox.len() == room_max {
                    conversation.inbox.pop_front();
                    conversation.forgotten += 1;
                }
                conversation.typing_since_ms = None;
                let is_delivered = !conversation.is_offline;
                let is_read = is_read_by_plan && is_delivered;
                conversation.inbox.push_back(Arrived { message, template: template.cloned(), is_delivered, is_read });
            });
            player.arrived.notify_waiters();
        }
    }

    fn mark(&self) -> Option<String> {
        self.request["biz_opaque_callback_data"].as_str().map(str::to_owned)
    }

    fn fail(&self, id: &str, reached: &Reached, error: MetaError) {
        let mut status = Status::failed(id, self.now_ms / 1000, reached.recipient.clone(), error);
        status.biz_opaque_callback_data = self.mark();
        status.contact = read(&self.state.statuses).failed_with_contact.then(|| contact_of(reached));
        self.tell(reached, &status, Duration::ZERO);
    }

    /// The statuses of the plan.
    fn follow(&self, id: &str, reached: &Reached, kind: &str, category: Option<Category>, window_open: bool) {
        let plan = *read(&self.state.statuses);
        let pricing = Pricing {
            category: category.map_or("service", Category::in_pricing),
            kind: match category {
                None => "free_customer_service",
                Some(Category::Utility) if window_open => "free_customer_service",
                Some(_) => "regular",
            },
        };
        let is_offline = reached.player.as_ref().is_some_and(|player| player.with(&self.number.id, |conversation| conversation.is_offline));
        let arrives = kind != "reaction" && !is_offline;
        let steps = [
            (StatusKind::Sent, plan.sent),
            (StatusKind::Delivered, plan.delivered.filter(|_| arrives)),
            (StatusKind::Read, plan.read.filter(|_| arrives)),
        ];
        if steps.iter().all(|(_, delay)| delay.is_none()) {
            return;
        }
        let contact = contact_of(reached);
        let mut is_priced_since = 0;
        for (kind, delay) in steps {
            let Some(delay) = delay else { continue };
            let timestamp_s = (self.now_ms + millis(delay)) / 1000;
            let mut status = Status::new(id, kind, timestamp_s, reached.recipient.clone());
            status.contact = Some(contact.clone());
            if kind == StatusKind::Sent
                && let Some(contact) = &mut status.contact
            {
                // Meta leaves the username out of this one.
                contact.username = None;
            }
            status.biz_opaque_callback_data = self.mark();
            // On `sent` and on the first of `delivered` and `read`.
            if kind == StatusKind::Sent || is_priced_since == 0 {
                status.pricing = Some(pricing);
            }
            if kind != StatusKind::Sent {
                is_priced_since += 1;
            }
            self.tell(reached, &status, delay);
        }
    }

    fn tell(&self, reached: &Reached, status: &Status, delay: Duration) {
        let update = status_update(self.number, reached.recipient.as_str(), status);
        self.state.tell_after(delay, update);
    }

    fn answer(&self, address: Address<'_>, reached: &Reached, id: &str, is_template: bool) -> Reply {
        let (input, wa_id, user_id) = match (address, &reached.recipient) {
            (Address::UserId(input), Recipient::UserId(id)) => (input, None, Some(id.as_str())),
            (Address::Phone(input) | Address::UserId(input), recipient) => (input, Some(recipient.as_str()), None),
        };
        let answer = SendAnswer {
            messaging_product: "whatsapp",
            contacts: [AnswerContact { input, wa_id, user_id }],
            messages: [AnswerMessage { id, message_status: is_template.then_some("accepted") }],
        };
        Reply::json(200, &answer)
    }
}

/// The answer to an accepted send.
#[derive(Serialize)]
struct SendAnswer<'a> {
    messaging_product: &'static str,
    contacts: [AnswerContact<'a>; 1],
    messages: [AnswerMessage<'a>; 1],
}

#[derive(Serialize)]
struct AnswerContact<'a> {
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AnswerMessage<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_status: Option<&'static str>,
}

/// The recipient as `contacts[]` of a status shows them.
fn contact_of(reached: &Reached) -> Sender {
    match (&reached.player, &reached.recipient) {
        (Some(player), _) => player.identity().sender(),
        (None, Recipient::Phone(wa_id)) => Sender { user_id: Some(made_up_user_id(wa_id)), ..Sender::phone(wa_id, String::new()) },
        (None, Recipient::UserId(id)) => Sender::user_id(id, String::new()),
    }
}

/// A status on its way to the host, in the order of its conversation.
pub(crate) fn status_update(number: &NumberState, party: &str, status: &Status) -> Update {
    Update {
        waba_id: Arc::clone(&number.waba_id),
        change: Change::statuses(number.metadata(), std::slice::from_ref(status)),
        order_key: Update::key(&number.id, party),
    }
}
