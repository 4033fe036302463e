//! What Meta takes passes; what it refuses is named, with its place.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use questline_core::template::{ButtonValue, OtpButton, OtpType, PackageName, SignatureHash, SupportedApp, TemplateMessage};

fn texts(body: &str) -> Texts {
    Texts { header: None, body: body.into(), footer: None, examples: Default::default(), buttons: Vec::new() }
}

fn of(texts: Texts) -> Template {
    Template {
        name: "match_found_alert".into(),
        category: Category::Utility,
        code_expiration_minutes: None,
        add_security_recommendation: false,
        send_ttl_s: None,
        languages: BTreeMap::from([("en".into(), texts)]),
    }
}

const BODY: &str = "Hello {{1}}, your match {{2}} starts in {{3}} minutes. Open Starfall and check in.";

fn problems(template: &Template) -> Vec<(Part, Problem)> {
    check(template).into_iter().map(|found| (found.place.part, found.problem)).collect()
}

fn body(text: &str) -> Vec<Problem> {
    problems(&of(texts(text)))
        .into_iter()
        .map(|(part, problem)| {
            assert_eq!(part, Part::Body);
            problem
        })
        .collect()
}

fn quick(text: &str) -> TemplateButton {
    TemplateButton::QuickReply { text: text.into() }
}

fn url(text: &str, url: &str) -> TemplateButton {
    TemplateButton::Url { text: text.into(), url: url.into(), leads_to: None }
}

fn with_buttons(buttons: Vec<TemplateButton>) -> Vec<(Part, Problem)> {
    problems(&of(Texts { buttons, ..texts(BODY) }))
}

#[test]
fn what_meta_takes_passes() {
    let whole = Texts {
        header: Some("Match {{1}} found".into()),
        footer: Some("You registered for this match".into()),
        buttons: vec![
            quick("Speak to Agent"),
            quick("Later"),
            url("Open", "https://play.example/m/{{1}}"),
            url("Help", "https://play.example/help"),
        ],
        ..texts(BODY)
    };
    assert_eq!(check(&of(whole)), []);
    for fine in [
        "No parameters.",
        "Hi {{1}}, your match starts at {{2}} today.",
        "你好{{1}}，您的比赛将于{{2}}开始。",
        "Hello {{1}}! Your code was used from a new device.",
        "Twice {{1}} and again {{1}} in one text is fine.",
    ] {
        assert_eq!(check(&of(texts(fine))), [], "{fine}");
    }
}

#[test]
fn names_and_languages() {
    let named = |name: &str| problems(&Template { name: name.into(), ..of(texts(BODY)) });
    assert_eq!(named(&"a".repeat(512)), []);
    assert_eq!(named(&"a".repeat(513)), [(Part::Name, Problem::TooLong { found: 513, max: 512 })]);
    for bad in ["Match", "match-found", "match found", "mätch"] {
        assert_eq!(named(bad), [(Part::Name, Problem::NameAlphabet)], "{bad}");
    }
    assert_eq!(named(""), [(Part::Name, Problem::Blank)]);
    for good in ["en", "pt_BR", "fil", "es_419", "zh_CN"] {
        assert!(is_language(good), "{good}");
    }
    for bad in ["", "EN", "pt-BR", "pt_br", "english", "en_", "e"] {
        assert!(!is_language(bad), "{bad}");
    }
    let none = Template { languages: BTreeMap::new(), ..of(texts(BODY)) };
    assert_eq!(problems(&none), [(Part::Languages, Problem::NoLanguages)]);
    let odd = Template { languages: BTreeMap::from([("en-US".into(), texts(BODY))]), ..none };
    assert_eq!(problems(&odd), [(Part::Languages, Problem::LanguageCode("en-US".into()))]);
}

#[test]
fn lengths_count_characters() {
    assert_eq!(body(&"ä".repeat(1024)), []);
    assert_eq!(body(&"ä".repeat(1025)), [Problem::TooLong { found: 1025, max: 1024 }]);
    assert_eq!(body(" \n"), [Problem::Blank]);
    let lined =
        |header: &str, footer: &str| problems(&of(Texts { header: Some(header.into()), footer: Some(footer.into()), ..texts(BODY) }));
    assert_eq!(lined(&"h".repeat(60), &"f".repeat(60)), []);
    let long = |part| (part, Problem::TooLong { found: 61, max: 60 });
    assert_eq!(lined(&"h".repeat(61), &"f".repeat(61)), [long(Part::Header), long(Part::Footer)]);
    assert_eq!(lined("a\nb", " "), [(Part::Header, Problem::LineBreak), (Part::Footer, Problem::Blank)]);
}

