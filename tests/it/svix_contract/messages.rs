use serde_json::{Value, json};

use super::{Svix, contract};

/// The path of the messages of an application, and an event type that is not there.
async fn messages(svix: &Svix) -> (String, String) {
    (format!("/app/{}/msg/", svix.app().await), svix.name("a"))
}

#[tokio::test]
async fn a_message_is_found_by_id_and_event_id() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let event_id = svix.name("event");
        let body = json!({
            "eventType": event_type, "payload": {"x": 1}, "eventId": event_id, "channels": ["c"],
        });
        let sent = svix.post(&path, body).await.expect(202);
        let id = sent["id"].as_str().unwrap();
        assert!(id.starts_with("msg_") && id.len() == 31, "{id}");
        assert_eq!(sent["payload"], json!({"x": 1}));
        assert_eq!(sent["eventId"], json!(event_id));
        assert_eq!(sent["channels"], json!(["c"]));
        assert!(sent["timestamp"].is_string());
        assert_eq!(svix.get(&format!("{path}{id}/")).await.expect(200), sent);
        assert_eq!(svix.get(&format!("{path}{event_id}/")).await.expect(200), sent);
    })
    .await;
}

#[tokio::test]
async fn neither_event_type_nor_payload_of_a_message_is_checked() {
    contract(async |svix| {
        let app = svix.app().await;
        let name = svix.name("a");
        let schemas = json!({"1": {"type": "object", "required": ["id"]}});
        svix.post("/event-type/", json!({"name": name, "description": "", "schemas": schemas}))
            .await
            .expect(201);
        let path = format!("/app/{app}/msg/");
        svix.post(&path, json!({"eventType": name, "payload": {}})).await.expect(202);
        svix.delete(&format!("/event-type/{name}/")).await.expect(204);
        svix.post(&path, json!({"eventType": name, "payload": {}})).await.expect(202);
        svix.post(&path, json!({"eventType": svix.name("nowhere"), "payload": {}})).await.expect(202);
    })
    .await;
}

#[tokio::test]
async fn an_event_id_used_twice_is_a_conflict() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let event_id = svix.name("event");
        for (payload, status) in [(json!({"x": 1}), 202), (json!({"x": 2}), 409), (json!({"x": 1}), 409)] {
            let body = json!({"eventType": event_type, "payload": payload, "eventId": event_id});
            let answer = svix.post(&path, body).await;
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 409 {
                answer.expect_error(409, "conflict");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn data_is_another_name_of_payload() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let sent = svix.post(&path, json!({"eventType": event_type, "data": {"x": 1}})).await.expect(202);
        assert_eq!(sent["payload"], json!({"x": 1}));
        svix.post(&path, json!({"eventType": event_type, "data": {}, "payload": {}})).await.expect(422);
        svix.post(&path, json!({"eventType": event_type})).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn a_raw_payload_is_stored_in_place_of_the_payload() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let send = async |raw: &str| {
            let params = json!({"rawPayload": raw});
            let body = json!({"eventType": event_type, "payload": {"x": 1}, "transformationsParams": params});
            svix.post(&path, body).await.expect(202)["payload"].clone()
        };
        assert_eq!(send(r#"{"y": 2}"#).await, json!({"y": 2}));
        assert_eq!(send("[1]").await, json!([1]));
        // What is not JSON cannot be shown, and is sent all the same.
        assert_eq!(send("not json").await, json!({"expired": true}));
    })
    .await;
}

#[tokio::test]
async fn the_payload_of_a_message_is_an_object() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        for payload in [json!([1]), json!("text"), json!(1), Value::Null] {
            let body = json!({"eventType": event_type, "payload": payload});
            svix.post(&path, body).await.expect_invalid("body.payload");
        }
    })
    .await;
}

#[tokio::test]
async fn the_fields_of_a_message_have_their_limits() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let send = async |field: &str, value: Value| {
            svix.post(&path, json!({"eventType": event_type, "payload": {}, field: value})).await
        };
        send("eventId", json!("msg_x")).await.expect_invalid("body.uid.__all__");
        send("eventId", json!("a b")).await.expect_invalid("body.uid.__all__");
        send("channels", json!([])).await.expect_invalid("body.channels");
        send("channels", json!(["1", "2", "3", "4", "5"])).await.expect(202);
        send("channels", json!(["1", "2", "3", "4", "5", "6"])).await.expect_invalid("body.channels");
        send("channels", json!(["a:b"])).await.expect_invalid("body.channels.__all__");
        send("channels", Value::Null).await.expect(202);
        for (days, fine) in [(4, false), (5, true), (90, true), (91, false)] {
            let answer = send("payloadRetentionPeriod", json!(days)).await;
            assert_eq!(answer.status, if fine { 202 } else { 422 }, "{days}: {answer:?}");
        }
        svix.post(&path, json!({"eventType": "a b", "payload": {}}))
            .await
            .expect_invalid("body.event_type.__all__");
    })
    .await;
}

