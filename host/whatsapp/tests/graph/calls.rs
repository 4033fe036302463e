//! Calls other than sends.

use questline_core::event::Wamid;
use questline_core::id::NumberId;
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
