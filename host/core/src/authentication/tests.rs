//! What asking for a proof, and a proof that came, promise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::capability::Grants;
use crate::contact::{Address, Bsuid, Contact, PhoneNumber};
use crate::decide::Decision;
use crate::effect::{Reply, RequestAuthentication};
use crate::event::{Event, Inbound, Message, Wamid};
use crate::flow::FlowLimits;
use crate::game::{Game, MidFlow};
use crate::id::{ConversationId, DeviceId, FlowName, GameId, InboxSeq, NumberId, PlayerId};
use crate::message::Outbound;
use crate::outbox::MessageClass;
use crate::outcome::Next;
use crate::port::{InboxEntry, ServiceError};
use crate::retry::Backoff;
use crate::step::{HandledBy, Opened};
use crate::template::{Category, Template, Texts};
use crate::verification::VerificationId;
use crate::verification::code::{KeyId, SealedCode};
use crate::verification::guard::{GuardReason, GuardRules};
use crate::verification::{CodeChannel, CodeSender};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

struct NoCopy;

impl crate::port::Copy for NoCopy {
    fn text(&self, _: &str, _: &str, _: &[(String, String)]) -> Result<String, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

fn player(name: &str) -> PlayerId {
    PlayerId::parse(name).unwrap()
}

fn game() -> Game {
    let main = FlowName::parse("main").unwrap();
    let flow = FlowBinding { name: main.clone(), grants: Grants::all(), limits: FlowLimits::default(), settings: Arc::from("{}") };
    let texts = Texts { header: None, body: "{{1}} is your code.".into(), footer: None, examples: Default::default(), buttons: vec![] };
    let template = Template {
        name: "code".into(),
        category: Category::Authentication,
        code_expiration_minutes: Some(10),
        add_security_recommendation: false,
        send_ttl_s: None,
        languages: BTreeMap::from([("en".into(), texts)]),
    };
    Game {
        consent: Default::default(),
        sending: Default::default(),
        media: Default::default(),
        id: GameId::parse("cup").unwrap(),
        name: "Cup".into(),
        locale: "en".into(),
        ticket_prefix: "T".into(),
        numbers: vec![],
        flows: BTreeMap::from([(main.clone(), flow)]),
        routes: vec![],
        default_flow: main,
        templates: BTreeMap::from([("code".into(), template)]),
        at_meta: Default::default(),
        replies: Default::default(),
        window_closed_template: None,
        step_retry: Backoff { base_ms: 1, ceiling_ms: 1, attempts_max: 3 },
        mid_flow: MidFlow::default(),
        sensitive: Default::default(),
        recovery: None,
        links: None,
        two_factor: Default::default(),
        verification: Some(VerificationRules {
            channels: vec![CodeChannel { by: CodeSender::Template("code".into()), delivered_within_ms: 30_000 }],
            support_link: None,
            aliases: BTreeMap::from([("claim".into(), Purpose::HighValue)]),
            purposes: BTreeMap::new(),
            otherwise: Default::default(),
            guards: GuardRules::default(),
        }),
        security: Default::default(),
    }
}

/// A conversation of Ada's.
fn of_ada(game: &Game) -> Conversation {
    let contact = Contact::new(PhoneNumber::parse("15550111").ok(), None).unwrap();
    let mut conversation =
        Conversation::new(ConversationId(7), Address { game: game.id.clone(), number: NumberId::parse("100").unwrap(), contact });
    conversation.session.player = Some(player("ada-1"));
    conversation.session.active_at = NOW;
    conversation
}

fn entry(event: Event) -> InboxEntry {
    InboxEntry { seq: InboxSeq(1), received_at: NOW, attempts: 0, event: Arc::new(event) }
}

fn hello() -> InboxEntry {
    entry(Event::Message(Message {
        wamid: Wamid("wamid.1".into()),
        sent_at: NOW,
        content: Inbound::Text("hello".into()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    }))
}

fn proof(player: Option<&str>, device: Option<&str>) -> AuthenticationEvent {
    AuthenticationEvent {
        purpose: "login".into(),
        method: BY_CODE_IN_GAME.into(),
        attempts_left: 0,
        player: player.map(|name| PlayerId::parse(name).unwrap()),
        device: device.map(|name| DeviceId::parse(name).unwrap()),
    }
}

fn ask(purpose: &str) -> Effect {
    Effect::RequestAuthentication(RequestAuthentication { purpose: purpose.into() })
}

fn say(body: &str) -> Effect {
    Effect::Reply(Reply { content: Outbound::Text { body: body.into(), preview: false }, reply_to: None })
}

fn answer(effects: Vec<Effect>) -> Outcome {
    Outcome { state: None, effects, next: Next::Done }
}

fn issued(expires_at: UnixMs) -> CodeIssued {
    CodeIssued {
        id: VerificationId::from_bytes([1; 16]),
        send: 1,
        purpose: Purpose::HighValue,
        sealed: SealedCode { key: KeyId("k".into()), text: "aa".into() },
        made_at: NOW,
        expires_at,
        locale: None,
    }
}

fn opened<'a>(game: &'a Game, conversation: Conversation, entry: &'a InboxEntry) -> Step<'a> {
    match Step::open(game, conversation, entry, NOW, &NoCopy) {
        Opened::Ask(step) => step,
        other => panic!("flows were not asked: {other:?}"),
    }
}

fn decide(step: Step<'_>, effects: Vec<Effect>, code: AskedCode) -> Decision {
    let flow = &step.game.flows["main"];
    step.decide(flow, 1, answer(effects), code).map_err(|(_, refusals)| refusals).expect("nothing is refused")
}

#[test]
fn the_code_goes_out_with_the_answer_that_asked_for_it() {
    let (game, entry) = (game(), hello());
    let step = opened(&game, of_ada(&game), &entry);
    let wish = || vec![say("I am sending you a code."), ask("claim"), say("Type it here.")];
    assert_eq!(step.code_to_begin(&game.flows["main"], &answer(wish())), Some(Purpose::HighValue), "the game's own name for it");
    let commit = decide(step, wish(), AskedCode::Begun(issued(NOW.plus_ms(600_000)))).commit;
    let kinds: Vec<_> = commit.outbox.iter().map(|message| message.content.kind()).collect();
    assert_eq!(kinds, ["text", "code", "text"]);
    let (code, session) = (&commit.outbox[1], &commit.conversation.session);
    assert_eq!((code.class, code.expires_at), (MessageClass::Critical, Some(NOW.plus_ms(600_000))));
    assert_eq!((&session.authentication, session.outbound), (&Authentication::CodeSent, 3));
    let audits: Vec<_> = commit.audits.iter().map(|audit| (audit.action, audit.actor.parts(), audit.detail.as_str())).collect();
    assert_eq!(audits, [(Action::CodeSent, ("flow", "main"), "for high-value; code 1 of its verification; by code")]);
    assert!(commit.follow_ups.is_empty());
}

#[test]
fn no_code_is_begun_for_an_answer_that_is_refused_anyway() {
    let (game, entry) = (game(), hello());
    let step = opened(&game, of_ada(&game), &entry);
    let flow = &game.flows["main"];
    let begins = |step: &Step<'_>, effects: Vec<Effect>| step.code_to_begin(flow, &answer(effects)).is_some();
    assert!(begins(&step, vec![ask("login")]));
    assert!(!begins(&step, vec![say("hello")]), "nobody asks");
    let nowhere = Effect::HandOver(crate::effect::HandOver { flow: FlowName::parse("nobody").unwrap(), note: None });
    assert!(!begins(&step, vec![ask("login"), nowhere]));
    assert!(!begins(&step, vec![ask("login"), ask("login")]));
    let mute = FlowBinding { grants: Grants::default(), ..flow.clone() };
    assert_eq!(step.code_to_begin(&mute, &answer(vec![ask("login")])), None, "it is not granted");
}

#[test]
fn every_refusal_of_a_proof_has_its_reason() {
    type Change = fn(&mut Game, &mut Conversation);
    let guard = || {
        let refused = Refused { reason: GuardReason::ResendWait, retry_at: NOW.plus_ms(24_001) };
        AskedCode::Refused(AuthenticationRefusal::guard(refused, NOW))
    };
    let begun = || AskedCode::Begun(issued(NOW.plus_ms(1)));
    let bsuid = |conversation: &mut Conversation| {
        conversation.contact = Contact::new(None, Bsuid::parse("US.13491208655302741918").ok()).unwrap();
    };
    let cases: [(Change, &str, AskedCode, &str, RefusalReason, bool); 8] = [
        (|game, _| game.verification = None, "login", begun(), "not-configured", RefusalReason::NotGranted, false),
        (|_, _| (), "login", AskedCode::None, "not-configured", RefusalReason::NotGranted, false),
        (|_, _| (), "fun", begun(), "unknown-purpose", RefusalReason::UnknownTarget, true),
        (|_, of| of.session.player = None, "login", begun(), "player-unknown", RefusalReason::UnknownTarget, false),
        (|_, of| of.secured = of.ticket_number("T", InboxSeq(1), 0), "login", begun(), "secured", RefusalReason::Other, true),
        (|_, _| (), "login", guard(), "resend-wait", RefusalReason::Other, true),
        (
            |_, of| of.contact = Contact::new(None, Bsuid::parse("US.13491208655302741918").ok()).unwrap(),
            "login",
            begun(),
            "no-phone",
            RefusalReason::Unreachable,
            true,
        ),
        (
            |game, _| game.verification.as_mut().unwrap().aliases.clear(),
            "claim",
            begun(),
            "unknown-purpose",
            RefusalReason::UnknownTarget,
            true,
        ),
    ];
    for (change, purpose, code, kind, reason, is_audited) in cases {
        let (mut game, entry) = (game(), hello());
        let mut conversation = of_ada(&game);
        conversation.window.heard(NOW, NOW);
        change(&mut game, &mut conversation);
        let step = Step { game: &game, conversation, entry: &entry, now: NOW, audits: Vec::new(), outbox: Vec::new(), recovery: None };
        let flow = &game.flows["main"];
        let (back, refusals) = step.decide(flow, 1, answer(vec![ask(purpose)]), code).expect_err(kind);
        let [refusal] = &refusals[..] else { panic!("{kind}: {refusals:?}") };
        assert_eq!((refusal.index, refusal.effect.as_str(), refusal.reason), (0, "request-authentication", reason), "{kind}");
        assert!(refusal.detail.starts_with(kind), "{kind}: {}", refusal.detail);
        let expected = if purpose == "login" { "for login" } else { "for a purpose unknown" };
        let audits: Vec<_> = back.audits.iter().map(|audit| (audit.action, audit.detail.clone())).collect();
        match is_audited {
            true => assert!(matches!(&audits[..], [(Action::CodeRefused, detail)] if detail.contains(kind) && detail.contains(expected))),
            false => assert!(audits.is_empty(), "{kind}: {audits:?}"),
        }
        assert!(kind != "resend-wait" || (refusal.detail.contains("25 s") && audits[0].1.ends_with("again in 25 s")));
    }
    let (mut game, entry) = (game(), hello());
    let mut conversation = of_ada(&game);
    bsuid(&mut conversation);
    conversation.session.player = None;
    assert_eq!(opened(&game, conversation.clone(), &entry).check_authentication("registration"), Err(AuthenticationRefusal::NoPhone));
    game.templates.get_mut("code").unwrap().category = Category::Utility;
    let step = opened(&game, conversation, &entry);
    assert_eq!(step.check_authentication("registration"), Ok(Purpose::Registration), "a new account has no player yet");
}

#[test]
fn a_flow_that_asks_on_and_on_is_audited_once() {
    let (game, entry) = (game(), hello());
    let mut step = opened(&game, of_ada(&game), &entry);
    for _ in 0..2 {
        let refused = Refused { reason: GuardReason::Contact, retry_at: NOW.plus_ms(60_000) };
        let code = AskedCode::Refused(AuthenticationRefusal::guard(refused, NOW));
        let (back, refusals) = step.decide(&game.flows["main"], 1, answer(vec![ask("login")]), code).expect_err("a guard");
        assert!(refusals[0].detail.starts_with("contact: "), "{}", refusals[0].detail);
        step = *back;
    }
    let commit = step.give_up(&crate::flow::FlowFailure::Refused(Vec::new()));
    let actions: Vec<_> = commit.audits.iter().map(|audit| audit.action).collect();
    assert_eq!(actions, [Action::CodeRefused]);
}

#[test]
fn a_code_that_died_before_the_commit_is_not_sent() {
    let (game, entry) = (game(), hello());
    let step = opened(&game, of_ada(&game), &entry);
    let commit = decide(step, vec![ask("login")], AskedCode::Begun(issued(NOW))).commit;
    assert!(commit.outbox.is_empty() && commit.audits.is_empty());
    assert_eq!(commit.conversation.session.authentication, Authentication::Unauthenticated);
}

#[test]
fn a_proof_authenticates_the_session_and_binds_it_to_its_device() {
    let game = game();
    for (known, named) in [(Some("ada-1"), None), (Some("ada-1"), Some("ada-1")), (None, Some("ada-1")), (None, None)] {
        let entry = entry(Event::Authenticated(proof(named, Some("Pixel 9"))));
        let mut conversation = of_ada(&game);
        conversation.session.player = known.map(player);
        let mut step = opened(&game, conversation, &entry);
        assert!(step.authenticate(&proof(named, Some("Pixel 9"))));
        let session = &step.conversation.session;
        assert_eq!(session.authentication, Authentication::Authenticated { method: BY_CODE_IN_GAME.into(), at: NOW });
        assert_eq!(session.player, known.or(named).map(player));
        assert_eq!(session.device.as_ref().map(DeviceId::as_str), Some("Pixel 9"));
        assert_eq!(step.audits[0].action, Action::Authenticated);
        // A later proof without a device unbinds: it was not given there.
        assert!(step.authenticate(&proof(named, None)));
        assert_eq!(step.conversation.session.device, None);
    }
}

#[test]
fn a_proof_for_another_account_of_the_contact_counts_nothing_here() {
    let game = game();
    let entry = entry(Event::Authenticated(proof(Some("bob-2"), Some("Pixel 9"))));
    let mut step = opened(&game, of_ada(&game), &entry);
    assert!(!step.authenticate(&proof(Some("bob-2"), Some("Pixel 9"))));
    let session = &step.conversation.session;
    assert_eq!((&session.player, &session.authentication), (&Some(player("ada-1")), &Authentication::Unauthenticated));
    assert_eq!(session.device, None);
    let audits: Vec<_> = step.go_by().audits.into_iter().map(|audit| audit.action).collect();
    assert_eq!(audits, [Action::ProofIgnored]);
}

#[test]
fn nothing_authenticates_a_secured_account() {
    let game = game();
    for event in [Event::Authenticated(proof(Some("ada-1"), None)), Event::CodeRejected(proof(None, None))] {
        let entry = entry(event);
        let mut conversation = of_ada(&game);
        conversation.secured = conversation.ticket_number("T", InboxSeq(1), 0);
        let Opened::Done(commit, by) = Step::open(&game, conversation, &entry, NOW, &NoCopy) else { panic!("the host's own") };
        assert_eq!(by, HandledBy::Secured);
        assert_eq!(commit.conversation.session.authentication, Authentication::Unauthenticated);
        assert_eq!(commit.audits[0].action, Action::ProofIgnored);
    }
}

#[test]
fn a_number_that_changed_hands_takes_no_trust_along() {
    use crate::event::SystemChange;
    let game = game();
    let other = |digits: &str| Contact::new(PhoneNumber::parse(digits).ok(), None).unwrap();
    for change in [SystemChange::Moved(other("15550199")), SystemChange::IdentityChanged { hash: "h2".into() }] {
        let entry = entry(Event::System(change));
        let mut conversation = of_ada(&game);
        let session = &mut conversation.session;
        session.authentication = Authentication::Authenticated { method: BY_CODE.into(), at: NOW };
        session.device = DeviceId::parse("Pixel 9").ok();
        (session.tier, session.country) = (Some("gold".into()), Some("DE".into()));
        let Opened::Done(commit, HandledBy::System) = Step::open(&game, conversation, &entry, NOW, &NoCopy) else {
            panic!("the host's own")
        };
        let session = &commit.conversation.session;
        assert_eq!((&session.player, &session.authentication, &session.device), (&None, &Authentication::Unauthenticated, &None));
        assert_eq!((&session.tier, &session.country), (&None, &None), "nothing of the player is left");
    }
}
