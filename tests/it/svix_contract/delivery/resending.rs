//! Messages that are sent again, and examples.

use super::*;

#[tokio::test]
async fn a_message_can_be_resent_to_any_endpoint() {
    contract(async |svix| {
        let event_type = svix.event_type("a").await;
        let given = Given::new(svix, json!({"eventTypes": [event_type]})).await;
        let id = given.send(svix, json!({"eventType": svix.name("other")})).await;
        let resend = format!("/app/{}/msg/{id}/endpoint/mine/resend/", given.app);
        svix.post(&resend, json!({})).await.expect(202);
        if given.arrives(svix, &id).await.is_none() {
            return;
        }
        assert_eq!(given.attempted(svix, &id, 1).await[0]["triggerType"], 1);
        svix.delete(&format!("/app/{}/msg/{id}/content/", given.app)).await.expect(204);
        svix.post(&resend, json!({})).await.expect_error(400, "missing_payload");
    })
    .await;
}

#[tokio::test]
async fn send_example_sends_the_first_example() {
    contract(async |svix| {
        let name = svix.name("a");
        let schemas = json!({"1": {"examples": [{"x": 1}, {"x": 2}]}, "2": {"examples": [{"x": 3}]}});
        svix.post("/event-type/", json!({"name": name, "description": "", "schemas": schemas}))
            .await
            .expect(201);
        let given = Given::new(svix, json!({"eventTypes": [name]})).await;
        let sent = svix
            .post(&format!("{}send-example/", given.mine()), json!({"eventType": name}))
            .await
            .expect(200);
        assert_eq!(sent["payload"], json!({}));
        let Some(received) = given.arrives(svix, sent["id"].as_str().unwrap()).await else { return };
        assert_eq!(received.body, r#"{"x":1}"#);
    })
    .await;
}

#[tokio::test]
async fn send_example_needs_an_example_in_version_1() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let name = svix.name("a");
        let schemas = json!({"2": {"examples": [{"x": 3}]}});
        svix.post("/event-type/", json!({"name": name, "description": "", "schemas": schemas}))
            .await
            .expect(201);
        let send = async |name: &str| {
            svix.post(&format!("{}send-example/", given.mine()), json!({"eventType": name})).await
        };
        send(&name).await.expect_error(400, "invalid_scheme");
        send(&svix.name("nowhere")).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn failed_messages_are_recovered() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let Some([fine, failing]) = given.one_of_two_fails(svix, json!({}), 3).await else { return };
        let recover = format!("{}recover/", given.mine());
        let ago = |hours: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);

        // The default end of the period is now, and an attempt of the same four milliseconds is not before it: attempts
        // are found by their ids, whose clock ticks that slowly.
        let period = json!({"since": ago(1), "until": ago(-1)});
        let task = svix.post(&recover, period).await.expect(202);

        assert!(task["id"].as_str().unwrap().starts_with("qtask_"), "{task}");
        assert_eq!((&task["status"], &task["task"]), (&json!("running"), &json!("endpoint.recover")));
        eventually("an attempt that was asked for", DELIVERY, async || {
            let attempts = given.attempts(svix, &failing).await;
            attempts.iter().any(|attempt| attempt["triggerType"] == 1).then_some(())
        })
        .await;
        assert_eq!(given.attempts(svix, &fine).await.len(), 1);
        let nobody = format!("{}nobody/recover/", given.endpoints());
        svix.post(&nobody, json!({"since": ago(1)})).await.expect_error(404, "not_found");
        svix.post(&recover, json!({"since": ago(15 * 24)})).await.expect_invalid("body.since");
    })
    .await;
}

#[tokio::test]
async fn there_is_no_call_that_sends_missing_messages() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let since = jiff::Timestamp::now();

        let answer = svix.post(&format!("{}replay-missing/", given.mine()), json!({"since": since})).await;

        assert_eq!(answer.status, 404, "{answer:?}");
    })
    .await;
}
