//! What the rules promise about a flow's answer, whatever the flow.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod credentials;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::capability::{Capability, Grants};
use crate::contact::{Address, Contact, PhoneNumber};
use crate::conversation::Conversation;
use crate::effect::{HandOver, React, Reply, RequestAuthentication, SendTemplate, SetTimer, Track};
use crate::event::{GameEvent, Inbound, Message, Wamid};
use crate::flow::{FlowFailure, FlowLimits};
use crate::id::{ConversationId, FlowName, GameId, InboxSeq, NumberId};
use crate::port::{InboxEntry, ServiceError};
use crate::retry::Backoff;
use crate::send::Reaction;
use crate::status::DeliveryState;
use crate::step::{HandledBy, Opened};
use crate::template::{Category, Template, Texts};

mod secure;
mod templates;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

struct NoCopy;

impl crate::port::Copy for NoCopy {
    fn text(&self, _: &str, _: &str, _: &[(String, String)]) -> Result<String, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

fn flow(name: &str, grants: Grants) -> FlowBinding {
    FlowBinding { name: FlowName::parse(name).unwrap(), grants, limits: FlowLimits::default(), settings: Arc::from("{}") }
}

fn game(grants: Grants) -> Game {
    let texts = Texts { header: None, body: "New season, {{1}}!".into(), footer: None, examples: Default::default(), buttons: vec![] };
    let template = Template {
        name: "season".into(),
        category: Category::Marketing,
        code_expiration_minutes: None,
        add_security_recommendation: false,
        send_ttl_s: None,
        languages: BTreeMap::from([("en".into(), texts)]),
    };
    let flows = ["vip", "other"].map(|name| (FlowName::parse(name).unwrap(), flow(name, grants)));
    Game {
        id: GameId::parse("starfall").unwrap(),
        name: "Starfall".into(),
        locale: "en".into(),
        ticket_prefix: "SF".into(),
        numbers: vec![],
        flows: BTreeMap::from(flows),
        routes: vec![],
        default_flow: FlowName::parse("vip").unwrap(),
        templates: BTreeMap::from([("season".into(), template)]),
        at_meta: Default::default(),
        replies: Default::default(),
        window_closed_template: None,
        step_retry: Backoff { base_ms: 1, ceiling_ms: 1, attempts_max: 3 },
        mid_flow: crate::game::MidFlow::default(),
        sensitive: Default::default(),
        recovery: None,
        verification: None,
        links: None,
        security: Default::default(),
        two_factor: Default::default(),
        sending: Default::default(),
        consent: crate::consent::ConsentRules::default(),
        media: Default::default(),
    }
}

fn conversation(game: &Game) -> Conversation {
    let contact = Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap();
    Conversation::new(ConversationId(7), Address { game: game.id.clone(), number: NumberId::parse("100").unwrap(), contact })
}

fn entry(seq: u64, event: Event) -> InboxEntry {
    InboxEntry { seq: InboxSeq(seq), received_at: NOW, attempts: 0, event: Arc::new(event) }
}

fn text(seq: u64, body: &str) -> InboxEntry {
    let message = Message {
        wamid: Wamid(format!("wamid.{seq}").into()),
        sent_at: NOW,
        content: Inbound::Text(body.into()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    };
    entry(seq, Event::Message(message))
}

fn say(body: &str) -> Effect {
    Effect::Reply(Reply { content: Outbound::Text { body: body.into(), preview: false }, reply_to: None })
}

fn answer(effects: Vec<Effect>) -> Outcome {
    Outcome { state: Some("{}".into()), effects, next: Next::Stay }
}

fn open<'a>(game: &'a Game, conversation: Conversation, entry: &'a InboxEntry) -> Opened<'a> {
    Step::open(game, conversation, entry, NOW, &NoCopy)
}

fn ask<'a>(game: &'a Game, conversation: Conversation, entry: &'a InboxEntry) -> Step<'a> {
    match open(game, conversation, entry) {
        Opened::Ask(step) => step,
        other => panic!("flows were not asked: {other:?}"),
    }
}

fn decided(step: Step<'_>, flow: &FlowBinding, effects: Vec<Effect>) -> Decision {
    step.decide(flow, 1, answer(effects), AskedCode::None).map_err(|(_, refusals)| refusals).expect("nothing is refused")
}

fn refused(step: Step<'_>, flow: &FlowBinding, effects: Vec<Effect>) -> Vec<RefusalReason> {
    let (_, refusals) = step.decide(flow, 1, answer(effects), AskedCode::None).expect_err("it is refused");
    refusals.into_iter().map(|refusal| refusal.reason).collect()
}

#[test]
fn one_refused_effect_refuses_all() {
    let game = game(Grants::all());
    let entry = text(1, "hello");
    let step = ask(&game, conversation(&game), &entry);
    let login = Effect::RequestAuthentication(RequestAuthentication { purpose: "login".into() });
    let (step, refusals) =
        step.decide(&game.flows["vip"], 1, answer(vec![say("hi"), login]), AskedCode::None).expect_err("codes are not sent here");
    assert_eq!(
        (refusals[0].index, refusals[0].effect.as_str(), refusals[0].reason),
        (1, "request-authentication", RefusalReason::NotGranted)
    );
    let snapshot = step.snapshot(&game.flows["vip"], refusals).unwrap();
    assert_eq!(snapshot.refused.len(), 1, "the flow is told");
    let decision = decided(*step, &game.flows["vip"], vec![say("open the game")]);
    assert_eq!(decision.commit.outbox.len(), 1);
}

#[test]
fn nothing_but_templates_outside_the_window() {
    let game = game(Grants::all());
    let timer = entry(9, Event::Timer(TimerEvent { flow: FlowName::parse("vip").unwrap(), id: "t".into(), payload: "{}".into() }));
    let mut conversation = conversation(&game);
    conversation.remember(InboxSeq(1), &Wamid("wamid.1".into()));
    let vip = &game.flows["vip"];
    assert_eq!(refused(ask(&game, conversation.clone(), &timer), vip, vec![say("late")]), [RefusalReason::WindowClosed]);
    let react = Effect::React(React { target: InboxSeq(1), emoji: None });
    assert_eq!(refused(ask(&game, conversation.clone(), &timer), vip, vec![react]), [RefusalReason::WindowClosed]);
    conversation.window.heard(NOW.minus_ms(1_000), NOW);
    assert_eq!(decided(ask(&game, conversation, &timer), vip, vec![say("in time")]).commit.outbox.len(), 1);
}

#[test]
fn marketing_needs_consent() {
    let game = game(Grants::all());
    let entry = text(1, "hello");
    let mut conversation = conversation(&game);
    assert_eq!(refused(ask(&game, conversation.clone(), &entry), &game.flows["vip"], vec![season()]), [RefusalReason::NoConsent]);
    conversation.marketing = Marketing::Granted;
    let commit = decided(ask(&game, conversation, &entry), &game.flows["vip"], vec![season()]).commit;
    assert_eq!(commit.outbox[0].class, MessageClass::Low);
}

#[test]
fn targets_must_exist() {
    let game = game(Grants::all());
    let entry = text(1, "hello");
    let vip = &game.flows["vip"];
    let try_one = |effect| refused(ask(&game, conversation(&game), &entry), vip, vec![effect]);
    assert_eq!(
        try_one(Effect::HandOver(HandOver { flow: FlowName::parse("nobody").unwrap(), note: None })),
        [RefusalReason::UnknownTarget]
    );
    assert_eq!(try_one(Effect::React(React { target: InboxSeq(99), emoji: None })), [RefusalReason::UnknownTarget]);
    let unknown = SendTemplate { name: "nothing".into(), language: None, body: vec![], header: None, buttons: vec![] };
    assert_eq!(try_one(Effect::SendTemplate(unknown)), [RefusalReason::UnknownTarget]);
}

#[test]
fn tickets_get_the_number_that_the_flow_was_told() {
    let game = game(Grants::all());
    let entry = text(5, "my purchase is lost");
    let step = ask(&game, conversation(&game), &entry);
    let promised = step.snapshot(&game.flows["vip"], vec![]).unwrap().ticket_number;
    let ticket = || OpenTicket {
        priority: TicketPriority::Critical,
        intent: "purchase-problem".into(),
        subject: "s".into(),
        body: "b".into(),
        target_s: Some(60),
        tags: vec![],
    };
    let commit =
        decided(step, &game.flows["vip"], vec![say("first"), Effect::OpenTicket(ticket()), Effect::OpenTicket(ticket()), say("then")])
            .commit;
    assert_eq!(commit.tickets[0].number, promised);
    assert_ne!(commit.tickets[1].number, promised);
    assert_eq!(commit.tickets[0].due_at, Some(NOW.plus_ms(60_000)));
    assert!(commit.outbox.iter().all(|message| message.class == MessageClass::High), "an urgent matter is answered urgently");
}

#[test]
fn a_timer_of_one_flow_does_not_take_the_conversation_from_another() {
    let game = game(Grants::all());
    let timer = entry(9, Event::Timer(TimerEvent { flow: FlowName::parse("vip").unwrap(), id: "t".into(), payload: "{}".into() }));
    let mut conversation = conversation(&game);
    conversation.session.active = FlowName::parse("other").ok();
    conversation.session.active_at = NOW;
    let commit = decided(ask(&game, conversation, &timer), &game.flows["vip"], vec![]).commit;
    assert_eq!(commit.conversation.session.active, FlowName::parse("other").ok());
}

#[test]
fn stop_start_and_block_never_reach_a_flow() {
    let game = game(Grants::all());
    let (stop, start, block, after) = (text(1, " opt-OUT "), text(2, "Start"), text(3, "block!"), text(4, "balance"));
    let Opened::Done(commit, HandledBy::Command(_)) = open(&game, conversation(&game), &stop) else { panic!("STOP went to a flow") };
    assert_eq!((commit.conversation.marketing, commit.consents.len(), commit.outbox.len()), (Marketing::Withdrawn, 1, 1));
    let Opened::Done(commit, _) = open(&game, commit.conversation, &start) else { panic!("START went to a flow") };
    assert_eq!(commit.conversation.marketing, Marketing::Granted);
    let Opened::Block(step) = open(&game, commit.conversation, &block) else { panic!("BLOCK went to a flow") };
    let commit = step.block(crate::step::Behind::Nobody, &NoCopy);
    assert_eq!((commit.tickets.len(), commit.audits.len()), (1, 1));
    let number = commit.tickets[0].number.clone();
    let Opened::Done(commit, HandledBy::Secured) = open(&game, commit.conversation, &after) else { panic!("a secured account was opened") };
    let closed = entry(5, Event::TicketClosed(crate::event::TicketClosed { number, resolution: "checked".into() }));
    let Opened::Release(mut step) = open(&game, commit.conversation, &closed) else { panic!("nothing was released") };
    step.release();
    assert_eq!(step.conversation.secured, None);
    assert!(step.outbox.is_empty() && step.audits.is_empty(), "no account was frozen");
}

fn season() -> Effect {
    Effect::SendTemplate(SendTemplate { name: "season".into(), language: None, body: vec!["Ada".into()], header: None, buttons: vec![] })
}

fn change(marketing: bool) -> Effect {
    Effect::ChangeConsent(ChangeConsent { marketing, wording: "News? — Yes".into(), method: "chat".into() })
}

#[test]
fn a_flow_cannot_go_around_consent() {
    let all = game(Grants::all());
    let vip = &all.flows["vip"];
    let hello = text(1, "hello");
    let timer = entry(1, Event::Timer(TimerEvent { flow: FlowName::parse("vip").unwrap(), id: "t".into(), payload: "{}".into() }));
    let game_event = GameEvent { name: "season".into(), id: "1".into(), payload: "{}".into(), at: NOW, player: None };
    let game_event = entry(1, Event::GameEvent(game_event));
    // Saying yes for the player where the player said nothing.
    for event in [&timer, &game_event] {
        assert_eq!(refused(ask(&all, conversation(&all), event), vip, vec![change(true)]), [RefusalReason::NoConsent]);
    }
    // Yes and the template in one answer, and the other way round.
    for effects in [vec![change(true), season()], vec![season(), change(true)]] {
        assert_eq!(refused(ask(&all, conversation(&all), &hello), vip, effects), [RefusalReason::NoConsent]);
    }
    // With a consent that this very answer takes back.
    let mut agreed = conversation(&all);
    agreed.marketing = Marketing::Granted;
    for effects in [vec![change(false), season()], vec![season(), change(false)]] {
        assert_eq!(refused(ask(&all, agreed.clone(), &hello), vip, effects), [RefusalReason::NoConsent]);
    }
    // Without the grant.
    let without: Grants = Capability::ALL.iter().copied().filter(|capability| *capability != Capability::Consent).collect();
    let without = game(without);
    let refusals = refused(ask(&without, conversation(&without), &hello), &without.flows["vip"], vec![change(true), season()]);
    assert_eq!(refusals, [RefusalReason::NotGranted, RefusalReason::NoConsent]);
    // While Meta takes none.
    let mut standing = agreed.standing();
    standing.hold(1_000, NOW);
    agreed.stand(standing);
    assert_eq!(refused(ask(&all, agreed, &hello), vip, vec![season()]), [RefusalReason::Other]);
}

#[test]
fn a_change_in_chat_points_at_the_words_and_reaches_all_numbers() {
    let mut game = game(Grants::all());
    game.numbers = ["100", "200"].map(|number| NumberId::parse(number).unwrap()).to_vec();
    game.consent.wordings = BTreeMap::from([("news-1".into(), BTreeMap::from([("en".into(), "News?".into())]))]);
    let hello = text(1, "yes");
    let commit = decided(ask(&game, conversation(&game), &hello), &game.flows["vip"], vec![change(true)]).commit;
    let [record] = &commit.consents[..] else { panic!("one record") };
    assert_eq!((record.wording.as_str(), record.wording_version.as_deref(), record.at), ("News? — Yes", Some("news-1"), NOW));
    assert_eq!((&record.source, record.copy), (&Actor::Flow(FlowName::parse("vip").unwrap()), false));
    let [message] = &commit.outbox[..] else { panic!("one for the other numbers") };
    let Content::Consent(copy) = &message.content else { panic!("what was agreed to") };
    assert!(copy.copy && copy.id == record.id);
    // There it counts, and goes no further.
    let told = entry(1, Event::Consent(copy.clone()));
    let Opened::Done(commit, HandledBy::Consent) = open(&game, conversation(&game), &told) else { panic!("a flow was asked") };
    assert_eq!(commit.conversation.marketing, Marketing::Granted);
    assert!(commit.consents.is_empty() && commit.audits.is_empty() && commit.outbox.is_empty());
}

#[test]
fn what_meta_says_of_marketing_ends_in_the_same_state() {
    let game = game(Grants::all());
    let mut agreed = conversation(&game);
    agreed.marketing = Marketing::Granted;
    let failed = |code: u32| {
        let error = Some(crate::event::StatusError { code, detail: "no".into() });
        entry(1, Event::Status(crate::event::StatusEvent { message: None, state: DeliveryState::Failed, at: NOW, error }))
    };
    let settled = |entry: &InboxEntry, hold_ms: Option<u64>| {
        let Opened::Failed(step, status) = open(&game, agreed.clone(), entry) else { panic!("it failed") };
        step.settle_failure(status, None, Reaction::SuppressMarketing { hold_ms }, 0)
    };
    let stopped = settled(&failed(131_050), None);
    assert_eq!((stopped.conversation.marketing, stopped.consents.len(), stopped.audits.len()), (Marketing::Withdrawn, 1, 1));
    assert_eq!(stopped.consents[0].method, "meta-131050");
    let capped = settled(&failed(131_049), Some(crate::time::DAY_MS));
    assert_eq!(capped.conversation.standing().allowed_from(), Some(NOW.plus_ms(crate::time::DAY_MS)));
    assert!(capped.consents.is_empty(), "the player decided nothing");
    let preference = entry(1, Event::Preference(crate::event::Preference { marketing: false, detail: "stop".into(), at: NOW }));
    let Opened::Done(commit, HandledBy::Preference) = open(&game, agreed.clone(), &preference) else { panic!("a flow was asked") };
    assert_eq!((commit.conversation.marketing, commit.consents[0].method.as_str()), (Marketing::Withdrawn, "whatsapp-preference"));
}

#[test]
fn a_repeated_message_has_no_effect() {
    let game = game(Grants::all());
    let first = text(1, "hello");
    let commit = decided(ask(&game, conversation(&game), &first), &game.flows["vip"], vec![say("hi")]).commit;
    let again = InboxEntry { seq: InboxSeq(2), ..first.clone() };
    let Opened::Done(commit, HandledBy::Duplicate) = open(&game, commit.conversation, &again) else { panic!("handled twice") };
    assert!(commit.outbox.is_empty());
}

#[test]
fn what_is_given_up_can_be_tried_again() {
    let game = game(Grants::all());
    let first = text(1, "hello");
    let commit = ask(&game, conversation(&game), &first).give_up(&FlowFailure::Permanent("no".into()));
    assert_eq!(commit.dead_letter.as_ref().unwrap().reason, "permanent");
    let again = InboxEntry { seq: InboxSeq(2), ..first.clone() };
    assert!(matches!(open(&game, commit.conversation, &again), Opened::Ask(_)));
}

fn any_effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        Just(say("hi")),
        Just(Effect::CancelTimer("t".into())),
        any::<u64>().prop_map(|after_ms| Effect::SetTimer(SetTimer { id: "t".into(), after_ms, payload: "{}".into() })),
        (0u64..4).prop_map(|seq| Effect::React(React { target: InboxSeq(seq), emoji: Some("👍".into()) })),
        any::<bool>().prop_map(|marketing| Effect::ChangeConsent(ChangeConsent { marketing, wording: "w".into(), method: "chat".into() })),
        Just(Effect::HandOver(HandOver { flow: FlowName::parse("other").unwrap(), note: None })),
        Just(Effect::RequestAuthentication(RequestAuthentication { purpose: "login".into() })),
        Just(Effect::Track(Track { name: "n".into(), value: 1.0 })),
        Just(Effect::OpenTicket(OpenTicket {
            priority: TicketPriority::Low,
            intent: "i".into(),
            subject: "s".into(),
            body: "b".into(),
            target_s: None,
            tags: vec![]
        })),
    ]
}

