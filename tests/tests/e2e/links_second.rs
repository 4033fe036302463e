//! Second links: a contact that is another account's has to prove that one, and an account that has a contact takes another only
//! when that one approves; whoever shows a stolen token gains nothing.

use questline_emulator as meta;
use questline_tests::{Engine, Host};
use serde_json::json;

use crate::authentication::{audited, wrong};
use crate::links::{ADA, BEA, contacts, links, message, moves, news, shown, stage};
use crate::support::{at_rest, code, heard, hears, says, taps};

on_both_stores![
    a_contact_of_another_account_proves_that_one_first,
    a_stolen_token_gains_nothing_when_the_owner_denies,
    an_approved_contact_joins,
    silence_links_nothing,
    a_frozen_account_links_nothing,
    a_contact_that_moved_proves_itself_before_it_decides,
];

const NEW: &str = "+15550155";

fn asked(phone: &str) -> String {
    format!("{phone} wants to be linked to your cup account. If you did not start this yourself, deny it.")
}

/// Bea is linked, and somebody on another phone shows a token of hers.
async fn shows(host: &Host, bea: &meta::PlayerHandle, other: &meta::PlayerHandle) {
    links(host, bea, "bea-2", "Bea").await;
    let waits = says(other, message(host, "bea-2").await.as_str()).await;
    assert_eq!(waits.text(), "The account is linked to +1******122. We have asked there: approve it within 15 minutes.");
}

async fn a_contact_of_another_account_proves_that_one_first(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    // The studio knows whose number this is: somebody who has her send a token of theirs gains nothing.
    let ada = stage.player(ADA, "Ada");
    let told = says(&ada, message(&host, "bea-2").await.as_str()).await;
    assert_eq!(told.text(), "This chat belongs to another account. To move it, write the code here that we send you now.");
    let sent = code(&ada).await;
    assert!(contacts(&host, "bea-2").await.is_empty());
    assert_eq!(news(&host, "ada-1", "e1").await, 202);
    assert_eq!(hears(&ada).await.text(), "news for ada-1");
    assert_eq!(says(&ada, wrong(&sent).as_str()).await.text(), "wrong, 2 left");
    // A code that she was sent for something else moves nothing.
    let other = says(&ada, "prove login").await;
    let other = other.choices.first().expect("a code").id.clone();
    assert_eq!(says(&ada, other.as_str()).await.text(), "proved login");
    assert!(contacts(&host, "bea-2").await.is_empty());
    says(&ada, message(&host, "bea-2").await.as_str()).await;
    let sent = code(&ada).await;
    assert!(contacts(&host, "bea-2").await.is_empty());
    assert_eq!(says(&ada, sent.as_str()).await.text(), "This chat is linked to your cup account Bea. Write UNLINK to end that.");
    assert_eq!(hears(&ada).await.text(), "proved login");
    assert_eq!(shown(&host, "bea-2").await, ["+1******111"]);
    assert_eq!(news(&host, "bea-2", "e2").await, 202);
    assert_eq!(hears(&ada).await.text(), "news for bea-2");
    let actions: Vec<_> = audited(&host).await.into_iter().map(|(action, ..)| action).collect();
    assert!(actions.iter().any(|action| action == "link-asked") && actions.iter().any(|action| action == "contact-linked"), "{actions:?}");
}

async fn a_stolen_token_gains_nothing_when_the_owner_denies(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (bea, thief) = (stage.player(BEA, "Bea"), stage.player(NEW, "Thief"));
    shows(&host, &bea, &thief).await;
    assert_eq!(hears(&bea).await.text(), asked("+1******155"));
    assert_eq!(says(&thief, "trust").await.text(), "unauthenticated");
    let denied = taps(&bea, "Deny").await;
    assert_eq!(denied.text(), "+1******155 is not linked. If you did not start this yourself, write BLOCK to secure your account.");
    assert_eq!(hears(&thief).await.text(), "The account's owner has not agreed: this chat is not linked.");
    assert_eq!(taps(&bea, "Approve").await.text(), "This was answered before, or it is too late.");
    assert_eq!(shown(&host, "bea-2").await, ["+1******122"]);
    // Whoever makes up an answer is not who was asked.
    let made_up = meta::Inbound::ButtonReply { id: "host:link-approve:0000000000000000".into(), title: "Approve".into() };
    assert_eq!(says(&thief, made_up).await.text(), "This was answered before, or it is too late.");
    at_rest(&stage, &host).await;
    assert!(heard(&thief).iter().all(|text| !text.contains("news")));
    assert!(audited(&host).await.iter().any(|(action, _, words)| action == "link-refused" && words.contains("denied")));
}

