//! A frozen account: what BLOCK does once, what other conversations hear, and what a locked account does not get.

use super::credentials::{credentials, of_ada, with_recovery};
use super::*;
use crate::account::freeze::Frozen;
use crate::account::lockout::Locked;
use crate::conversation::Authentication;
use crate::event::{AccountFrozen, Extension, TicketClosed};
use crate::game::SecurityRules;
use crate::id::{PlayerId, TicketNumber};
use crate::step::Behind;

fn frozen(ticket: &str, conversation: u64, event: u64) -> Frozen {
    let ticket = TicketNumber::parse(ticket).unwrap();
    Frozen { ticket, conversation: ConversationId(conversation), event: InboxSeq(event), at: NOW }
}

fn freezing() -> Game {
    let security = SecurityRules { freeze_operation: Some("freeze".into()), unfreeze_operation: Some("unfreeze".into()) };
    Game { security, ..with_recovery() }
}

fn operations(messages: &[NewMessage]) -> Vec<(String, String)> {
    let operation = |message: &NewMessage| match &message.content {
        Content::Operation(operation) => Some((operation.name.clone(), operation.idempotency_key.clone())),
        _ => None,
    };
    messages.iter().filter_map(operation).collect()
}

fn one(name: &str, key: &str) -> [(String, String); 1] {
    [(name.to_owned(), key.to_owned())]
}

fn refused<'a>(step: Step<'a>, flow: &FlowBinding, effects: Vec<Effect>) -> (Step<'a>, Vec<Refusal>) {
    let (step, refusals) = step.decide(flow, 1, answer(effects), AskedCode::None).expect_err("it is refused");
    (*step, refusals)
}

#[test]
fn block_freezes_the_account_once_and_its_ticket_ends_it() {
    let game = freezing();
    let ada = PlayerId::parse("ada-1").unwrap();
    let block = text(3, "BLOCK");
    let commit = || {
        let Opened::Block(step) = open(&game, of_ada(&game), &block) else { panic!("BLOCK went to a flow") };
        let ticket = step.securing_ticket().unwrap();
        step.block(Behind::Player(ada.clone(), frozen(ticket.as_str(), 7, 3)), &NoCopy)
    };
    assert_eq!(commit(), commit(), "a step that runs again asks for the same");
    let commit = commit();
    assert_eq!(operations(&commit.outbox), one("freeze", "7.3.freeze"));
    let actions: Vec<_> = commit.audits.iter().map(|audit| (audit.action, audit.player.clone())).collect();
    assert_eq!(actions, [(Action::AccountSecured, Some(ada.clone())), (Action::AccountFrozen, Some(ada.clone()))]);
    assert_eq!((&commit.conversation.session.player, &commit.conversation.frozen), (&None, &Some(ada.clone())));
    let ticket = commit.tickets[0].number.clone();
    // Nothing that comes is told, whoever it is from.
    let timer = entry(4, Event::Timer(TimerEvent { flow: FlowName::parse("vip").unwrap(), id: "t".into(), payload: "{}".into() }));
    let other = TicketClosed { number: TicketNumber::parse("SF-9").unwrap(), resolution: "done".into() };
    for event in [timer, entry(5, Event::TicketClosed(other))] {
        let Opened::Done(silent, HandledBy::Secured) = open(&game, commit.conversation.clone(), &event) else { panic!("{event:?}") };
        assert!(silent.outbox.is_empty());
    }
    let closed = entry(6, Event::TicketClosed(TicketClosed { number: ticket, resolution: "it was you".into() }));
    let Opened::Release(mut step) = open(&game, commit.conversation, &closed) else { panic!("nothing was released") };
    step.release();
    let commit = step.give_up(&FlowFailure::Permanent("the flow fails".into()));
    assert_eq!(operations(&commit.outbox), one("unfreeze", "7.6.unfreeze"), "the studio is told whatever the flow does");
    assert_eq!((&commit.conversation.secured, &commit.conversation.frozen), (&None, &None));
    assert_eq!(commit.audits.last().map(|audit| (audit.action, audit.player.clone())), Some((Action::AccountReleased, Some(ada))));
}

#[test]
fn a_second_phone_opens_no_second_ticket_and_asks_for_no_second_freeze() {
    let game = freezing();
    let ada = PlayerId::parse("ada-1").unwrap();
    let block = text(3, "BLOCK");
    let Opened::Block(step) = open(&game, of_ada(&game), &block) else { panic!("BLOCK went to a flow") };
    let commit = step.block(Behind::Player(ada.clone(), frozen("SF-90001", 9, 1)), &NoCopy);
    assert!(commit.tickets.is_empty() && operations(&commit.outbox).is_empty());
    assert_eq!(commit.conversation.secured.as_ref().map(|ticket| ticket.as_str()), Some("SF-90001"));
    let again = entry(4, Event::AccountReleased(TicketNumber::parse("SF-90002").unwrap()));
    let Opened::Done(commit, _) = open(&game, commit.conversation, &again) else { panic!("for the host alone") };
    assert!(commit.conversation.secured.is_some(), "another ticket");
    let closed = entry(5, Event::AccountReleased(TicketNumber::parse("SF-90001").unwrap()));
    let Opened::Done(commit, _) = open(&game, commit.conversation, &closed) else { panic!("for the host alone") };
    assert_eq!((commit.conversation.secured, commit.conversation.frozen), (None, None));
}

