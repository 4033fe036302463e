//! Every kind of event and effect crosses over whole, and what no later part could use is refused here.
#![allow(clippy::unwrap_used)]

use questline_core::capability::{Capability, Grants};
use questline_core::effect as core_effect;
use questline_core::event as core;
use questline_core::id::{ConversationId, FlowName, InboxSeq, OutboxRef, OutboxSeq, TicketNumber};
use questline_core::message as core_message;
use questline_core::outcome::{EFFECTS_MAX, InvalidOutcome, OUTCOME_BYTES_MAX, Outcome as CoreOutcome};
use questline_core::status::DeliveryState as CoreDeliveryState;
use questline_core::time::UnixMs;

use super::{effect, event};
use crate::bindings::guest::{Next, Outcome};
use crate::bindings::types::*;

fn wamid(text: &str) -> core::Wamid {
    core::Wamid(text.into())
}

/// Names the messages `wamid.1` and `wamid.2`.
fn name(wamid: &core::Wamid) -> Option<InboxSeq> {
    wamid.as_str().strip_prefix("wamid.").and_then(|digits| digits.parse().ok()).map(InboxSeq)
}

fn message(content: core::Inbound) -> core::Event {
    core::Event::Message(core::Message {
        wamid: wamid("wamid.1"),
        sent_at: UnixMs(5),
        content,
        reply_to: Some(wamid("wamid.2")),
        forwarded: true,
        referral: Some(core::Referral { source_type: "ad".into(), source_id: "9".into(), headline: None, body: Some("Play".into()) }),
        profile_name: Some("Mara".into()),
        identity_key_hash: Some("hash".into()),
    })
}

/// The event as a flow would see it, in words.
fn seen(event: &core::Event, grants: Grants) -> Option<String> {
    let parts = event::parts(event, &name, grants);
    let cards = event::cards(event, &parts);
    event::event(event, &parts, &cards).map(|event| format!("{event:?}"))
}

