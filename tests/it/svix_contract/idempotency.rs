use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Svix, contract};

async fn post(svix: &Svix, path: &str, key: &str, body: Value) -> Answer {
    let request = svix.request(Method::POST, path, Some(body.to_string()));
    svix.answer(request.header("idempotency-key", key)).await
}

#[tokio::test]
async fn the_answer_to_a_post_is_given_again_whatever_the_body() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let key = svix.name("key");
        let first = post(svix, &path, &key, json!({"url": "https://a.example/"})).await.expect(201);
        let second = post(svix, &path, &key, json!({"url": "https://b.example/"})).await.expect(201);
        assert_eq!(first, second);
        assert_eq!(post(svix, &path, &key, json!("nonsense")).await.expect(201), first);
        assert_eq!(svix.all(&path).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_used_again_after_a_delete_creates_nothing() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let (key, body) = (svix.name("key"), json!({"url": "https://a.example/", "uid": "mine"}));
        post(svix, &path, &key, body.clone()).await.expect(201);
        svix.delete(&format!("{path}mine/")).await.expect(204);
        post(svix, &path, &key, body).await.expect(201);
        svix.get(&format!("{path}mine/")).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let key = svix.name("key");
        post(svix, &path, &key, json!({"url": "nonsense"})).await.expect(422);
        post(svix, &path, &key, json!({"url": "https://a.example/"})).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_its_url() {
    contract(async |svix| {
        let app = svix.app().await;
        let (key, event_type) = (svix.name("key"), svix.name("a"));
        let path = format!("/app/{app}/msg/");
        let body = json!({"eventType": event_type, "payload": {}});
        let first = post(svix, &path, &key, body.clone()).await.expect(202);
        let other = post(svix, &format!("{path}?with_content=false"), &key, body.clone()).await.expect(202);
        assert_ne!(first["id"], other["id"]);
        // The slash at the end is taken off before the URL is compared.
        let same = post(svix, path.trim_end_matches('/'), &key, body).await.expect(202);
        assert_eq!(first["id"], same["id"]);
    })
    .await;
}

#[tokio::test]
async fn only_posts_have_keys() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        let key = svix.name("key");
        for description in ["one", "two"] {
            let body = Some(json!({"description": description}).to_string());
            let request = svix.request(Method::PATCH, &path, body).header("idempotency-key", &key);
            assert_eq!(svix.answer(request).await.expect(200)["description"], description);
        }
    })
    .await;
}

#[tokio::test]
async fn two_at_once_with_one_key_create_once() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let (key, body) = (svix.name("key"), json!({"url": "https://a.example/"}));
        let create = || post(svix, &path, &key, body.clone());
        let answers = futures::future::join_all((0..4).map(|_| create())).await;
        let first = answers[0].expect(201);
        for answer in &answers {
            assert_eq!(answer.expect(201), first);
        }
        assert_eq!(svix.all(&path).await.len(), 1);
    })
    .await;
}
