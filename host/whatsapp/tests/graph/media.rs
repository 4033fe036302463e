//! Files at Meta.

use bytes::Bytes;
use questline_whatsapp::graph::GraphError;

use crate::server::{Act, Server, json};
use crate::{TOKEN, client, number};

#[tokio::test]
async fn where_a_file_is() {
    let answer = r#"{"messaging_product":"whatsapp","url":"https:\/\/lookaside.fbsbx.com\/whatsapp_business\/attachments\/?mid=1&ext=2","mime_type":"image\/jpeg","sha256":"ab","file_size":303833,"id":"2754859441498128"}"#;
    let server = Server::start(vec![json("200 OK", answer)]).await;
    let client = client(&server.url);
    let info = client.media_url(&number(), "2754859441498128").await.unwrap();
    assert_eq!(info.url.as_deref(), Some("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2"));
    assert_eq!((info.mime_type.as_deref(), info.bytes), (Some("image/jpeg"), Some(303_833)));
    assert_eq!(server.heard()[0].target(), "GET /v25.0/2754859441498128?phone_number_id=1001 HTTP/1.1");
    for bad in ["", "a/b", "..", "a?b", "a%2fb", "a b", &"1".repeat(257)] {
        assert!(matches!(client.media_url(&number(), bad).await, Err(GraphError::Invalid(_))), "{bad}");
    }
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn a_file_is_fetched_within_its_bound() {
    let file = "f".repeat(50_000);
    let server = Server::start(vec![json("200 OK", &file)]).await;
    let client = client(&server.url);
    let url = format!("{}/whatsapp_business/attachments/?mid=1", server.url);
    assert_eq!(client.download(&number(), &url, 50_000).await.unwrap(), Bytes::from(file));
    let heard = &server.heard()[0];
    assert_eq!(heard.target(), "GET /whatsapp_business/attachments/?mid=1 HTTP/1.1");
    assert_eq!(heard.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert!(heard.header("user-agent").is_some());
    assert_eq!(client.download(&number(), &url, 49_999).await, Err(GraphError::TooLong { bytes_max: 49_999 }));
}

#[tokio::test]
async fn the_token_goes_to_metas_hosts_only() {
    let server = Server::start(vec![json("200 OK", "")]).await;
    let client = client(&server.url);
    let port = server.url.rsplit_once(':').unwrap().1;
    for foreign in [
        "https://evil.example/a",
        "https://evilfbsbx.com/a",
        "https://fbsbx.com.evil.example/a",
        "https://evil.example/lookaside.fbsbx.com",
        "https://lookaside.fbsbx.com@evil.example/a",
        "https://user@lookaside.fbsbx.com/a",
        "http://lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com:8443/a",
        "https://127.0.0.1/a",
        "http://127.0.0.1:1/a",
        &format!("http://localhost:{port}/a"),
        "/relative",
        "",
    ] {
        let fetched = client.download(&number(), foreign, 10).await;
        assert!(matches!(fetched, Err(GraphError::Invalid(_))), "{foreign}: {fetched:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn redirects_of_files_are_not_followed() {
    let answer = b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server = Server::start(vec![Act::Answer(answer)]).await;
    let fetched = client(&server.url).download(&number(), &format!("{}/a", server.url), 10).await;
    assert!(matches!(fetched, Err(GraphError::Refused(refusal)) if refusal.http_status == 302));
}

#[tokio::test]
async fn a_file_is_put_there() {
    let server = Server::start(vec![json("200 OK", r#"{"id":"4490709327384033"}"#)]).await;
    let client = client(&server.url);
    let file = Bytes::from_static(b"\x89PNG\r\n\x1a\n\x00\xff");
    let id = client.upload(&number(), "image/png", "ban\"ner\\1.png", file.clone()).await.unwrap();
    assert_eq!(id, "4490709327384033");
    let heard = &server.heard()[0];
    assert_eq!(heard.target(), "POST /v25.0/1001/media HTTP/1.1");
    let boundary = heard.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n").as_bytes(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nimage/png\r\n").as_bytes(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"ban_ner_1.png\"\r\n").as_bytes(),
        b"Content-Type: image/png\r\n\r\n",
        &file,
        format!("\r\n--{boundary}--\r\n").as_bytes(),
    ]
    .concat();
    assert_eq!(heard.body, expected);
    assert_eq!(heard.header("content-length"), Some(expected.len().to_string().as_str()));
    for (mime_type, filename) in [("", "a"), ("image", "a"), ("image/png\r\nX: y", "a"), ("image/png", ""), ("image/png", "a\r\nb")] {
        let put = client.upload(&number(), mime_type, filename, file.clone()).await;
        assert!(matches!(put, Err(GraphError::Invalid(_))), "{mime_type:?} {filename:?}");
    }
}
