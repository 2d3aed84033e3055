//! Connections that are deleted: what they wait for, and objects that are orphaned.

use super::*;

#[tokio::test]
async fn orphaning_works_while_svix_is_down() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    harness.svix.faults().down(true);
    harness.delete(&hook().key());
    let reported = harness.wait_for_reason(&hook().key(), "Deleting").await;
    assert!(reported.message.contains("svix-operator.dev/orphan-on-delete=true"), "{}", reported.message);
    let connection = connection(&harness.svix.url()).annotated("svix-operator.dev/orphan-on-delete", "true");
    harness.declare([connection]);
    harness.delete(&ObjectKey::connection("default"));
    eventually("both to go", PATIENCE, async || {
        let gone = |key: &ObjectKey| harness.object(key).is_none();
        (gone(&hook().key()) && gone(&ObjectKey::connection("default"))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn orphaning_removes_all_finalizers_and_writes_nothing() {
    // Given objects in step
    let mut harness = Harness::new().await;
    let kinds: Vec<_> = (0..50).map(|n| event_type(&format!("a.t{n}"))).collect();
    harness.declare(kinds.clone());
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    let before = harness.svix.snapshot();
    let held =
        |harness: &Harness, key: &ObjectKey| harness.object(key).is_some_and(|object| object.has_finalizer());
    assert!(held(&harness, &hook().key()));

    // When their connection is deleted and orphans
    let declared = connection(&harness.svix.url()).with("resyncInterval", "1s");
    harness.declare([declared.clone().annotated("svix-operator.dev/orphan-on-delete", "true")]);
    harness.svix.clear_calls();
    harness.delete(&declared.key());
    eventually("it to go", PATIENCE, async || harness.object(&declared.key()).is_none().then_some(())).await;

    // Then nothing holds them when it is gone, they say so, and Svix is as it was.
    for key in kinds.iter().map(Manifest::key).chain([hook().key()]) {
        assert!(!held(&harness, &key), "{key}");
    }
    let reported = harness.wait_for_reason(&hook().key(), "ConnectionNotFound").await;
    assert!(
        reported.message.contains("there is no SvixConnection named \"default\""),
        "{}",
        reported.message
    );
    assert_eq!((harness.writes(), harness.svix.snapshot()), (Vec::new(), before.clone()));
    harness.delete(&kinds[0].key());
    assert!(harness.object(&kinds[0].key()).is_none(), "it goes at once");

    // And they are claimed anew through a new connection, of the same name or another.
    let second = declared.clone().named("second");
    harness.declare([second, kinds[1].clone().with("connectionRef", json!({"name": "second"}))]);
    harness.wait_for_reason(&kinds[1].key(), "InSync").await;
    harness.declare([declared]);
    harness.wait_until_in_sync().await;
    assert!(held(&harness, &hook().key()) && held(&harness, &kinds[1].key()));
    assert_eq!(harness.svix.snapshot(), before);
}

#[tokio::test]
async fn a_connection_waits_for_no_event_that_is_over() {
    // Given an endpoint and events: one that is delivered nowhere, one that is refused, one that is still waiting
    let mut harness = Harness::new().await;
    let strict = event_type("a.one").with("schema", json!({"required": ["name"]}));
    let (sent, refused) = (event("sent", "a.one"), event("refused", "a.one").with("payload", json!({})));
    let waiting = event("waiting", "a.later");
    harness.declare([
        strict.clone(),
        hook().with("eventTypes", json!(["a.one"])).with("channels", json!(["c"])),
    ]);
    harness.wait_until_in_sync().await;
    harness.declare([sent.clone(), refused.clone(), waiting.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    harness.wait_for_reason(&refused.key(), "InvalidPayload").await;
    harness.wait_for_reason(&waiting.key(), "WaitingForEventType").await;

    // When their connection is deleted
    let connection = ObjectKey::connection("default");
    harness.delete(&connection);
    // Then it counts by kind what needs it, without what is over,
    let reported = harness.wait_for_reason(&connection, "InUse").await.message;
    assert!(
        reported.starts_with(
            "1 WebhookEndpoint, 1 WebhookEventType and 1 WebhookEvent still use this connection, \
             WebhookEndpoint/default/hook first; "
        ),
        "{reported}"
    );
    harness.delete(&waiting.key());
    harness.delete(&strict.key());
    eventually("one to be left", PATIENCE, async || {
        let reported = harness.ready(&connection)?.message;
        let expected = "1 WebhookEndpoint still uses this connection: WebhookEndpoint/default/hook; ";
        if reported.starts_with(expected) { Ok(()) } else { Err(reported) }
    })
    .await;
    // and goes although events are there.
    harness.delete(&hook().key());
    eventually("it to go", PATIENCE, async || harness.object(&connection).is_none().then_some(())).await;
    assert!(harness.object(&sent.key()).is_some() && harness.object(&refused.key()).is_some());
}
