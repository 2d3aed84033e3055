//! Events: judged before they are sent, sent once whatever happens, followed until their deliveries end.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use svix_operator::{
    api::{Attempts, ConditionStatus, ConditionType, SvixConnection, WebhookEvent, WebhookEventStatus},
    embedded::{FaultPlan, MessageState},
    engine::{Kind, Object, ObjectKey},
};

use crate::support::{
    harness::{Harness, PATIENCE},
    inbox::Inbox,
    objects::{Manifest, endpoint, event, event_type, key},
    wait::eventually,
};

fn schema() -> serde_json::Value {
    json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
}

fn kind() -> Manifest {
    event_type("a.one").with("schema", schema())
}

fn hook(name: &str, inbox: &Inbox) -> Manifest {
    endpoint(name, &["a.one"]).with("url", inbox.url())
}

fn status(harness: &Harness, key: &ObjectKey) -> WebhookEventStatus {
    match harness.object(key) {
        Some(Object::Event(event)) => event.status.clone().unwrap_or_default(),
        _ => WebhookEventStatus::default(),
    }
}

fn messages(harness: &Harness) -> Vec<MessageState> {
    let held = harness.svix.snapshot();
    held.applications.values().flat_map(|app| app.messages.values().cloned()).collect()
}

/// A copy of an event's object with another status.
fn with_status(object: Object, change: impl FnOnce(&mut WebhookEventStatus)) -> Object {
    match object {
        Object::Event(event) => {
            let mut event = WebhookEvent::clone(&event);
            change(event.status.get_or_insert_default());
            Object::Event(Arc::new(event))
        }
        other => other,
    }
}

