//! `diff` and `apply`: what is shown is what is done.

mod commands;
mod credentials;
mod properties;
mod receivers;

use std::{sync::Arc, time::Duration};

use svix_operator::{
    changes::{Approvals, ChangeSet, Finished, HiddenHeaders, Preview, Run, Target, run},
    embedded::EmbeddedSvix,
    engine::Reviewer,
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
