//! One send, and which of its four outcomes is claimed.

use questline_core::event::Wamid;
use questline_core::id::NumberId;
use questline_core::port::Graph as _;
use questline_core::send::{Reaction, SendOutcome};
use questline_whatsapp::graph::{AccessToken, GraphClient, GraphOptions, NumberDirectory};
use serde_json::{Value, json as value};

use crate::server::{ACCEPTED, Act, Server, bytes, json};
use crate::{TOKEN, client, client_with, number, options, text};

fn accepted() -> SendOutcome {
    SendOutcome::Accepted { wamid: Wamid("wamid.1".into()) }
}

#[tokio::test]
async fn a_message_goes_out_as_meta_takes_it() {
    let server = Server::start(vec![json("200 OK", ACCEPTED)]).await;
    assert_eq!(client(&server.url).send(&text(41)).await, accepted());
    let heard = &server.heard()[0];
    assert_eq!(heard.target(), "POST /v25.0/1001/messages HTTP/1.1");
    assert_eq!(heard.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(heard.header("content-type"), Some("application/json"));
    assert_eq!(heard.header("host"), server.url.strip_prefix("http://"));
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    let expected = value!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+16505550123",
        "type": "text", "text": { "body": "Hi" }, "biz_opaque_callback_data": "q1.7.41",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_base_address_may_have_a_path() {
    let server = Server::start(vec![json("200 OK", ACCEPTED)]).await;
    let client = client(&format!("{}/meta/", server.url));
    assert_eq!(client.send(&text(1)).await, accepted());
    assert_eq!(server.heard()[0].target(), "POST /meta/v25.0/1001/messages HTTP/1.1");
}

#[tokio::test]
async fn connections_are_kept_and_shared() {
    let server = Server::start(vec![json("200 OK", ACCEPTED)]).await;
    let client = client(&server.url);
    for seq in 0..50 {
        assert_eq!(client.send(&text(seq)).await, accepted());
    }
    assert_eq!(server.connections(), 1);
    let sends = (0..20).map(|seq| {
        let client = &client;
        async move { client.send(&text(seq)).await }
    });
    for outcome in futures_join(sends).await {
        assert_eq!(outcome, accepted());
    }
    assert!(server.connections() <= 20, "{}", server.connections());
}

/// All at once, on this task.
async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        if pending.iter().all(|(_, output)| output.is_some()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[tokio::test]
async fn a_connection_that_went_stale_while_idle_costs_nothing() {
    let server = Server::start(vec![Act::AnswerAndClose(bytes("200 OK", ACCEPTED)), json("200 OK", ACCEPTED)]).await;
    let client = client(&server.url);
    assert_eq!(client.send(&text(1)).await, accepted());
    server.closed(1).await;
    assert_eq!(client.send(&text(2)).await, accepted());
    assert_eq!((server.connections(), server.heard().len()), (2, 2), "each message went out once");
}

#[tokio::test]
async fn no_connection_is_not_sent() {
    // A port that was ours a moment ago, and that nobody listens on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = client(&format!("http://{address}")).send(&text(1)).await;
    assert!(matches!(&outcome, SendOutcome::NotSent { reason } if reason.contains("refused")), "{outcome:?}");
}

#[tokio::test]
async fn no_tls_is_not_sent() {
    // The other end speaks plain HTTP: the handshake fails before any byte of the request leaves.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        let read = stream.read(&mut hello).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        hello[..read].to_vec()
    });
    let outcome = client(&format!("https://{address}")).send(&text(1)).await;
    assert!(matches!(outcome, SendOutcome::NotSent { .. }), "{outcome:?}");
    let heard = heard.await.unwrap();
    assert_eq!(heard[0], 0x16, "a TLS handshake");
    assert!(!heard.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()));
}

#[tokio::test]
async fn a_number_without_a_token_is_not_sent() {
    let client = GraphClient::new(options("http://127.0.0.1:1"), NumberDirectory::default()).unwrap();
    let outcome = client.send(&text(1)).await;
    assert!(matches!(&outcome, SendOutcome::NotSent { reason } if reason.contains("1001")), "{outcome:?}");
}