#[tokio::test]
async fn an_event_applied_with_its_endpoint_arrives_signed() {
    let mut harness = Harness::new().await;
    let inbox = Inbox::answering(200).await;
    let sent = event("first", "a.one");
    harness.declare([sent.clone(), hook("hook", &inbox), kind()]);
    let ready = harness.wait_for_reason(&sent.key(), "Delivered").await;
    assert_eq!(ready.message, "delivered to 1 endpoint");
    assert_eq!(inbox.bodies(), [r#"{"name":"first"}"#]);
    let held = harness.svix.snapshot();
    let secret = &held.endpoint("default", "test.default.hook").unwrap().secret;
    assert!(inbox.webhooks()[0].is_signed_with(secret));
    let status = status(&harness, &sent.key());
    assert_eq!(status.attempts, Some(Attempts { succeeded: 1, pending: 0, failed: 0 }));
    let [message] = &messages(&harness)[..] else { panic!("{:?}", messages(&harness)) };
    assert_eq!(status.message_id.as_deref(), Some(&*message.id));
    assert_eq!(status.event_id, message.event_id);
    assert!(status.first_attempt_at <= status.sent_at && status.sent_at <= status.finished_at);
    let conditions: Vec<_> =
        status.conditions.iter().map(|c| format!("{:?}={:?}/{}", c.type_, c.status, c.reason)).collect();
    let expected =
        ["Accepted=True/PayloadValid", "Sent=True/Sent", "Delivered=True/Delivered", "Ready=True/Delivered"];
    assert_eq!(conditions, expected);
    assert_eq!(harness.published(&sent.key()), ["EventSent", "EventDelivered"]);
}

#[tokio::test]
async fn an_event_waits_for_its_event_type_and_is_judged_by_it() {
    let mut harness = Harness::new().await;
    let (good, bad) = (event("good", "a.one"), event("bad", "a.one").with("payload", json!({"name": 7})));
    harness.declare([good.clone(), bad.clone()]);
    let waiting = harness.wait_for_reason(&good.key(), "WaitingForEventType").await;
    assert!(waiting.message.contains("no object declares event type a.one"), "{}", waiting.message);
    // That Svix has it is not enough: nobody here says what its payloads look like.
    harness.edit_svix("POST", "/event-type", json!({"name": "a.one", "description": ""})).await;
    harness.wait_for_reason(&bad.key(), "WaitingForEventType").await;
    harness.edit_svix("DELETE", "/event-type/a.one?expunge=true", json!(null)).await;
    harness.declare([kind()]);
    harness.wait_for_reason(&good.key(), "NoEndpointMatched").await;
    let refused = harness.wait_for_reason(&bad.key(), "InvalidPayload").await;
    assert!(
        refused.message.contains("/spec/payload/name: found 7, expected a string"),
        "{}",
        refused.message
    );
    assert_eq!(messages(&harness).len(), 1);
    // The schema is mended: the event is judged again.
    harness.declare([kind().with("schema", json!({"type": "object"}))]);
    harness.wait_for_reason(&bad.key(), "NoEndpointMatched").await;
    assert_eq!(messages(&harness).len(), 2);
}

#[tokio::test]
async fn the_payload_policy_decides_about_mismatches() {
    let mut harness = Harness::new().await;
    for (name, policy) in [("a.warn", "Warn"), ("a.audit", "Audit")] {
        harness.declare([event_type(name).with("schema", schema()).with("payloadPolicy", policy)]);
    }
    let wrong = |name, kind| event(name, kind).with("payload", json!({"secret": "s3cret"}));
    let (warned, audited) = (wrong("warned", "a.warn"), wrong("audited", "a.audit"));
    harness.declare([warned.clone(), audited.clone()]);
    for sent in [&warned, &audited] {
        harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
        let accepted = status(&harness, &sent.key()).conditions[0].clone();
        assert_eq!(accepted.reason, "PayloadMismatch");
        assert!(accepted.message.contains(r#"found no "name", which is required"#), "{}", accepted.message);
    }
    assert!(harness.published(&warned.key()).contains(&"PayloadMismatch"));
    assert!(!harness.published(&audited.key()).contains(&"PayloadMismatch"));
}

#[tokio::test]
async fn no_event_tells_what_is_in_a_payload() {
    let mut harness = Harness::new().await;
    harness.declare([kind(), event_type("a.warn").with("schema", schema()).with("payloadPolicy", "Warn")]);
    let wrong = |name, kind| event(name, kind).with("payload", json!({"name": 4_111_111_111_111_111_u64}));
    let (refused, warned) = (wrong("refused", "a.one"), wrong("warned", "a.warn"));
    harness.declare([refused.clone(), warned.clone()]);
    harness.wait_for_reason(&refused.key(), "InvalidPayload").await;
    harness.wait_for_reason(&warned.key(), "NoEndpointMatched").await;
    let reported: Vec<_> = harness.all_published().into_iter().map(|(_, note)| note.message).collect();
    assert!(reported.iter().any(|message| message.contains("/spec/payload/name")), "{reported:?}");
    assert!(!reported.iter().any(|message| message.contains("4111111111111111")), "{reported:?}");
}

#[tokio::test]
async fn the_owners_schema_judges_events() {
    let mut harness = Harness::new().await;
    harness.declare([kind()]);
    harness.wait_until_in_sync().await;
    let other = event_type("other").with("name", "a.one").with("schema", json!({"required": ["other"]}));
    harness.declare([other.clone()]);
    harness.wait_for_reason(&other.key(), "Conflict").await;
    let sent = event("e", "a.one");
    harness.declare([sent.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
}

#[tokio::test]
async fn the_channel_rules_end_to_end() {
    let mut harness = Harness::new().await;
    let inboxes = [Inbox::answering(200).await, Inbox::answering(200).await, Inbox::answering(200).await];
    let url = "https://example.org/repo";
    harness.declare([
        kind(),
        hook("none", &inboxes[0]),
        hook("plain", &inboxes[1]).with("channels", json!(["c", "d"])),
        hook("mapped", &inboxes[2]).with("channels", json!([url])),
    ]);
    harness.wait_until_in_sync().await;
    // Channels of the event, and which of the three endpoints receive it.
    for (name, channels, expected) in [
        ("without", json!(null), [1, 0, 0]),
        ("shared", json!(["c"]), [1, 1, 0]),
        ("both", json!(["c", "d"]), [1, 1, 0]),
        ("url", json!([url]), [1, 0, 1]),
        ("url-and-plain", json!([url, "d"]), [1, 1, 1]),
        ("other", json!(["x"]), [1, 0, 0]),
    ] {
        let sent = event(name, "a.one").with("channels", channels);
        harness.declare([sent.clone()]);
        harness.wait_for_reason(&sent.key(), "Delivered").await;
        let body = json!({"name": name}).to_string();
        let received =
            inboxes.each_ref().map(|inbox| inbox.bodies().iter().filter(|it| **it == body).count());
        assert_eq!(received, expected, "{name}");
        let succeeded = status(&harness, &sent.key()).attempts.unwrap().succeeded;
        assert_eq!(usize::try_from(succeeded).unwrap(), expected.iter().sum::<usize>(), "{name}");
    }
}

#[tokio::test]
async fn deliveries_that_fail_are_counted_and_told() {
    let mut harness = Harness::new().await;
    let (good, bad) = (Inbox::answering(200).await, Inbox::answering(500).await);
    let sent = event("e", "a.one");
    harness.declare([kind(), hook("good", &good), hook("bad", &bad), sent.clone()]);
    eventually("one to succeed and one to be tried again", PATIENCE, async || {
        let status = status(&harness, &sent.key());
        let wanted = Some(Attempts { succeeded: 1, pending: 1, failed: 0 });
        if status.attempts == wanted { Ok(()) } else { Err(format!("{:?}", status.attempts)) }
    })
    .await;
    let ready = harness.ready(&sent.key()).unwrap();
    assert_eq!((&*ready.reason, &*ready.message), ("Sent", "sent; delivered to 1, 1 to go"));
    assert_eq!(bad.bodies().len(), 2, "tried twice");
}

fn delivered(harness: &Harness, key: &ObjectKey) -> String {
    let conditions = status(harness, key).conditions;
    let found = conditions.iter().find(|condition| condition.type_ == ConditionType::Delivered);
    found.map_or_else(String::new, |found| format!("{:?}/{}", found.status, found.reason))
}

#[tokio::test]
async fn an_event_names_endpoints_that_are_not_ready() {
    // Given endpoints that lack a Secret, of which one is for other channels
    let mut harness = Harness::new().await;
    let lacking = |name: &str| {
        let from = json!({"secretKeyRef": {"name": "nobody", "key": "url"}});
        endpoint(name, &["a.one"]).with("url", json!(null)).with("urlFrom", from)
    };
    let hooks = ["h1", "h2", "h3", "h4"].map(lacking);
    harness.declare([kind(), lacking("extra").with("channels", json!(["c"]))]);
    harness.declare(hooks.clone());
    for hook in &hooks {
        harness.wait_for_reason(&hook.key(), "SecretNotFound").await;
    }
    // When an event is sent that no endpoint in Svix receives
    let sent = event("e", "a.one");
    harness.declare([sent.clone()]);
    // Then it names them, is reported as a Warning, and does not say that it was delivered.
    let ready = harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    let named =
        "default/h1 (SecretNotFound), default/h2 (SecretNotFound), default/h3 (SecretNotFound) and 1 more. ";
    assert!(ready.message.contains(named), "{}", ready.message);
    assert_eq!(ready.status, ConditionStatus::True);
    assert_eq!(delivered(&harness, &sent.key()), "False/NoEndpointMatched");
    let notes = harness.all_published();
    let reported: Vec<_> = notes.iter().filter(|(of, note)| *of == sent.key() && note.warning).collect();
    assert!(matches!(&reported[..], [(_, note)] if note.reason == "NoEndpointMatched"), "{reported:?}");
    // One that is for nobody is delivered to everybody.
    let other = event("other", "a.two");
    harness.declare([event_type("a.two"), other.clone()]);
    harness.wait_for_reason(&other.key(), "NoEndpointMatched").await;
    assert_eq!(delivered(&harness, &other.key()), "True/NoEndpointMatched");
}

#[tokio::test]
async fn an_event_that_is_not_received_triggers_a_listing() {
    // Given an endpoint in step that is gone from Svix, and no resync for an hour
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let inbox = Inbox::answering(200).await;
    harness.declare([kind(), hook("hook", &inbox)]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("DELETE", "/app/default/endpoint/test.default.hook", json!(null)).await;
    // When an event is sent
    let lost = event("lost", "a.one");
    harness.declare([lost.clone()]);
    // Then it says who did not receive it, and the endpoint is made again.
    let ready = harness.wait_for_reason(&lost.key(), "NoEndpointMatched").await;
    assert!(ready.message.contains("were not in Svix as declared: default/hook. "), "{}", ready.message);
    assert_eq!(delivered(&harness, &lost.key()), "False/NoEndpointMatched");
    eventually("it to be made again", PATIENCE, async || {
        harness.svix.snapshot().endpoint("default", "test.default.hook").map(|_| ())
    })
    .await;
    harness.wait_until_in_sync().await;
    let next = event("next", "a.one");
    harness.declare([next.clone()]);
    harness.wait_for_reason(&next.key(), "Delivered").await;
    assert_eq!(inbox.bodies(), [r#"{"name":"next"}"#], "nothing is sent again");
}

#[tokio::test]
async fn lost_resources_are_recreated_at_once() {
    // Given a Svix that forgot all, and no resync for an hour
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let inbox = Inbox::answering(200).await;
    harness.declare([kind(), event_type("a.two"), hook("hook", &inbox), endpoint("other", &["a.two"])]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("DELETE", "/app/default", json!(null)).await;
    for name in ["a.one", "a.two"] {
        harness.edit_svix("DELETE", &format!("/event-type/{name}?expunge=true"), json!(null)).await;
    }
    // When an event meets that
    let first = event("first", "a.one");
    harness.declare([first.clone()]);
    // Then all that is declared is there again, also what the event is not about.
    eventually("everything to be back", PATIENCE, async || {
        let held = harness.svix.snapshot();
        let all = ["hook", "other"]
            .iter()
            .all(|it| held.endpoint("default", &format!("test.default.{it}")).is_some());
        (all && held.event_types.len() == 2).then_some(())
    })
    .await;
    harness.wait_until_in_sync().await;
    assert_eq!(messages(&harness).len(), 1);
}

#[tokio::test]
async fn an_event_is_sent_once_across_crashes_and_faults() {
    const EVENTS: usize = 40;
    let mut harness = Harness::new().await;
    let inbox = Inbox::answering(200).await;
    harness.declare([kind(), hook("hook", &inbox)]);
    harness.wait_until_in_sync().await;
    harness.svix.faults().set(FaultPlan {
        errors: 0.1,
        drop_before: 0.15,
        drop_after: 0.25,
        seed: 7,
        ..FaultPlan::default()
    });
    let events: Vec<_> = (0..EVENTS).map(|n| event(&format!("e{n}"), "a.one")).collect();
    harness.declare(events.clone());
    for _ in 0..6 {
        let before = messages(&harness).len();
        eventually("some more to be sent", PATIENCE, async || {
            let now = messages(&harness).len();
            if now > before || now == EVENTS { Ok(()) } else { Err(now) }
        })
        .await;
        harness.crash_and_restart().await;
    }
    for sent in &events {
        harness.wait_for_reason(&sent.key(), "Delivered").await;
    }
    let ids: std::collections::BTreeSet<_> = messages(&harness).into_iter().map(|it| it.event_id).collect();
    assert_eq!((messages(&harness).len(), ids.len()), (EVENTS, EVENTS));
    assert_eq!(inbox.bodies().len(), EVENTS);
}

#[tokio::test]
async fn an_event_that_is_made_again_is_not_sent_again() {
    let mut harness = Harness::new().await;
    let sent = event("e", "a.one").with("channels", json!(["c"]));
    harness.declare([kind(), sent.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    let message = status(&harness, &sent.key()).message_id;
    // As a Git tool does it, or a restore: the same object without its status.
    harness.delete(&sent.key());
    harness.declare([sent.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    assert_eq!(status(&harness, &sent.key()).message_id, message);
    assert_eq!(messages(&harness).len(), 1);
    // Another payload is another event.
    harness.declare([sent.clone().with("payload", json!({"name": "another"}))]);
    eventually("the other to be sent", PATIENCE, async || match messages(&harness).len() {
        2 => Ok(()),
        found => Err(found),
    })
    .await;
    // The same on other channels is neither the same nor a new one.
    harness.delete(&sent.key());
    harness.declare([sent.clone().with("channels", json!(["d"]))]);
    let taken = harness.wait_for_reason(&sent.key(), "EventIdTaken").await;
    assert!(taken.message.contains("channels differ"), "{}", taken.message);
}

#[tokio::test]
async fn a_taken_event_id_is_reported_and_nothing_sent() {
    let mut harness = Harness::new().await;
    let body = json!({"uid": "default", "name": "x"});
    harness.edit_svix("POST", "/app", body).await;
    let other = json!({"eventType": "a.other", "eventId": "mine", "payload": {"secret": "s3cret"}});
    harness.edit_svix("POST", "/app/default/msg", other).await;
    let sent = event("e", "a.one").with("eventId", "mine");
    harness.declare([kind(), sent.clone()]);
    let taken = harness.wait_for_reason(&sent.key(), "EventIdTaken").await;
    assert!(
        taken.message.contains("event type is \"a.other\" in Svix, declared \"a.one\""),
        "{}",
        taken.message
    );
    assert!(
        taken.message.contains("payload differs") && !taken.message.contains("s3cret"),
        "{}",
        taken.message
    );
    assert_eq!(messages(&harness).len(), 1);
    assert!(status(&harness, &sent.key()).message_id.is_none());
}

#[tokio::test]
async fn nothing_is_sent_by_itself_a_day_after_the_first_attempt() {
    let mut harness = Harness::new().await;
    harness.declare([kind()]);
    harness.wait_until_in_sync().await;
    let (lost, arrived) = (event("lost", "a.one"), event("arrived", "a.one"));
    harness.declare([arrived.clone()]);
    harness.wait_for_reason(&arrived.key(), "NoEndpointMatched").await;
    harness.svix.faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
    harness.declare([lost.clone()]);
    eventually("a first attempt", PATIENCE, async || {
        status(&harness, &lost.key()).first_attempt_at.map(|_| ()).ok_or("none")
    })
    .await;
    // A day goes by, and the answer about the other one is forgotten.
    harness
        .restart_with(|object| {
            let name = object.key().name.clone();
            with_status(object, |status| {
                let yesterday = jiff::Timestamp::now() - Duration::from_secs(25 * 3600);
                status.first_attempt_at = Some(yesterday);
                if &*name == "arrived" {
                    (status.message_id, status.sent_at, status.finished_at) = (None, None, None);
                }
            })
        })
        .await;
    harness.svix.faults().clear();
    let refused = harness.wait_for_reason(&lost.key(), "NotSent").await;
    assert!(refused.message.contains("create another WebhookEvent"), "{}", refused.message);
    harness.wait_for_reason(&arrived.key(), "NoEndpointMatched").await;
    assert_eq!(messages(&harness).len(), 1);
}

#[tokio::test]
async fn a_tried_event_is_found_under_its_recorded_id() {
    let mut harness = Harness::new().await;
    let sent = event("e", "a.one");
    harness.declare([kind(), sent.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    let recorded = status(&harness, &sent.key()).event_id;
    // The answer of the first attempt got lost, and the connection was made again under another ownerId: ids would be
    // made otherwise now.
    harness
        .restart_with(|object| match object {
            Object::Connection(connection) => {
                let mut connection = SvixConnection::clone(&connection);
                connection.spec.owner_id = "another".to_owned();
                Object::Connection(Arc::new(connection))
            }
            object => with_status(object, |status| {
                (status.message_id, status.sent_at, status.finished_at) = (None, None, None);
            }),
        })
        .await;
    eventually("it to be found", PATIENCE, async || {
        status(&harness, &sent.key()).message_id.map(|_| ()).ok_or("not yet")
    })
    .await;
    assert_eq!(messages(&harness).len(), 1, "sent twice");
    assert_eq!(status(&harness, &sent.key()).event_id, recorded);
}

#[tokio::test]
async fn an_event_is_deleted_only_after_its_ttl() {
    let mut harness = Harness::new().await;
    let gone = event("gone", "a.one").with("ttlAfterFinished", "0s");
    let kept = event("kept", "a.one");
    harness.declare([kind(), gone.clone(), kept.clone()]);
    eventually("it to be gone", PATIENCE, async || match harness.object(&gone.key()) {
        None if messages(&harness).len() == 2 => Ok(()),
        _ => Err(format!("{:?}", status(&harness, &gone.key()))),
    })
    .await;
    harness.wait_for_reason(&kept.key(), "NoEndpointMatched").await;
    assert!(harness.object(&kept.key()).is_some());
}

#[tokio::test]
async fn an_event_waits_for_an_application() {
    let mut harness =
        Harness::with_connection(|it| it.with("createApplications", "Never").with("resyncInterval", "1s"))
            .await;
    let sent = event("e", "a.one").with("application", "team-a");
    harness.declare([kind(), sent.clone()]);
    harness.wait_for_reason(&sent.key(), "ApplicationNotFound").await;
    harness.edit_svix("POST", "/app", json!({"uid": "team-a", "name": "x"})).await;
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
}

#[tokio::test]
async fn finished_events_cost_no_call() {
    let mut harness = Harness::new().await;
    let sent = event("e", "a.one");
    harness.declare([kind(), sent.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    harness.crash_and_restart().await;
    harness.wait_until_in_sync().await;
    harness.svix.clear_calls();
    harness.crash_and_restart().await;
    harness.wait_until_in_sync().await;
    let about_messages: Vec<_> =
        harness.svix.calls().into_iter().filter(|call| call.operation.starts_with("message")).collect();
    assert!(about_messages.is_empty(), "{about_messages:?}");
    assert_eq!(harness.object(&key(Kind::Event, "e")).unwrap().ready(), Some(true));
}