#[test]
fn other_conversations_end_their_session_if_it_is_still_the_players() {
    let game = freezing();
    let ada = PlayerId::parse("ada-1").unwrap();
    let ticket = TicketNumber::parse("SF-1").unwrap();
    let told = entry(5, Event::AccountFrozen(AccountFrozen { player: ada, ticket }));
    let mut conversation = of_ada(&game);
    conversation.session.authentication = Authentication::Authenticated { method: "code".into(), at: NOW };
    let Opened::Done(commit, _) = open(&game, conversation, &told) else { panic!("for the host alone") };
    assert!(commit.conversation.secured.is_some() && commit.conversation.session.player.is_none());
    assert_eq!(commit.conversation.session.authentication, Authentication::Unauthenticated);
    assert_eq!((commit.audits[0].action, commit.outbox.len()), (Action::SessionEnded, 0));
    let mut conversation = of_ada(&game);
    conversation.session.player = PlayerId::parse("bob-1").ok();
    let Opened::Done(commit, _) = open(&game, conversation, &told) else { panic!("for the host alone") };
    assert!(commit.conversation.secured.is_none() && commit.conversation.session.player.is_some(), "the phone is another player's now");
}

#[test]
fn block_without_the_studio_secures_at_once_and_freezes_later() {
    let game = freezing();
    let block = text(3, "BLOCK");
    let Opened::Block(step) = open(&game, conversation(&game), &block) else { panic!("BLOCK went to a flow") };
    let commit = step.block(Behind::NotTold, &NoCopy);
    let ticket = commit.conversation.secured.clone().unwrap();
    assert_eq!((commit.tickets.len(), operations(&commit.outbox).len()), (1, 0));
    assert_eq!(commit.follow_ups, [Event::FreezeAccount(ticket.clone())]);
    let later = entry(4, commit.follow_ups[0].clone());
    let Opened::Freeze(step) = open(&game, commit.conversation, &later) else { panic!("it is forgotten") };
    assert_eq!(step.securing_ticket(), Some(ticket.clone()));
    let commit = step.freeze(PlayerId::parse("ada-1").unwrap(), &frozen(ticket.as_str(), 7, 4));
    assert_eq!(operations(&commit.outbox), one("freeze", "7.4.freeze"));
    assert!(commit.conversation.frozen.is_some() && commit.conversation.session.player.is_none());
    let late = entry(5, Event::FreezeAccount(TicketNumber::parse("SF-2").unwrap()));
    assert!(matches!(open(&game, commit.conversation, &late), Opened::Done(..)), "it was released meanwhile");
}

fn attempt(value: &str) -> Effect {
    Effect::Extension(Extension { name: "recovery-attempt".into(), value: value.into() })
}

#[test]
fn attempts_are_told_by_flows_that_may_recover_and_as_they_should_be() {
    let game = with_recovery();
    let entry = text(5, "99.98");
    let step = ask(&game, of_ada(&game), &entry);
    let (step, refusals) = refused(step, &game.flows["vip"], vec![attempt("{\"check\": \"Purchase!\", \"passed\": false}")]);
    assert_eq!(refusals[0].reason, RefusalReason::Other);
    decided(step, &game.flows["vip"], vec![attempt("{\"check\": \"purchase\", \"passed\": false}")]);
    let small = super::game([Capability::Reply].into_iter().collect());
    let (_, refusals) =
        refused(ask(&small, of_ada(&small), &entry), &small.flows["vip"], vec![attempt("{\"check\": \"a\", \"passed\": true}")]);
    assert_eq!(refusals[0].reason, RefusalReason::NotGranted);
}

#[test]
fn a_locked_account_gets_no_credentials() {
    let game = with_recovery();
    let entry = text(5, "I cannot get in");
    let mut step = ask(&game, of_ada(&game), &entry);
    let locked = Locked { until: NOW.plus_ms(60_000) };
    step.recovery = Some(RecoveryRefusal::Locked(locked));
    let (step, refusals) = refused(step, &game.flows["vip"], vec![credentials(1.0)]);
    assert!(
        refusals[0].detail.starts_with("locked: ") && refusals[0].detail.contains(&locked.until.0.to_string()),
        "{}",
        refusals[0].detail
    );
    assert!(step.audits[0].detail.starts_with("locked; "));
}
