//! `diff` and `apply`: what is shown is what is done.

mod commands;
mod credentials;
mod properties;
mod receivers;

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use svix_operator::{
    changes::{Approvals, ChangeSet, Finished, HiddenHeaders, Preview, Run, Target, run},
    embedded::{EmbeddedSvix, FaultPlan},
    engine::{EventRecord, Kind, ListedConnection, Object, Reviewer},
    manifests::{Input, Loaded, Server, load_all},
};
use tokio_util::sync::CancellationToken;

/// Reads manifests.
fn load(text: &str) -> Loaded {
    let loaded = load_all(&[Input::Text { name: "manifests".to_owned(), text: text.to_owned() }]);
    assert_eq!(loaded.problems, [], "{text}");
    loaded
}

async fn run_with(
    svix: &EmbeddedSvix,
    manifests: &str,
    reviewer: Arc<dyn Reviewer>,
    listed: Option<ListedConnection>,
) -> Finished {
    let how = Run { reviewer: Some(reviewer), listed, concurrency: 8, timeout: Duration::from_secs(60) };
    run(load(manifests), &target(&svix.url(), svix), how, &CancellationToken::new(), |_, _| ()).await.unwrap()
}

fn target<'a>(url: &'a str, svix: &'a EmbeddedSvix) -> Target<'a> {
    let server = Server { url, token: svix.token(), token_source: None, is_embedded: true };
    Target { server, connection: "default", requests_per_second: None }
}

/// What manifests would change, and the connection as it was listed for that.
#[derive(Debug)]
struct Planned {
    set: ChangeSet,
    listed: Option<ListedConnection>,
}

impl Deref for Planned {
    type Target = ChangeSet;

    fn deref(&self) -> &ChangeSet {
        &self.set
    }
}

/// What manifests would change.
async fn preview(svix: &EmbeddedSvix, manifests: &str) -> Planned {
    let preview = Arc::new(Preview::new(svix.token(), HiddenHeaders::Left));
    let finished = run_with(svix, manifests, preview.clone(), None).await;
    Planned { set: preview.change_set(&finished.objects, |_| None), listed: finished.listed }
}

/// Carries out these changes, as `apply` does.
async fn carry_out(svix: &EmbeddedSvix, manifests: &str, planned: &Planned) -> Finished {
    let approvals = Approvals::new(&planned, svix.token(), false);
    run_with(svix, manifests, Arc::new(approvals), planned.listed.clone()).await
}

const MANIFESTS: &str = "\
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

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_after_the_approval_is_known() {
    let svix = crate::support::svix_server::start().await;
    let planned = preview(&svix, MANIFESTS).await;
    let by_hand = serde_json::json!({"name": "a.one", "description": "By hand."});
    let url = format!("{}/api/v1/event-type", svix.url());
    let created =
        reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&by_hand).send().await.unwrap();
    assert_eq!(created.status(), 201);

    // What was listed for the comparison is out of date, and may not be known any more.
    for listed in [planned.listed.clone(), None] {
        let approvals = Arc::new(Approvals::new(&planned, svix.token(), false));
        let finished = run_with(&svix, MANIFESTS, approvals.clone(), listed).await;

        let event_types = finished.objects.iter().filter(|object| object.kind() == Kind::EventType);
        let moved: Vec<_> =
            event_types.map(|it| (it.key().name.to_string(), approvals.has_moved(&it.key()))).collect();
        assert_eq!(moved, [("a.one".to_owned(), true), ("a.two".to_owned(), false)]);
        assert_eq!(svix.snapshot().event_types["a.one"].description, "By hand.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_compared_is_not_listed_before_it_is_written() {
    let svix = crate::support::svix_server::start().await;
    let planned = preview(&svix, MANIFESTS).await;
    let only = Some(vec!["event-type.list".to_owned()]);
    svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });

    let approvals = Arc::new(Approvals::new(&planned, svix.token(), false));
    let how = Run {
        reviewer: Some(approvals),
        listed: planned.listed,
        concurrency: 8,
        timeout: Duration::from_secs(60),
    };
    let (created, all_created) = (AtomicUsize::new(0), CancellationToken::new());
    let on_event = {
        let all_created = all_created.clone();
        move |object: &Object, _: &EventRecord| {
            if object.kind() == Kind::EventType && created.fetch_add(1, Ordering::SeqCst) == 1 {
                all_created.cancel();
            }
        }
    };
    run(load(MANIFESTS), &target(&svix.url(), &svix), how, &all_created, on_event).await.unwrap();

    assert_eq!(svix.snapshot().event_types.len(), 2);
}
