use std::time::Duration;

use serde_json::{Value, json};
use svix::webhooks::Webhook;
use svix_operator::embedded::HeaderNames;

use super::receiver::{DELIVERY, Received, Receiver};
use super::{Svix, contract, contract_with, eventually};
use crate::support::ports::free_port;

mod attempts;
mod resending;
mod subscriptions;

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
