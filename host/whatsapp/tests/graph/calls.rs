//! Calls other than sends.

use questline_core::event::Wamid;
use questline_core::id::NumberId;
use questline_core::template::Category;
use questline_core::template::at_meta::{Quality, State, Takes};
use questline_whatsapp::graph::GraphError;
use serde_json::{Value, json as value};

use crate::server::{Server, json};
use crate::{client, number};

#[tokio::test]
async fn a_message_is_marked_as_read() {
    let server = Server::start(vec![json("200 OK", r#"{"success":true}"#)]).await;
    let client = client(&server.url);
    client.mark_read(&number(), &Wamid("wamid.A".into()), true).await.unwrap();
    let heard = &server.heard()[0];
    assert_eq!(heard.target(), "POST /v25.0/1001/messages HTTP/1.1");
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    let expected = value!({
        "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A", "typing_indicator": { "type": "text" },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_meta_says_of_a_number() {
    let answer = r#"{"id":"1001","display_phone_number":"+1 555 010 0001","verified_name":"Starfall","quality_rating":"GREEN","throughput":{"level":"HIGH"},"status":"CONNECTED","whatsapp_business_manager_messaging_limit":"TIER_2K","beta":[]}"#;
    let server =
        Server::start(vec![json("200 OK", answer), json("200 OK", r#"{"id":"1001","throughput":null}"#), json("200 OK", "<html>")]).await;
    let client = client(&server.url);
    let info = client.phone_number_info(&number()).await.unwrap();
    assert_eq!((info.verified_name.as_deref(), info.quality_rating.as_deref()), (Some("Starfall"), Some("GREEN")));
    assert_eq!((info.throughput_level(), info.messaging_limit.as_deref()), (Some("HIGH"), Some("TIER_2K")));
    assert!(server.heard()[0].target().starts_with("GET /v25.0/1001?fields=id,display_phone_number,"), "{}", server.heard()[0].target());
    assert_eq!(client.phone_number_info(&number()).await.unwrap().throughput_level(), None);
    assert!(matches!(client.phone_number_info(&number()).await, Err(GraphError::NoAnswer(_))));
}

#[tokio::test]
async fn refusals_are_told_with_metas_words() {
    let answer = r#"{"error":{"message":"Error validating access token","type":"OAuthException","code":190}}"#;
    let server = Server::start(vec![json("401 Unauthorized", answer)]).await;
    let error = client(&server.url).phone_number_info(&number()).await.unwrap_err();
    assert!(matches!(&error, GraphError::Refused(refusal) if refusal.code == 190 && refusal.alert), "{error:?}");
    assert_eq!(error.to_string(), "Meta answered 190 (HTTP 401): Error validating access token");
    let stranger = NumberId::parse("1002").unwrap();
    assert_eq!(client(&server.url).phone_number_info(&stranger).await, Err(GraphError::UnknownNumber(stranger)));
}

const PAGE: &str = r#"{"data":[
    {"id":"77","name":"match_found_alert","language":"pt_BR","status":"APPROVED","category":"UTILITY","correct_category":"MARKETING",
     "quality_score":{"score":"GREEN","date":1},"components":[
        {"type":"HEADER","format":"TEXT","text":"Match {{1}}"},
        {"type":"BODY","text":"Hello {{1}}, your match against {{2}} is ready."},
        {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Accept"},{"type":"QUICK_REPLY","text":"Decline"}]}]},
    {"id":78,"name":"starfall_code","language":"en","status":"REJECTED","category":"AUTHENTICATION","rejected_reason":"INVALID_FORMAT",
     "components":[{"type":"BODY","text":"*{{1}}* is your verification code.","add_security_recommendation":true}]},
    {"name":"of_tomorrow","language":"en","status":"ASLEEP","category":"GENERAL","quality_score":null,"components":null},
    {"id":"79","language":"en"}, 7],
  "paging":{"cursors":{"before":"a","after":"b==&x"},"next":"https://elsewhere.example/steal?access_token=1"}}"#;

#[tokio::test]
async fn templates_are_listed_by_cursor_and_never_by_the_address_that_the_answer_names() {
    let last = r#"{"data":[],"paging":{"cursors":{"before":"b","after":"c"}}}"#;
    let server = Server::start(vec![json("200 OK", PAGE), json("200 OK", last)]).await;
    let client = client(&server.url);
    let page = client.templates(&number(), "2001", None).await.unwrap();
    let [found, code, odd] = page.templates.as_slice() else { panic!("{page:?}") };
    assert_eq!((found.name.as_str(), found.language.as_str(), found.id.as_deref()), ("match_found_alert", "pt_BR", Some("77")));
    assert_eq!((found.state, found.category, found.will_be), (State::Approved, Some(Category::Utility), Some(Category::Marketing)));
    assert_eq!((found.quality, found.takes), (Quality::Green, Takes { header: 1, body: 2, buttons: 2 }));
    assert_eq!((code.state, code.reason.as_deref(), code.takes.body), (State::Rejected, Some("INVALID_FORMAT"), 1));
    assert_eq!((odd.state, odd.category, odd.quality), (State::Other, None, Quality::Unknown));
    assert_eq!(page.unreadable, 2);
    let after = client.templates(&number(), "2001", page.next.as_deref()).await.unwrap();
    assert_eq!((after.templates.len(), after.next), (0, None), "a last page has a cursor too");
    let targets: Vec<String> = server.heard().iter().map(|heard| heard.target().to_owned()).collect();
    assert!(targets[0].starts_with("GET /v25.0/2001/message_templates?fields=id,name,"), "{targets:?}");
    assert!(targets[1].ends_with("&after=b%3D%3D%26x HTTP/1.1"), "{targets:?}");
    let elsewhere = client.templates(&number(), "2001/../me", None).await;
    assert!(matches!(elsewhere, Err(GraphError::Invalid(_))), "{elsewhere:?}");
}

#[tokio::test]
async fn templates_are_handed_in() {
    let created = r#"{"id":"91","status":"PENDING","category":"UTILITY"}"#;
    let refused = r#"{"error":{"code":100,"error_data":{"details":"Variables can't be at the start"}}}"#;
    let server =
        Server::start(vec![json("200 OK", created), json("200 OK", r#"{"success":true}"#), json("400 Bad Request", refused)]).await;
    let client = client(&server.url);
    let body = value!({ "name": "hello" });
    let submitted = client.create_template(&number(), "2001", &body).await.unwrap();
    assert_eq!((submitted.id.as_deref(), submitted.status.as_deref()), (Some("91"), Some("PENDING")));
    assert_eq!(client.edit_template(&number(), "91", &body).await.unwrap().id, None);
    let error = client.edit_template(&number(), "91", &body).await.unwrap_err();
    assert!(matches!(&error, GraphError::Refused(refusal) if refusal.code == 100), "{error:?}");
    let heard = server.heard();
    assert_eq!(heard[0].target(), "POST /v25.0/2001/message_templates HTTP/1.1");
    assert_eq!(heard[1].target(), "POST /v25.0/91 HTTP/1.1");
    assert_eq!(serde_json::from_slice::<Value>(&heard[0].body).unwrap(), body);
}
