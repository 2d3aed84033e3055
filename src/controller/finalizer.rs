//! Removes our finalizer from an object, also while others write to that object.
//!
//! The removal is a JSON Patch without a `resourceVersion`. The API server applies such a patch to the object as it is
//! stored, and applies it again by itself when another write came first, so writers of other fields never cause a
//! conflict. The patch tests the uid, and our finalizer at each index that it removes: an object that was created
//! again, and finalizers that others set meanwhile, stay as they are. A test fails only when the list of finalizers
//! changed after it was read; then the object is read again.

use std::time::Duration;

use kube::{
    Client,
    api::{ListParams, Patch, PatchParams},
    core::Request,
};
use rand::random_range;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api::FINALIZER;

use super::{errors::describe, manager::MANAGER};

/// The mean pause before the second attempt. It doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest mean pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The metadata that a removal needs.
///
/// Not kube's `PartialObjectMeta`: the managed fields that it reads may be nested as deep as the object itself, and
/// serde_json gives up on that.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub finalizers: Vec<String>,
    pub deletion_timestamp: Option<String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Metadata {
    /// Whether our finalizer is on the object.
    pub fn has_finalizer(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// Whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// The operations that remove our finalizer from the object with this metadata, and from no other.
    fn removal(&self) -> Value {
        let ours = self.finalizers.iter().enumerate().filter(|(_, finalizer)| *finalizer == FINALIZER);
        let paths: Vec<_> = ours.map(|(index, _)| format!("/metadata/finalizers/{index}")).collect();
        let mut operations = vec![json!({"op": "test", "path": "/metadata/uid", "value": self.uid})];
        operations.extend(paths.iter().map(|path| json!({"op": "test", "path": path, "value": FINALIZER})));
        // The last index first, so that the others stay valid.
        operations.extend(paths.iter().rev().map(|path| json!({"op": "remove", "path": path})));
        Value::Array(operations)
    }
}

/// An object, of which only the metadata is read.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

/// A list of objects.
#[derive(Deserialize)]
struct List {
    /// `null` when there are none, in a list of metadata.
    items: Option<Vec<Object>>,
}

/// Where an object is on the API server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location<'a> {
    /// The objects of its kind, in its namespace.
    pub resource: &'a Request,
    /// Its name.
    pub name: &'a str,
}

/// How long a removal is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Persistence {
    /// No attempt begins later than this after the first one.
    pub limit: Duration,
    /// Whether an attempt that fails with this error is worth another one.
    pub is_transient: fn(&kube::Error) -> bool,
}

/// The state after a removal.
#[derive(Debug)]
pub(super) enum Removal {
    /// Our finalizer is not on the object; this is its metadata.
    Removed(Metadata),
    /// The object does not exist any more. One of the same name and another uid may.
    Gone,
}

/// Why our finalizer could not be removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemovalError {
    /// The API server refused, or could not be reached.
    #[error("{}", describe(.0))]
    Kubernetes(#[source] kube::Error),
    /// Each attempt found other finalizers than the ones that were read just before.
    #[error("others change its finalizers all the time")]
    Contended,
}

/// The result of one attempt.
enum Attempt {
    Ended(Removal),
    /// The finalizers changed after they were read; this is the metadata now.
    Changed(Metadata),
}

