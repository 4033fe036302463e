//! What Meta says of templates decides too, and late replies become their template.

use super::*;
use crate::outbox::Content;
use crate::reply::{ReplyRules, StandIn};
use crate::template::at_meta::{AccountBook, AtMeta, Book, Listed, Quality, State, Takes};

/// A game with a utility template in three languages, whose account says this of them.
fn game_with(listed: &[(&str, State, Category)]) -> Game {
    let mut game = game(Grants::all());
    let texts = |body: &str| Texts { header: None, body: body.into(), footer: None, examples: Default::default(), buttons: vec![] };
    let template = Template {
        name: "answer".into(),
        category: Category::Utility,
        code_expiration_minutes: None,
        add_security_recommendation: false,
        send_ttl_s: None,
        languages: BTreeMap::from(["en", "pt", "pt_BR"].map(|language| (language.into(), texts("About {{1}}: {{2}} Write to us.")))),
    };
    game.templates.insert("answer".into(), template);
    let list: Vec<_> = listed
        .iter()
        .map(|(language, state, category)| Listed {
            name: "answer".into(),
            language: (*language).into(),
            id: None,
            state: *state,
            category: Some(*category),
            will_be: None,
            quality: Quality::Unknown,
            reason: None,
            takes: Takes::default(),
            texts: None,
        })
        .collect();
    let account = AccountBook::default();
    let mut book = Book::default();
    book.listed(&list, NOW);
    account.put(Arc::new(book));
    game.at_meta = AtMeta::new([(NumberId::parse("100").unwrap(), account)]);
    game
}

fn template(name: &str) -> Effect {
    Effect::SendTemplate(crate::effect::SendTemplate {
        name: name.into(),
        language: None,
        body: vec!["Starfall".into(), "done.".into()],
        header: None,
        buttons: vec![],
    })
}

fn brazilian(game: &Game) -> Conversation {
    let mut conversation = conversation(game);
    conversation.touch(NOW);
    conversation.session.locale = Some("pt-BR".into());
    conversation
}

type Refusals = Vec<(RefusalReason, String)>;
type Outcomes = Result<Vec<(String, Category, MessageClass)>, Refusals>;

/// What a flow's template comes to: its language and what it counts as, or the refusal.
fn sent(game: &Game, effects: Vec<Effect>) -> Outcomes {
    let entry = entry(1, Event::GameEvent(GameEvent { name: "news".into(), id: "1".into(), payload: "{}".into(), at: NOW, player: None }));
    let step = ask(game, brazilian(game), &entry);
    match step.decide(&game.flows[&FlowName::parse("vip").unwrap()], 1, answer(effects), AskedCode::None) {
        Ok(decision) => Ok(decision
            .commit
            .outbox
            .into_iter()
            .filter_map(|message| match message.content {
                Content::Template(filled) => Some((filled.language, filled.category, message.class)),
                _ => None,
            })
            .collect()),
        Err((_, refusals)) => Err(refusals.into_iter().map(|refusal| (refusal.reason, refusal.detail)).collect()),
    }
}

const UTILITY: Category = Category::Utility;

fn one(language: &str) -> Outcomes {
    Ok(vec![(language.into(), UTILITY, MessageClass::Normal)])
}

#[test]
fn the_nearest_language_that_meta_sends() {
    let at_meta = |states: [State; 3]| {
        let [brazil, portugal, english] = states;
        game_with(&[("pt_BR", brazil, UTILITY), ("pt", portugal, UTILITY), ("en", english, UTILITY)])
    };
    let (yes, no) = (State::Approved, State::Rejected);
    assert_eq!(sent(&at_meta([yes, yes, yes]), vec![template("answer")]), one("pt_BR"));
    assert_eq!(sent(&at_meta([no, yes, yes]), vec![template("answer")]), one("pt"));
    assert_eq!(sent(&at_meta([no, State::Pending, yes]), vec![template("answer")]), one("en"), "the game's own");
    let refused = sent(&at_meta([no, State::Disabled, State::Pending]), vec![template("answer")]).unwrap_err();
    let words = "template-rejected: Meta does not send \"answer\" in \"pt_BR\" now";
    assert_eq!(refused, [(RefusalReason::Other, words.to_owned())]);
    assert_eq!(sent(&at_meta([State::Paused, no, no]), vec![template("answer")]), one("pt_BR"), "it waits until the pause is over");
    assert_eq!(sent(&at_meta([State::Paused, yes, no]), vec![template("answer")]), one("pt"), "and does not where it need not");
    let missing = sent(&game_with(&[]), vec![template("answer")]).unwrap_err();
    assert!(missing[0].1.starts_with("template-missing: "), "{missing:?}");
    let mut unasked = at_meta([no, no, no]);
    unasked.at_meta = AtMeta::default();
    assert_eq!(sent(&unasked, vec![template("answer")]), one("pt_BR"), "nobody has asked Meta: a send tells");
}

