#![allow(clippy::unwrap_used)]
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{
        Attempts, Condition, Reason, SvixConnectionSpec, WebhookEndpoint, WebhookEvent, WebhookEventStatus,
    },
    plan::{ReconcileError, channels, digest::Digest, ids, status::ReadyState},
};

fn connection() -> SvixConnectionSpec {
    serde_json::from_value(json!({"tokenSecretRef": {"name": "s", "key": "k"}, "ownerId": "prod"})).unwrap()
}

fn event(spec: Value) -> WebhookEvent {
    serde_json::from_value(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEvent",
        "metadata": {"name": "e", "namespace": "ns"}, "spec": spec,
    }))
    .unwrap()
}

fn desire(spec: Value) -> Desired {
    desired(&event(spec), &connection()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const DAY: i64 = 24 * 3600;

#[test]
fn the_default_id_depends_only_on_the_content() {
    let id = |spec| desire(spec).event_id;
    let first = id(json!({"eventType": "a.b", "payload": {"x": 1, "y": [null]}}));
    assert!(ids::is_uid(&first) && first.starts_with("event-"), "{first}");
    // The form and the order of keys do not count, nor do fields that are not part of the content.
    assert_eq!(first, id(json!({"eventType": "a.b", "payloadText": r#"{ "y": [null], "x": 1 }"#})));
    assert_eq!(
        first,
        id(json!({"eventType": "a.b", "payload": {"x": 1, "y": [null]}, "ttlAfterFinished": "1h"}))
    );
    assert_eq!(
        first,
        id(json!({"eventType": "a.b", "payload": {"x": 1, "y": [null]}, "application": "default"}))
    );
    for other in [
        json!({"eventType": "a.c", "payload": {"x": 1, "y": [null]}}),
        json!({"eventType": "a.b", "payload": {"x": 2, "y": [null]}}),
        json!({"eventType": "a.b", "payload": {"x": 1, "y": [null]}, "application": "other"}),
    ] {
        assert_ne!(first, id(other));
    }
    let mut renamed = event(json!({"eventType": "a.b", "payload": {"x": 1, "y": [null]}}));
    renamed.metadata.name = Some("f".into());
    assert_ne!(first, desired(&renamed, &connection()).unwrap().event_id);
    let mut owner = connection();
    owner.owner_id = "test".into();
    renamed.metadata.name = Some("e".into());
    assert_ne!(first, desired(&renamed, &owner).unwrap().event_id);
    assert_eq!(id(json!({"eventType": "a.b", "payload": {}, "eventId": "mine"})), "mine");
}

#[test]
fn the_default_id_of_another_event_is_refused() {
    let reserved = desire(json!({"eventType": "a.b", "payload": {"of": "another"}})).event_id;
    let named = json!({"eventType": "a.b", "payload": {}, "eventId": reserved});

    let refused = desired(&event(named.clone()), &connection()).unwrap_err().to_string();

    assert!(refused.contains("/spec/eventId: found \"event-"), "{refused}");
    for free in ["event-", "event-1", "mine", &reserved[6..], &reserved[..37], &format!("{reserved}0")] {
        let spec = json!({"eventType": "a.b", "payload": {}, "eventId": free});
        assert_eq!(desire(spec).event_id, free);
    }
    let upper = json!({"eventType": "a.b", "payload": {}, "eventId": reserved.to_uppercase()});
    assert!(desired(&event(upper), &connection()).is_ok(), "an id has its case");

    // One that was tried before ids were reserved goes on.
    let mut tried = event(named);
    tried.status = Some(WebhookEventStatus {
        event_id: Some(reserved.clone()),
        first_attempt_at: Some(at(1)),
        ..WebhookEventStatus::default()
    });
    assert_eq!(desired(&tried, &connection()).unwrap().event_id, reserved);
}

#[test]
fn an_invalid_event_is_refused_with_its_field() {
    for (spec, expected) in [
        (json!({"eventType": "a b", "payload": {}}), "/spec/eventType: found \"a b\""),
        (json!({"eventType": "a.b"}), "/spec: exactly one of payload and payloadText"),
        (
            json!({"eventType": "a.b", "payloadText": "[1]"}),
            "/spec/payloadText: found a JSON array, expected an object",
        ),
        (
            json!({"eventType": "a.b", "payloadText": r#"{"a":{"b":1,"b":2}}"#}),
            "/spec/payloadText: /a: found the key \"b\" twice",
        ),
        (json!({"eventType": "a.b", "payload": {}, "eventId": "msg_1"}), "/spec/eventId: found \"msg_1\""),
        (
            json!({"eventType": "a.b", "payload": {}, "application": "a/b"}),
            "/spec/application: found \"a/b\"",
        ),
        (
            json!({"eventType": "a.b", "payload": {}, "channels": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]}),
            "/spec/channels: found 11 channels, expected 1 to 10",
        ),
    ] {
        let error = desired(&event(spec), &connection()).unwrap_err();
        assert!(error.message.starts_with(expected), "{error}");
    }
}

#[test]
fn an_event_may_have_the_channels_that_the_cloud_accepts() {
    let channels: Vec<String> = (0..10).map(|number| format!("project:{number}+x")).collect();
    let event = event(json!({"eventType": "a.b", "payload": {}, "channels": channels}));
    let mut connection = connection();
    connection.channel_encoding = Some(crate::api::ChannelEncoding::WhenNeededOnCloud);

    let desired = desired(&event, &connection).unwrap();

    assert_eq!(desired.channels, Some(channels.into_iter().collect()));
}

#[test]
fn a_payload_in_text_is_sent_as_it_stands() {
    let text = r#"{ "n": 123456789012345678901234567890, "z": 1.0 }"#;
    assert_eq!(desire(json!({"eventType": "a.b", "payloadText": text})).payload_text, text);
}

#[test]
fn a_message_that_differs_is_another_event() {
    let desired = desire(json!({"eventType": "a.b", "payload": {"x": 1}, "channels": ["c", "a b"]}));
    let found = Message {
        id: "msg_1".into(),
        event_type: "a.b".into(),
        channels: Some(["c".to_owned(), channels::uuid_of("a b")].into()),
        payload: Some(Digest::of_json(&json!({"x": 1.0}))),
    };
    assert_eq!(check_same(&desired, &found), Ok(()));
    assert_eq!(check_same(&desired, &Message { payload: None, ..found.clone() }), Ok(()));
    let other = Message { event_type: "a.c".into(), ..found.clone() };
    assert!(check_same(&desired, &other).unwrap_err().to_string().contains("event type is \"a.c\" in Svix"));
    assert_eq!(
        check_same(&desired, &Message { channels: None, ..found.clone() }),
        Err(OtherEvent { differences: vec![EventDifference::Channels] })
    );
    // However its number is written, it is the same; with another digit beyond 64 bits it is not.
    let text = |number: &str| Some(Digest::of_json_text(&format!(r#"{{ "x" : {number} }}"#)));
    assert_eq!(check_same(&desired, &Message { payload: text("0.1e1"), ..found.clone() }), Ok(()));
    let other = Message { payload: text("1.00000000000000000001"), ..found.clone() };
    assert_eq!(check_same(&desired, &other), Err(OtherEvent { differences: vec![EventDifference::Payload] }));
    let other = Message { payload: Some(Digest::of_json(&json!({"x": "secret"}))), ..found };
    assert_eq!(check_same(&desired, &other), Err(OtherEvent { differences: vec![EventDifference::Payload] }));
    // No channels and an empty list are equal.
    let desired = desire(json!({"eventType": "a.b", "payload": {}}));
    let none =
        Message { id: String::new(), event_type: "a.b".into(), channels: Some([].into()), payload: None };
    assert_eq!(check_same(&desired, &none), Ok(()));
}

#[test]
fn nothing_is_sent_a_day_after_the_first_attempt() {
    let mut event = event(json!({"eventType": "a.b", "payload": {}, "ttlAfterFinished": "1h"}));
    assert_eq!(step(&event, at(0)), EventStep::Send);
    event.status = Some(WebhookEventStatus::default());
    assert_eq!(step(&event, at(0)), EventStep::Send);
    event.status.as_mut().unwrap().first_attempt_at = Some(at(1000));
    assert_eq!(step(&event, at(1000)), EventStep::SendAgain);
    assert_eq!(step(&event, at(1000 + DAY - 1)), EventStep::SendAgain);
    assert_eq!(step(&event, at(1000 + DAY)), EventStep::Find);
    // A clock that was put back sends nothing later than it would have.
    assert_eq!(step(&event, at(0)), EventStep::SendAgain);
    event.status.as_mut().unwrap().message_id = Some("msg_1".into());
    assert_eq!(step(&event, at(1000 + 9 * DAY)), EventStep::Follow);
    event.status.as_mut().unwrap().finished_at = Some(at(2000));
    assert_eq!(step(&event, at(2000)), EventStep::Keep(Some(Duration::from_secs(3600))));
    assert_eq!(step(&event, at(2000 + 3600)), EventStep::Delete);
    event.spec.ttl_after_finished = None;
    assert_eq!(step(&event, at(2000 + 9 * DAY)), EventStep::Keep(None));
}

#[test]
fn deliveries_end_with_the_last_or_at_a_bound() {
    use Delivery::{Failed, Pending, Succeeded};
    let seconds = Duration::from_secs;
    let ended = |tried: &[Delivery], matching, since| progress(tried, matching, seconds(since)).ended;
    // No endpoint matches: known once Svix had a moment.
    assert_eq!(ended(&[], 0, 0), None);
    assert_eq!(ended(&[], 0, 1), None);
    assert_eq!(ended(&[], 0, 2), Some(Reason::NoEndpointMatched));
    // One matches and is not tried yet.
    assert_eq!(ended(&[], 1, 600), None);
    assert_eq!(ended(&[], 1, 3600), Some(Reason::NoEndpointMatched));
    assert_eq!(ended(&[Succeeded], 2, 59), None);
    assert_eq!(ended(&[Succeeded], 2, 60), Some(Reason::Delivered));
    assert_eq!(ended(&[Succeeded, Succeeded], 2, 0), Some(Reason::Delivered));
    assert_eq!(ended(&[Succeeded, Pending], 2, 3600), None);
    assert_eq!(ended(&[Succeeded, Failed], 2, 0), Some(Reason::DeliveryFailed));
    assert_eq!(ended(&[Succeeded, Failed, Pending], 3, 0), None);
    assert_eq!(ended(&[Pending], 1, 36 * 3600), Some(Reason::DeliveryUnknown));
    let progress = progress(&[Succeeded, Failed, Pending], 5, seconds(1));
    assert_eq!(progress.attempts, Attempts { succeeded: 1, pending: 3, failed: 1 });
    assert_eq!(progress.message, "sent; delivered to 1, 3 to go, 1 failed");
}

#[test]
fn only_endpoints_of_the_time_of_sending_count() {
    let recorded = |pending| Some(Attempts { succeeded: 0, pending, failed: 0 });
    assert_eq!(expected(recorded(0), 3, 0), 0, "they came later");
    assert_eq!(expected(recorded(2), 3, 1), 2);
    assert_eq!(expected(recorded(2), 0, 1), 1, "one went");
    assert_eq!(expected(recorded(2), 2, 0), 2);
    assert_eq!(expected(recorded(0), 0, 1), 1, "one that was not known of");
    assert_eq!(expected(None, 2, 0), 2);
}

#[test]
fn polls_grow_apart() {
    assert_eq!(next_poll(Duration::ZERO), Duration::from_millis(500));
    assert_eq!(next_poll(Duration::from_secs(60)), Duration::from_secs(30));
    assert_eq!(next_poll(Duration::from_secs(90_000)), Duration::from_secs(3600));
    // An event that never ends is read few times.
    let (mut since, mut polls) = (Duration::ZERO, 0);
    while since < FOLLOW_LIMIT {
        since += next_poll(since);
        polls += 1;
    }
    assert!(polls < 70, "{polls}");
}

#[test]
fn conditions_show_the_progress_of_an_event() {
    let display = |conditions: &[Condition]| {
        let one = |c: &Condition| format!("{:?}={:?} {}", c.type_, c.status, c.reason);
        conditions.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let stalled = ReadyState::Stalled(ReconcileError::new(Reason::InvalidPayload, "m"));
    let mut status = WebhookEventStatus::default();
    let before = conditions(&stalled, &status, None, &[], Some(1), at(1), false);
    assert_eq!(
        display(&before),
        "Accepted=False InvalidPayload, Sent=False InvalidPayload, Stalled=True InvalidPayload, Ready=False InvalidPayload"
    );
    status.first_attempt_at = Some(at(1));
    let waiting = ReadyState::Waiting(ReconcileError::new(Reason::SvixUnavailable, "m"));
    let before =
        conditions(&waiting, &status, Some((Reason::PayloadValid, "v")), &before, Some(1), at(2), false);
    assert_eq!(
        display(&before),
        "Accepted=True PayloadValid, Sent=False SvixUnavailable, Reconciling=True SvixUnavailable, Ready=False SvixUnavailable"
    );
    status.message_id = Some("msg_1".into());
    let sent = ReadyState::Ready(Reason::Sent, "s".into());
    let before = conditions(&sent, &status, None, &before, Some(1), at(3), false);
    assert_eq!(
        display(&before),
        "Accepted=True PayloadValid, Sent=True Sent, Delivered=Unknown Sent, Ready=True Sent"
    );
    let none = ReadyState::Ready(Reason::NoEndpointMatched, "n".into());
    let last = conditions(&none, &status, None, &before, Some(1), at(4), false);
    assert_eq!(
        display(&last),
        "Accepted=True PayloadValid, Sent=True Sent, Delivered=True NoEndpointMatched, Ready=True NoEndpointMatched"
    );
    let missed = conditions(&none, &status, None, &before, Some(1), at(4), true);
    assert!(
        display(&missed).contains("Delivered=False NoEndpointMatched, Ready=True"),
        "{}",
        display(&missed)
    );
    assert_eq!(
        last,
        conditions(&none, &status, None, &last, Some(1), at(5), false),
        "equal facts, equal conditions"
    );
}

#[test]
fn endpoints_declared_before_sending_missed_the_event() {
    let endpoint = |name: &str, spec: Value, created: i64, reason: Option<&str>| -> WebhookEndpoint {
        let ready = reason.map(|reason| {
            json!({"conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]})
        });
        let mut given = json!({"url": "https://a.example", "eventTypes": ["a.b"]});
        given.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": name, "namespace": "ns", "creationTimestamp": at(created).to_string()},
            "spec": given, "status": ready,
        }))
        .unwrap()
    };
    let mut sent = event(json!({"eventType": "a.b", "payload": {}, "channels": ["c"]}));
    sent.status = Some(WebhookEventStatus { sent_at: Some(at(100)), ..WebhookEventStatus::default() });
    let endpoints = [
        endpoint("z-new", json!({}), 1, None),
        endpoint("lacking", json!({"channels": ["c", "d"]}), 1, Some("SecretNotFound")),
        endpoint("in-sync", json!({}), 100, Some("InSync")),
        endpoint("later", json!({}), 101, Some("InSync")),
        endpoint("disabled", json!({"disabled": true}), 1, Some("InSync")),
        endpoint("other-channel", json!({"channels": ["d"]}), 1, Some("InSync")),
        endpoint("other-type", json!({"eventTypes": ["a.c"]}), 1, Some("InSync")),
        endpoint("other-application", json!({"application": "x"}), 1, Some("InSync")),
    ];
    let missed = missed(&sent, &endpoints, &connection());
    let text = missed_message(&missed);
    assert!(
        text.contains(": ns/in-sync, ns/lacking (SecretNotFound), ns/z-new (not reconciled yet). "),
        "{text}"
    );
    assert!(endpoints.iter().map(is_in_sync).eq([false, false, true, true, true, true, true, true]));
}

#[test]
fn the_cause_of_a_missing_response_shows_no_url() {
    let message = || "sent".to_owned();

    assert_eq!(with_cause(message(), None), "sent");
    assert_eq!(with_cause(message(), Some(" ")), "sent");
    assert_eq!(
        with_cause(message(), Some("requests to this IP range are blocked (see the server configuration)")),
        "an attempt got no response: \"requests to this IP range are blocked (see the server configuration)\"; sent"
    );
    let url = with_cause(message(), Some("error for url (https://a.example/hunter2)"));
    assert_eq!(url, "an attempt got no response; sent");
}

#[test]
fn only_failed_attempts_have_a_cause() {
    assert!(!has_failures(&[Delivery::Succeeded, Delivery::Pending]));
    assert!(has_failures(&[Delivery::Succeeded, Delivery::Retrying]));
    assert!(has_failures(&[Delivery::Failed]));
    let progress = progress(&[Delivery::Retrying, Delivery::Pending], 2, Duration::from_secs(1));
    assert_eq!(progress.attempts.pending, 2);
}