#[tokio::test]
async fn without_content_the_payload_of_a_message_is_left_out() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let body = json!({"eventType": event_type, "payload": {"x": 1}});
        let sent = svix.post(&format!("{path}?with_content=false"), body).await.expect(202);
        assert_eq!(sent["payload"], json!({}));
        let one = format!("{path}{}/", sent["id"].as_str().unwrap());
        assert_eq!(svix.get(&format!("{one}?with_content=false")).await.expect(200)["payload"], json!({}));
        assert_eq!(svix.get(&one).await.expect(200)["payload"], json!({"x": 1}));
    })
    .await;
}

#[tokio::test]
async fn messages_are_listed_by_type_channel_and_time() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let other = svix.name("b");
        let mut sent = Vec::new();
        for (name, channels) in
            [(&event_type, json!(["c"])), (&event_type, Value::Null), (&other, json!(["c", "d"]))]
        {
            let body = json!({"eventType": name, "payload": {}, "channels": channels});
            sent.push(svix.post(&path, body).await.expect(202));
        }
        let ids = async |query: &str| -> Vec<Value> {
            svix.all(&format!("{path}{query}")).await.iter().map(|it| it["id"].clone()).collect()
        };
        let all = ids("").await;
        assert_eq!(all.len(), 3);
        assert!(all.windows(2).all(|pair| pair[0].as_str() > pair[1].as_str()), "{all:?}");
        assert_eq!(ids(&format!("?event_types={other}")).await, [sent[2]["id"].clone()]);
        assert_eq!(ids(&format!("?event_types={other}&event_types={event_type}")).await.len(), 3);
        assert_eq!(ids("?channel=d").await, [sent[2]["id"].clone()]);
        assert_eq!(ids("?channel=c").await.len(), 2);
        assert_eq!(ids("?before=2020-01-01T00:00:00Z").await.len(), 0);
        assert_eq!(ids("?limit=1").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_message_to_a_missing_application_is_not_found() {
    contract(async |svix| {
        let body = json!({"eventType": "a.b", "payload": {}});
        let path = format!("/app/{}/msg/", svix.name("nobody"));
        svix.post(&path, body.clone()).await.expect_error(404, "not_found");
        svix.post("/app/a%20b/msg/", body).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn a_message_may_make_its_application_on_the_way() {
    contract(async |svix| {
        let app = svix.name("new");
        svix.forget(format!("/app/{app}/"));
        let path = format!("/app/{app}/msg/");
        let send = async |uid: Value| {
            let application = json!({"name": "new", "uid": uid});
            svix.post(&path, json!({"eventType": "a.b", "payload": {}, "application": application})).await
        };
        send(Value::Null).await.expect_invalid_kind("application_uid_missing");
        send(json!("other")).await.expect_invalid_kind("application_uid_mismatch");
        send(json!(app)).await.expect(202);
        send(json!(app)).await.expect(202);
        svix.get(&format!("/app/{app}/")).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn an_expunged_payload_is_gone() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        let sent = svix.post(&path, json!({"eventType": event_type, "payload": {"x": 1}})).await.expect(202);
        let one = format!("{path}{}/", sent["id"].as_str().unwrap());
        svix.delete(&format!("{one}content/")).await.expect(204);
        assert_eq!(svix.get(&one).await.expect(200)["payload"], json!({"expired": true}));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_no_endpoint_takes_has_no_attempts() {
    contract(async |svix| {
        let app = svix.app().await;
        let sent = svix
            .post(&format!("/app/{app}/msg/"), json!({"eventType": "a.b", "payload": {}}))
            .await
            .expect(202);
        let attempts =
            svix.get(&format!("/app/{app}/attempt/msg/{}/", sent["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(attempts, json!({"data": [], "iterator": null, "done": true}));
    })
    .await;
}

#[tokio::test]
async fn messages_after_a_time_are_listed_oldest_first() {
    contract(async |svix| {
        let (path, event_type) = messages(svix).await;
        for _ in 0..3 {
            svix.post(&path, json!({"eventType": event_type, "payload": {}})).await.expect(202);
        }
        let ids = |page: &Value| -> Vec<String> {
            page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
        };
        let newest_first = ids(&svix.get(&path).await.expect(200));
        let long_ago = svix.get(&format!("{path}?after=2020-01-01T00:00:00Z")).await.expect(200);
        assert_eq!(long_ago["data"], json!([]));
        let hour_ago = jiff::Timestamp::now() - std::time::Duration::from_secs(3600);
        let page = svix.get(&format!("{path}?limit=2&after={hour_ago}")).await.expect(200);
        assert_eq!(ids(&page), newest_first[1..]);
        assert_eq!(page["done"], false);
    })
    .await;
}