#[test]
fn what_meta_calls_marketing_needs_consent_at_once() {
    let game = game_with(&[("pt_BR", State::Approved, Category::Marketing)]);
    let refused = sent(&game, vec![template("answer")]).unwrap_err();
    assert_eq!(refused[0].0, RefusalReason::NoConsent);
}

fn stand_in(body: &[&str]) -> StandIn {
    StandIn { template: "answer".into(), body: body.iter().map(|value| (*value).to_owned()).collect() }
}

#[test]
fn late_replies_become_one_template() {
    let mut game = game_with(&[("pt_BR", State::Approved, UTILITY)]);
    assert_eq!(sent(&game, vec![say("Your crystals")]).unwrap_err()[0].0, RefusalReason::WindowClosed, "the game names none");
    game.replies.others = Some(stand_in(&["{game}", "{text}"]));
    let entry = entry(1, Event::GameEvent(GameEvent { name: "news".into(), id: "1".into(), payload: "{}".into(), at: NOW, player: None }));
    let step = ask(&game, brazilian(&game), &entry);
    let vip = &game.flows[&FlowName::parse("vip").unwrap()];
    let effects = vec![say("Your crystals\nare back."), template("answer"), say("Anything else?")];
    let outbox = decided(step, vip, effects).commit.outbox;
    let [late, other] = outbox.as_slice() else { panic!("one for both replies, and the flow's own: {outbox:?}") };
    let Content::Template(filled) = &late.content else { panic!("{late:?}") };
    assert_eq!(filled.body, ["Starfall", "Your crystals are back. Anything else?"]);
    assert!(matches!(&other.content, Content::Template(filled) if filled.body[1] == "done."));
}

#[test]
fn late_replies_that_cannot_become_a_template_are_refused_with_the_reason() {
    let mut game = game_with(&[("pt_BR", State::Rejected, UTILITY), ("pt", State::Rejected, UTILITY), ("en", State::Disabled, UTILITY)]);
    game.replies = ReplyRules { flows: BTreeMap::from([(FlowName::parse("vip").unwrap(), stand_in(&["{game}", "{text}"]))]), others: None };
    let refused = sent(&game, vec![say("Your crystals")]).unwrap_err();
    assert_eq!(refused[0].0, RefusalReason::WindowClosed);
    assert!(refused[0].1.contains("template-rejected"), "{refused:?}");
    let sticker = Effect::Reply(Reply {
        content: Outbound::Media {
            kind: crate::message::MediaKind::Sticker,
            source: crate::message::MediaSource::Link("https://x.example/a.webp".into()),
            caption: None,
            filename: None,
        },
        reply_to: None,
    });
    let wordless = sent(&game, vec![sticker]).unwrap_err();
    assert!(wordless[0].1.contains("takes the reply's words"), "{wordless:?}");
    let other = game.flows.keys().find(|name| name.as_str() == "other").unwrap();
    assert!(game.replies.of(other).is_none(), "another flow's replies are refused as ever");
    let marketing = Game { at_meta: game_with(&[("pt_BR", State::Approved, Category::Marketing)]).at_meta, ..game };
    assert_eq!(sent(&marketing, vec![say("Your crystals")]).unwrap_err()[0].0, RefusalReason::NoConsent);
}
