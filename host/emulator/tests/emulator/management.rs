//! Everything beside sends: the number, its settings, templates, media.

use questline_emulator::{Category, Number, Template, TemplateQuality, TemplateStatus};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Bench, NUMBER, PATIENCE, config};

#[tokio::test]
async fn a_number_shows_its_name_quality_and_throughput() {
    let bench = Bench::start(config().number(Number::new("1002", "+44 20 7946 0000", ACCOUNT))).await;
    let (status, info) = bench.call("GET", NUMBER, None).await;
    assert_eq!(status, 200);
    assert_eq!(info["display_phone_number"], "+1 555 010 0001");
    assert_eq!(info["quality_rating"], "GREEN");
    assert_eq!(info["throughput"], json!({"level": "STANDARD"}));
    assert_eq!(info["id"], NUMBER);
    let (_, some) = bench.call("GET", "1001?fields=verified_name", None).await;
    assert_eq!(some, json!({"verified_name": "Questline Emulator", "id": NUMBER}));
    let (_, numbers) = bench.call("GET", "2001/phone_numbers?fields=id", None).await;
    assert_eq!(numbers, json!({"data": [{"id": "1001"}, {"id": "1002"}]}));
    bench.emulator.set_throughput(NUMBER, 1_000).unwrap();
    let (_, info) = bench.call("GET", "1001?fields=throughput", None).await;
    assert_eq!(info["throughput"]["level"], "HIGH");
}

#[tokio::test]
async fn settings_registration_and_subscription_succeed() {
    let bench = Bench::start(config()).await;
    let success = json!({"success": true});
    let identity = json!({"user_identity_change": {"enable_identity_key_check": true}});
    let settings = format!("{NUMBER}/settings");
    assert_eq!(bench.call("POST", &settings, Some(identity.clone())).await, (200, success.clone()));
    assert_eq!(bench.call("GET", &settings, None).await, (200, identity.clone()));
    assert_eq!(bench.emulator.number_settings(NUMBER).unwrap(), identity);
    let register = format!("{NUMBER}/register");
    let pin = |pin: &str| Some(json!({"messaging_product": "whatsapp", "pin": pin}));
    assert_eq!(bench.call("POST", &register, pin("123456")).await, (200, success.clone()));
    assert_eq!(bench.call("POST", &register, pin("12")).await.0, 400);
    assert_eq!(bench.call("POST", "2001/subscribed_apps", Some(json!({}))).await, (200, success));
    let (_, apps) = bench.call("GET", "2001/subscribed_apps", None).await;
    assert_eq!(apps["data"].as_array().unwrap().len(), 1);
    let (status, answer) = bench.call("GET", "1001/nonsense", None).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(100)));
}

