//! What came, in the contract's words: borrowed from the host's event, straight into the guest's memory.

use questline_core::capability::{Capability, Grants};
use questline_core::event as core;
use questline_core::id::InboxSeq;
use questline_core::status::DeliveryState as CoreDeliveryState;

use crate::bindings::types::*;
use crate::convert::reference;

/// What the contract's event points at and the host's does not have as such.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    id: String,
    reply_to: Option<String>,
    target: Option<String>,
    phones: Vec<Vec<&'a str>>,
    items: Vec<OrderItem<'a>>,
}

/// Gathers the parts of `event`. `name` gives the flow's name for a message of the player's.
pub(crate) fn parts<'a>(event: &'a core::Event, name: &dyn Fn(&core::Wamid) -> Option<InboxSeq>, grants: Grants) -> Parts<'a> {
    let name = |wamid: &core::Wamid| name(wamid).map(reference::of_players);
    match event {
        core::Event::Message(message) => {
            let mut parts = Parts {
                id: name(&message.wamid).unwrap_or_default(),
                reply_to: message.reply_to.as_ref().and_then(name),
                ..Parts::default()
            };
            match &message.content {
                core::Inbound::Reaction(reaction) => parts.target = name(&reaction.target),
                core::Inbound::Contacts(contacts) if grants.has(Capability::ContactPhone) => {
                    parts.phones = contacts.cards.iter().map(|card| card.phones.iter().map(String::as_str).collect()).collect();
                }
                core::Inbound::Order(order) => parts.items = order.items.iter().map(order_item).collect(),
                _ => {}
            }
            parts
        }
        core::Event::Status(status) => Parts { id: status.message.map(reference::of_ours).unwrap_or_default(), ..Parts::default() },
        _ => Parts::default(),
    }
}

fn order_item(item: &core::OrderItem) -> OrderItem<'_> {
    let core::OrderItem { product, quantity, price, currency } = item;
    OrderItem { product, quantity: *quantity, price: *price, currency }
}

/// Contact cards, which the event points at.
pub(crate) fn cards<'a>(event: &'a core::Event, parts: &'a Parts<'a>) -> Vec<ContactCard<'a>> {
    let core::Event::Message(core::Message { content: core::Inbound::Contacts(contacts), .. }) = event else {
        return Vec::new();
    };
    let card = |(at, card): (usize, &'a core::ContactCard)| ContactCard {
        name: &card.name,
        phones: parts.phones.get(at).map_or(&[], Vec::as_slice),
    };
    contacts.cards.iter().enumerate().map(card).collect()
}

/// The event; `None` for one that is the host's alone.
pub(crate) fn event<'a>(event: &'a core::Event, parts: &'a Parts<'a>, cards: &'a [ContactCard<'a>]) -> Option<Event<'a>> {
    Some(match event {
        core::Event::Message(message) => Event::Message(Message {
            id: &parts.id,
            sent_at: message.sent_at.0,
            content: inbound(&message.content, parts, cards),
            reply_to: parts.reply_to.as_deref(),
            forwarded: message.forwarded,
            referral: message.referral.as_ref().map(referral),
            extensions: &[],
        }),
        core::Event::Status(status) => Event::Status(Status {
            message: &parts.id,
            state: delivery_state(status.state),
            at: status.at.0,
            error_code: status.error.as_ref().map(|error| error.code),
        }),
        core::Event::GameEvent(event) => {
            let core::GameEvent { name, id, payload, at, player: _ } = event;
            Event::GameEvent(GameEvent { name, id, payload, at: at.0 })
        }
        core::Event::Timer(core::TimerEvent { flow: _, id, payload }) => Event::Timer(Timer { id, payload }),
        core::Event::Authenticated(event) => Event::Authenticated(authentication_event(event)),
        core::Event::CodeRejected(event) => Event::CodeRejected(authentication_event(event)),
        core::Event::TicketClosed(core::TicketClosed { number, resolution }) => {
            Event::TicketClosed(TicketClosed { number: number.as_str(), resolution })
        }
        core::Event::HandedOver(core::HandedOver { from, to: _, note }) => {
            Event::HandedOver(HandedOver { from: from.as_str(), note: note.as_deref() })
        }
        core::Event::System(_) | core::Event::Preference(_) | core::Event::CodeIssued(_) | core::Event::Link(_) => return None,
        core::Event::AccountFrozen(_) | core::Event::AccountReleased(_) | core::Event::FreezeAccount(_) | core::Event::TwoFactor(_) => {
            return None;
        }
        core::Event::Consent(_) => return None,
    })
}

