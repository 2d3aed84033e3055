//! Compares manifests with other manifests: the others are reconciled into an embedded Svix first, so that the same plan
//! decides what changes.

use std::{io, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    api::{EndpointDeletionPolicy, EventTypeDeletionPolicy},
    embedded::{self, EmbeddedSvix},
    engine::{Kind, Object, ObjectKey},
    manifests::{Loaded, Server, SourceMap},
    plan::Field,
};

use super::{
    elsewhere::{self, CannotPrepare},
    header_values::Headers,
    model::{Action, Change, ChangeSet, Side},
    placeholders,
    preview::{HiddenHeaders, Preview},
    receivers,
    run::{CannotCompare, Run, Target, run},
};

/// Why manifests cannot be compared with others.
#[derive(Debug, thiserror::Error)]
pub enum CannotCompareBase {
    /// The embedded Svix does not start.
    #[error("cannot start the embedded Svix: {0}")]
    Embedded(#[from] io::Error),
    /// The embedded Svix does not work.
    #[error("cannot prepare the embedded Svix: {0}")]
    Prepare(#[from] CannotPrepare),
    /// The base cannot be used.
    #[error("the base: {0}")]
    Base(#[source] CannotCompare),
    /// The manifests cannot be used.
    #[error(transparent)]
    Manifests(#[from] CannotCompare),
}

/// The most objects at once.
const CONCURRENCY: usize = 32;
/// How long each side may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What becomes of the objects of the base that the manifests do not declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeclared {
    /// They are deleted.
    Deleted,
    /// They stay: other manifests may declare them.
    Kept,
}

/// Returns what changes from the base to the manifests. Deleted objects are changes, too.
///
/// # Errors
/// See [`CannotCompareBase`].
pub async fn compare(
    base: Loaded,
    manifests: Loaded,
    (connection, undeclared): (&str, Undeclared),
    sources: &SourceMap,
    shutdown: &CancellationToken,
) -> Result<ChangeSet, CannotCompareBase> {
    let (mut base, mut manifests) = (base, manifests);
    manage(&mut base);
    placeholders::add(&mut base);
    placeholders::add(&mut manifests);
    let (headers_before, headers_after) = (Headers::of(&base), Headers::of(&manifests));
    let svix = EmbeddedSvix::start(embedded::Options::default()).await?;
    elsewhere::add_event_types(&svix, [&base, &manifests]).await?;
    let url = svix.url();
    let server = Server { url: &url, token: svix.token(), token_source: None, is_embedded: true };
    let target = Target { server, connection, requests_per_second: None };
    let how = |reviewer| Run { reviewer, listed: None, concurrency: CONCURRENCY, timeout: TIMEOUT };
    let before = run(base, &target, how(None), shutdown, |_, _| ()).await.map_err(CannotCompareBase::Base)?;
    let preview = Preview::new(svix.token(), HiddenHeaders::Ignored);
    let preview = if manifests.histories.is_some() { preview.with_history() } else { preview };
    let preview = Arc::new(preview);
    let after = run(manifests, &target, how(Some(preview.clone())), shutdown, |_, _| ()).await?;
    let ChangeSet { mut changes, notes, .. } =
        preview.change_set(&after.objects, |key| sources.origin(key).map(ToString::to_string));
    hide_addresses(&mut changes, &before.objects);
    changes.iter_mut().for_each(|change| headers_before.compare(&headers_after, change));
    let is_declared = |key: &ObjectKey| after.objects.iter().any(|object| object.key() == *key);
    let deleted = before.objects.iter().filter(|object| !is_declared(&object.key()));
    changes.extend(deleted.filter_map(deletion));
    svix.shutdown().await;
    // Fingerprints are of this embedded server.
    for change in &mut changes {
        change.fingerprint = None;
    }
    let mut changes = ChangeSet { notes, ..ChangeSet::new(changes) };
    if !receivers::are_missing(&changes) {
        return Ok(changes);
    }
    let kept = before.objects.iter().filter(|it| undeclared == Undeclared::Kept && !is_declared(&it.key()));
    receivers::add(&mut changes, &receivers::declared(after.objects.iter().chain(kept)));
    Ok(changes)
}

/// Removes what keeps objects of the base from being written. A suspended object is in Svix as it was before, most likely.
fn manage(base: &mut Loaded) {
    for located in &mut base.connections {
        (located.object.spec.suspend, located.object.spec.management_policy) = (None, None);
    }
    for located in &mut base.event_types {
        (located.object.spec.suspend, located.object.spec.management_policy) = (None, None);
    }
    for located in &mut base.endpoints {
        (located.object.spec.suspend, located.object.spec.management_policy) = (None, None);
    }
}

/// Hides the addresses that the base takes from a Secret, where the manifests have them in the object.
fn hide_addresses(changes: &mut [Change], base: &[Object]) {
    for object in base {
        let Object::Endpoint(endpoint) = object else { continue };
        if endpoint.spec.url_from.is_none() {
            continue;
        }
        let named = Change::of(object).key();
        let fields = changes.iter_mut().filter(|change| change.key() == named).flat_map(|it| &mut it.fields);
        for field in fields.filter(|field| field.field == Field::Url.as_str() && field.before != Side::Absent)
        {
            field.before = Side::Hidden;
        }
    }
}

/// What becomes of an object that is not declared any more.
fn deletion(object: &Object) -> Option<Change> {
    let key = object.key();
    let (action, resource, application) = match object {
        Object::EventType(event_type) => {
            let action = match event_type.spec.deletion_policy() {
                EventTypeDeletionPolicy::Archive => Action::Archive,
                EventTypeDeletionPolicy::Expunge => Action::Expunge,
                EventTypeDeletionPolicy::Retain => return None,
            };
            (action, event_type.event_type_name(), None)
        }
        Object::Endpoint(endpoint) => {
            if endpoint.spec.deletion_policy() == EndpointDeletionPolicy::Retain {
                return None;
            }
            let svix = endpoint.status.as_ref().and_then(|status| status.svix.as_ref())?;
            (Action::Delete, svix.uid.clone(), Some(svix.application.clone()))
        }
        Object::Connection(_) | Object::Event(_) => return None,
    };
    debug_assert!(matches!(key.kind, Kind::EventType | Kind::Endpoint));
    Some(Change { action, resource: Some(resource), application, ..Change::of(object) })
}
