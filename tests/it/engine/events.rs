//! Events: judged before they are sent, sent once whatever happens, followed until their deliveries end.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use svix_operator::{
    api::{Attempts, ConditionStatus, ConditionType, SvixConnection, WebhookEvent, WebhookEventStatus},
    embedded::{FaultPlan, MessageState},
    engine::{Kind, Object, ObjectKey},
};

use crate::support::{
    inbox::Inbox,
    objects::{Manifest, endpoint, event, event_type, key},
    wait::eventually,
    world::{PATIENCE, World},
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

fn status(world: &World, key: &ObjectKey) -> WebhookEventStatus {
    match world.object(key) {
        Some(Object::Event(event)) => event.status.clone().unwrap_or_default(),
        _ => WebhookEventStatus::default(),
    }
}

fn messages(world: &World) -> Vec<MessageState> {
    let held = world.svix.snapshot();
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
async fn an_event_declared_with_its_event_type_and_endpoint_arrives_signed() {
    let mut world = World::new().await;
    let inbox = Inbox::answering(200).await;
    let sent = event("first", "a.one");
    world.declare([sent.clone(), hook("hook", &inbox), kind()]);
    let ready = world.reason(&sent.key(), "Delivered").await;
    assert_eq!(ready.message, "delivered to 1 endpoint");
    assert_eq!(inbox.bodies(), [r#"{"name":"first"}"#]);
    let held = world.svix.snapshot();
    let secret = &held.endpoint("default", "test.default.hook").unwrap().secret;
    assert!(inbox.webhooks()[0].is_signed_with(secret));
    let status = status(&world, &sent.key());
    assert_eq!(status.attempts, Some(Attempts { succeeded: 1, pending: 0, failed: 0 }));
    let [message] = &messages(&world)[..] else { panic!("{:?}", messages(&world)) };
    assert_eq!(status.message_id.as_deref(), Some(&*message.id));
    assert_eq!(status.event_id, message.event_id);
    assert!(status.first_attempt_at <= status.sent_at && status.sent_at <= status.finished_at);
    let conditions: Vec<_> =
        status.conditions.iter().map(|c| format!("{:?}={:?}/{}", c.type_, c.status, c.reason)).collect();
    let expected =
        ["Accepted=True/PayloadValid", "Sent=True/Sent", "Delivered=True/Delivered", "Ready=True/Delivered"];
    assert_eq!(conditions, expected);
    assert_eq!(world.notes(&sent.key()), ["EventSent", "EventDelivered"]);
}

#[tokio::test]
async fn an_event_waits_for_its_event_type_and_is_judged_by_it() {
    let mut world = World::new().await;
    let (good, bad) = (event("good", "a.one"), event("bad", "a.one").with("payload", json!({"name": 7})));
    world.declare([good.clone(), bad.clone()]);
    let waiting = world.reason(&good.key(), "WaitingForEventType").await;
    assert!(waiting.message.contains("no object declares event type a.one"), "{}", waiting.message);
    // That Svix has it is not enough: nobody here says what its payloads look like.
    world.by_hand("POST", "/event-type", json!({"name": "a.one", "description": ""})).await;
    world.reason(&bad.key(), "WaitingForEventType").await;
    world.by_hand("DELETE", "/event-type/a.one?expunge=true", json!(null)).await;
    world.declare([kind()]);
    world.reason(&good.key(), "NoEndpointMatched").await;
    let refused = world.reason(&bad.key(), "InvalidPayload").await;
    assert!(
        refused.message.contains("/spec/payload/name: found 7, expected a string"),
        "{}",
        refused.message
    );
    assert_eq!(messages(&world).len(), 1);
    // The schema is mended: the event is judged again.
    world.declare([kind().with("schema", json!({"type": "object"}))]);
    world.reason(&bad.key(), "NoEndpointMatched").await;
    assert_eq!(messages(&world).len(), 2);
}

#[tokio::test]
async fn the_policy_of_the_event_type_says_what_happens_to_a_payload_that_does_not_match() {
    let mut world = World::new().await;
    for (name, policy) in [("a.warn", "Warn"), ("a.audit", "Audit")] {
        world.declare([event_type(name).with("schema", schema()).with("payloadPolicy", policy)]);
    }
    let wrong = |name, kind| event(name, kind).with("payload", json!({"secret": "s3cret"}));
    let (warned, audited) = (wrong("warned", "a.warn"), wrong("audited", "a.audit"));
    world.declare([warned.clone(), audited.clone()]);
    for sent in [&warned, &audited] {
        world.reason(&sent.key(), "NoEndpointMatched").await;
        let accepted = status(&world, &sent.key()).conditions[0].clone();
        assert_eq!(accepted.reason, "PayloadMismatch");
        assert!(accepted.message.contains(r#"found no "name", which is required"#), "{}", accepted.message);
    }
    assert!(world.notes(&warned.key()).contains(&"PayloadMismatch"));
    assert!(!world.notes(&audited.key()).contains(&"PayloadMismatch"));
}

#[tokio::test]
async fn no_event_tells_what_is_in_a_payload() {
    let mut world = World::new().await;
    world.declare([kind(), event_type("a.warn").with("schema", schema()).with("payloadPolicy", "Warn")]);
    let wrong = |name, kind| event(name, kind).with("payload", json!({"name": 4_111_111_111_111_111_u64}));
    let (refused, warned) = (wrong("refused", "a.one"), wrong("warned", "a.warn"));
    world.declare([refused.clone(), warned.clone()]);
    world.reason(&refused.key(), "InvalidPayload").await;
    world.reason(&warned.key(), "NoEndpointMatched").await;
    let told: Vec<_> = world.all_notes().into_iter().map(|(_, note)| note.message).collect();
    assert!(told.iter().any(|message| message.contains("/spec/payload/name")), "{told:?}");
    assert!(!told.iter().any(|message| message.contains("4111111111111111")), "{told:?}");
}

#[tokio::test]
async fn of_two_that_declare_an_event_type_the_holders_schema_counts() {
    let mut world = World::new().await;
    world.declare([kind()]);
    world.all_in_step().await;
    let other = event_type("other").with("name", "a.one").with("schema", json!({"required": ["other"]}));
    world.declare([other.clone()]);
    world.reason(&other.key(), "Conflict").await;
    let sent = event("e", "a.one");
    world.declare([sent.clone()]);
    world.reason(&sent.key(), "NoEndpointMatched").await;
}

#[tokio::test]
async fn the_channel_rules_end_to_end() {
    let mut world = World::new().await;
    let inboxes = [Inbox::answering(200).await, Inbox::answering(200).await, Inbox::answering(200).await];
    let url = "https://example.org/repo";
    world.declare([
        kind(),
        hook("none", &inboxes[0]),
        hook("plain", &inboxes[1]).with("channels", json!(["c", "d"])),
        hook("mapped", &inboxes[2]).with("channels", json!([url])),
    ]);
    world.all_in_step().await;
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
        world.declare([sent.clone()]);
        world.reason(&sent.key(), "Delivered").await;
        let body = json!({"name": name}).to_string();
        let received =
            inboxes.each_ref().map(|inbox| inbox.bodies().iter().filter(|it| **it == body).count());
        assert_eq!(received, expected, "{name}");
        let succeeded = status(&world, &sent.key()).attempts.unwrap().succeeded;
        assert_eq!(usize::try_from(succeeded).unwrap(), expected.iter().sum::<usize>(), "{name}");
    }
}

#[tokio::test]
async fn deliveries_that_fail_are_counted_and_told() {
    let mut world = World::new().await;
    let (good, bad) = (Inbox::answering(200).await, Inbox::answering(500).await);
    let sent = event("e", "a.one");
    world.declare([kind(), hook("good", &good), hook("bad", &bad), sent.clone()]);
    eventually("one to succeed and one to be tried again", PATIENCE, async || {
        let status = status(&world, &sent.key());
        let wanted = Some(Attempts { succeeded: 1, pending: 1, failed: 0 });
        if status.attempts == wanted { Ok(()) } else { Err(format!("{:?}", status.attempts)) }
    })
    .await;
    let ready = world.ready(&sent.key()).unwrap();
    assert_eq!((ready.reason.as_str(), ready.message.as_str()), ("Sent", "sent; delivered to 1, 1 to go"));
    assert_eq!(bad.bodies().len(), 2, "tried twice");
}

fn delivered(world: &World, key: &ObjectKey) -> String {
    let conditions = status(world, key).conditions;
    let found = conditions.iter().find(|condition| condition.type_ == ConditionType::Delivered);
    found.map_or_else(String::new, |found| format!("{:?}/{}", found.status, found.reason))
}

#[tokio::test]
async fn an_event_whose_declared_endpoints_are_not_ready_says_which() {
    // Given endpoints that lack a Secret, of which one is for other channels
    let mut world = World::new().await;
    let lacking = |name: &str| {
        let from = json!({"secretKeyRef": {"name": "nobody", "key": "url"}});
        endpoint(name, &["a.one"]).with("url", json!(null)).with("urlFrom", from)
    };
    let hooks = ["h1", "h2", "h3", "h4"].map(lacking);
    world.declare([kind(), lacking("extra").with("channels", json!(["c"]))]);
    world.declare(hooks.clone());
    for hook in &hooks {
        world.reason(&hook.key(), "SecretNotFound").await;
    }
    // When an event is sent that no endpoint in Svix receives
    let sent = event("e", "a.one");
    world.declare([sent.clone()]);
    // Then it names them, is told as a Warning, and does not say that it was delivered.
    let ready = world.reason(&sent.key(), "NoEndpointMatched").await;
    let named =
        "default/h1 (SecretNotFound), default/h2 (SecretNotFound), default/h3 (SecretNotFound) and 1 more. ";
    assert!(ready.message.contains(named), "{}", ready.message);
    assert_eq!(ready.status, ConditionStatus::True);
    assert_eq!(delivered(&world, &sent.key()), "False/NoEndpointMatched");
    let notes = world.all_notes();
    let told: Vec<_> = notes.iter().filter(|(of, note)| *of == sent.key() && note.warning).collect();
    assert!(matches!(&told[..], [(_, note)] if note.reason == "NoEndpointMatched"), "{told:?}");
    // One that is for nobody is delivered to everybody.
    let other = event("other", "a.two");
    world.declare([event_type("a.two"), other.clone()]);
    world.reason(&other.key(), "NoEndpointMatched").await;
    assert_eq!(delivered(&world, &other.key()), "True/NoEndpointMatched");
}

#[tokio::test]
async fn an_event_that_an_endpoint_in_step_does_not_receive_has_svix_listed_at_once() {
    // Given an endpoint in step that is gone from Svix, and no resync for an hour
    let mut world = World::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let inbox = Inbox::answering(200).await;
    world.declare([kind(), hook("hook", &inbox)]);
    world.all_in_step().await;
    world.by_hand("DELETE", "/app/default/endpoint/test.default.hook", json!(null)).await;
    // When an event is sent
    let lost = event("lost", "a.one");
    world.declare([lost.clone()]);
    // Then it says who did not receive it, and the endpoint is made again.
    let ready = world.reason(&lost.key(), "NoEndpointMatched").await;
    assert!(ready.message.contains("were not in Svix as declared: default/hook. "), "{}", ready.message);
    assert_eq!(delivered(&world, &lost.key()), "False/NoEndpointMatched");
    eventually("it to be made again", PATIENCE, async || {
        world.svix.snapshot().endpoint("default", "test.default.hook").map(|_| ())
    })
    .await;
    world.all_in_step().await;
    let next = event("next", "a.one");
    world.declare([next.clone()]);
    world.reason(&next.key(), "Delivered").await;
    assert_eq!(inbox.bodies(), [r#"{"name":"next"}"#], "nothing is sent again");
}

#[tokio::test]
async fn what_a_svix_that_lost_everything_is_asked_for_is_made_again_at_once() {
    // Given a Svix that forgot all, and no resync for an hour
    let mut world = World::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let inbox = Inbox::answering(200).await;
    world.declare([kind(), event_type("a.two"), hook("hook", &inbox), endpoint("other", &["a.two"])]);
    world.all_in_step().await;
    world.by_hand("DELETE", "/app/default", json!(null)).await;
    for name in ["a.one", "a.two"] {
        world.by_hand("DELETE", &format!("/event-type/{name}?expunge=true"), json!(null)).await;
    }
    // When an event meets that
    let first = event("first", "a.one");
    world.declare([first.clone()]);
    // Then all that is declared is there again, also what the event is not about.
    eventually("everything to be back", PATIENCE, async || {
        let held = world.svix.snapshot();
        let all = ["hook", "other"]
            .iter()
            .all(|it| held.endpoint("default", &format!("test.default.{it}")).is_some());
        (all && held.event_types.len() == 2).then_some(())
    })
    .await;
    world.all_in_step().await;
    assert_eq!(messages(&world).len(), 1);
}

#[tokio::test]
async fn an_event_is_sent_once_across_crashes_and_faults() {
    const EVENTS: usize = 40;
    let mut world = World::new().await;
    let inbox = Inbox::answering(200).await;
    world.declare([kind(), hook("hook", &inbox)]);
    world.all_in_step().await;
    world.svix.faults().set(FaultPlan {
        errors: 0.1,
        drop_before: 0.15,
        drop_after: 0.25,
        seed: 7,
        ..FaultPlan::default()
    });
    let events: Vec<_> = (0..EVENTS).map(|n| event(&format!("e{n}"), "a.one")).collect();
    world.declare(events.clone());
    for _ in 0..6 {
        let before = messages(&world).len();
        eventually("some more to be sent", PATIENCE, async || {
            let now = messages(&world).len();
            if now > before || now == EVENTS { Ok(()) } else { Err(now) }
        })
        .await;
        world.crash_and_restart().await;
    }
    for sent in &events {
        world.reason(&sent.key(), "Delivered").await;
    }
    let ids: std::collections::BTreeSet<_> = messages(&world).into_iter().map(|it| it.event_id).collect();
    assert_eq!((messages(&world).len(), ids.len()), (EVENTS, EVENTS));
    assert_eq!(inbox.bodies().len(), EVENTS);
}

#[tokio::test]
async fn an_event_that_is_made_again_is_not_sent_again() {
    let mut world = World::new().await;
    let sent = event("e", "a.one").with("channels", json!(["c"]));
    world.declare([kind(), sent.clone()]);
    world.reason(&sent.key(), "NoEndpointMatched").await;
    let message = status(&world, &sent.key()).message_id;
    // As a Git tool does it, or a restore: the same object without its status.
    world.delete(&sent.key());
    world.declare([sent.clone()]);
    world.reason(&sent.key(), "NoEndpointMatched").await;
    assert_eq!(status(&world, &sent.key()).message_id, message);
    assert_eq!(messages(&world).len(), 1);
    // Another payload is another event.
    world.declare([sent.clone().with("payload", json!({"name": "another"}))]);
    eventually("the other to be sent", PATIENCE, async || match messages(&world).len() {
        2 => Ok(()),
        found => Err(found),
    })
    .await;
    // The same on other channels is neither the same nor a new one.
    world.delete(&sent.key());
    world.declare([sent.clone().with("channels", json!(["d"]))]);
    let taken = world.reason(&sent.key(), "EventIdTaken").await;
    assert!(taken.message.contains("channels differ"), "{}", taken.message);
}

#[tokio::test]
async fn an_event_id_that_somebody_else_used_is_told_and_nothing_is_sent() {
    let mut world = World::new().await;
    let body = json!({"uid": "default", "name": "x"});
    world.by_hand("POST", "/app", body).await;
    let other = json!({"eventType": "a.other", "eventId": "mine", "payload": {"secret": "s3cret"}});
    world.by_hand("POST", "/app/default/msg", other).await;
    let sent = event("e", "a.one").with("eventId", "mine");
    world.declare([kind(), sent.clone()]);
    let taken = world.reason(&sent.key(), "EventIdTaken").await;
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
    assert_eq!(messages(&world).len(), 1);
    assert!(status(&world, &sent.key()).message_id.is_none());
}

#[tokio::test]
async fn nothing_is_sent_by_itself_a_day_after_the_first_attempt() {
    let mut world = World::new().await;
    world.declare([kind()]);
    world.all_in_step().await;
    let (lost, arrived) = (event("lost", "a.one"), event("arrived", "a.one"));
    world.declare([arrived.clone()]);
    world.reason(&arrived.key(), "NoEndpointMatched").await;
    world.svix.faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
    world.declare([lost.clone()]);
    eventually("a first attempt", PATIENCE, async || {
        status(&world, &lost.key()).first_attempt_at.map(|_| ()).ok_or("none")
    })
    .await;
    // A day goes by, and the answer about the other one is forgotten.
    world
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
    world.svix.faults().clear();
    let refused = world.reason(&lost.key(), "NotSent").await;
    assert!(refused.message.contains("create another WebhookEvent"), "{}", refused.message);
    world.reason(&arrived.key(), "NoEndpointMatched").await;
    assert_eq!(messages(&world).len(), 1);
}

#[tokio::test]
async fn an_event_that_was_tried_is_looked_for_under_the_id_that_was_recorded() {
    let mut world = World::new().await;
    let sent = event("e", "a.one");
    world.declare([kind(), sent.clone()]);
    world.reason(&sent.key(), "NoEndpointMatched").await;
    let recorded = status(&world, &sent.key()).event_id;
    // The answer of the first attempt got lost, and the connection was made again under another ownerId: ids would be
    // made otherwise now.
    world
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
        status(&world, &sent.key()).message_id.map(|_| ()).ok_or("not yet")
    })
    .await;
    assert_eq!(messages(&world).len(), 1, "sent twice");
    assert_eq!(status(&world, &sent.key()).event_id, recorded);
}

#[tokio::test]
async fn an_event_goes_after_its_time_when_it_has_one_and_not_otherwise() {
    let mut world = World::new().await;
    let gone = event("gone", "a.one").with("ttlAfterFinished", "0s");
    let kept = event("kept", "a.one");
    world.declare([kind(), gone.clone(), kept.clone()]);
    eventually("it to be gone", PATIENCE, async || match world.object(&gone.key()) {
        None if messages(&world).len() == 2 => Ok(()),
        _ => Err(format!("{:?}", status(&world, &gone.key()))),
    })
    .await;
    world.reason(&kept.key(), "NoEndpointMatched").await;
    assert!(world.object(&kept.key()).is_some());
}

#[tokio::test]
async fn an_event_of_an_application_that_may_not_be_made_waits_for_it() {
    let mut world =
        World::with_connection(|it| it.with("createApplications", "Never").with("resyncInterval", "1s"))
            .await;
    let sent = event("e", "a.one").with("application", "team-a");
    world.declare([kind(), sent.clone()]);
    world.reason(&sent.key(), "ApplicationNotFound").await;
    world.by_hand("POST", "/app", json!({"uid": "team-a", "name": "x"})).await;
    world.reason(&sent.key(), "NoEndpointMatched").await;
}

#[tokio::test]
async fn finished_events_cost_no_call() {
    let mut world = World::new().await;
    let sent = event("e", "a.one");
    world.declare([kind(), sent.clone()]);
    world.reason(&sent.key(), "NoEndpointMatched").await;
    world.crash_and_restart().await;
    world.all_in_step().await;
    world.svix.clear_calls();
    world.crash_and_restart().await;
    world.all_in_step().await;
    let about_messages: Vec<_> =
        world.svix.calls().into_iter().filter(|call| call.operation.starts_with("message")).collect();
    assert!(about_messages.is_empty(), "{about_messages:?}");
    assert_eq!(world.object(&key(Kind::Event, "e")).unwrap().ready(), Some(true));
}
