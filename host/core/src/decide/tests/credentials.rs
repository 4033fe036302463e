//! Credentials that a flow asks for.

use super::*;

pub(super) fn with_recovery() -> Game {
    let recovery = crate::recovery::RecoveryRules {
        operation: "issue-credentials".into(),
        text: "recovery-credentials".into(),
        confidence_min: 0.8,
        valid_s: 3_600,
        per_day_max: 2,
        lockout: Default::default(),
        checks: BTreeMap::new(),
        sensitivity: Default::default(),
    };
    Game { recovery: Some(recovery), ..game(Grants::all()) }
}

pub(super) fn credentials(confidence: f64) -> Effect {
    Effect::IssueRecoveryCredentials(crate::effect::IssueRecovery { reason: "device and purchase match".into(), confidence })
}

/// A conversation with a player who has just written.
pub(super) fn of_ada(game: &Game) -> Conversation {
    let mut conversation = conversation(game);
    conversation.session.player = Some(crate::id::PlayerId::parse("ada-1").unwrap());
    conversation.session.active_at = NOW;
    conversation
}

#[test]
pub(super) fn credentials_are_a_promise_in_the_outbox_and_a_line_in_the_audit() {
    let game = with_recovery();
    let entry = text(5, "I cannot get in");
    let step = ask(&game, of_ada(&game), &entry);
    let commit = decided(step, &game.flows["vip"], vec![credentials(0.85)]).commit;
    let [message] = &commit.outbox[..] else { panic!("one message") };
    let Content::Credentials(promise) = &message.content else { panic!("a promise") };
    assert_eq!((promise.player.as_str(), promise.confidence_permille, promise.valid_s), ("ada-1", 850, 3_600));
    assert_eq!(promise.idempotency_key, "7.5.recovery");
    assert_eq!((message.class, message.expires_at), (MessageClass::Critical, Some(NOW.plus_ms(crate::recovery::DELIVERY_MS_MAX))));
    assert_eq!((commit.audits[0].action, commit.audits[0].detail.as_str()), (Action::CredentialsPromised, "confidence 0.850"));
    assert!(promise.holds_in(&commit.conversation));
    let mut secured = commit.conversation.clone();
    secured.secured = secured.ticket_number("SF", InboxSeq(9), 0);
    let mut somebody_else = commit.conversation;
    somebody_else.session.player = None;
    assert!(!promise.holds_in(&secured) && !promise.holds_in(&somebody_else));
}

#[test]
fn every_refusal_of_credentials_has_its_reason_and_is_audited() {
    type Change = fn(&mut Game, &mut Conversation);
    let cases: [(Change, Effect, &str, RefusalReason); 10] = [
        (
            |game, _| game.recovery.as_mut().unwrap().sensitivity.fresh_authentication_s = Some(300),
            credentials(1.0),
            "fresh-authentication",
            RefusalReason::Other,
        ),
        (
            |game, c| {
                game.recovery.as_mut().unwrap().sensitivity.bound_device = true;
                c.session.authentication = crate::conversation::Authentication::Authenticated { method: "code".into(), at: NOW };
            },
            credentials(1.0),
            "bound-device",
            RefusalReason::Other,
        ),
        (|game, _| game.recovery = None, credentials(1.0), "not-configured", RefusalReason::NotGranted),
        (|_, conversation| conversation.session.player = None, credentials(1.0), "player-unknown", RefusalReason::UnknownTarget),
        (|_, _| (), credentials(0.799), "confidence-too-low", RefusalReason::Other),
        (|_, _| (), credentials(f64::NAN), "confidence-too-low", RefusalReason::Other),
        (|_, conversation| conversation.window = Default::default(), credentials(1.0), "window-closed", RefusalReason::WindowClosed),
        (|_, c| c.secured = c.ticket_number("SF", InboxSeq(1), 0), credentials(1.0), "secured", RefusalReason::Other),
        (
            |_, c| c.recoveries = vec![NOW.minus_ms(1), NOW.minus_ms(crate::time::DAY_MS - 1)],
            credentials(1.0),
            "too-many",
            RefusalReason::Other,
        ),
        (|_, c| c.recoveries = vec![NOW; 2], credentials(1.0), "too-many", RefusalReason::Other),
    ];
    for (change, wish, kind, reason) in cases {
        let (mut game, timer) = (with_recovery(), entry(1, Event::GameEvent(game_event())));
        let mut conversation = of_ada(&game);
        conversation.window.heard(NOW, NOW);
        change(&mut game, &mut conversation);
        let step = Step { game: &game, conversation, entry: &timer, now: NOW, audits: Vec::new(), outbox: Vec::new(), recovery: None };
        let (back, refusals) = step.decide(&game.flows["vip"], 1, answer(vec![wish]), AskedCode::None).expect_err(kind);
        let [refusal] = &refusals[..] else { panic!("{kind}: {refusals:?}") };
        assert_eq!((refusal.index, refusal.reason), (0, reason), "{kind}");
        assert!(refusal.detail.starts_with(kind), "{kind}: {}", refusal.detail);
        // The second answer does without, and the first one's audit is kept.
        let commit = decided(*back, &game.flows["vip"], vec![]).commit;
        let [audit] = &commit.audits[..] else { panic!("{kind}: {:?}", commit.audits) };
        assert_eq!((audit.action, audit.actor.parts()), (Action::CredentialsRefused, ("flow", "vip")));
        assert!(audit.detail.starts_with(kind) && audit.detail.contains("confidence ") && !audit.detail.contains("purchase"), "{audit:?}");
    }
}

fn game_event() -> crate::event::GameEvent {
    crate::event::GameEvent { name: "x".into(), id: "1".into(), payload: "{}".into(), at: NOW, player: None }
}

#[test]
pub(super) fn credentials_are_counted_by_day_and_outlive_sessions() {
    let game = with_recovery();
    let mut conversation = of_ada(&game);
    let issue = |conversation: Conversation, seq: u64| {
        let entry = text(seq, &format!("again {seq}"));
        decided(ask(&game, conversation, &entry), &game.flows["vip"], vec![credentials(0.9)]).commit.conversation
    };
    for seq in 1..=2 {
        conversation = issue(conversation, seq);
    }
    conversation.session = Default::default();
    let ada = crate::id::PlayerId::parse("ada-1").unwrap();
    conversation.session.player = Some(ada);
    conversation.session.active_at = NOW;
    let entry = text(3, "once more");
    let reasons = refused(ask(&game, conversation.clone(), &entry), &game.flows["vip"], vec![credentials(0.9)]);
    assert_eq!(reasons, [RefusalReason::Other]);
    conversation.recoveries[0] = NOW.minus_ms(crate::time::DAY_MS);
    conversation = issue(conversation, 4);
    assert_eq!(conversation.recoveries, [NOW, NOW], "what is older than a day is forgotten");
    // One answer, one issue.
    let fresh = of_ada(&game);
    let entry = text(5, "twice");
    let reasons = refused(ask(&game, fresh, &entry), &game.flows["vip"], vec![credentials(0.9), credentials(0.9)]);
    assert_eq!(reasons, [RefusalReason::Other; 2]);
}
