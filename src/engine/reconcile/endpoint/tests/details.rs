//! Headers and signing keys, and the Secrets that they come from.

use super::*;

#[tokio::test]
async fn a_header_that_differs_is_observed_by_its_name() {
    let fixture = synced(hook()).await;
    fixture.declare(with_headers().with("managementPolicy", "Observe"));

    fixture.reconcile(&key()).await;

    let difference = fixture.status(&key())["difference"].to_string();
    assert!(difference.contains("x-team") && !difference.contains("billing"), "{difference}");
    assert_eq!(fixture.writes(), [""; 0]);
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named() {
    let reference = json!({"fromSecret": {"name": "nobody", "key": "key"}});
    let fixture = declaring(hook().with("signingSecret", reference)).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("SecretNotFound".to_owned(), Vec::new()));
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_tried_each_minute() {
    let reference = json!({"fromSecret": {"name": "keys", "key": "key"}});
    let fixture = declaring(hook().with("signingSecret", reference)).await;
    fixture.ctx.host.fail_secrets(ReferenceError::Forbidden("403".to_owned()));

    let next = fixture.reconcile(&key()).await;

    assert_eq!(next, Next::Later(Duration::from_secs(60)));
    assert_eq!(fixture.reason(&key()), "SecretNotReadable");
}

#[tokio::test]
async fn values_that_are_too_large_together_are_refused() {
    let header = |index: usize| {
        let reference = json!({"name": format!("s{index}"), "key": "value"});
        json!({"name": format!("X-{index}"), "valueFrom": {"secretKeyRef": reference}})
    };
    let headers: Vec<_> = (0..3).map(header).collect();
    let fixture = declaring(hook().with("headers", json!(headers))).await;
    for index in 0..3 {
        fixture.ctx.host.set_secret(&format!("s{index}"), "value", &"x".repeat(400_000));
    }

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InvalidSecret".to_owned(), Vec::new()));
    let message = fixture.message(&key());
    assert!(message.contains("more than 1048576 bytes together"), "{message}");
}

#[tokio::test]
async fn what_else_a_secret_contains_does_not_count() {
    let reference = json!({"name": "s", "key": "value"});
    let header = json!({"name": "X-A", "valueFrom": {"secretKeyRef": reference}});
    let fixture = declaring(hook().with("headers", json!([header]))).await;
    fixture.ctx.host.set_secret("s", "value", "short");
    fixture.ctx.host.set_secret("s", "other", &"x".repeat(2_000_000));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
}

#[tokio::test]
async fn its_signing_key_is_taken_from_a_secret() {
    let signing_key = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let reference = json!({"fromSecret": {"name": "keys", "key": "key"}});
    let fixture = declaring(hook().with("signingSecret", reference)).await;
    fixture.ctx.host.set_secret("keys", "key", signing_key);

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().secret, signing_key);
    assert!(!fixture.stored(&key()).conditions().iter().any(|it| it.message.contains("whsec_")));
}

#[tokio::test]
async fn its_signing_key_is_written_to_a_secret() {
    let fixture = synced(hook().with("signingSecret", json!({"toSecret": {"name": "keys"}}))).await;

    let published = fixture.ctx.host.secret_value("keys", "signingKey");

    assert_eq!(published, Some(fixture.endpoint_in_svix(UID).unwrap().secret));
    assert_eq!(fixture.events(&key()), ["Created", "SigningKeyWritten"]);
}

#[tokio::test]
async fn a_header_that_changes_is_written_alone() {
    let fixture = synced(with_headers()).await;
    fixture.declare(hook().with("headers", json!([{"name": "X-Team", "value": "payments"}])));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.update-headers"]);
    assert_eq!(fixture.events(&key()), ["Created", "HeadersWritten"]);
}

#[tokio::test]
async fn another_host_does_not_get_the_headers_of_the_first() {
    let fixture = synced(with_headers()).await;
    let moved = hook().with("url", "https://other.example.org/hook");
    fixture.declare(moved.with("headers", json!([{"name": "X-Team", "value": "payments"}])));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.update-headers", "endpoint.patch", "endpoint.update-headers"]);
    let headers = fixture.endpoint_in_svix(UID).unwrap().headers;
    assert!(headers.values().eq(["payments"]), "{headers:?}");
}

#[tokio::test]
async fn hidden_values_are_rewritten_after_a_restart() {
    let hidden = hook().with("headers", json!([{"name": "Authorization", "value": "Bearer hunter2"}]));
    let fixture = synced(hidden).await;
    // A write of somebody else moved `updatedAt`, and this process remembers no write of its own.
    fixture.by_hand("PATCH", &format!("/app/default/endpoint/{UID}"), json!({"throttleRate": 5})).await;
    fixture.connect("default").await;
    fixture.ctx.scratch.forget(&key());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.update-headers"]);
}