async fn an_approved_contact_joins(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (bea, tablet) = (stage.player(BEA, "Bea"), stage.player(NEW, "Bea's tablet"));
    shows(&host, &bea, &tablet).await;
    let question = hears(&bea).await;
    assert_eq!(question.titles(), ["Approve", "Deny"]);
    // The buttons were meant for her: the same answer from the new contact does nothing.
    let answer = meta::Inbound::ButtonReply { id: question.choices[0].id.clone(), title: "Approve".into() };
    assert_eq!(says(&tablet, answer).await.text(), "This was answered before, or it is too late.");
    assert_eq!(taps(&bea, "Approve").await.text(), "+1******155 is linked to your account.");
    assert_eq!(hears(&tablet).await.text(), "This chat is linked to your cup account Bea. Write UNLINK to end that.");
    assert_eq!(hears(&tablet).await.text(), "proved login");
    assert_eq!(says(&tablet, "trust").await.text(), "authenticated by link");
    assert_eq!(shown(&host, "bea-2").await, ["+1******122", "+1******155"]);
}

async fn silence_links_nothing(engine: Engine) {
    let stage = stage(engine, "approval_s = 10").await;
    let host = stage.start().await;
    let (bea, thief) = (stage.player(BEA, "Bea"), stage.player(NEW, "Thief"));
    links(&host, &bea, "bea-2", "Bea").await;
    says(&thief, message(&host, "bea-2").await.as_str()).await;
    assert_eq!(hears(&bea).await.text(), asked("+1******155"));
    assert_eq!(hears(&thief).await.text(), "Nobody has approved it in time: this chat is not linked.");
    assert_eq!(taps(&bea, "Approve").await.text(), "This was answered before, or it is too late.");
    assert_eq!(shown(&host, "bea-2").await, ["+1******122"]);
    assert_eq!(says(&thief, "trust").await.text(), "unauthenticated");
}

async fn a_frozen_account_links_nothing(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (bea, thief) = (stage.player(BEA, "Bea"), stage.player(NEW, "Thief"));
    shows(&host, &bea, &thief).await;
    let question = hears(&bea).await;
    let text = message(&host, "bea-2").await;
    assert!(says(&bea, "BLOCK").await.text().contains("secured"));
    at_rest(&stage, &host).await;
    assert_eq!(says(&thief, text.as_str()).await.text(), "Nothing can be linked to this account now.");
    let (status, problem) = host.post("/games/cup/links", &json!({ "player": "bea-2" })).await;
    assert_eq!(status, 409, "{problem}");
    bea.tap_choice(&question.id, 0).await.unwrap();
    assert!(hears(&bea).await.text().contains("secured"), "what was asked before is not answered any more");
    assert_eq!(shown(&host, "bea-2").await, ["+1******122"]);
}

async fn a_contact_that_moved_proves_itself_before_it_decides(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (bea, tablet) = (stage.player(BEA, "Bea"), stage.player(NEW, "Bea's tablet"));
    links(&host, &bea, "bea-2", "Bea").await;
    moves(&host, &bea).await;
    assert_eq!(says(&bea, "trust").await.text(), "unauthenticated");
    says(&tablet, message(&host, "bea-2").await.as_str()).await;
    let sent = code(&bea).await;
    assert_eq!(says(&bea, sent.as_str()).await.text(), asked("+1******155"));
    assert_eq!(hears(&bea).await.text(), "proved security-alert");
    assert_eq!(taps(&bea, "Approve").await.text(), "+1******155 is linked to your account.");
    hears(&tablet).await;
    assert_eq!(shown(&host, "bea-2").await, ["+1******144", "+1******155"]);
    assert_eq!(contacts(&host, "bea-2").await[0]["proven"], json!(true));
}