#[tokio::test]
async fn what_breaks_after_the_request_left_is_unknown() {
    let cut_body = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"messages\":".to_vec();
    let cut_head = b"HTTP/1.1 200 OK\r\nContent-Le".to_vec();
    let no_http = b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec();
    for act in [Act::Close, Act::AnswerAndClose(cut_body), Act::AnswerAndClose(cut_head), Act::AnswerAndClose(no_http)] {
        let server = Server::start(vec![act]).await;
        let outcome = client(&server.url).send(&text(1)).await;
        assert!(matches!(outcome, SendOutcome::Unknown { .. }), "{outcome:?}");
        assert_eq!(server.heard().len(), 1, "it is not sent again");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = Server::start(vec![Act::Hang]).await;
    let outcome = client_with(GraphOptions { timeout_ms: 50, ..options(&server.url) }).send(&text(1)).await;
    assert_eq!(outcome, SendOutcome::Unknown { reason: "no answer in time".into() });
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let long = "x".repeat(70_000);
    let server = Server::start(vec![json("200 OK", &long), json("400 Bad Request", &long)]).await;
    let client = client(&server.url);
    assert!(matches!(client.send(&text(1)).await, SendOutcome::Unknown { .. }));
    assert!(matches!(client.send(&text(2)).await, SendOutcome::Refused(error) if error.reaction == Reaction::DeadLetter));
}

#[tokio::test]
async fn refusals_carry_what_to_do() {
    let refused = r#"{"error":{"message":"(#130429) Rate limit hit","type":"OAuthException","code":130429,"error_data":{"messaging_product":"whatsapp","details":"Too many messages"},"fbtrace_id":"A"}}"#;
    let server = Server::start(vec![json("429 Too Many Requests", refused), json("200 OK", ACCEPTED)]).await;
    let client = client(&server.url);
    let SendOutcome::Refused(error) = client.send(&text(1)).await else { panic!() };
    assert_eq!((error.code, error.http_status, error.detail.as_str()), (130_429, 429, "Too many messages"));
    assert!(matches!(error.reaction, Reaction::Pause { .. }));
    assert_eq!(client.send(&text(2)).await, accepted());
    assert_eq!(server.connections(), 1, "a refusal does not cost the connection");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(vec![json("200 OK", ACCEPTED)]).await;
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/v25.0/1001/messages\r\nContent-Length: 0\r\n\r\n", elsewhere.url);
    let server = Server::start(vec![Act::Answer(answer.into_bytes())]).await;
    assert!(matches!(client(&server.url).send(&text(1)).await, SendOutcome::Refused(_)));
    assert!(elsewhere.heard().is_empty(), "the token stays where it belongs");
}

#[tokio::test]
async fn answers_in_pieces_are_put_together() {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in ACCEPTED.as_bytes().chunks(7) {
        answer.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        answer.extend(piece);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    let server = Server::start(vec![Act::Answer(answer)]).await;
    assert_eq!(client(&server.url).send(&text(1)).await, accepted());
}

#[tokio::test]
async fn a_new_token_is_used_from_the_next_send_on() {
    let server = Server::start(vec![json("200 OK", ACCEPTED)]).await;
    let client = client(&server.url);
    client.send(&text(1)).await;
    client.set_token(number(), &AccessToken::new("EAAJ-newer")).unwrap();
    client.set_token(NumberId::parse("1002").unwrap(), &AccessToken::new("EAAJ-other")).unwrap();
    client.send(&text(2)).await;
    assert_eq!(server.heard()[1].header("authorization"), Some("Bearer EAAJ-newer"));
}

#[tokio::test]
async fn a_server_that_hangs_up_on_connecting_is_told_from_one_that_heard() {
    let server = Server::start(vec![Act::Refuse]).await;
    let outcome = client(&server.url).send(&text(1)).await;
    // The connection stood, so the request may have left: nothing is claimed that is not known.
    assert!(matches!(outcome, SendOutcome::Unknown { .. } | SendOutcome::NotSent { .. }), "{outcome:?}");
    assert!(server.heard().is_empty());
}
