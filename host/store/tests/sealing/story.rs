//! A history that leaves something personal in every place that a store has, and a picture of all that it can be asked.

use questline_core::account::ContactKey;
use questline_core::commit::{Bury, Commit, DeadLetter, Letter, StepRecord, Ticket, TimerChange};
use questline_core::consent::{ConsentRecord, Marketing};
use questline_core::contact::{Address, Bsuid, Contact, PhoneNumber};
use questline_core::conversation::Conversation;
use questline_core::effect::TicketPriority;
use questline_core::event::{Event, HandedOver, Inbound, Message, StatusError, TimerEvent, Wamid};
use questline_core::id::{ConversationId, FlowName, GameId, NumberId, OutboxRef, PlayerId, ReleaseDigest, TicketNumber};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::outcome::{Next, Outcome};
use questline_core::port::{AccountKeys, Batch, DedupKey, Incoming, Notice, StatusUpdate, Store};
use questline_core::release::{Origin, Release};
use questline_core::send::{SendRecord, SendResult};
use questline_core::status::DeliveryState;

use crate::engine::NOW;

pub const NOVA: &str = "15550100001";
pub const KAI: &str = "15550100002";
pub const MOVED: &str = "15550100003";
pub const NOVA_ID: &str = "US.13491208655302741918";
pub const HIDDEN_ID: &str = "US.13491208655302741919";
pub const PLAYER: &str = "player-4711";

/// Nothing of this may be seen where the data lies.
pub const PRIVATE: [&str; 20] = [
    NOVA,
    KAI,
    MOVED,
    "13491208655302741918",
    "13491208655302741919",
    PLAYER,
    "Quartermaine",
    "zebracrossing",
    "velvetunicorn",
    "marmaladejar",
    "thunderhedgehog",
    "wamid.in",
    "wamid.out",
    "gravelpit",
    "lanternfish",
    "copperkettle",
    "willowherb",
    "saltmarsh",
    "hazelnut",
    "phone/",
];

pub fn game() -> GameId {
    GameId::parse("starfall").unwrap()
}

pub fn player() -> PlayerId {
    PlayerId::parse(PLAYER).unwrap()
}

pub fn address(phone: Option<&str>, bsuid: Option<&str>) -> Address {
    let phone = phone.map(|phone| PhoneNumber::parse(phone).unwrap());
    let contact = Contact::new(phone, bsuid.map(|bsuid| Bsuid::parse(bsuid).unwrap())).unwrap();
    Address { game: game(), number: NumberId::parse("100").unwrap(), contact }
}

