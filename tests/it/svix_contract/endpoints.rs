use serde_json::{Value, json};

use super::contract;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn an_endpoint_that_was_created_reads_back() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let event_type = svix.event_type("a").await;
        let body = json!({
            "url": "https://a.example/hook", "uid": "mine", "description": "text", "disabled": true,
            "eventTypes": [event_type], "channels": ["c"], "throttleRate": 5, "metadata": {"k": "v"},
        });
        let created = svix.post(&path, body).await.expect(201);
        let id = created["id"].as_str().unwrap();
        assert!(id.starts_with("ep_") && id.len() == 30, "{id}");
        assert_eq!(created["url"], "https://a.example/hook");
        assert_eq!(created["uid"], "mine");
        assert_eq!(created["description"], "text");
        assert_eq!(created["disabled"], true);
        assert_eq!(created["channels"], json!(["c"]));
        assert_eq!(created["throttleRate"], 5);
        assert_eq!(created["metadata"], json!({"k": "v"}));
        assert_eq!(svix.get(&format!("{path}mine/")).await.expect(200), created);
        assert_eq!(svix.get(&format!("{path}{id}/")).await.expect(200), created);
    })
    .await;
}

#[tokio::test]
async fn what_is_left_out_of_an_endpoint_has_its_default() {
    contract(async |svix| {
        let created =
            svix.post(&svix.endpoints().await, json!({"url": "https://a.example/"})).await.expect(201);
        assert_eq!(created["description"], "");
        assert_eq!(created["disabled"], false);
        assert_eq!(created["metadata"], json!({}));
        assert_eq!(created["version"], 1);
        for field in ["uid", "eventTypes", "filterTypes", "channels", "throttleRate", "rateLimit"] {
            assert_eq!(created.get(field), Some(&Value::Null), "{field}: {created}");
        }
    })
    .await;
}

#[tokio::test]
async fn filter_types_is_an_alias_of_event_types() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let event_type = svix.event_type("a").await;
        for field in ["eventTypes", "filterTypes"] {
            let body = json!({"url": "https://a.example/", field: [event_type]});
            let created = svix.post(&path, body).await.expect(201);
            assert_eq!(created["eventTypes"], json!([event_type]));
            assert_eq!(created["filterTypes"], json!([event_type]));
        }
        let both =
            json!({"url": "https://a.example/", "eventTypes": [event_type], "filterTypes": [event_type]});
        svix.post(&path, both).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn subscribing_to_missing_event_types_is_refused() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let (there, missing) = (svix.event_type("there").await, svix.name("missing"));
        let refused =
            svix.post(&path, json!({"url": "https://a.example/", "eventTypes": [there, missing]})).await;
        let msg = refused.expect_invalid("body.eventTypes");
        assert_eq!(msg, format!("The following event types don't exist: {missing}"));
        assert_eq!(refused.json()["detail"][0]["type"], "value_error");
        let made = svix.post(&path, json!({"url": "https://a.example/", "uid": "e"})).await.expect(201);
        let id = made["id"].as_str().unwrap();
        svix.patch(&format!("{path}{id}/"), json!({"eventTypes": [missing]}))
            .await
            .expect_invalid("body.eventTypes");
        let whole = json!({"url": "https://a.example/", "eventTypes": [missing]});
        svix.put(&format!("{path}{id}/"), whole).await.expect_invalid("body.eventTypes");
    })
    .await;
}

#[tokio::test]
async fn an_archived_event_type_gets_no_new_subscribers() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let event_type = svix.event_type("a").await;
        let body = json!({"url": "https://a.example/", "eventTypes": [event_type]});
        let made = svix.post(&path, body.clone()).await.expect(201);
        svix.delete(&format!("/event-type/{event_type}/")).await.expect(204);
        let one = format!("{path}{}/", made["id"].as_str().unwrap());
        assert_eq!(svix.get(&one).await.expect(200)["eventTypes"], json!([event_type]));
        svix.post(&path, body).await.expect_invalid("body.eventTypes");
        // A PATCH that does not name the event types is fine.
        let patched = svix.patch(&one, json!({"description": "d"})).await.expect(200);
        assert_eq!(patched["eventTypes"], json!([event_type]));
    })
    .await;
}

#[tokio::test]
async fn expunging_leaves_subscriptions_in_place() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let event_type = svix.event_type("a").await;
        let made = svix
            .post(&path, json!({"url": "https://a.example/", "eventTypes": [event_type]}))
            .await
            .expect(201);
        svix.delete(&format!("/event-type/{event_type}/?expunge=true")).await.expect(204);
        let one = format!("{path}{}/", made["id"].as_str().unwrap());
        assert_eq!(svix.get(&one).await.expect(200)["eventTypes"], json!([event_type]));
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_uid_that_is_taken_is_a_conflict() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://a.example/", "uid": "mine"});
        svix.post(&path, body.clone()).await.expect(201);
        svix.post(&path, body).await.expect_error(409, "conflict");
        let other = svix.post(&path, json!({"url": "https://a.example/"})).await.expect(201);
        let one = format!("{path}{}/", other["id"].as_str().unwrap());
        svix.patch(&one, json!({"uid": "mine"})).await.expect_error(409, "conflict");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_endpoint_is_gone_and_its_uid_is_free() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://a.example/", "uid": "mine"});
        svix.post(&path, body.clone()).await.expect(201);
        svix.delete(&format!("{path}mine/")).await.expect(204);
        svix.get(&format!("{path}mine/")).await.expect_error(404, "not_found");
        svix.delete(&format!("{path}mine/")).await.expect_error(404, "not_found");
        svix.post(&path, body).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_url_reads_back_normalised() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        for (given, read) in [
            ("https://a.example", "https://a.example/"),
            ("HTTPS://A.Example:443/x/../y", "https://a.example/y"),
            ("http://a.example/a b?q=é", "http://a.example/a%20b?q=%C3%A9"),
            ("https://user:pass@a.example/", "https://user:pass@a.example/"),
        ] {
            let made = svix.post(&path, json!({"url": given})).await.expect(201);
            assert_eq!(made["url"], read);
        }
    })
    .await;
}