proptest! {
    #[test]
    fn only_what_is_granted_is_ever_written(effects in prop::collection::vec(any_effect(), 0..8), granted in any::<u32>()) {
        let grants: Grants = Capability::ALL.iter().enumerate().filter(|(bit, _)| granted >> bit & 1 == 1).map(|(_, c)| *c).collect();
        let game = game(grants);
        let entry = text(1, "hello");
        let allowed = effects.iter().all(|effect| effect.capability().is_some_and(|capability| grants.has(capability)));
        match ask(&game, conversation(&game), &entry).decide(&game.flows["vip"], 1, answer(effects.clone()), AskedCode::None) {
            Ok(decision) => {
                prop_assert!(allowed);
                let commit = decision.commit;
                let said = effects.iter().filter(|effect| matches!(effect, Effect::Reply(_) | Effect::React(_))).count();
                prop_assert_eq!(commit.outbox.len(), said);
                prop_assert_eq!(commit.conversation.version, 1);
                let too_late = |change: &TimerChange| matches!(change, TimerChange::Set { due_at, .. } if *due_at > NOW.plus_ms(TIMER_MS_MAX));
                prop_assert!(!commit.timers.iter().any(too_late));
            }
            Err((step, refusals)) => {
                prop_assert!(!refusals.is_empty());
                prop_assert_eq!(step.conversation.version, 0, "nothing was done");
            }
        }
    }
}
