//! Tokens say what was put into them, and nothing that was not.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn keys(secrets: &[u8]) -> LinkKeys {
    LinkKeys::new(&secrets.iter().map(|n| DerivedKey { id: [*n, 7, 7, 7], secret: [*n; 32].into() }).collect::<Vec<_>>())
}

fn link() -> impl Strategy<Value = TrackedLink> {
    let campaign = proptest::option::of(("[a-z0-9][a-z0-9-]{0,62}[a-z0-9]", proptest::option::of(any::<u8>())));
    (any::<[u8; 6]>(), any::<u64>(), any::<u64>(), campaign, "\\PC{0,64}").prop_map(|(button, conversation, seq, campaign, value)| {
        TrackedLink {
            button: ButtonName(button),
            message: OutboxRef { conversation: ConversationId(conversation), seq: OutboxSeq(seq) },
            campaign: campaign.and_then(|(id, variant)| Some(Campaign { id: CampaignId::parse(&id).ok()?, variant })),
            value,
        }
    })
}

proptest! {
    #[test]
    fn a_token_says_what_it_was_made_of(link in link()) {
        let token = keys(&[1]).token(&link).unwrap();
        prop_assert!(token.len() <= TOKEN_CHARS_MAX);
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        prop_assert_eq!(keys(&[1]).token(&link).unwrap(), token.clone(), "each try of a message has the same one");
        prop_assert_eq!(keys(&[2, 1]).read(&token), Some(link), "a key that joins in front leaves older links as they are");
    }

    #[test]
    fn another_keys_token_is_none(link in link()) {
        let token = keys(&[1]).token(&link).unwrap();
        prop_assert_eq!(keys(&[2]).read(&token), None);
        // Of the same name, and still another key.
        let namesake = LinkKeys::new(&[DerivedKey { id: [1, 7, 0, 0], secret: [9; 32].into() }]);
        prop_assert_eq!(namesake.read(&token), None);
    }

    #[test]
    fn any_flipped_bit_is_refused(link in link(), place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let token = keys(&[1]).token(&link).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert_eq!(keys(&[1]).read(&URL_SAFE_NO_PAD.encode(&bytes)), None);
    }

    #[test]
    fn a_cut_or_longer_token_is_refused(link in link(), place in any::<prop::sample::Index>(), more in "[A-Za-z0-9_-]{1,8}") {
        let token = keys(&[1]).token(&link).unwrap();
        prop_assert_eq!(keys(&[1]).read(&token[..place.index(token.len())]), None);
        prop_assert_eq!(keys(&[1]).read(&format!("{token}{more}")), None);
    }

    #[test]
    fn any_text_is_read_without_harm(text in "\\PC{0,600}") {
        prop_assert_eq!(keys(&[1]).read(&text), None);
    }

    /// Whatever the value is, the address stays on its host and below its path.
    #[test]
    fn a_value_leads_nowhere_else(value in "\\PC{0,40}") {
        if let Some(address) = destination("https://game.example/cup/{{1}}", &value) {
            let end = address.strip_prefix("https://game.example/cup/").unwrap();
            prop_assert!(!end.is_empty() && end != "." && end != "..");
            prop_assert!(end.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{}", end);
        } else {
            prop_assert!(!is_value(&value));
        }
    }
}

#[test]
fn the_longest_of_all_fits() {
    let link = TrackedLink {
        button: ButtonName([0xFF; 6]),
        message: OutboxRef { conversation: ConversationId(u64::MAX), seq: OutboxSeq(u64::MAX) },
        campaign: Some(Campaign { id: CampaignId::parse(&"c".repeat(64)).unwrap(), variant: Some(u8::MAX) }),
        value: "v".repeat(VALUE_BYTES_MAX),
    };
    let token = keys(&[1]).token(&link).unwrap();
    assert!(token.len() <= TOKEN_CHARS_MAX, "{}", token.len());
    assert_eq!(keys(&[1]).read(&token).unwrap(), link);
    assert_eq!(keys(&[1]).token(&TrackedLink { value: "v".repeat(VALUE_BYTES_MAX + 1), ..link }), None);
}

#[test]
fn only_plain_https_addresses_are_led_to() {
    for fine in [
        "https://game.example/cup/{{1}}",
        "https://game.example/cup/{{1}}/join",
        "https://game.example/join?cup={{1}}",
        "https://game.example:8443/",
        "https://game.example",
    ] {
        assert_eq!(check_target(fine), Ok(()), "{fine}");
    }
    for (wrong, why) in [
        ("http://game.example/{{1}}", InvalidTarget::Scheme),
        ("javascript:alert(1)//{{1}}", InvalidTarget::Scheme),
        ("//game.example/{{1}}", InvalidTarget::Scheme),
        ("https://{{1}}", InvalidTarget::Host),
        ("https://game.example{{1}}", InvalidTarget::Host),
        ("https://{{1}}.example/", InvalidTarget::Host),
        ("https://user@game.example/{{1}}", InvalidTarget::Host),
        ("https:///{{1}}", InvalidTarget::Host),
        ("https://game.example\\@evil.example/{{1}}", InvalidTarget::Host),
        ("https://game.example/{{1}}/{{1}}", InvalidTarget::Parameter),
        ("https://game.example/{{2}}", InvalidTarget::Parameter),
        ("https://game.example/a b/{{1}}", InvalidTarget::Alphabet),
        ("https://game.example/\r\nset-cookie:a=b", InvalidTarget::Alphabet),
        ("https://game.example/caf\u{e9}", InvalidTarget::Alphabet),
    ] {
        assert_eq!(check_target(wrong), Err(why), "{wrong}");
        assert_eq!(destination(wrong, "x"), None, "{wrong}");
    }
}

#[test]
fn values_are_encoded() {
    let to = |value| destination("https://game.example/cup/{{1}}?from=wa", value);
    assert_eq!(to("m-77").as_deref(), Some("https://game.example/cup/m-77?from=wa"));
    assert_eq!(to("a/../b?c#d").as_deref(), Some("https://game.example/cup/a%2F..%2Fb%3Fc%23d?from=wa"));
    assert_eq!(to("@evil.example").as_deref(), Some("https://game.example/cup/%40evil.example?from=wa"));
    assert_eq!((to(".."), to("."), to("")), (None, None, None));
    assert_eq!(destination("https://game.example/cup", "").as_deref(), Some("https://game.example/cup"));
}

#[test]
fn buttons_have_names_of_their_own() {
    let (cup, other) = (GameId::parse("cup").unwrap(), GameId::parse("other").unwrap());
    let name = ButtonName::of(&cup, "invite", "en", 0);
    assert_eq!(name, ButtonName::of(&cup, "invite", "en", 0));
    for different in [
        ButtonName::of(&other, "invite", "en", 0),
        ButtonName::of(&cup, "invite2", "en", 0),
        ButtonName::of(&cup, "invite", "de", 0),
        ButtonName::of(&cup, "invite", "en", 1),
    ] {
        assert_ne!(name, different);
    }
}
