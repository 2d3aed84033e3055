//! What `payloadPolicy: Enforce` would have refused, in the status of the event type.
#![allow(clippy::panic)]

use super::*;
use crate::engine::context::Options;

const INTERVAL: Duration = Duration::from_secs(3600);

fn kind_key() -> ObjectKey {
    event_type("a.one").key()
}

/// A fixture with this event type, which writes at intervals of this length.
async fn auditing(kind: Manifest, interval: Duration) -> Fixture {
    let options = Options { settle: Duration::ZERO, audit_interval: interval, ..Options::default() };
    let fixture = Fixture::with_options(options).with(connection()).with(kind).with_svix().await;
    fixture.by_hand("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    fixture.connect("default").await;
    fixture.reconcile(&kind_key()).await;
    fixture
}

/// Sends an event.
async fn send(fixture: &Fixture, name: &str, payload: Value) {
    let sent = event(name).with("payload", payload);
    fixture.declare(sent.clone());
    fixture.reconcile(&sent.key()).await;
    assert_eq!(fixture.reason(&sent.key()), "Sent");
}

fn audit(fixture: &Fixture) -> Value {
    fixture.status(&kind_key())["payloadAudit"].clone()
}

#[tokio::test]
async fn what_is_let_pass_is_counted_by_place() {
    for policy in ["Warn", "Audit"] {
        let fixture = auditing(strict(policy), Duration::ZERO).await;
        send(&fixture, "one", json!({"card": "s3cret"})).await;
        send(&fixture, "two", json!({"card": "s3cret"})).await;
        send(&fixture, "right", json!({"card": 1})).await;

        fixture.reconcile(&kind_key()).await;

        let audit = audit(&fixture);
        assert_eq!((&audit["count"], &audit["daily"]), (&json!(2), &json!([2, 0, 0, 0, 0, 0, 0])));
        let place = &audit["places"][0];
        assert_eq!(
            (&place["payload"], &place["keyword"], &place["count"]),
            (&json!("/card"), &json!("type"), &json!(2))
        );
        let all = format!("{} {:?}", fixture.status(&kind_key()), fixture.ctx.host.events(&kind_key()));
        assert!(!all.contains("s3cret"), "{all}");
    }
}

#[tokio::test]
async fn status_is_written_once_for_many_events() {
    let fixture = auditing(strict("Audit"), Duration::ZERO).await;
    let before = fixture.ctx.host.writes(&kind_key()).len();
    for index in 0..20 {
        send(&fixture, &format!("e{index}"), json!({"card": "x"})).await;
    }

    fixture.reconcile(&kind_key()).await;
    fixture.reconcile(&kind_key()).await;

    assert_eq!(fixture.ctx.host.writes(&kind_key()).len(), before + 1);
    assert_eq!(audit(&fixture)["count"], 20);
    let published = fixture.events(&kind_key());
    assert_eq!(published.iter().filter(|reason| **reason == "PayloadMismatch").count(), 1);
}

#[tokio::test]
async fn nothing_is_written_before_the_interval_is_over() {
    let fixture = auditing(strict("Audit"), INTERVAL).await;
    fixture.edit(&kind_key(), |it| {
        it["status"]["payloadAudit"] = json!({
            "schemaDigest": "another", "lastDay": "2026-01-01", "updatedAt": ago(Duration::from_secs(60)),
            "count": 1, "daily": [1],
        });
    });
    send(&fixture, "one", json!({"card": "x"})).await;

    let next = fixture.reconcile(&kind_key()).await;

    assert_eq!(audit(&fixture)["schemaDigest"], "another");
    // It is reconciled again when the interval is over, and counts as settled until then.
    let Next::Later(wait) = next else { panic!("{next:?}") };
    assert!(wait > INTERVAL - Duration::from_secs(120) && wait <= INTERVAL, "{wait:?}");
}

#[tokio::test]
async fn a_write_that_fails_loses_nothing() {
    let fixture = auditing(strict("Audit"), Duration::ZERO).await;
    send(&fixture, "one", json!({"card": "x"})).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));
    fixture.reconcile(&kind_key()).await;
    fixture.ctx.host.recover();
    send(&fixture, "two", json!({"card": "x"})).await;

    fixture.reconcile(&kind_key()).await;

    assert_eq!(audit(&fixture)["count"], 2);
}

#[tokio::test]
async fn an_event_that_is_tried_again_counts_once() {
    let fixture = auditing(strict("Audit"), Duration::ZERO).await;
    fixture.declare(wrong());
    fixture.fail_svix("message.create");
    fixture.reconcile(&key()).await;
    fixture.recover_svix();
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.reason(&key()), "Sent");

    fixture.reconcile(&kind_key()).await;

    assert_eq!(audit(&fixture)["count"], 1);
}

#[tokio::test]
async fn it_continues_after_a_restart_and_ends_with_the_policy() {
    let fixture = auditing(strict("Audit"), Duration::ZERO).await;
    send(&fixture, "one", json!({"card": "x"})).await;
    fixture.reconcile(&kind_key()).await;
    fixture.ctx.audits.forget(&kind_key());
    send(&fixture, "two", json!({"card": "x"})).await;

    fixture.reconcile(&kind_key()).await;
    assert_eq!(audit(&fixture)["count"], 2);

    fixture.declare(strict("Enforce"));
    fixture.reconcile(&kind_key()).await;
    assert_eq!(audit(&fixture), Value::Null);
}

#[tokio::test]
async fn another_schema_begins_again() {
    let fixture = auditing(strict("Audit"), Duration::ZERO).await;
    send(&fixture, "one", json!({"card": "x"})).await;
    fixture.reconcile(&kind_key()).await;

    let wider = json!({"type": "object", "properties": {"card": {"type": ["string", "number"]}}});
    fixture.declare(strict("Audit").with("schema", wider));
    fixture.reconcile(&kind_key()).await;
    send(&fixture, "two", json!({"card": "x"})).await;
    assert_eq!(audit(&fixture)["count"], 1);
    send(&fixture, "three", json!({"card": true})).await;
    fixture.reconcile(&kind_key()).await;

    assert_eq!((&audit(&fixture)["count"], &audit(&fixture)["places"][0]["count"]), (&json!(1), &json!(1)));
}