#[tokio::test]
async fn templates_are_listed_page_by_page() {
    let mut config = config();
    for n in 0..7 {
        config = config.template(Template::body(format!("t{n}"), "en", Category::Utility, "Text."));
    }
    let bench = Bench::start(config).await;
    let mut names = Vec::new();
    let mut next = bench.url("2001/message_templates?limit=3");
    loop {
        let page: Value = bench.http.get(&next).bearer_auth("emulator-access-token").send().await.unwrap().json().await.unwrap();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 3);
        names.extend(data.iter().map(|template| template["name"].as_str().unwrap().to_owned()));
        match page["paging"]["next"].as_str() {
            Some(url) => next = url.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    let (_, one) = bench.call("GET", "2001/message_templates?name=t3&fields=name,status", None).await;
    assert_eq!(one["data"][0]["status"], "APPROVED");
    assert_eq!(one["data"][0].get("components"), None);
    let (_, summed) = bench.call("GET", "2001/message_templates?limit=1&summary=total_count,message_template_limit", None).await;
    assert_eq!(summed["summary"], json!({"total_count": 7, "message_template_limit": 250}));
    let (status, bad) = bench.call("GET", "2001/message_templates?after=zzz", None).await;
    assert_eq!((status, &bad["error"]["code"]), (400, &json!(131_059)));
}

#[tokio::test]
async fn templates_are_created_reviewed_and_deleted() {
    let bench = Bench::start(config()).await;
    let path = "2001/message_templates";
    let template = |name: &str, body: &str| {
        Some(json!({
            "name": name,
            "language": "en_US",
            "category": "UTILITY",
            "components": [{"type": "BODY", "text": body, "example": {"body_text": [["Ada"]]}}],
        }))
    };
    let (status, created) = bench.call("POST", path, template("hello", "Hello {{1}}, welcome.")).await;
    assert_eq!((status, &created["status"]), (200, &json!("PENDING")));
    assert!(created["id"].as_str().unwrap().parse::<u64>().is_ok());
    assert_eq!(bench.call("POST", path, template("hello", "Again.")).await.0, 400);
    assert_eq!(bench.call("POST", path, template("Hello", "Bad name.")).await.0, 400);
    assert_eq!(bench.call("POST", path, template("other", "{{1}} first")).await.0, 400);
    assert_eq!(bench.call("POST", path, template("long", &"x".repeat(1025))).await.0, 400);
    let without_example = json!({
        "name": "bare", "language": "en_US", "category": "UTILITY", "components": [{"type": "BODY", "text": "Hi {{1}}, hi."}],
    });
    let (status, answer) = bench.call("POST", path, Some(without_example)).await;
    assert_eq!(status, 400);
    assert!(answer["error"]["error_data"]["details"].as_str().unwrap().contains("example"));
    bench.emulator.review_template("hello", None, TemplateStatus::Approved);
    let (_, list) = bench.call("GET", "2001/message_templates?status=APPROVED", None).await;
    assert_eq!(list["data"][0]["name"], "hello");
    assert_eq!(list["data"][0]["id"], created["id"]);
    let (status, _) = bench.call("DELETE", "2001/message_templates?name=hello", None).await;
    assert_eq!(status, 200);
    let (_, list) = bench.call("GET", path, None).await;
    assert_eq!(list["data"], json!([]));
    assert_eq!(bench.call("DELETE", "2001/message_templates?name=hello", None).await.0, 400);
}

#[tokio::test]
async fn templates_are_edited_rated_and_re_categorised() {
    let bench = Bench::start(config().template(Template::body("hello", "en", Category::Utility, "Hello."))).await;
    let (_, list) = bench.call("GET", "2001/message_templates", None).await;
    let listed = &list["data"][0];
    assert_eq!((&listed["quality_score"]["score"], &listed["status"]), (&json!("UNKNOWN"), &json!("APPROVED")));
    let id = listed["id"].as_str().unwrap().to_owned();
    let edit = |more: Value| {
        let mut body = json!({"components": [{"type": "BODY", "text": "Hello again."}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(body)
    };
    assert_eq!(bench.call("POST", &id, edit(json!({"category": "MARKETING"}))).await.0, 400, "it is approved as it is");
    assert_eq!(bench.call("POST", &id, edit(json!({"message_send_ttl_seconds": 43_201}))).await.0, 400);
    let (status, answer) = bench.call("POST", &id, edit(json!({"message_send_ttl_seconds": 600}))).await;
    assert_eq!((status, &answer["success"]), (200, &json!(true)));
    let edited = bench.emulator.template("hello", "en").unwrap();
    assert_eq!((edited.status, edited.send_ttl_s), (TemplateStatus::Pending, Some(600)));
    assert_eq!(edited.components[0]["text"], "Hello again.");
    assert_eq!(bench.call("POST", &id, edit(json!({}))).await.0, 400, "it is being reviewed");
    bench.emulator.review_template("hello", None, TemplateStatus::Rejected);
    assert_eq!(bench.call("POST", &id, edit(json!({"category": "MARKETING"}))).await.0, 200, "nobody has approved it");
    assert_eq!(bench.call("POST", "987654321", edit(json!({}))).await.0, 400, "there is no such template");
    assert_eq!(bench.emulator.rate_template("hello", None, TemplateQuality::Yellow), 1);
    assert_eq!(bench.emulator.announce_category("hello", Some("en"), Category::Utility, 1_800_000_000), 1);
    let (_, list) = bench.call("GET", "2001/message_templates?fields=quality_score,correct_category", None).await;
    assert_eq!((&list["data"][0]["quality_score"]["score"], &list["data"][0]["correct_category"]), (&json!("YELLOW"), &json!("UTILITY")));
    assert_eq!(bench.emulator.recategorise_template("hello", None, Category::Utility), 1);
    assert_eq!(bench.emulator.template("hello", "en").unwrap().category, Category::Utility);
    bench.host.wait_value(|value| value["event"] == "REJECTED" && value["message_template_category"] == "UTILITY").await;
    bench.host.wait_value(|value| value["new_quality_score"] == "YELLOW" && value["previous_quality_score"] == "UNKNOWN").await;
    bench.host.wait_value(|value| value["category_update_timestamp"] == 1_800_000_000).await;
    let changed = bench.host.wait_value(|value| value["previous_category"] == "MARKETING").await;
    assert_eq!((&changed["new_category"], &changed["message_template_id"].to_string()), (&json!("UTILITY"), &id));
    assert!(bench.emulator.remove_template("hello"));
    assert!(bench.emulator.template("hello", "en").is_none());
}

async fn upload(bench: &Bench, mime_type: &str, bytes: Vec<u8>) -> (u16, Value) {
    let file = Part::bytes(bytes).file_name("file").mime_str(mime_type).unwrap();
    let form = Form::new().text("messaging_product", "whatsapp").text("type", mime_type.to_owned()).part("file", file);
    let response = bench.http.post(bench.url("1001/media")).bearer_auth("emulator-access-token").multipart(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn media_is_uploaded_sent_and_deleted() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let (status, uploaded) = upload(&bench, "image/png", b"png".to_vec()).await;
    assert_eq!(status, 200, "{uploaded}");
    let id = uploaded["id"].as_str().unwrap();
    let image = json!({"type": "image", "image": {"id": id, "caption": "Look"}});
    bench.accepted(image).await;
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "Look");
    let wrong_kind = json!({"type": "video", "video": {"id": id}});
    let failed = bench.accepted(wrong_kind).await;
    let status = bench.host.wait_status(&failed, "failed").await;
    assert_eq!(status["errors"][0]["code"], 131_053);
    let narrowed = format!("{id}?phone_number_id={NUMBER}");
    assert_eq!(bench.call("GET", &narrowed, None).await.0, 200);
    assert_eq!(bench.call("GET", &format!("{id}?phone_number_id=9"), None).await.0, 400);
    assert_eq!(bench.call("DELETE", id, None).await, (200, json!({"success": true})));
    assert_eq!(bench.call("GET", id, None).await.0, 400);
    let gone = json!({"type": "image", "image": {"id": id}});
    assert_eq!(bench.refused(gone).await, (400, 100));
}

#[tokio::test]
async fn media_has_types_and_sizes() {
    let bench = Bench::start(config()).await;
    let (status, answer) = upload(&bench, "application/x-sh", b"x".to_vec()).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(100)));
    let (status, answer) = upload(&bench, "image/png", vec![0; 5 * 1024 * 1024 + 1]).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(131_053)));
    assert_eq!(upload(&bench, "image/png", vec![0; 5 * 1024 * 1024]).await.0, 200);
    assert_eq!(upload(&bench, "audio/ogg; codecs=opus", vec![0; 10]).await.0, 200);
    let (status, _) = bench.call("POST", "1001/media", Some(json!({}))).await;
    assert_eq!(status, 400);
}