/// Removes our finalizer from the object with this metadata.
///
/// # Errors
/// The API server refuses, or the limit of `persistence` is over.
pub(super) async fn remove(
    client: &Client,
    location: Location<'_>,
    metadata: &Metadata,
    persistence: Persistence,
) -> Result<Removal, RemovalError> {
    let deadline = Instant::now() + persistence.limit;
    let mut pause = FIRST_PAUSE;
    let mut current = metadata.clone();
    loop {
        let error = match attempt(client, location, &current).await {
            Ok(Attempt::Ended(removal)) => return Ok(removal),
            Ok(Attempt::Changed(now)) => {
                current = now;
                RemovalError::Contended
            }
            Err(error) if (persistence.is_transient)(&error) => RemovalError::Kubernetes(error),
            Err(error) => return Err(RemovalError::Kubernetes(error)),
        };
        // Of several that wait for the same writer, not all try again at the same moment.
        let pause_now = pause.mul_f64(random_range(0.5..1.5));
        if Instant::now() + pause_now > deadline {
            return Err(error);
        }
        sleep(pause_now).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn attempt(client: &Client, location: Location<'_>, metadata: &Metadata) -> kube::Result<Attempt> {
    let refusal = match patch(client, location, metadata).await {
        // Set again, at an index that was not tested.
        Ok(now) if now.has_finalizer() => return Ok(Attempt::Changed(now)),
        Ok(now) => return Ok(Attempt::Ended(Removal::Removed(now))),
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Attempt::Ended(Removal::Gone)),
        // A test of the patch failed, or the object is invalid.
        Err(error @ kube::Error::Api(_)) if is_unprocessable(&error) => error,
        Err(error) => return Err(error),
    };
    Ok(match read(client, location).await? {
        Some(now) if now.uid != metadata.uid => Attempt::Ended(Removal::Gone),
        Some(now) if !now.has_finalizer() => Attempt::Ended(Removal::Removed(now)),
        // The patch was made from this very version, so its tests succeed.
        Some(now) if now.resource_version == metadata.resource_version => return Err(refusal),
        Some(now) => Attempt::Changed(now),
        None => Attempt::Ended(Removal::Gone),
    })
}

fn is_unprocessable(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

async fn patch(client: &Client, location: Location<'_>, metadata: &Metadata) -> kube::Result<Metadata> {
    let Location { resource, name } = location;
    let patch = serde_json::from_value(metadata.removal()).map_err(kube::Error::SerdeError)?;
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let request = resource.patch_metadata(name, &params, &Patch::Json::<()>(patch));
    let object: Object = client.request(request.map_err(kube::Error::BuildRequest)?).await?;
    Ok(object.metadata)
}

/// Reads an object, by a list of one: the operator may list objects, and not get them.
async fn read(client: &Client, location: Location<'_>) -> kube::Result<Option<Metadata>> {
    let Location { resource, name } = location;
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let request = resource.list_metadata(&params).map_err(kube::Error::BuildRequest)?;
    let list: List = client.request(request).await?;
    Ok(list.items.into_iter().flatten().map(|object| object.metadata).next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{
        api::WebhookEndpoint,
        controller::scripted::{Script, list, object},
    };

    use super::*;

    const OTHER: &str = "example.org/x";
    const LIMIT: Duration = Duration::from_secs(30);

    fn unavailable(error: &kube::Error) -> bool {
        matches!(error, kube::Error::Api(status) if status.code == 503)
    }

    fn metadata(value: Value) -> Metadata {
        serde_json::from_value::<Object>(value).unwrap().metadata
    }

    async fn removed(script: &Script, found: Value) -> Result<Removal, RemovalError> {
        let resource = Request::new(<WebhookEndpoint as kube::Resource>::url_path(&(), Some("ns")));
        let location = Location { resource: &resource, name: "x" };
        let persistence = Persistence { limit: LIMIT, is_transient: unavailable };
        remove(&script.client(), location, &metadata(found), persistence).await
    }

    #[test]
    fn the_patch_tests_uid_and_finalizer_but_no_version() {
        let found = metadata(object("x", "u", "1", &[FINALIZER, OTHER, FINALIZER]));

        let patch = found.removal();

        let (first, last) = ("/metadata/finalizers/0", "/metadata/finalizers/2");
        let expected = json!([
            {"op": "test", "path": "/metadata/uid", "value": "u"},
            {"op": "test", "path": first, "value": FINALIZER},
            {"op": "test", "path": last, "value": FINALIZER},
            {"op": "remove", "path": last},
            {"op": "remove", "path": first},
        ]);
        assert_eq!(patch, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn finalizers_that_moved_are_read_again() {
        let script = Script::of([
            (422, Value::Null),
            (200, list([object("x", "u", "2", &[OTHER, FINALIZER])])),
            (200, object("x", "u", "3", &[OTHER])),
        ]);

        let removal = removed(&script, object("x", "u", "1", &[FINALIZER])).await.unwrap();

        assert!(matches!(removal, Removal::Removed(now) if now.finalizers == [OTHER]));
        let requests = script.requests();
        assert!(requests[1].starts_with("GET ") && requests[1].contains("metadata.name%3Dx"), "{requests:?}");
        assert!(requests[2].contains("/metadata/finalizers/1"), "{requests:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_set_again_at_another_index_is_removed_too() {
        let script = Script::of([
            (200, object("x", "u", "2", &[OTHER, FINALIZER])),
            (200, object("x", "u", "3", &[OTHER])),
        ]);

        let removal = removed(&script, object("x", "u", "1", &[FINALIZER])).await.unwrap();

        assert!(matches!(removal, Removal::Removed(now) if now.finalizers == [OTHER]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_was_created_again_is_left_alone() {
        let script =
            Script::of([(422, Value::Null), (200, list([object("x", "another", "9", &[FINALIZER])]))]);

        let removal = removed(&script, object("x", "u", "1", &[FINALIZER])).await.unwrap();

        assert!(matches!(removal, Removal::Gone));
        assert_eq!(script.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_the_version_that_was_read_is_no_race() {
        let script = Script::of([(422, Value::Null), (200, list([object("x", "u", "1", &[FINALIZER])]))]);

        let error = removed(&script, object("x", "u", "1", &[FINALIZER])).await.unwrap_err();

        assert!(matches!(error, RemovalError::Kubernetes(error) if is_unprocessable(&error)));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_by_time_and_not_by_their_number() {
        // Given an API server that is away for a while, and others that then move our finalizer all the time
        let begun = Instant::now();
        let away = LIMIT / 2;
        let script = Script::answered_by(move |request, version| {
            let moved = [OTHER, FINALIZER, OTHER, FINALIZER];
            match (begun.elapsed() < away, request.starts_with("GET ")) {
                (true, _) => (503, Value::Null),
                (false, true) => {
                    (200, list([object("x", "u", &version.to_string(), &moved[version % 2..][..2])]))
                }
                (false, false) if begun.elapsed() < LIMIT - LONGEST_PAUSE * 2 => (422, Value::Null),
                (false, false) => (200, object("x", "u", &version.to_string(), &[OTHER])),
            }
        });

        let removal = removed(&script, object("x", "u", "0", &[FINALIZER])).await.unwrap();

        assert!(matches!(removal, Removal::Removed(_)));
        assert!(script.requests().len() > 15, "{:?}", script.requests());
    }

    #[tokio::test(start_paused = true)]
    async fn a_removal_ends_at_its_limit_with_the_last_error() {
        let away = Script::answered_by(|_, _| (503, Value::Null));
        let contended = Script::answered_by(|request, version| match request.starts_with("GET ") {
            true => (200, list([object("x", "u", &version.to_string(), &[OTHER, FINALIZER])])),
            false => (422, Value::Null),
        });
        for (script, is_contended) in [(away, false), (contended, true)] {
            let begun = Instant::now();

            let error = removed(&script, object("x", "u", "0", &[FINALIZER])).await.unwrap_err();

            assert_eq!(matches!(error, RemovalError::Contended), is_contended, "{error}");
            let earliest = LIMIT - LONGEST_PAUSE.mul_f64(1.5);
            assert!((earliest..=LIMIT).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        }
    }
}
