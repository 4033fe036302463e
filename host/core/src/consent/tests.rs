//! What the rules promise about consent, whatever is told and in whichever order.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::contact::{Address, PhoneNumber};
use crate::id::{ConversationId, GameId, NumberId};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn told(marketing: Marketing, at: UnixMs) -> ConsentRecord {
    ConsentRecord {
        id: "r".into(),
        marketing,
        wording: "News?".into(),
        wording_version: None,
        method: "website-form".into(),
        source: Actor::Operator,
        locale: None,
        at,
        recorded_at: NOW,
        player: None,
        contact: None,
        from: None,
        copy: false,
    }
}

fn conversation() -> Conversation {
    let address = Address {
        game: GameId::parse("starfall").unwrap(),
        number: NumberId::parse("100").unwrap(),
        contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
    };
    Conversation::new(ConversationId(7), address)
}

/// What the player says in the chat, heard at once or later.
fn says(conversation: &mut Conversation, agreed: bool, said_at: UnixMs, now: UnixMs) -> ConsentRecord {
    let told = Told {
        marketing: Marketing::of(agreed),
        wording: "STOP".into(),
        wording_version: None,
        method: "chat".into(),
        source: Actor::Player,
    };
    let record = conversation.consent_record(InboxSeq(1), told, said_at, now);
    conversation.hear_consent(&record);
    record
}

fn decision() -> impl Strategy<Value = Marketing> {
    any::<bool>().prop_map(Marketing::of)
}

proptest! {
    #[test]
    fn the_newest_record_decides_in_whichever_order_they_come(
        records in prop::collection::vec((decision(), 0u64..12), 1..12).prop_shuffle(),
        seed in any::<prop::sample::Index>(),
    ) {
        let records: Vec<_> = records.into_iter().map(|(marketing, at)| told(marketing, UnixMs(NOW.0 + at))).collect();
        let mut other = records.clone();
        other.rotate_left(seed.index(records.len()));
        other.reverse();
        let stand = |records: &[ConsentRecord]| {
            let mut standing = Standing::default();
            records.iter().for_each(|record| { standing.hear(record); });
            standing
        };
        let standing = stand(&records);
        prop_assert_eq!(standing, stand(&other));
        let newest = records.iter().map(ConsentRecord::counts_from).max().unwrap();
        let withdrawn = records.iter().any(|record| record.at == newest && record.marketing == Marketing::Withdrawn);
        prop_assert_eq!(standing, Standing { marketing: Marketing::of(!withdrawn), from: newest, held: None });
    }

    #[test]
    fn a_stop_in_the_chat_counts_whatever_clocks_say(
        before in prop::collection::vec((decision(), 0u64..7_200_000), 0..6),
        said_ms in 0u64..7_200_000,
    ) {
        let mut conversation = conversation();
        for (marketing, at) in before {
            conversation.hear_consent(&told(marketing, UnixMs(NOW.0 + at)));
        }
        let stop = says(&mut conversation, false, UnixMs(NOW.0 + said_ms), UnixMs(NOW.0 + said_ms + 500));
        prop_assert_eq!(conversation.standing().takes_marketing(NOW), Err(Unwanted::NoConsent));
        // And whoever says so later is heard again.
        conversation.hear_consent(&told(Marketing::Granted, stop.counts_from().plus_ms(1)));
        prop_assert_eq!(conversation.standing().takes_marketing(NOW), Ok(()));
    }

    #[test]
    fn words_of_one_second_count_in_the_order_in_which_they_came(delay_ms in 0u64..100_000, last in any::<bool>()) {
        let mut conversation = conversation();
        let said = UnixMs(NOW.0 / 1_000 * 1_000);
        says(&mut conversation, !last, said, said.plus_ms(delay_ms));
        says(&mut conversation, last, said, said.plus_ms(delay_ms + 50));
        prop_assert_eq!(conversation.marketing, Marketing::of(last));
    }
}

#[test]
fn what_was_said_before_undoes_nothing() {
    let mut conversation = conversation();
    conversation.hear_consent(&told(Marketing::Withdrawn, NOW));
    assert!(!conversation.hear_consent(&told(Marketing::Granted, NOW.minus_ms(1))), "late and older");
    assert!(!conversation.hear_consent(&told(Marketing::Granted, NOW)), "of the same time the one that withdraws decides");
    says(&mut conversation, true, NOW.minus_ms(60_000), NOW.plus_ms(5));
    assert_eq!(conversation.marketing, Marketing::Withdrawn, "a START that was long on its way");
    says(&mut conversation, true, NOW.plus_ms(2_000), NOW.plus_ms(2_500));
    assert_eq!(conversation.marketing, Marketing::Granted);
}

#[test]
fn a_hold_ends_and_grows_while_meta_goes_on() {
    let mut standing = Standing::default();
    standing.hear(&told(Marketing::Granted, NOW));
    standing.hold(DAY_MS, NOW);
    standing.hold(DAY_MS, NOW.plus_ms(5));
    assert_eq!(standing.takes_marketing(NOW.plus_ms(DAY_MS - 1)), Err(Unwanted::Held { until: NOW.plus_ms(DAY_MS) }));
    assert_eq!(standing.takes_marketing(NOW.plus_ms(DAY_MS)), Ok(()));
    standing.hold(DAY_MS, NOW.plus_ms(DAY_MS));
    assert_eq!(standing.allowed_from(), Some(NOW.plus_ms(3 * DAY_MS)), "twice as long");
    standing.hold(DAY_MS, NOW.plus_ms(20 * DAY_MS));
    assert_eq!(standing.allowed_from(), Some(NOW.plus_ms(21 * DAY_MS)), "long after, from the start");
    standing.hear(&told(Marketing::Withdrawn, NOW.plus_ms(DAY_MS)));
    assert_eq!(standing.allowed_from(), None);
}

#[test]
fn a_wording_is_found_by_version_and_language() {
    let wording = |texts: &[(&str, &str)]| texts.iter().map(|(of, text)| ((*of).to_owned(), (*text).to_owned())).collect::<Wording>();
    let rules = ConsentRules {
        wordings: [
            ("news-1".to_owned(), wording(&[("en", "News?"), ("pt", "Novidades?")])),
            ("news-2".to_owned(), wording(&[("en", "News? And offers?")])),
        ]
        .into(),
        chat_wording: Some("news-2".to_owned()),
        ..ConsentRules::default()
    };
    assert_eq!(rules.wording("news-1", "pt-BR"), Ok("Novidades?"));
    assert!(matches!(rules.wording("news-2", "pt"), Err(NoWording::Language { .. })));
    assert!(matches!(rules.wording("news-9", "en"), Err(NoWording::Version { .. })));
    assert_eq!(rules.version_of("News? And offers? — Yes"), Some("news-2"), "the longest one");
    assert_eq!(rules.version_of("News? — Yes"), Some("news-1"));
    assert_eq!(rules.version_of("Anything"), None);
    assert_eq!(rules.agreed_by("START", "pt", "en"), ("News? And offers? — START".to_owned(), Some("news-2".to_owned())));
    assert_eq!(ConsentRules::default().agreed_by("START", "pt", "en"), ("START".to_owned(), None));
}
