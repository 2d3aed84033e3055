use reqwest::Method;
use serde_json::json;

use super::contract;

#[tokio::test]
async fn health_needs_no_token() {
    contract(async |svix| {
        let answer = svix.answer(svix.http.get(format!("{}/api/v1/health/", svix.base))).await;
        assert_eq!(answer.status / 100, 2, "{answer:?}");
        let ping = svix.answer(svix.http.get(format!("{}/api/v1/health/ping/", svix.base))).await;
        ping.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_token_or_none_is_an_authentication_failure() {
    contract(async |svix| {
        let url = format!("{}/api/v1/event-type/", svix.base);
        svix.answer(svix.http.get(&url)).await.expect_error(401, "authentication_failed");
        svix.answer(svix.http.get(&url).bearer_auth("wrong"))
            .await
            .expect_error(401, "authentication_failed");
        let other = svix.http.get(&url).basic_auth("user", Some("password"));
        svix.answer(other).await.expect_error(401, "authentication_failed");
    })
    .await;
}

#[tokio::test]
async fn the_token_is_looked_at_before_the_body() {
    contract(async |svix| {
        let request = svix.http.post(format!("{}/api/v1/event-type/", svix.base)).body("nonsense");
        svix.answer(request).await.expect_error(401, "authentication_failed");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    contract(async |svix| {
        let (app, nobody) = (svix.app().await, svix.name("nobody"));
        for path in [
            format!("/app/{nobody}/"),
            format!("/app/{nobody}/endpoint/"),
            format!("/app/{app}/endpoint/{nobody}/"),
            format!("/app/{app}/endpoint/{nobody}/headers/"),
            format!("/app/{app}/endpoint/{nobody}/secret/"),
            format!("/app/{app}/endpoint/{nobody}/stats/"),
            format!("/app/{app}/msg/{nobody}/"),
            format!("/app/{app}/attempt/msg/{nobody}/"),
            format!("/app/{app}/attempt/endpoint/{nobody}/"),
            format!("/event-type/{nobody}/"),
        ] {
            svix.get(&path).await.expect_error(404, "not_found");
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_paths_and_methods_get_no_json() {
    contract(async |svix| {
        for (method, path, status) in [(Method::GET, "/nowhere/", 404), (Method::DELETE, "/event-type/", 405)]
        {
            let answer = svix.send(method, path, None).await;
            assert_eq!((answer.status, answer.text.as_str()), (status, ""));
        }
    })
    .await;
}

#[tokio::test]
async fn a_slash_at_the_end_makes_no_difference() {
    contract(async |svix| {
        let app = svix.app().await;
        let with = svix.get(&format!("/app/{app}/")).await.expect(200);
        assert_eq!(svix.get(&format!("/app/{app}")).await.expect(200), with);
    })
    .await;
}

#[tokio::test]
async fn empty_path_segments_reach_the_same_handler() {
    contract(async |svix| {
        let app = svix.app().await;
        let body = json!({"eventType": svix.name("a"), "payload": {}});
        svix.post(&format!("//app/{app}/msg/"), body.clone()).await.expect(202);
        svix.post(&format!("//app/{app}/msg"), body.clone()).await.expect(202);
        let base = format!("{}//api/v1/app/{app}/msg/", svix.base);
        let request = svix.http.post(base).bearer_auth(&svix.token).body(body.to_string());
        svix.answer(request).await.expect(202);
        // Elsewhere it does not.
        svix.post(&format!("/app/{app}//msg/"), body).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_invalid_input() {
    contract(async |svix| {
        for body in ["", "nonsense", "[]", "{}", r#"{"name": 1, "description": ""}"#] {
            svix.send(Method::POST, "/event-type/", Some(body.to_owned())).await.expect(422);
        }
        let name = svix.name("a");
        let wrong = svix.post("/event-type/", json!({"name": name, "description": 1})).await;
        wrong.expect_invalid("body.description");
    })
    .await;
}

#[tokio::test]
async fn a_key_given_twice_is_invalid_input() {
    contract(async |svix| {
        let body = format!(r#"{{"name":"{}","description":"a","description":"b"}}"#, svix.name("a"));
        svix.send(Method::POST, "/event-type/", Some(body)).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn what_follows_the_json_of_a_body_is_not_looked_at() {
    contract(async |svix| {
        let body = format!(r#"{{"name":"{}","description":"d"}} trailing"#, svix.name("a"));
        svix.send(Method::POST, "/event-type/", Some(body)).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_body_over_two_megabytes_is_too_large() {
    contract(async |svix| {
        let app = svix.app().await;
        let message = |size: usize| {
            let frame = json!({"eventType": "a.b", "payload": {"x": ""}}).to_string().len();
            json!({"eventType": "a.b", "payload": {"x": "y".repeat(size - frame)}})
        };
        let path = format!("/app/{app}/msg/?with_content=false");
        svix.post(&path, message(2 * 1024 * 1024)).await.expect(202);
        svix.post(&path, message(2 * 1024 * 1024 + 1)).await.expect_error(413, "payload_too_large");
    })
    .await;
}

#[tokio::test]
async fn query_parameters_that_cannot_be_read_are_a_bad_request() {
    contract(async |svix| {
        svix.get("/event-type/?limit=many").await.expect_error(400, "generic_error");
        svix.get("/event-type/?include_archived=maybe").await.expect_error(400, "generic_error");
    })
    .await;
}
