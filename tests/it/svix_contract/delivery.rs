use std::time::Duration;

use serde_json::{Value, json};
use svix::webhooks::Webhook;
use svix_operator::embedded::HeaderNames;

use super::receiver::{DELIVERY, Received, Receiver};
use super::{Svix, contract, contract_with, eventually};
use crate::support::ports::free_port;

/// What the real server says of an address that refuses connections.
const CONNECT: &str = "error making request: client error (Connect)";

/// A receiver, and an application with an endpoint of it called `mine` that takes every event type.
struct Given {
    receiver: Receiver,
    app: String,
}

impl Given {
    async fn new(svix: &Svix, more: Value) -> Self {
        let given = Self { receiver: Receiver::start().await, app: svix.app().await };
        let mut endpoint = json!({"url": given.receiver.url(), "uid": "mine"});
        endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        svix.post(&given.endpoints(), endpoint).await.expect(201);
        given
    }

    fn endpoints(&self) -> String {
        format!("/app/{}/endpoint/", self.app)
    }

    fn mine(&self) -> String {
        format!("{}mine/", self.endpoints())
    }

    /// Sends a message and gives back its id.
    async fn send(&self, svix: &Svix, more: Value) -> String {
        let mut message = json!({"eventType": "a.b", "payload": {}});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let sent = svix.post(&format!("/app/{}/msg/", self.app), message).await.expect(202);
        sent["id"].as_str().unwrap().to_owned()
    }

    async fn arrives(&self, svix: &Svix, message: &str) -> Option<Received> {
        self.receiver.wait_for(svix, &self.app, message, 1).await.map(|mut all| all.remove(0))
    }

    async fn attempts(&self, svix: &Svix, message: &str) -> Vec<Value> {
        svix.all(&format!("/app/{}/attempt/msg/{message}/", self.app)).await
    }

    /// Waits until the server has written down so many attempts, newest first.
    async fn attempted(&self, svix: &Svix, message: &str, times: usize) -> Vec<Value> {
        let what = format!("{times} attempts of {message}");
        eventually(&what, DELIVERY, async || {
            let attempts = self.attempts(svix, message).await;
            (attempts.len() >= times).then_some(attempts)
        })
        .await
    }

    /// Sends two messages, the first with more fields. The first arrives, and attempts at the second fail; `None`: nothing
    /// arrives from this server.
    async fn one_of_two_fails(&self, svix: &Svix, more: Value, failures: usize) -> Option<[String; 2]> {
        let fine = self.send(svix, more).await;
        self.arrives(svix, &fine).await?;
        self.attempted(svix, &fine, 1).await;
        self.receiver.answer_next(&vec![500; failures]);
        let failing = self.send(svix, json!({})).await;
        self.attempted(svix, &failing, 1).await;
        Some([fine, failing])
    }

    async fn secret(&self, svix: &Svix) -> String {
        let secret = svix.get(&format!("{}secret/", self.mine())).await.expect(200);
        secret["key"].as_str().unwrap().to_owned()
    }
}

fn signed_by(received: &Received, secret: &str) -> bool {
    Webhook::new(secret).unwrap().verify(received.body.as_bytes(), &received.headers).is_ok()
}

#[tokio::test]
async fn a_message_is_signed_with_the_endpoints_secret() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let id = given.send(svix, json!({"payload": {"x": 1}})).await;
        let Some(received) = given.arrives(svix, &id).await else { return };
        assert_eq!(received.body, r#"{"x":1}"#);
        assert_eq!(received.header(&svix.signing_header("id")), id);
        assert_eq!(received.header("content-type"), "application/json");
        assert!(received.header("user-agent").starts_with("Svix-Webhooks/"), "{received:?}");
        assert!(received.header(&svix.signing_header("timestamp")).parse::<i64>().is_ok(), "{received:?}");
        assert!(received.header(&svix.signing_header("signature")).starts_with("v1,"), "{received:?}");
        assert!(signed_by(&received, &given.secret(svix).await), "{received:?}");
    })
    .await;
}

#[tokio::test]
async fn a_payload_is_delivered_byte_for_byte() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let payload = r#"{ "b":1.0, "a" : 12345678901234567890123, "a":null }"#;
        let body = format!(r#"{{"eventType":"a.b","payload":{payload}}}"#);
        let path = format!("/app/{}/msg/?with_content=false", given.app);
        let sent = svix.send(reqwest::Method::POST, &path, Some(body)).await.expect(202);
        let Some(received) = given.arrives(svix, sent["id"].as_str().unwrap()).await else { return };
        assert_eq!(received.body, payload);
    })
    .await;
}

#[tokio::test]
async fn a_raw_payload_is_delivered_as_it_stands() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let params = json!({"rawPayload": "not json at all"});
        let id = given.send(svix, json!({"transformationsParams": params})).await;
        let Some(received) = given.arrives(svix, &id).await else { return };
        assert_eq!(received.body, "not json at all");
    })
    .await;
}

