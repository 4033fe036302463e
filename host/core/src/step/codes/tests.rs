//! What is promised of codes on their way, whatever is told of them and in whichever order.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::commit::TimerChange;
use crate::contact::{Address, Bsuid};
use crate::conversation::Conversation;
use crate::event::{ContactCard, Event, Inbound, Message, Wamid};
use crate::game::Game;
use crate::id::{ConversationId, FlowName, GameId, InboxSeq, NumberId};
use crate::outbox::NewMessage;
use crate::port::{InboxEntry, ServiceError};
use crate::retry::Backoff;
use crate::step::Behind;
use crate::template::{Category, Template, Texts};
use crate::verification::code::{KeyId, SealedCode};
use crate::verification::guard::GuardRules;
use crate::verification::{CodeChannel, CodeRules, CodeSender, Purpose, VerificationId, VerificationRules};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

struct NoCopy;

impl Copy for NoCopy {
    fn text(&self, _: &str, _: &str, _: &[(String, String)]) -> Result<String, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

fn template(name: &str, category: Category) -> (String, Template) {
    let texts = Texts { header: None, body: "{{1}}".into(), footer: None, examples: Default::default(), buttons: vec![] };
    let languages = BTreeMap::from([("en".into(), texts)]);
    (
        name.into(),
        Template {
            name: name.into(),
            category,
            code_expiration_minutes: None,
            add_security_recommendation: false,
            send_ttl_s: None,
            languages,
        },
    )
}

/// The authentication template, one of the game's own, the studio.
fn game() -> Game {
    let channel = |by| CodeChannel { by, delivered_within_ms: 30_000 };
    let channels = vec![
        channel(CodeSender::Template("code".into())),
        channel(CodeSender::Template("own".into())),
        channel(CodeSender::Operation("sms".into())),
    ];
    Game {
        consent: Default::default(),
        sending: Default::default(),
        media: Default::default(),
        id: GameId::parse("starfall").unwrap(),
        name: "Starfall".into(),
        locale: "en".into(),
        ticket_prefix: "SF".into(),
        numbers: vec![],
        flows: BTreeMap::new(),
        routes: vec![],
        default_flow: FlowName::parse("vip").unwrap(),
        templates: BTreeMap::from([template("code", Category::Authentication), template("own", Category::Utility)]),
        at_meta: Default::default(),
        replies: Default::default(),
        window_closed_template: None,
        step_retry: Backoff { base_ms: 1, ceiling_ms: 1, attempts_max: 3 },
        mid_flow: crate::game::MidFlow::default(),
        recovery: None,
        links: None,
        security: Default::default(),
        two_factor: Default::default(),
        sensitive: Default::default(),
        verification: Some(VerificationRules {
            channels,
            support_link: None,
            aliases: BTreeMap::new(),
            purposes: BTreeMap::new(),
            otherwise: CodeRules::default(),
            guards: GuardRules::default(),
        }),
    }
}

fn conversation(phone: Option<&str>) -> Conversation {
    let phone = phone.map(|phone| PhoneNumber::parse(phone).unwrap());
    let contact = Contact::new(phone, Bsuid::parse("US.1").ok()).unwrap();
    let address = Address { game: GameId::parse("starfall").unwrap(), number: NumberId::parse("100").unwrap(), contact };
    Conversation::new(ConversationId(7), address)
}

fn issued(n: u8) -> CodeIssued {
    CodeIssued {
        id: VerificationId::from_bytes([n; 16]),
        send: 1,
        purpose: Purpose::Login,
        sealed: SealedCode { key: KeyId("k".into()), text: "c0ffee".into() },
        made_at: NOW,
        expires_at: NOW.plus_ms(600_000),
        locale: None,
    }
}

fn entry(event: Event) -> InboxEntry {
    InboxEntry { seq: InboxSeq(1), received_at: NOW, attempts: 0, event: Arc::new(event) }
}

fn opened(game: &Game, of: Conversation, event: Event, now: UnixMs) -> Commit {
    let entry = entry(event);
    match Step::open(game, of, &entry, now, &NoCopy) {
        Opened::Done(commit, _) => *commit,
        Opened::Ask(step) => step.go_by(),
        Opened::Block(step) => step.block(Behind::Nobody, &NoCopy),
        _ => panic!("the host does this alone"),
    }
}

/// What a commit sends: the channels' names, or the kind of message.
fn sent(commit: &Commit) -> Vec<String> {
    let name = |message: &NewMessage| match &message.content {
        Content::Code(promise) => promise.by.name().to_owned(),
        other => other.kind().to_owned(),
    };
    commit.outbox.iter().map(name).collect()
}

/// News of a code at a channel, `late_ms` after it was made; what is sent then, and whether no channel was left.
fn told(game: &Game, of: Conversation, n: u8, place: u8, news: &CodeNews, counts: bool, late_ms: u64) -> (Commit, bool) {
    let watch = CodeWatch { id: issued(n).id, send: 1, place };
    let entry = entry(Event::Timer(watch.timer().unwrap()));
    let Opened::Watched(step, read) = Step::open(game, of, &entry, NOW.plus_ms(late_ms), &NoCopy) else { panic!("a watch") };
    assert_eq!(read, watch);
    match step.follow_code(&watch, news, counts) {
        Followed::Done(commit) => (*commit, false),
        Followed::Last(step) => (step.give_up_code(&watch, "late"), true),
    }
}

fn late() -> CodeNews {
    CodeNews::Undelivered { why: "late".into() }
}

#[test]
fn a_code_goes_through_all_channels_each_with_its_timer() {
    let game = game();
    let first = opened(&game, conversation(Some("15550100")), Event::CodeIssued(issued(1)), NOW);
    assert_eq!((sent(&first), first.timers.len()), (vec!["code".to_owned()], 1));
    let (second, _) = told(&game, first.conversation, 1, 0, &late(), true, 30_000);
    assert_eq!(sent(&second), ["own"]);
    assert!(matches!(&second.timers[..], [TimerChange::Cancel { .. }, TimerChange::Set { due_at, .. }] if *due_at == NOW.plus_ms(60_000)));
    assert!(second.audits.iter().any(|audit| audit.action == Action::CodeMovedOn && audit.detail.ends_with("on to own: late")));
    let (third, _) = told(&game, second.conversation, 1, 1, &late(), true, 60_000);
    let Content::Code(promise) = &third.outbox[0].content else { panic!("a code") };
    assert!(promise.is_last && promise.sealed == issued(1).sealed && promise.expires_at == issued(1).expires_at, "the same code");
    let (end, is_last) = told(&game, third.conversation, 1, 2, &late(), true, 90_000);
    assert!(is_last && end.outbox.is_empty() && end.conversation.codes.is_empty());
    assert_eq!(end.audits[0].action, Action::CodeUndelivered);
}

#[test]
fn nothing_goes_on_that_is_dead_secured_or_somebody_elses() {
    let game = game();
    let on_its_way = || opened(&game, conversation(Some("15550100")), Event::CodeIssued(issued(1)), NOW).conversation;
    let (used, _) = told(&game, on_its_way(), 1, 0, &late(), false, 30_000);
    let (too_old, _) = told(&game, on_its_way(), 1, 0, &late(), true, 600_000);
    let (arrived, _) = told(&game, on_its_way(), 1, 0, &CodeNews::Delivered, true, 30_000);
    let (anothers, _) = told(&game, on_its_way(), 2, 0, &late(), true, 30_000);
    for commit in [&used, &too_old, &arrived, &anothers] {
        assert!(commit.outbox.is_empty());
    }
    let blocked = |words: &str| {
        let message = Message {
            wamid: Wamid("wamid.1".into()),
            sent_at: NOW,
            content: Inbound::Text(words.into()),
            reply_to: None,
            forwarded: false,
            referral: None,
            profile_name: None,
            identity_key_hash: None,
        };
        opened(&game, on_its_way(), Event::Message(message), NOW).conversation
    };
    assert!(sent(&told(&game, blocked("BLOCK"), 1, 0, &late(), true, 30_000).0).is_empty(), "the account is secured");
    assert_eq!(sent(&told(&game, blocked("hello"), 1, 0, &late(), true, 30_000).0), ["own"]);
    let moved = Contact::new(PhoneNumber::parse("15550199").ok(), None).unwrap();
    let moved = opened(&game, on_its_way(), Event::System(crate::event::SystemChange::Moved(moved)), NOW).conversation;
    assert!(sent(&told(&game, moved, 1, 0, &late(), true, 30_000).0).is_empty(), "whoever is there now did not ask");
}

fn cards(requested: bool, phones: &[&str]) -> Event {
    let phones = phones.iter().map(|phone| (*phone).to_owned()).collect();
    let content = Inbound::Contacts(SharedContacts { cards: vec![ContactCard { name: "Ada".into(), phones }], requested });
    Event::Message(Message {
        wamid: Wamid("wamid.card".into()),
        sent_at: NOW,
        content,
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    })
}

#[test]
fn a_contact_without_a_number_is_asked_for_it_while_the_window_is_open() {
    let game = game();
    let hidden = || {
        let mut of = conversation(None);
        of.window.heard(NOW, NOW);
        of
    };
    let asked = opened(&game, hidden(), Event::CodeIssued(issued(1)), NOW);
    assert_eq!((sent(&asked), asked.timers.len()), (vec!["contact-request".to_owned()], 0));
    let forged = opened(&game, asked.conversation.clone(), cards(false, &["+15550100"]), NOW);
    assert!(forged.outbox.is_empty() && forged.conversation.contact.phone().is_none(), "any other card proves nothing");
    let told = opened(&game, asked.conversation.clone(), cards(true, &["+1 555 0100", "+15550100"]), NOW);
    assert_eq!(sent(&told), ["code"]);
    assert_eq!(told.outbox[0].contact.phone().unwrap().digits(), "15550100");
    assert_eq!((&told.conversation.contact, told.timers.len()), (&told.outbox[0].contact, 1));
    let too_late = opened(&game, asked.conversation, cards(true, &["+15550100"]), NOW.plus_ms(600_000));
    assert!(too_late.outbox.is_empty(), "the code is dead");
    let of_a_flow = opened(&game, hidden(), cards(true, &["+15550100"]), NOW);
    assert!(of_a_flow.outbox.is_empty() && of_a_flow.conversation.contact.phone().is_some(), "a flow asked for it");
    let closed = opened(&game, conversation(None), Event::CodeIssued(issued(1)), NOW);
    assert_eq!(sent(&closed), ["own"], "with the window closed, the first channel that needs no number");
}

proptest! {
    #[test]
    fn each_channel_gets_a_code_once_and_in_order(news in prop::collection::vec((0u8..4, any::<bool>(), any::<bool>(), 0u64..700_000), 0..30)) {
        let game = game();
        let first = opened(&game, conversation(Some("15550100")), Event::CodeIssued(issued(1)), NOW);
        let (mut of, mut all, mut counts, mut late_ms) = (first.conversation.clone(), sent(&first), true, 0);
        for (place, delivered, dies, passed_ms) in news {
            counts &= !dies || passed_ms % 3 > 0;
            late_ms += passed_ms / 20;
            let before = all.len();
            let what = if delivered { CodeNews::Delivered } else { late() };
            let (commit, _) = told(&game, of, 1, place, &what, counts, late_ms);
            all.extend(sent(&commit));
            prop_assert!(commit.conversation.codes.len() <= 1);
            prop_assert!(counts && late_ms < 600_000 || all.len() == before, "nothing of a dead code");
            of = commit.conversation;
        }
        prop_assert_eq!(&all[..], &["code", "own", "sms"][..all.len()]);
    }
}