#[test]
fn parameters_count_from_one_without_gaps() {
    assert_eq!(body("Hello {{2}}, welcome back to your game."), [Problem::ParameterGap(1)]);
    assert_eq!(body("Hello {{1}}, welcome back to {{3}} and your game today."), [Problem::ParameterGap(2)]);
    for (text, shown) in [("{{name}}", "name"), ("{{0}}", "0"), ("{{01}}", "01"), ("{{ 1 }}", " 1 "), ("{{}}", "")] {
        assert_eq!(body(&format!("Hello dear {text} of our game.")), [Problem::Parameter(shown.into())], "{text}");
    }
    assert!(matches!(body("Hello dear {{1 of our game.")[..], [Problem::Parameter(_)]));
    assert_eq!(body("Hello {{99999999999999}} of our lovely game."), [Problem::ParameterGap(1)]);
    let header = |text: &str| problems(&of(Texts { header: Some(text.into()), ..texts(BODY) }));
    assert_eq!(header("{{1}} and {{2}}"), [(Part::Header, Problem::Parameters { found: 2, max: 1 })]);
    let footer = problems(&of(Texts { footer: Some("By {{1}}".into()), ..texts(BODY) }));
    assert_eq!(footer, [(Part::Footer, Problem::Parameters { found: 1, max: 0 })]);
}

#[test]
fn parameters_need_words_around_them() {
    assert_eq!(body("{{1}}, welcome back to your lovely game."), [Problem::ParameterAtEdge]);
    assert_eq!(body("Your match today starts at {{1}} "), [Problem::ParameterAtEdge]);
    assert_eq!(body("Hello {{1}} {{2}}, welcome back to your game."), [Problem::ParametersAdjacent]);
    assert_eq!(body("Hi {{1}}! {{2}} starts at {{3}}. Are you coming?"), [Problem::TooDense { found: 6, needed: 7 }]);
}

#[test]
fn buttons_within_metas_limits() {
    assert_eq!(with_buttons((0..10).map(|n| quick(&format!("Choice {n}"))).collect()), []);
    let eleven = with_buttons((0..11).map(|n| quick(&format!("Choice {n}"))).collect());
    assert_eq!(eleven, [(Part::Buttons, Problem::TooManyButtons { kind: "buttons", found: 11, max: 10 })]);
    let urls = with_buttons((0..3).map(|n| url(&format!("Page {n}"), "https://x.example/")).collect());
    assert_eq!(urls, [(Part::Buttons, Problem::TooManyButtons { kind: "web address buttons", found: 3, max: 2 })]);
    assert_eq!(with_buttons(vec![quick("A"), url("B", "https://x.example/"), quick("C")]), [(Part::Buttons, Problem::ButtonsMixed)]);
    assert_eq!(with_buttons(vec![url("B", "https://x.example/"), quick("A"), quick("C")]), []);
    assert_eq!(with_buttons(vec![quick(&"b".repeat(26))]), [(Part::Button(0), Problem::TooLong { found: 26, max: 25 })]);
    assert_eq!(with_buttons(vec![quick("A"), quick("A")]), [(Part::Button(1), Problem::ButtonDoubled("A".into()))]);
    assert_eq!(with_buttons(vec![quick("Hi {{1}}")]), [(Part::Button(0), Problem::Parameters { found: 1, max: 0 })]);
}

#[test]
fn web_addresses() {
    for good in ["https://x.example", "http://x.example/a?b=c", "https://x.example/{{1}}", "https://x.example/?code={{1}}"] {
        assert_eq!(with_buttons(vec![url("Open", good)]), [], "{good}");
    }
    for bad in ["", "x.example", "ftp://x.example", "https://", "https:///a", "https://x.example/a b", "{{1}}"] {
        assert_eq!(with_buttons(vec![url("Open", bad)]), [(Part::Button(0), Problem::Url)], "{bad}");
    }
    for bad in ["https://{{1}}.example/", "https://x.example/{{1}}/a", "https://x.example/{{2}}", "https://x.example/{{1}}{{1}}"] {
        assert_eq!(with_buttons(vec![url("Open", bad)]), [(Part::Button(0), Problem::UrlParameter)], "{bad}");
    }
    let long = format!("https://x.example/{}", "a".repeat(2000));
    assert!(matches!(with_buttons(vec![url("Open", &long)])[..], [(Part::Button(0), Problem::TooLong { max: 2000, .. })]));
}

