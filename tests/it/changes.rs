//! `diff` and `apply`: what is shown is what is done.

mod commands;
mod credentials;
mod properties;
mod receivers;

use std::{sync::Arc, time::Duration};

use svix_operator::{
    changes::{Approvals, ChangeSet, Finished, HiddenHeaders, Preview, Run, Target, run},
    embedded::EmbeddedSvix,
    engine::{Kind, Reviewer},
    manifests::{Input, Loaded, Server, load_all},
};
use tokio_util::sync::CancellationToken;

/// Reads manifests.
fn load(text: &str) -> Loaded {
    let loaded = load_all(&[Input::Text { name: "manifests".to_owned(), text: text.to_owned() }]);
    assert_eq!(loaded.problems, [], "{text}");
    loaded
}

async fn run_with(svix: &EmbeddedSvix, manifests: &str, reviewer: Arc<dyn Reviewer>) -> Finished {
    let url = svix.url();
    let server = Server { url: &url, token: svix.token(), token_source: None, is_embedded: true };
    let target = Target { server, connection: "default", requests_per_second: None };
    let how = Run { reviewer: Some(reviewer), concurrency: 8, timeout: Duration::from_secs(60) };
    run(load(manifests), &target, how, &CancellationToken::new(), |_, _| ()).await.unwrap()
}

/// What manifests would change.
async fn preview(svix: &EmbeddedSvix, manifests: &str) -> ChangeSet {
    let preview = Arc::new(Preview::new(svix.token(), HiddenHeaders::Left));
    let finished = run_with(svix, manifests, preview.clone()).await;
    preview.change_set(&finished.objects, |_| None)
}

/// Carries out these changes.
async fn carry_out(svix: &EmbeddedSvix, manifests: &str, changes: &ChangeSet) -> Finished {
    run_with(svix, manifests, Arc::new(Approvals::new(changes, svix.token(), false))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_after_the_approval_is_known() {
    let svix = crate::support::svix_server::start().await;
    let manifests = "\
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec: {ownerId: prod, tokenSecretRef: {name: t, key: t}}
---
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: a.one, namespace: shop}
spec: {description: First.}
---
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: a.two, namespace: shop}
spec: {description: Second.}
";
    let changes = preview(&svix, manifests).await;
    let by_hand = serde_json::json!({"name": "a.one", "description": "By hand."});
    let url = format!("{}/api/v1/event-type", svix.url());
    let created =
        reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&by_hand).send().await.unwrap();
    assert_eq!(created.status(), 201);

    let approvals = Arc::new(Approvals::new(&changes, svix.token(), false));
    let finished = run_with(&svix, manifests, approvals.clone()).await;

    let event_types = finished.objects.iter().filter(|object| object.kind() == Kind::EventType);
    let moved: Vec<_> =
        event_types.map(|it| (it.key().name.to_string(), approvals.has_moved(&it.key()))).collect();
    assert_eq!(moved, [("a.one".to_owned(), true), ("a.two".to_owned(), false)]);
    assert_eq!(svix.snapshot().event_types["a.one"].description, "By hand.");
}