#[tokio::test]
async fn a_url_is_absolute_and_http_or_https() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        for url in ["ftp://a.example/", "a.example", "/x", ""] {
            svix.post(&path, json!({"url": url})).await.expect_invalid("body.url");
        }
        svix.post(&path, json!({})).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn the_fields_of_an_endpoint_have_their_limits() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let create = async |field: &str, value: Value| {
            svix.post(&path, json!({"url": "https://a.example/", field: value})).await
        };
        create("uid", json!("ep_x")).await.expect_invalid("body.uid.__all__");
        create("uid", json!("a b")).await.expect_invalid("body.uid.__all__");
        create("uid", json!("u".repeat(256))).await.expect(201);
        create("uid", json!("u".repeat(257))).await.expect_invalid("body.uid.__all__");
        create("eventTypes", json!([])).await.expect_invalid("body.event_types");
        create("channels", json!([])).await.expect_invalid("body.channels");
        create("channels", json!(["a b"])).await.expect_invalid("body.channels.__all__");
        let channels = |n: usize| json!((0..n).map(|i| format!("c{i}")).collect::<Vec<_>>());
        create("channels", channels(10)).await.expect(201);
        create("channels", channels(11)).await.expect_invalid("body.channels");
        create("throttleRate", json!(0)).await.expect_invalid("body.throttle_rate");
        create("throttleRate", json!(65535)).await.expect(201);
        create("throttleRate", json!(65536)).await.expect_invalid("body.throttleRate");
        create("metadata", json!({"k": 1})).await.expect_invalid("body.metadata.k");
        create("metadata", json!({"k": "v".repeat(4096 - 8)})).await.expect(201);
        create("metadata", json!({"k": "v".repeat(4096 - 7)})).await.expect_invalid("body.metadata");
        create("metadata", Value::Null).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn post_takes_a_secret_and_makes_one_up_otherwise() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let create = async |uid: &str, secret: Value| {
            svix.post(&path, json!({"url": "https://a.example/", "uid": uid, "secret": secret})).await
        };
        create("given", json!(SECRET)).await.expect(201);
        create("made-up", Value::Null).await.expect(201);
        assert_eq!(svix.get(&format!("{path}given/secret/")).await.expect(200), json!({"key": SECRET}));
        let secret = svix.get(&format!("{path}made-up/secret/")).await.expect(200);
        let secret = secret["key"].as_str().unwrap();
        assert!(secret.starts_with("whsec_") && secret.len() == 38, "{secret}");
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_24_to_75_bytes_of_base64_with_its_prefix() {
    use base64::Engine;
    contract(async |svix| {
        let path = svix.endpoints().await;
        let bytes = |n| format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![7; n]));
        let create = async |secret: String| {
            svix.post(&path, json!({"url": "https://a.example/", "secret": secret})).await
        };
        create(bytes(24)).await.expect(201);
        create(bytes(75)).await.expect(201);
        create(bytes(23)).await.expect_invalid("body.key.__all__");
        create(bytes(76)).await.expect_invalid("body.key.__all__");
        create("C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()).await.expect_invalid("body.secret");
        create("whsec_*".to_owned()).await.expect_invalid("body.secret");
    })
    .await;
}

#[tokio::test]
async fn headers_in_a_post_are_ignored() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://a.example/", "uid": "mine", "headers": {"X-Team": "a"}});
        let made = svix.post(&path, body).await.expect(201);
        assert!(made.get("headers").is_none(), "{made}");
        let headers = svix.get(&format!("{path}mine/headers/")).await.expect(200);
        assert_eq!(headers, json!({"headers": {}, "sensitive": []}));
    })
    .await;
}

#[tokio::test]
async fn the_same_uid_may_be_used_in_two_applications() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let other = svix.name("other");
        svix.forget(format!("/app/{other}/"));
        svix.post("/app/", json!({"name": "other", "uid": other})).await.expect(201);
        let body = json!({"url": "https://a.example/", "uid": "mine"});
        svix.post(&path, body.clone()).await.expect(201);
        svix.post(&format!("/app/{other}/endpoint/"), body).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_nul_in_metadata_is_an_internal_error() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://a.example/", "uid": "mine", "metadata": {"k": "\0"}});
        assert_eq!(svix.post(&path, body).await.expect(500), json!({}));
        svix.get(&format!("{path}mine/")).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn some_limits_exceed_the_specification() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let channel = async |n: usize| {
            svix.post(&path, json!({"url": "https://a.example/", "channels": ["c".repeat(n)]})).await
        };
        channel(256).await.expect(201);
        channel(257).await.expect_invalid("body.channels.__all__");
        let url = format!("https://a.example/{}", "x".repeat(70_000));
        svix.post(&path, json!({"url": url})).await.expect(201);
    })
    .await;
}