#[test]
fn all_languages_take_the_same_values() {
    let mut template = of(Texts { header: Some("{{1}}".into()), buttons: vec![quick("A")], ..texts(BODY) });
    let other = Texts { header: Some("Hallo".into()), buttons: vec![url("A", "https://x.example/{{1}}")], ..texts("Kein Parameter.") };
    template.languages.insert("de".into(), other);
    let differ = |found, expected| Problem::LanguagesDiffer { found, expected, language: "de".into() };
    let expected = [(Part::Header, differ(1, 0)), (Part::Body, differ(3, 0)), (Part::Button(0), differ(1, 1))];
    assert_eq!(problems(&template), expected);
    assert_eq!(check(&template)[0].place.language.as_deref(), Some("en"));
}

fn app(package: &str, hash: &str) -> SupportedApp {
    SupportedApp {
        package_name: PackageName::try_from(package.to_owned()).unwrap(),
        signature_hash: SignatureHash::try_from(hash.to_owned()).unwrap(),
    }
}

fn with_otp(otp: OtpButton) -> Template {
    let code = Texts { buttons: vec![TemplateButton::Otp(otp)], ..texts("{{1}} is your verification code.") };
    Template { category: Category::Authentication, code_expiration_minutes: Some(10), ..of(code) }
}

#[test]
fn authentication_templates_have_a_fixed_form() {
    let Texts { buttons, .. } = with_otp(OtpButton::copy_code()).languages.remove("en").unwrap();
    let code = Texts { buttons, ..texts("{{1}} is your verification code.") };
    let of = |texts| problems(&Template { category: Category::Authentication, ..of(texts) });
    assert_eq!(of(code.clone()), []);
    let address = url("Copy code", "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}");
    for odd in [
        Texts { header: Some("Hi".into()), ..code.clone() },
        Texts { body: "Your code.".into(), ..code.clone() },
        Texts { buttons: Vec::new(), ..code.clone() },
        Texts { buttons: vec![quick("Copy")], ..code.clone() },
        Texts { buttons: vec![address], ..code },
    ] {
        assert_eq!(of(odd), [(Part::Body, Problem::Authentication)]);
    }
}

#[test]
fn a_button_for_codes_says_all_that_its_type_needs() {
    let apps = |count: usize| (0..count).map(|n| app(&format!("com.example.game{n}"), "K8a/AINcGX7")).collect::<Vec<_>>();
    let tap = |otp_type, count, zero_tap_terms_accepted| OtpButton {
        otp_type,
        supported_apps: apps(count),
        zero_tap_terms_accepted,
        autofill_text: Some("Fill in".into()),
        ..OtpButton::copy_code()
    };
    let found = |otp| problems(&with_otp(otp)).into_iter().map(|(_, problem)| problem).collect::<Vec<_>>();
    for good in [tap(OtpType::OneTap, 1, false), tap(OtpType::OneTap, 5, false), tap(OtpType::ZeroTap, 5, true)] {
        assert_eq!(found(good), []);
    }
    assert_eq!(found(tap(OtpType::OneTap, 0, false)), [Problem::SupportedApps { found: 0, min: 1, max: 5 }]);
    assert_eq!(found(tap(OtpType::ZeroTap, 6, true)), [Problem::SupportedApps { found: 6, min: 1, max: 5 }]);
    assert_eq!(found(tap(OtpType::ZeroTap, 1, false)), [Problem::ZeroTapTerms { needed: true }]);
    assert_eq!(found(tap(OtpType::OneTap, 1, true)), [Problem::ZeroTapTerms { needed: false }]);
    let copies = [Problem::SupportedApps { found: 1, min: 0, max: 0 }, Problem::AutofillOfCopyCode];
    assert_eq!(found(tap(OtpType::CopyCode, 1, false)), copies);
    let long = OtpButton { text: Some("c".repeat(26)), ..OtpButton::copy_code() };
    assert_eq!(found(long), [Problem::TooLong { found: 26, max: 25 }]);
    let elsewhere = with_buttons(vec![TemplateButton::Otp(OtpButton::copy_code())]);
    assert_eq!(elsewhere, [(Part::Button(0), Problem::OtpElsewhere)]);
}