fn seen_content(content: core::Inbound) -> String {
    seen(&message(content), Grants::all()).unwrap()
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_message_carries_all_but_what_is_the_hosts_alone() {
    let text = seen_content(core::Inbound::Text("hi".into()));
    holds(&text, &["Inbound::Text(\"hi\")", "\"in-1\"", "Some(\"in-2\")", "forwarded: true", "\"ad\"", "Some(\"Play\")", "sent-at: 5"]);
    for secret in ["wamid", "hash", "Mara"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn every_content_crosses_over() {
    let file = core::Media {
        id: "m1".into(),
        mime_type: "image/jpeg".into(),
        sha256: None,
        caption: Some("look".into()),
        filename: Some("a.jpg".into()),
        voice: true,
    };
    let whole = ["\"m1\"", "\"image/jpeg\"", "Some(\"look\")", "Some(\"a.jpg\")", "voice: true"];
    for (content, case) in [
        (core::Inbound::Image(file.clone()), "Inbound::Image"),
        (core::Inbound::Video(file.clone()), "Inbound::Video"),
        (core::Inbound::Audio(file.clone()), "Inbound::Audio"),
        (core::Inbound::Document(file.clone()), "Inbound::Document"),
        (core::Inbound::Sticker(file), "Inbound::Sticker"),
    ] {
        let text = seen_content(content);
        holds(&text, &whole);
        holds(&text, &[case]);
    }
    let place = core::Location { latitude: 1.5, longitude: -2.5, name: Some("Gate".into()), address: None };
    holds(&seen_content(core::Inbound::Location(place)), &["Inbound::Location", "1.5", "-2.5", "Some(\"Gate\")"]);
    let choice = core::Choice { id: "claim".into(), title: "Claim".into() };
    holds(&seen_content(core::Inbound::Button(choice.clone())), &["Inbound::Button", "\"claim\"", "\"Claim\""]);
    holds(&seen_content(core::Inbound::ListItem(choice)), &["Inbound::ListItem", "\"claim\""]);
    let quick = core::QuickReply { payload: "p".into(), text: "t".into() };
    holds(&seen_content(core::Inbound::QuickReply(quick)), &["Inbound::QuickReply", "\"p\"", "\"t\""]);
    let form = core::Form { name: "flow".into(), response: "{\"a\":1}".into() };
    holds(&seen_content(core::Inbound::Form(form)), &["Inbound::Form", "\"flow\"", "{\\\"a\\\":1}"]);
    let reaction = core::Reaction { target: wamid("wamid.2"), emoji: Some("👍".into()) };
    holds(&seen_content(core::Inbound::Reaction(reaction)), &["Inbound::Reaction", "target: Some(\"in-2\")", "👍"]);
    let unknown = core::Reaction { target: wamid("foreign"), emoji: None };
    holds(&seen_content(core::Inbound::Reaction(unknown)), &["target: None", "emoji: None"]);
    let item = core::OrderItem { product: "gems".into(), quantity: 2, price: 4.99, currency: "EUR".into() };
    let order = core::Order { catalog: "c".into(), text: None, items: vec![item.clone(), item] };
    let text = seen_content(core::Inbound::Order(order));
    assert_eq!(text.matches("4.99").count(), 2, "{text}");
    holds(&seen_content(core::Inbound::Unsupported(Some("poll".into()))), &["Inbound::Unsupported(\"poll\")"]);
    holds(&seen_content(core::Inbound::Unsupported(None)), &["Inbound::Unsupported(\"\")"]);
    let extension = core::Extension { name: "x".into(), value: "[]".into() };
    holds(&seen_content(core::Inbound::Extension(extension)), &["Inbound::Extension", "\"x\"", "\"[]\""]);
}

#[test]
fn phone_numbers_on_cards_need_their_capability() {
    let card = |phone: &str| core::ContactCard { name: "Mara".into(), phones: vec![phone.into()] };
    let cards = core::SharedContacts { cards: vec![card("111"), card("222")], requested: true };
    let event = message(core::Inbound::Contacts(cards));
    holds(&seen(&event, Grants::all()).unwrap(), &["[\"111\"]", "[\"222\"]", "requested: true"]);
    let without: Grants = Capability::ALL.iter().copied().filter(|capability| *capability != Capability::ContactPhone).collect();
    let text = seen(&event, without).unwrap();
    assert!(!text.contains("111") && !text.contains("222"), "{text}");
    assert_eq!(text.matches("Mara").count(), 2, "the cards are there: {text}");
}

#[test]
fn every_other_event_crosses_over_or_stays_with_the_host() {
    let all = Grants::all();
    let status = |message, state| core::StatusEvent { message, state, at: UnixMs(7), error: None };
    let ours = OutboxRef { conversation: ConversationId(3), seq: OutboxSeq(9) };
    let text = seen(&core::Event::Status(status(Some(ours), CoreDeliveryState::Played)), all).unwrap();
    holds(&text, &["Event::Status", "\"out-9\"", "DeliveryState::Read", "at: 7", "error-code: None"]);
    let failed = core::StatusEvent {
        error: Some(core::StatusError { code: 131_026, detail: "undeliverable".into() }),
        ..status(None, CoreDeliveryState::Failed)
    };
    holds(&seen(&core::Event::Status(failed), all).unwrap(), &["DeliveryState::Failed", "Some(131026)", "message: \"\""]);
    let game = core::GameEvent { name: "cup".into(), id: "e1".into(), payload: "{}".into(), at: UnixMs(8), player: None };
    holds(&seen(&core::Event::GameEvent(game), all).unwrap(), &["Event::GameEvent", "\"cup\"", "\"e1\"", "\"{}\"", "at: 8"]);
    let timer = core::TimerEvent { flow: FlowName::parse("vip").unwrap(), id: "t1".into(), payload: "1".into() };
    holds(&seen(&core::Event::Timer(timer), all).unwrap(), &["Event::Timer", "\"t1\"", "\"1\""]);
    let proof = core::AuthenticationEvent { purpose: "login".into(), method: "code".into(), attempts_left: 2, player: None, device: None };
    holds(&seen(&core::Event::Authenticated(proof.clone()), all).unwrap(), &["Event::Authenticated", "\"login\"", "2"]);
    holds(&seen(&core::Event::CodeRejected(proof), all).unwrap(), &["Event::CodeRejected", "attempts-left: 2"]);
    let closed = core::TicketClosed { number: TicketNumber::parse("SF-1").unwrap(), resolution: "done".into() };
    holds(&seen(&core::Event::TicketClosed(closed), all).unwrap(), &["Event::TicketClosed", "\"SF-1\"", "\"done\""]);
    let handed = core::HandedOver { from: FlowName::parse("a").unwrap(), to: FlowName::parse("b").unwrap(), note: Some("[1]".into()) };
    holds(&seen(&core::Event::HandedOver(handed), all).unwrap(), &["Event::HandedOver", "\"a\"", "Some(\"[1]\")"]);
    assert_eq!(seen(&core::Event::System(core::SystemChange::Other("x".into())), all), None);
    let preference = core::Preference { marketing: true, detail: String::new(), at: UnixMs(1) };
    assert_eq!(seen(&core::Event::Preference(preference), all), None);
}

fn answer(effects: Vec<Effect>) -> Result<CoreOutcome, InvalidOutcome> {
    effect::outcome(Outcome { state: None, effects, next: Next::Stay })
}

fn taken(effect: Effect) -> core_effect::Effect {
    answer(vec![effect]).unwrap().effects.remove(0)
}

/// What is wrong with an effect.
fn problem(effect: Effect) -> String {
    match answer(vec![effect]) {
        Err(InvalidOutcome::Effect { index: 0, problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn text(body: &str) -> Outbound {
    Outbound::Text(Text { body: body.into(), preview: false })
}

fn reply(content: Outbound) -> Effect {
    Effect::Reply(Reply { content, reply_to: None })
}

fn choice(id: &str) -> ChoiceResult {
    ChoiceResult { id: id.into(), title: format!("Title {id}") }
}

fn ticket(body: &str) -> Ticket {
    Ticket {
        priority: TicketPriority::High,
        intent: "refund".into(),
        subject: "Gems".into(),
        body: body.into(),
        target_s: Some(60),
        tags: vec!["vip".into()],
    }
}

#[test]
fn every_message_is_taken_as_it_was_meant() {
    let source = || MediaSource::Link("https://cdn.example/a.png".into());
    let core_source = || core_message::MediaSource::Link("https://cdn.example/a.png".into());
    let buttons = Outbound::Buttons(Buttons {
        header: Some(Header::Image(source())),
        body: "Choose".into(),
        footer: Some("Soon".into()),
        buttons: vec![choice("a"), choice("b")],
    });
    let core_effect::Effect::Reply(taken_reply) = taken(Effect::Reply(Reply { content: buttons, reply_to: Some("in-4".into()) })) else {
        panic!("a reply")
    };
    assert_eq!(taken_reply.reply_to, Some(InboxSeq(4)));
    let button = |id: &str| core_message::Button { id: id.into(), title: format!("Title {id}") };
    assert_eq!(
        taken_reply.content,
        core_message::Outbound::Buttons {
            header: Some(core_message::Header::Media(core_message::MediaKind::Image, core_source())),
            body: "Choose".into(),
            footer: Some("Soon".into()),
            buttons: vec![button("a"), button("b")],
        }
    );
    let content = |content: Outbound| match taken(reply(content)) {
        core_effect::Effect::Reply(reply) => reply.content,
        other => panic!("{other:?}"),
    };
    let row = ListRow { id: "r".into(), title: "Row".into(), description: Some("more".into()) };
    let list = content(Outbound::List(ListMessage {
        header: Some("Menu".into()),
        body: "Choose".into(),
        footer: None,
        button: "Open".into(),
        sections: vec![ListSection { title: "Part".into(), rows: vec![row] }],
    }));
    let core_row = core_message::Row { id: "r".into(), title: "Row".into(), description: Some("more".into()) };
    assert!(matches!(&list, core_message::Outbound::List { sections, button, .. } if sections[0].rows == [core_row] && button == "Open"));
    for (kind, core_kind) in [
        (MediaKind::Image, core_message::MediaKind::Image),
        (MediaKind::Video, core_message::MediaKind::Video),
        (MediaKind::Audio, core_message::MediaKind::Audio),
        (MediaKind::Document, core_message::MediaKind::Document),
        (MediaKind::Sticker, core_message::MediaKind::Sticker),
    ] {
        let media = content(Outbound::Media(OutboundMedia { kind, source: MediaSource::Id("7".into()), caption: None, filename: None }));
        let source = core_message::MediaSource::Id("7".into());
        assert_eq!(media, core_message::Outbound::Media { kind: core_kind, source, caption: None, filename: None });
    }
    let body = || "Where?".to_owned();
    assert_eq!(content(Outbound::LocationRequest(body())), core_message::Outbound::LocationRequest { body: body() });
    assert_eq!(content(Outbound::ContactRequest(body())), core_message::Outbound::ContactRequest { body: body() });
    let link = LinkButton { body: "Play".into(), footer: None, label: "Open".into(), url: "https://game.example".into() };
    assert!(matches!(content(Outbound::LinkButton(link)), core_message::Outbound::LinkButton { url, .. } if url == "https://game.example"));
}

#[test]
fn every_other_effect_is_taken_as_it_was_meant() {
    let template = Template {
        name: "cup_result".into(),
        language: Some("pt_BR".into()),
        body: vec!["Mara".into()],
        header: Some("Cup".into()),
        buttons: vec![(0, "x".into())],
    };
    assert_eq!(
        taken(Effect::SendTemplate(template)),
        core_effect::Effect::SendTemplate(core_effect::SendTemplate {
            name: "cup_result".into(),
            language: Some("pt_BR".into()),
            body: vec!["Mara".into()],
            header: Some("Cup".into()),
            buttons: vec![(0, "x".into())],
        })
    );
    let reaction = ReactionResult { target: Some("in-4".into()), emoji: Some("👩‍👩‍👧‍👦".into()) };
    assert!(matches!(taken(Effect::React(reaction)), core_effect::Effect::React(react) if react.target == InboxSeq(4)));
    let timer = NewTimer { id: "t".into(), after_ms: 1000, payload: "{\"n\":1}".into() };
    assert_eq!(
        taken(Effect::SetTimer(timer)),
        core_effect::Effect::SetTimer(core_effect::SetTimer { id: "t".into(), after_ms: 1000, payload: "{\"n\":1}".into() })
    );
    assert_eq!(taken(Effect::CancelTimer("t".into())), core_effect::Effect::CancelTimer("t".into()));
    let request = Effect::RequestAuthentication(AuthenticationRequest { purpose: "login".into() });
    assert!(matches!(taken(request), core_effect::Effect::RequestAuthentication(request) if request.purpose == "login"));
    let recovery = Effect::IssueRecoveryCredentials(Recovery { reason: "same device".into(), confidence: 0.9 });
    assert!(matches!(taken(recovery), core_effect::Effect::IssueRecoveryCredentials(issue) if issue.confidence == 0.9));
    assert_eq!(
        taken(Effect::OpenTicket(ticket("help"))),
        core_effect::Effect::OpenTicket(core_effect::OpenTicket {
            priority: core_effect::TicketPriority::High,
            intent: "refund".into(),
            subject: "Gems".into(),
            body: "help".into(),
            target_s: Some(60),
            tags: vec!["vip".into()],
        })
    );
    let consent = ConsentChange { marketing: true, wording: "YES".into(), method: "chat".into() };
    assert!(matches!(taken(Effect::ChangeConsent(consent)), core_effect::Effect::ChangeConsent(change) if change.marketing));
    let hand_over = HandOver { flow: "support".into(), note: Some("[]".into()) };
    assert!(matches!(taken(Effect::HandOver(hand_over)), core_effect::Effect::HandOver(over) if over.flow.as_str() == "support"));
    let measure = Measure { name: "gems_spent".into(), value: 3.5 };
    assert!(matches!(taken(Effect::Track(measure)), core_effect::Effect::Track(track) if track.value == 3.5));
    let extension = ExtensionResult { name: "later".into(), value: "{}".into() };
    assert!(matches!(taken(Effect::Extension(extension)), core_effect::Effect::Extension(later) if later.name == "later"));
}

#[test]
fn what_nobody_could_use_is_refused_with_its_reason() {
    let template = |name: &str, values: usize| {
        let body = vec![String::new(); values];
        Effect::SendTemplate(Template { name: name.into(), language: None, body, header: None, buttons: vec![] })
    };
    let timer = |id: &str, after_ms, payload: &str| Effect::SetTimer(NewTimer { id: id.into(), after_ms, payload: payload.into() });
    let react =
        |target: Option<&str>, emoji: &str| Effect::React(ReactionResult { target: target.map(Into::into), emoji: Some(emoji.into()) });
    let recovery = |confidence| Effect::IssueRecoveryCredentials(Recovery { reason: "x".into(), confidence });
    let over = |flow: &str, note: &str| Effect::HandOver(HandOver { flow: flow.into(), note: Some(note.into()) });
    let track = |name: &str, value| Effect::Track(Measure { name: name.into(), value });
    let cases = [
        (reply(text("")), "text"),
        (reply(text(&"x".repeat(4097))), "4097"),
        (reply(Outbound::Extension(ExtensionResult { name: "poll".into(), value: "{}".into() })), "poll"),
        (Effect::Reply(Reply { content: text("hi"), reply_to: Some("wamid.X".into()) }), "wamid.X"),
        (template("", 0), "template name"),
        (template(&"x".repeat(513), 0), "513"),
        (template("t", 65), "65"),
        (react(None, "👍"), "needs the message"),
        (react(Some("out-4"), "👍"), "out-4"),
        (react(Some("in-4"), ""), "one emoji"),
        (react(Some("in-4"), "yes"), "one emoji"),
        (timer("", 1, "1"), "timer id"),
        (timer(&"x".repeat(129), 1, "1"), "129"),
        (timer("t", u64::MAX, "1"), "too far ahead"),
        (timer("t", 1, "{not json"), "payload is not JSON"),
        (timer("t", 1, &format!("\"{}\"", "x".repeat(20_000))), "payload has"),
        (Effect::CancelTimer(" ".into()), "timer id"),
        (Effect::RequestAuthentication(AuthenticationRequest { purpose: "x".repeat(65) }), "65"),
        (recovery(1.01), "confidence"),
        (recovery(f64::NAN), "confidence"),
        (Effect::OpenTicket(ticket(&"x".repeat(4097))), "4097"),
        (Effect::OpenTicket(Ticket { tags: vec!["x".into(); 17], ..ticket("") }), "17 tags"),
        (Effect::OpenTicket(Ticket { subject: "\n".into(), ..ticket("") }), "subject"),
        (Effect::ChangeConsent(ConsentChange { marketing: true, wording: String::new(), method: "chat".into() }), "wording"),
        (over("Not A Flow", "1"), "flow's name"),
        (over("support", "nope"), "note is not JSON"),
        (over("support", &"[".repeat(8000)), "note is not JSON"),
        (over("support", &format!("{}{}", "[".repeat(200), "]".repeat(200))), "nested deeper"),
        (track("Gems", 1.0), "measure"),
        (track("", 1.0), "measure name"),
        (track("gems", f64::INFINITY), "finite"),
        (Effect::Extension(ExtensionResult { name: String::new(), value: "{}".into() }), "extension name"),
        (Effect::Extension(ExtensionResult { name: "x".into(), value: "{".into() }), "not JSON"),
    ];
    for (effect, reason) in cases {
        let problem = problem(effect);
        assert!(problem.contains(reason), "{reason:?} is not in {problem:?}");
        assert!(problem.len() < 400, "bounded: {problem}");
    }
}

#[test]
fn an_answer_is_bounded_as_a_whole() {
    let many = vec![reply(text("x")); EFFECTS_MAX];
    assert_eq!(answer(many).unwrap().effects.len(), EFFECTS_MAX);
    assert_eq!(answer(vec![reply(text("x")); EFFECTS_MAX + 1]), Err(InvalidOutcome::TooManyEffects { found: EFFECTS_MAX + 1 }));
    // Each is within its own limits, all together are not.
    let large = vec![Effect::OpenTicket(ticket(&"ä€😀".repeat(1365))); EFFECTS_MAX];
    assert!(matches!(answer(large), Err(InvalidOutcome::TooLarge { found }) if found > OUTCOME_BYTES_MAX));
}
