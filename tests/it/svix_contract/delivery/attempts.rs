//! Attempts: their outcome, their lists, and what is tried again.

use super::*;

/// What the real server says of an address that refuses connections.
const CONNECT: &str = "error making request: client error (Connect)";

#[tokio::test]
async fn an_attempt_tells_what_became_of_a_delivery() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let endpoint = svix.get(&given.mine()).await.expect(200)["id"].clone();
        let id = given.send(svix, json!({})).await;
        if given.arrives(svix, &id).await.is_none() {
            return;
        }
        let attempt = given.attempted(svix, &id, 1).await.remove(0);
        assert!(attempt["id"].as_str().unwrap().starts_with("atmpt_"), "{attempt}");
        assert_eq!(attempt["msgId"], json!(id));
        assert_eq!(attempt["endpointId"], endpoint);
        assert_eq!(attempt["url"], given.receiver.url());
        assert_eq!((&attempt["status"], &attempt["statusText"]), (&json!(0), &json!("success")));
        assert_eq!(attempt["triggerType"], 0);
        assert_eq!(attempt["responseStatusCode"], 200);
        assert_eq!(attempt["response"], "answered 200");
        assert!(attempt["responseDurationMs"].is_u64() && attempt["timestamp"].is_string(), "{attempt}");

        let app = &given.app;
        let by_endpoint = svix.get(&format!("/app/{app}/attempt/endpoint/mine/")).await.expect(200);
        assert_eq!(by_endpoint["data"], json!([attempt]));
        let one = format!("/app/{app}/msg/{id}/attempt/{}/", attempt["id"].as_str().unwrap());
        assert_eq!(svix.get(&one).await.expect(200), attempt);
        let stats = svix.get(&format!("{}stats/", given.mine())).await.expect(200);
        assert_eq!(stats, json!({"success": 1, "pending": 0, "sending": 0, "fail": 0, "canceled": 0}));
        let messages = svix.get(&format!("/app/{app}/endpoint/mine/msg/")).await.expect(200);
        assert_eq!(messages["data"][0]["id"], json!(id));
        assert_eq!(messages["data"][0]["status"], 0);
    })
    .await;
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_with_the_same_id() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        given.receiver.answer_next(&[500]);
        let id = given.send(svix, json!({})).await;
        let Some(received) = given.receiver.wait_for(svix, &given.app, &id, 2).await else { return };
        assert_eq!(received[0].body, received[1].body);
        let attempts = given.attempted(svix, &id, 2).await;
        assert_eq!((&attempts[0]["status"], &attempts[0]["statusText"]), (&json!(0), &json!("success")));
        assert_eq!((&attempts[1]["status"], &attempts[1]["statusText"]), (&json!(2), &json!("fail")));
        assert_eq!(attempts[1]["responseStatusCode"], 500);
        let failed = svix.all(&format!("/app/{}/attempt/msg/{id}/?status=2", given.app)).await;
        assert_eq!(failed.len(), 1);
        let failed = svix.all(&format!("/app/{}/attempt/msg/{id}/?status_code_class=500", given.app)).await;
        assert_eq!(failed.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn attempted_destinations_are_listed_with_status() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let failing = Receiver::start().await;
        failing.answer_next(&[500; 50]);
        svix.post(&given.endpoints(), json!({"url": failing.url(), "uid": "failing"})).await.expect(201);
        let other = json!({"url": failing.url(), "uid": "other", "channels": ["c"]});
        svix.post(&given.endpoints(), other).await.expect(201);
        let event_id = svix.name("event");
        let id = given.send(svix, json!({"eventId": event_id})).await;
        given.attempted(svix, &id, 2).await;
        // Found by either id.
        let path = format!("/app/{}/msg/{event_id}/endpoint/", given.app);
        let tried = svix.all(&path).await;
        let of = |uid: &str| tried.iter().find(|it| it["uid"] == uid).unwrap_or(&Value::Null);
        assert_eq!((&of("mine")["status"], &of("mine")["statusText"]), (&json!(0), &json!("success")));
        assert!(of("mine")["nextAttempt"].is_null() && of("mine").get("metadata").is_none(), "{tried:?}");
        // A failure is "fail" at once; that it is tried again shows in the time of the next attempt.
        assert_eq!(of("failing")["status"], 2);
        assert!(of("failing")["nextAttempt"].is_string(), "{tried:?}");
        assert!(of("failing")["id"].as_str().unwrap().starts_with("ep_"));
        assert_eq!(tried.len(), 2, "one that does not match is not tried: {tried:?}");
        svix.get(&format!("/app/{}/msg/nothing/endpoint/", given.app)).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_full_page_of_destinations_says_done() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        svix.post(&given.endpoints(), json!({"url": given.receiver.url(), "uid": "other"})).await.expect(201);
        let id = given.send(svix, json!({})).await;
        given.attempted(svix, &id, 2).await;

        let path = format!("/app/{}/msg/{id}/endpoint/?limit=1", given.app);
        let mut seen = Vec::new();
        let mut iterator = String::new();
        loop {
            let page = svix.get(&format!("{path}{iterator}")).await.expect(200);
            assert_eq!(page["done"], true, "{page}");
            let Some(item) = page["data"].get(0) else { break };
            seen.push(item["id"].as_str().unwrap().to_owned());
            assert_eq!(page["iterator"], item["id"], "the iterator leads to what follows");
            iterator = format!("&iterator={}", seen[seen.len() - 1]);
        }

        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.is_sorted(), "{seen:?}");
        // The other lists of attempts ask for one more, and know.
        for list in [format!("attempt/msg/{id}"), "endpoint/mine/msg".to_owned(), "msg".to_owned()] {
            let all = svix.all(&format!("/app/{}/{list}/?limit=1", given.app)).await;
            let attempts = if list.starts_with("attempt") { 2 } else { 1 };
            assert_eq!(all.len(), attempts, "{list}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_that_no_endpoint_matches_is_tried_on_none() {
    contract(async |svix| {
        let given = Given::new(svix, json!({"channels": ["c"]})).await;
        let id = given.send(svix, json!({})).await;
        assert_eq!(svix.all(&format!("/app/{}/msg/{id}/endpoint/", given.app)).await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_a_failure() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        given.receiver.answer_next(&[302]);
        let id = given.send(svix, json!({})).await;
        if given.arrives(svix, &id).await.is_none() {
            return;
        }
        let attempts = given.attempted(svix, &id, 1).await;
        let first = attempts.last().unwrap();
        assert_eq!((&first["status"], &first["responseStatusCode"]), (&json!(2), &json!(302)));
    })
    .await;
}

#[tokio::test]
async fn an_attempt_without_a_response_names_the_cause() {
    contract(async |svix| {
        // Given an endpoint at a port at which nothing listens
        let port = free_port();
        let given = Given::new(svix, json!({"url": format!("http://127.0.0.1:{port}/hunter2")})).await;

        // When a message is sent to it
        let id = given.send(svix, json!({})).await;
        let attempts = given.attempted(svix, &id, 1).await;

        // Then the attempt has no status code, and the cause in place of the response, without the address.
        let first = attempts.last().unwrap();
        assert_eq!((&first["status"], &first["statusText"]), (&json!(2), &json!("fail")));
        assert_eq!(first["responseStatusCode"], 0);
        let response = first["response"].as_str().unwrap();
        let blocked = "requests to this IP range are blocked (see the server configuration)";
        assert!([CONNECT, blocked].contains(&response), "{first}");
        let failed = svix.all(&format!("/app/{}/attempt/msg/{id}/?status=2", given.app)).await;
        assert_eq!(failed.last(), Some(first));
    })
    .await;
}

#[tokio::test]
async fn messages_of_an_endpoint_are_listed_by_state_and_channel() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let Some([fine, failing]) = given.one_of_two_fails(svix, json!({"channels": ["c"]}), 4).await else {
            return;
        };
        let listed = async |query: &str| -> Vec<Value> {
            let list = svix.all(&format!("{}msg/?{query}", given.mine())).await;
            list.into_iter().map(|message| message["id"].clone()).collect()
        };

        assert_eq!(listed("").await.len(), 2);
        assert_eq!(listed("channel=c").await, [json!(fine)]);
        assert_eq!(listed("status=0").await, [json!(fine)]);
        // Another attempt follows.
        assert_eq!(listed("status=3").await, [json!(failing)]);
        assert_eq!(listed("status=2").await, [Value::Null; 0]);
        // No attempt follows one that was asked for.
        svix.post(&format!("/app/{}/msg/{failing}/endpoint/mine/resend/", given.app), json!({}))
            .await
            .expect(202);
        eventually("the message has failed", DELIVERY, async || {
            (listed("status=2").await == [json!(failing)]).then_some(())
        })
        .await;
        assert_eq!(listed("status=3").await, [Value::Null; 0]);
        assert_eq!(listed("status=0").await, [json!(fine)]);
    })
    .await;
}

#[tokio::test]
async fn attempts_at_an_endpoint_are_listed_by_outcome() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let Some([fine, failing]) = given.one_of_two_fails(svix, json!({}), 3).await else { return };
        let messages = async |status: u8| -> Vec<Value> {
            let path =
                format!("/app/{}/attempt/endpoint/mine/?status={status}&with_content=false", given.app);
            let mut messages: Vec<_> =
                svix.all(&path).await.into_iter().map(|attempt| attempt["msgId"].clone()).collect();
            messages.dedup();
            messages
        };

        assert_eq!((messages(0).await, messages(2).await), (vec![json!(fine)], vec![json!(failing)]));
    })
    .await;
}
