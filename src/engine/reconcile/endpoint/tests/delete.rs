//! What becomes of an endpoint in Svix when its object goes.

use super::*;

#[tokio::test]
async fn deleting_it_deletes_it_in_svix() {
    let fixture = synced(hook()).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(!fixture.exists(&key()) && fixture.endpoint_in_svix(UID).is_none());
    assert_eq!(fixture.events(&key()), ["Created", "Deleted"]);
}

#[tokio::test]
async fn what_is_gone_from_svix_is_released() {
    let fixture = synced(hook()).await;
    fixture.by_hand("DELETE", &format!("/app/default/endpoint/{UID}"), Value::Null).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.exists(&key()), fixture.writes()), (false, Vec::new()));
}

#[tokio::test]
async fn what_somebody_else_marked_since_is_not_deleted() {
    let fixture = synced(hook()).await;
    let theirs = json!({"metadata": {OWNER: "other/default/hook"}});
    fixture.by_hand("PATCH", &format!("/app/default/endpoint/{UID}"), theirs).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(!fixture.exists(&key()) && fixture.endpoint_in_svix(UID).is_some());
    assert_eq!(fixture.writes(), [""; 0]);
}

/// Another object that declares the endpoint `shared`, and was created later.
fn next_owner(namespace: &str) -> Manifest {
    with_headers()
        .named("next")
        .in_namespace(namespace)
        .with("uid", "shared")
        .changed(|it| it["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z".into())
}

/// A fixture where an endpoint with a header is deleted that this object declares, too.
async fn handed_over(next: &Manifest) -> (Fixture, String) {
    let fixture = synced(with_headers().with("uid", "shared")).await;
    let secret = fixture.endpoint_in_svix("shared").unwrap().secret;
    fixture.declare(next.clone());
    fixture.delete(&key());
    fixture.reconcile(&key()).await;
    (fixture, secret)
}

#[tokio::test]
async fn within_a_namespace_it_is_handed_over_whole() {
    let (fixture, secret) = handed_over(&next_owner("default")).await;

    let kept = fixture.endpoint_in_svix("shared").unwrap();

    assert_eq!(fixture.writes(), ["endpoint.patch"]);
    assert_eq!((kept.metadata[OWNER].as_str(), kept.secret), ("test/default/next", secret));
    assert_eq!(kept.headers.len(), 1);
    assert_eq!(fixture.events(&key()), ["Created", "HandedOver"]);
    assert_eq!(fixture.events(&next_owner("default").key()), [""; 0]);
}

#[tokio::test]
async fn across_namespaces_it_is_handed_over_without_secrets() {
    let (fixture, secret) = handed_over(&next_owner("billing")).await;

    let kept = fixture.endpoint_in_svix("shared").unwrap();

    assert_eq!(fixture.writes(), ["endpoint.update-headers", "endpoint.rotate-secret", "endpoint.patch"]);
    assert_eq!((kept.metadata[OWNER].as_str(), kept.headers.len()), ("test/billing/next", 0));
    assert_ne!(kept.secret, secret);
}

#[tokio::test]
async fn across_namespaces_both_objects_are_warned() {
    let next = next_owner("billing");
    let (fixture, _) = handed_over(&next).await;

    let warned = |key: &ObjectKey| {
        let events = fixture.ctx.host.events(key);
        events.into_iter().find(|event| event.reason == "SigningKeyChanged").unwrap()
    };

    assert_eq!(fixture.events(&key()), ["Created", "SigningKeyChanged", "HandedOver"]);
    for (of, other) in [(key(), next.key()), (next.key(), key())] {
        let event = warned(&of);
        assert!(event.warning && event.message.contains(&other.to_string()), "{event:?}");
        assert!(!event.message.contains("whsec_") && !event.message.contains("X-Team"), "{event:?}");
    }
}

#[tokio::test]
async fn what_was_half_created_elsewhere_is_deleted_there() {
    let fixture = declaring(hook()).await.with(connection().named("other"));
    fixture.connect("other").await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("crash".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    assert!(fixture.status(&key()).is_null() && fixture.endpoint_in_svix(UID).is_some());
    fixture.svix().clear_calls();
    fixture.declare(hook().with("connectionRef", json!({"name": "other"})));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.delete", "endpoint.create"]);
    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(fixture.status(&key())["svix"]["connection"], "other");
}

#[tokio::test]
async fn a_connection_with_something_half_created_is_in_use() {
    let fixture = declaring(hook()).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("crash".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.declare(hook().with("connectionRef", json!({"name": "other"})));

    let users = fixture.ctx.registry.users_of("default");

    assert!(users.contains(&key()), "{users:?}");
}

#[tokio::test]
async fn the_next_owner_finds_it_by_its_mark() {
    let (fixture, _) = handed_over(&next_owner("default")).await;
    fixture.remove(&key());
    fixture.svix().clear_calls();

    fixture.reconcile(&next_owner("default").key()).await;

    assert_eq!(fixture.reason(&next_owner("default").key()), "InSync");
    assert!(!fixture.writes().contains(&"endpoint.create"));
}