#[tokio::test]
async fn a_delivery_carries_the_headers_of_the_endpoint() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let headers = json!({"headers": {"X-Team": "a", "Authorization": "Bearer t"}});
        svix.put(&format!("{}headers/", given.mine()), headers).await.expect(204);
        let id = given.send(svix, json!({})).await;
        let Some(received) = given.arrives(svix, &id).await else { return };
        assert_eq!(received.header("x-team"), "a");
        assert_eq!(received.header("authorization"), "Bearer t");
    })
    .await;
}

#[tokio::test]
async fn changed_headers_reach_deliveries_within_30_seconds() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        // After a first message the server may hold on to what it knows of the endpoint.
        let id = given.send(svix, json!({})).await;
        if given.arrives(svix, &id).await.is_none() {
            return;
        }
        let headers = json!({"headers": {"X-Team": "changed"}});
        svix.put(&format!("{}headers/", given.mine()), headers).await.expect(204);
        eventually("a delivery with the changed header", Duration::from_secs(45), async || {
            let id = given.send(svix, json!({})).await;
            (given.arrives(svix, &id).await?.header("x-team") == "changed").then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_gets_the_event_types_it_subscribes_to() {
    contract(async |svix| {
        let (mine, other) = (svix.event_type("mine").await, svix.event_type("other").await);
        let given = Given::new(svix, json!({"eventTypes": [mine]})).await;
        let unwanted = given.send(svix, json!({"eventType": other})).await;
        let wanted = given.send(svix, json!({"eventType": mine})).await;
        if given.arrives(svix, &wanted).await.is_none() {
            return;
        }
        assert!(given.receiver.received(&unwanted).is_empty());
        assert!(given.attempts(svix, &unwanted).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_without_channels_gets_events_of_any_channel() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        for channels in [Value::Null, json!(["c"])] {
            let id = given.send(svix, json!({"channels": channels})).await;
            if given.arrives(svix, &id).await.is_none() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn channels_filter_the_events_of_an_endpoint() {
    contract(async |svix| {
        let given = Given::new(svix, json!({"channels": ["c", "d"]})).await;
        let without = given.send(svix, json!({})).await;
        let other = given.send(svix, json!({"channels": ["e"]})).await;
        let shared = given.send(svix, json!({"channels": ["d", "e"]})).await;
        if given.arrives(svix, &shared).await.is_none() {
            return;
        }
        for unwanted in [without, other] {
            assert!(given.receiver.received(&unwanted).is_empty());
            assert!(given.attempts(svix, &unwanted).await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_disabled_endpoint_gets_nothing_until_it_is_enabled() {
    contract(async |svix| {
        let given = Given::new(svix, json!({"disabled": true})).await;
        let before = given.send(svix, json!({})).await;
        svix.patch(&given.mine(), json!({"disabled": false})).await.expect(200);
        let after = given.send(svix, json!({})).await;
        if given.arrives(svix, &after).await.is_none() {
            return;
        }
        assert!(given.receiver.received(&before).is_empty());
    })
    .await;
}

#[tokio::test]
async fn deliveries_have_header_names_of_one_kind() {
    for (names, own, other) in
        [(HeaderNames::Svix, "svix", "webhook"), (HeaderNames::StandardWebhooks, "webhook", "svix")]
    {
        contract_with(names, async |svix| {
            let given = Given::new(svix, json!({})).await;
            let id = given.send(svix, json!({"payload": {"x": 1}})).await;
            let Some(received) = given.arrives(svix, &id).await else { return };
            assert_eq!(received.header(&format!("{own}-id")), id);
            for part in ["id", "timestamp", "signature"] {
                assert!(received.headers.contains_key(format!("{own}-{part}")), "{received:?}");
                assert!(!received.headers.contains_key(format!("{other}-{part}")), "{received:?}");
            }
            assert!(signed_by(&received, &given.secret(svix).await), "{received:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let old = given.secret(svix).await;
        svix.post(&format!("{}secret/rotate/", given.mine()), json!({})).await.expect(204);
        let new = given.secret(svix).await;
        let id = given.send(svix, json!({})).await;
        let Some(received) = given.arrives(svix, &id).await else { return };
        assert_eq!(received.header(&svix.signing_header("signature")).split(' ').count(), 2, "{received:?}");
        assert!(signed_by(&received, &old) && signed_by(&received, &new), "{received:?}");
    })
    .await;
}

#[tokio::test]
async fn after_a_rotation_without_grace_one_secret_signs() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        let old = given.secret(svix).await;
        let rotate = json!({"gracePeriodSeconds": 0});
        svix.post(&format!("{}secret/rotate/", given.mine()), rotate).await.expect(204);
        let id = given.send(svix, json!({})).await;
        let Some(received) = given.arrives(svix, &id).await else { return };
        assert!(
            !signed_by(&received, &old) && signed_by(&received, &given.secret(svix).await),
            "{received:?}"
        );
    })
    .await;
}

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