fn authentication_event(event: &core::AuthenticationEvent) -> AuthenticationEvent<'_> {
    AuthenticationEvent { purpose: &event.purpose, attempts_left: event.attempts_left }
}

fn delivery_state(state: CoreDeliveryState) -> DeliveryState {
    match state {
        CoreDeliveryState::Accepted => DeliveryState::Accepted,
        CoreDeliveryState::Sent => DeliveryState::Sent,
        CoreDeliveryState::Delivered => DeliveryState::Delivered,
        // The contract has no word for a voice note that was heard: it was at least seen.
        CoreDeliveryState::Read | CoreDeliveryState::Played => DeliveryState::Read,
        CoreDeliveryState::Failed => DeliveryState::Failed,
    }
}

fn referral(referral: &core::Referral) -> Referral<'_> {
    let core::Referral { source_type, source_id, headline, body } = referral;
    Referral { source_type, source_id, headline: headline.as_deref(), body: body.as_deref() }
}

fn inbound<'a>(content: &'a core::Inbound, parts: &'a Parts<'a>, cards: &'a [ContactCard<'a>]) -> Inbound<'a> {
    match content {
        core::Inbound::Text(text) => Inbound::Text(text),
        core::Inbound::Image(file) => Inbound::Image(media(file)),
        core::Inbound::Video(file) => Inbound::Video(media(file)),
        core::Inbound::Audio(file) => Inbound::Audio(media(file)),
        core::Inbound::Document(file) => Inbound::Document(media(file)),
        core::Inbound::Sticker(file) => Inbound::Sticker(media(file)),
        core::Inbound::Location(place) => Inbound::Location(Location {
            latitude: place.latitude,
            longitude: place.longitude,
            name: place.name.as_deref(),
            address: place.address.as_deref(),
        }),
        core::Inbound::Contacts(contacts) => Inbound::Contacts(SharedContacts { cards, requested: contacts.requested }),
        core::Inbound::Button(tapped) => Inbound::Button(choice(tapped)),
        core::Inbound::ListItem(tapped) => Inbound::ListItem(choice(tapped)),
        core::Inbound::QuickReply(core::QuickReply { payload, text }) => Inbound::QuickReply(QuickReply { payload, text }),
        core::Inbound::Form(core::Form { name, response }) => Inbound::Form(Form { name, response }),
        core::Inbound::Reaction(reaction) => {
            Inbound::Reaction(ReactionParam { target: parts.target.as_deref(), emoji: reaction.emoji.as_deref() })
        }
        core::Inbound::Order(order) => Inbound::Order(Order { catalog: &order.catalog, text: order.text.as_deref(), items: &parts.items }),
        core::Inbound::Unsupported(kind) => Inbound::Unsupported(kind.as_deref().unwrap_or_default()),
        core::Inbound::Extension(core::Extension { name, value }) => Inbound::Extension(ExtensionParam { name, value }),
    }
}

fn media(file: &core::Media) -> Media<'_> {
    Media {
        id: &file.id,
        mime_type: &file.mime_type,
        caption: file.caption.as_deref(),
        filename: file.filename.as_deref(),
        voice: file.voice,
    }
}

fn choice(tapped: &core::Choice) -> ChoiceParam<'_> {
    ChoiceParam { id: &tapped.id, title: &tapped.title }
}