pub fn text(wamid: &str, body: &str) -> Event {
    Event::Message(Message {
        wamid: Wamid(wamid.into()),
        sent_at: NOW,
        content: Inbound::Text(body.into()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: Some("Nova Quartermaine".into()),
        identity_key_hash: None,
    })
}

pub async fn arrive(store: &dyn Store, address: &Address, event: Event) {
    let digest = match &event {
        Event::Message(message) => message.wamid.as_str().bytes().fold(7, |hash: u128, byte| hash.wrapping_mul(31) ^ u128::from(byte)),
        _ => 1,
    };
    let incoming = Incoming { address: address.clone(), dedup: Some(DedupKey { sent_s: NOW.as_s(), digest }), event };
    let appended = store.append(Batch { events: vec![incoming], received_at: NOW, ..Batch::default() }).await.unwrap();
    assert_eq!(appended.events, 1);
}

pub fn reply(conversation: &Conversation, body: &str) -> NewMessage {
    NewMessage {
        game: conversation.game.clone(),
        number: conversation.number.clone(),
        contact: conversation.contact.clone(),
        class: MessageClass::Normal,
        content: Content::Reply { message: Outbound::Text { body: body.into(), preview: false }, reply_to: None },
        committed_at: NOW,
        expires_at: None,
        campaign: None,
        known: None,
    }
}

async fn status(store: &dyn Store, message: OutboxRef, wamid: &str, state: DeliveryState) {
    let error = (state == DeliveryState::Failed).then(|| StatusError { code: 131_026, detail: "gravelpit is not on WhatsApp".into() });
    let number = NumberId::parse("100").unwrap();
    let update = StatusUpdate { message: Some(message), wamid: Wamid(wamid.into()), number, state, at: NOW, error };
    let appended = store.append(Batch { statuses: vec![update], received_at: NOW, ..Batch::default() }).await.unwrap();
    assert_eq!(appended.statuses, 1);
}

/// What the history left, by name.
pub struct Left {
    pub nova: ConversationId,
    pub kai: ConversationId,
    pub messages: Vec<OutboxRef>,
}

pub async fn tell(store: &dyn Store) -> Left {
    let address_of_nova = address(Some(NOVA), Some(NOVA_ID));
    arrive(store, &address_of_nova, text("wamid.in.1", "zebracrossing")).await;
    let nova = store.take(1).await.unwrap()[0].conversation;
    let work = store.load(nova, 9).await.unwrap();
    let before = work.conversation.clone();
    let mut commit = Commit::of(work.conversation, work.events[0].seq);
    commit.conversation.session.player = Some(player());
    commit.outbox = (0..5).map(|n| reply(&commit.conversation, &format!("velvetunicorn {n}"))).collect();
    let flow = FlowName::parse("main").unwrap();
    let timer = TimerEvent { flow: flow.clone(), id: "reminder".into(), payload: format!("thunderhedgehog {NOVA}") };
    commit.timers = vec![TimerChange::Set { due_at: NOW.plus_ms(60_000), timer }];
    commit.tickets = ["SF-1", "SF-2"].map(|number| ticket(number, nova)).into();
    commit.consents = vec![ConsentRecord {
        id: "chat/1".into(),
        marketing: Marketing::default(),
        wording: "willowherb yes".into(),
        wording_version: None,
        method: "chat".into(),
        source: Default::default(),
        locale: None,
        at: NOW,
        recorded_at: NOW,
        player: None,
        contact: None,
        from: None,
        copy: false,
    }];
    commit.step = Some(StepRecord {
        seq: commit.ack,
        at: NOW,
        flow: flow.clone(),
        component: "sha256:0".into(),
        event: text("wamid.in.1", "zebracrossing"),
        before,
        reads: Vec::new(),
        outcome: Outcome { state: Some("\"lanternfish\"".into()), effects: Vec::new(), next: Next::Stay },
    });
    commit.follow_ups = vec![Event::HandedOver(HandedOver { from: flow.clone(), to: flow, note: Some("\"saltmarsh\"".into()) })];
    let messages = store.commit(commit).await.unwrap().outbox;
    let work = store.load(nova, 9).await.unwrap();
    store.commit(Commit::of(work.conversation, work.events[0].seq)).await.unwrap();
    store.release(nova, None).await.unwrap();

    let mut taken = 0;
    while taken < messages.len() {
        taken += store.take_messages(9).await.unwrap().len();
    }
    store.begin(messages.clone(), NOW).await.unwrap();
    for (n, id) in messages.iter().take(3).enumerate() {
        let result = SendResult::Accepted { wamid: Wamid(format!("wamid.out.{n}").into()), at: NOW };
        store.record(vec![SendRecord { id: *id, result }]).await.unwrap();
    }
    // One is read, one failed and is given up, one failed and waits, one is dead, one is on its way.
    status(store, messages[0], "wamid.out.0", DeliveryState::Sent).await;
    status(store, messages[1], "wamid.out.1", DeliveryState::Failed).await;
    status(store, messages[2], "wamid.out.2", DeliveryState::Failed).await;
    let dead = SendResult::Dead { reason: "expired".into(), detail: "lanternfish".into(), at: NOW };
    store.record(vec![SendRecord { id: messages[3], result: dead }]).await.unwrap();
    assert_eq!(store.take(1).await.unwrap()[0].conversation, nova);
    let work = store.load(nova, 9).await.unwrap();
    let mut commit = Commit::of(work.conversation, work.events[0].seq);
    commit.bury = vec![Bury { id: messages[1], reason: "meta-131026".into(), detail: "copperkettle".into(), at: NOW }];
    store.commit(commit).await.unwrap();
    store.release(nova, None).await.unwrap();

    // A number changes: the old one is nobody's name any more.
    arrive(store, &address(Some(KAI), None), text("wamid.in.2", "hazelnut")).await;
    let ready = store.take(9).await.unwrap();
    let kai = ready.iter().map(|ready| ready.conversation).find(|ready| *ready != nova).unwrap();
    let work = store.load(kai, 9).await.unwrap();
    let mut commit = Commit::of(work.conversation, work.events[0].seq);
    commit.conversation.contact = address(Some(MOVED), Some(HIDDEN_ID)).contact;
    store.commit(commit).await.unwrap();
    for ready in ready {
        store.release(ready.conversation, None).await.unwrap();
    }
    arrive(store, &address(Some(MOVED), None), text("wamid.in.3", "zebracrossing waits")).await;

    let raw = format!("{{\"phone\":\"{NOVA}\"}}");
    store.put_release(&game(), release(), b"sample players: zebracrossing 15550100001").await.unwrap();
    let notice = Notice { app: "main".into(), field: "account_update".into(), summary: None, raw, received_at: NOW };
    store.append(Batch { notices: vec![notice], received_at: NOW, ..Batch::default() }).await.unwrap();
    let letter = Letter::Event { received_at: NOW, event: text("wamid.in.4", "marmaladejar") };
    let detail = format!("a trap of {NOVA}");
    let letter = DeadLetter { game: game(), conversation: nova, letter, reason: "trap".into(), detail, attempts: 3, at: NOW };
    store.add_dead_letter(letter).await.unwrap();
    let keys = account_keys();
    let change = Box::new(|pages: &mut questline_core::port::AccountPages| pages.contacts[0].player = Some(player()));
    store.change_accounts(&game(), keys, change).await.unwrap();
    Left { nova, kai, messages }
}

fn ticket(number: &str, conversation: ConversationId) -> Ticket {
    Ticket {
        number: TicketNumber::parse(number).unwrap(),
        conversation,
        game: game(),
        player: Some(player()),
        priority: TicketPriority::Normal,
        intent: "purchase".into(),
        subject: "marmaladejar".into(),
        body: "where is it".into(),
        tags: Vec::new(),
        opened_at: NOW,
        due_at: None,
        closed: None,
    }
}

fn release() -> Release {
    Release::new(ReleaseDigest::from_bytes([7; 32]), Origin::Upload, "ci".to_owned(), NOW)
}

pub fn account_keys() -> AccountKeys {
    let contacts = vec![ContactKey::Phone(PhoneNumber::parse(NOVA).unwrap())];
    AccountKeys { players: vec![player()], contacts, ..AccountKeys::default() }
}

/// All that a store answers about the history, but what a step changes.
pub async fn picture(store: &dyn Store, left: &Left) -> String {
    // As JSON: `Debug` hides who it is.
    fn shown(value: impl serde::Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }
    let mut seen = Vec::new();
    for id in [left.nova, left.kai] {
        seen.push(shown(store.conversation(id).await.unwrap()));
        let work = store.load(id, 99).await.unwrap();
        seen.push(shown(&work.conversation));
        seen.extend(work.events.iter().map(|entry| format!("{} {} {}", entry.seq, entry.attempts, shown(&*entry.event))));
    }
    for id in &left.messages {
        seen.push(shown(store.receipt(*id).await.unwrap()));
    }
    seen.push(shown(store.dead_letters(None, None, 99).await.unwrap()));
    seen.push(shown(store.tickets(&game(), true, 99).await.unwrap()));
    let archive = store.release_archive(&game(), &release().digest).await.unwrap();
    seen.push(String::from_utf8(archive.unwrap()).unwrap());
    seen.push(shown(store.notices(99).await.unwrap()));
    let accounts = store.accounts(&game(), account_keys()).await.unwrap();
    seen.push(shown((accounts.players, accounts.contacts)));
    let of = store.conversations_of(&game(), &player()).await.unwrap();
    seen.push(of.iter().map(|found| format!("{} {}", found.id, shown(&found.address.contact))).collect::<Vec<_>>().join(", "));
    seen.push(shown(store.depth().await.unwrap()));
    seen.join("\n")
}