#[test]
fn a_link_that_is_counted_says_where_it_leads() {
    let counted = |url: &str, leads_to: &str| {
        let button = TemplateButton::Url { text: "Open".into(), url: url.into(), leads_to: Some(leads_to.into()) };
        with_buttons(vec![button]).into_iter().map(|(part, problem)| (part, problem.to_string())).collect::<Vec<_>>()
    };
    let ours = "https://go.studio.example/l/{{1}}";
    assert_eq!(counted(ours, "https://game.example/cup/{{1}}"), []);
    assert_eq!(counted(ours, "https://game.example/cup"), []);
    let wrong = |words: &str| vec![(Part::Button(0), words.to_owned())];
    let elsewhere = wrong("has leads_to, so its url is https, on this host, and ends with /l/{{1}}");
    for url in ["https://go.studio.example/l/", "https://go.studio.example/x/{{1}}", "http://go.studio.example/l/{{1}}"] {
        assert_eq!(counted(url, "https://game.example/cup"), elsewhere, "{url}");
    }
    assert_eq!(counted(ours, "http://game.example/{{1}}"), wrong("leads_to begins with https://"));
    let two = wrong("leads_to takes one parameter, {{1}}, behind the host");
    assert_eq!(counted(ours, "https://game.example/{{1}}/{{2}}"), two);
    let host = wrong("leads_to names one host, written out, without a user or a parameter in it");
    assert_eq!(counted(ours, "https://{{1}}/cup"), host);
}

#[test]
fn where_a_link_leads_in_the_end_is_no_matter_of_metas() {
    let counted = TemplateButton::Url {
        text: "Open".into(),
        url: "https://go.studio.example/l/{{1}}".into(),
        leads_to: Some("https://game.example/cup".into()),
    };
    let mut texts = Texts { buttons: vec![counted], ..texts("Welcome to the cup.") };
    texts.examples.urls = vec!["https://go.studio.example/l/example".into()];
    let template = of(texts.clone());
    assert_eq!(check_submission(&template), []);
    let components = components(&template, &texts).to_string();
    assert!(components.contains("https://go.studio.example/l/{{1}}") && components.contains("/l/example"), "{components}");
    assert!(!components.contains("game.example"), "{components}");
}

#[test]
fn what_only_codes_have_is_within_metas_limits() {
    let lasting = |minutes| problems(&Template { code_expiration_minutes: Some(minutes), ..with_otp(OtpButton::copy_code()) });
    assert_eq!((lasting(1), lasting(90)), (vec![], vec![]));
    for minutes in [0, 91] {
        assert_eq!(lasting(minutes), [(Part::Footer, Problem::CodeExpiration { found: minutes, max: 90 })]);
    }
    let utility = Template { add_security_recommendation: true, ..of(texts(BODY)) };
    assert_eq!(problems(&utility), [(Part::Body, Problem::AuthenticationFields)]);
    let mut mixed = with_otp(OtpButton::copy_code());
    let one_tap =
        OtpButton { otp_type: OtpType::OneTap, supported_apps: vec![app("com.example.game", "K8a/AINcGX7")], ..OtpButton::copy_code() };
    mixed.languages.extend(with_otp(one_tap).languages.into_values().map(|texts| ("pt_BR".to_owned(), texts)));
    assert_eq!(problems(&mixed), [(Part::Button(0), Problem::OtpDiffers { language: "en".into() })]);
}

#[test]
fn values_fit_or_are_named() {
    let message = |category, body: &[&str], code: Option<&str>| TemplateMessage {
        name: "t".into(),
        language: "en".into(),
        category,
        header: None,
        body: body.iter().map(|&value| value.to_owned()).collect(),
        buttons: code.map(|code| ButtonValue { index: 0, quick_reply: false, value: code.into() }).into_iter().collect(),
    };
    let found = |message| check_values(&message).into_iter().map(|found| found.problem).collect::<Vec<_>>();
    assert_eq!(found(message(Category::Utility, &["Ada", "12    gems"], None)), []);
    assert_eq!(
        found(message(Category::Utility, &["Ada\nBo", "a     b", "\t1", " "], None)),
        [Problem::ValueWhitespace, Problem::ValueWhitespace, Problem::ValueWhitespace, Problem::Blank]
    );
    let code = |body: &str, button| found(message(Category::Authentication, &[body], button));
    assert_eq!(code("123456", Some("123456")), []);
    assert_eq!(code("123456", Some("654321")), [Problem::Authentication]);
    assert_eq!(code("123456", None), [Problem::Authentication]);
    let long = Problem::TooLong { found: 16, max: CODE_CHARS_MAX };
    assert_eq!(code(&"1".repeat(16), Some(&"1".repeat(16))), [long.clone(), long]);
}

#[test]
fn problems_read_as_sentences() {
    let template = of(Texts { footer: Some("By {{1}}".into()), ..texts("Hi {{x}} and welcome.") });
    let shown: Vec<String> = check(&template).iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "template match_found_alert, body (en): {{x}} is not a parameter; parameters are {{1}}, {{2}}, ...",
            "template match_found_alert, footer (en): has 1 parameters; it takes 0",
        ]
    );
}
