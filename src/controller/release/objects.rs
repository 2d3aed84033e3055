//! The requests to the API server: lists of objects, one object, and the removal of the finalizer.

use std::{sync::Arc, time::Duration};

use kube::{Client, Resource as _, api::ListParams, core::Request};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api::{DEFAULT_CONNECTION, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    controller::{
        finalizer::{self, Location, Metadata, Persistence, Removal},
        watch::PAGE,
    },
    engine::{Kind, ObjectKey},
};

use super::report::State;

/// How often a list is read that expires between two pages.
const MAX_LISTS: usize = 5;
/// How long the release of one object is tried. An API server that restarts is back by then.
const PERSISTENCE: Persistence = Persistence { limit: Duration::from_secs(30), is_transient };

/// An object that was found, as far as a release needs it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub key: ObjectKey,
    /// The connections that it is reconciled through or has something in Svix through, if the query asked for them.
    pub connections: Vec<String>,
    metadata: Metadata,
}

impl Found {
    /// Whether our finalizer is on it.
    pub fn has_finalizer(&self) -> bool {
        self.metadata.has_finalizer()
    }
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    /// `null` when there are none, in a list of metadata.
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct PageMeta {
    r#continue: Option<String>,
}

/// The parts of an object that are read.
#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    connection_ref: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Status {
    svix: Option<InSvix>,
}

#[derive(Deserialize)]
struct InSvix {
    connection: Option<String>,
}

impl Item {
    fn found(self, kind: Kind) -> Found {
        let text = |field: &Option<String>| -> Arc<str> { field.as_deref().unwrap_or_default().into() };
        let Metadata { name, namespace, .. } = &self.metadata;
        let key = ObjectKey::new(kind, text(namespace), text(name));
        Found { key, connections: self.connections(kind), metadata: self.metadata }
    }

    /// Returns the connections, as far as the object can be decoded: a part that cannot names none.
    fn connections(&self, kind: Kind) -> Vec<String> {
        if kind == Kind::Connection {
            return self.metadata.name.iter().cloned().collect();
        }
        let spec = self.spec.as_deref().and_then(|text| serde_json::from_str::<Spec>(text.get()).ok());
        let status = self.status.as_deref().and_then(|text| serde_json::from_str::<Status>(text.get()).ok());
        let declared = spec.map(|spec| {
            spec.connection_ref.map_or_else(|| DEFAULT_CONNECTION.to_owned(), |reference| reference.name)
        });
        let recorded = status.and_then(|status| status.svix?.connection);
        declared.into_iter().chain(recorded).collect()
    }
}

fn request(kind: Kind, namespace: Option<&str>) -> Request {
    Request::new(match kind {
        Kind::Connection => SvixConnection::url_path(&(), None),
        Kind::EventType => WebhookEventType::url_path(&(), namespace),
        Kind::Endpoint => WebhookEndpoint::url_path(&(), namespace),
        Kind::Event => WebhookEvent::url_path(&(), namespace),
    })
}

fn request_of(key: &ObjectKey) -> Request {
    request(key.kind, Some(&key.namespace))
}

/// The objects of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    pub kind: Kind,
    /// The namespace; `None`: all.
    pub namespace: Option<&'a str>,
    /// Whether their connections are needed. Else only metadata is requested.
    pub with_connections: bool,
}

/// Lists the objects that are selected.
pub(super) async fn list(
    client: &Client,
    query: Query<'_>,
    is_selected: impl Fn(&Found) -> bool,
) -> kube::Result<Vec<Found>> {
    let Query { kind, namespace, with_connections } = query;
    let request = request(kind, namespace);
    let (mut found, mut token, mut lists) = (Vec::new(), None, 1);
    loop {
        let params = ListParams { limit: Some(PAGE), continue_token: token, ..ListParams::default() };
        let page = if with_connections { request.list(&params) } else { request.list_metadata(&params) };
        match client.request::<Page>(page.map_err(kube::Error::BuildRequest)?).await {
            Ok(page) => {
                found.extend(
                    page.items.into_iter().flatten().map(|item| item.found(kind)).filter(&is_selected),
                );
                token = page.metadata.r#continue.filter(|token| !token.is_empty());
                if token.is_none() {
                    return Ok(found);
                }
            }
            // The API server does not remember the version of the first page any more.
            Err(kube::Error::Api(status)) if status.code == 410 && lists < MAX_LISTS => {
                (found, token, lists) = (Vec::new(), None, lists + 1);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reads one object; `None`: it does not exist.
pub(super) async fn get(client: &Client, key: &ObjectKey) -> kube::Result<Option<Found>> {
    let get = request_of(key).get_metadata(&key.name, &kube::api::GetParams::default());
    match client.request::<Item>(get.map_err(kube::Error::BuildRequest)?).await {
        Ok(item) => Ok(Some(item.found(key.kind))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes our finalizer from one object.
pub(super) async fn release(client: &Client, object: &Found) -> State {
    let resource = request_of(&object.key);
    let location = Location { resource: &resource, name: &object.key.name };
    match finalizer::remove(client, location, &object.metadata, PERSISTENCE).await {
        Ok(Removal::Removed(now)) => released(now),
        Ok(Removal::Gone) => State::Gone,
        Err(error) => State::Failed(error.to_string()),
    }
}

/// Returns the state of an object without our finalizer.
fn released(now: Metadata) -> State {
    match (now.is_deleting(), now.finalizers.is_empty()) {
        (true, true) => State::Deleted,
        (true, false) => State::DeletionBlocked(now.finalizers),
        (false, _) => State::Released,
    }
}

/// Whether an error is worth another attempt: somebody else wrote, or the API server is busy or not reachable.
fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 409 | 429 | 500 | 502 | 503 | 504),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use crate::{
        api::FINALIZER,
        controller::scripted::{Script, list as listed, object},
    };

    use super::*;

    #[test]
    fn an_object_is_read_whatever_its_depth_and_its_spec() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
        let text = format!(
            r#"{{"metadata": {{"name": "a.b", "namespace": "ns", "uid": "u", "resourceVersion": "7",
                "finalizers": ["example.org/x", "{FINALIZER}"], "managedFields": [{{"fieldsV1": {deep}}}]}},
                "spec": {{"schema": {deep}, "connectionRef": {{"name": "one"}}}},
                "status": {{"svix": {{"connection": "two"}}, "deep": {deep}}}}}"#
        );
        let found = serde_json::from_str::<Item>(&text).unwrap().found(Kind::EventType);
        assert!(found.has_finalizer());
        assert_eq!(found.key.to_string(), "WebhookEventType/ns/a.b");
        assert_eq!(found.connections, ["one", "two"]);
        assert_eq!(found.metadata.finalizers, ["example.org/x", FINALIZER]);
        for (spec, connections) in
            [("5", vec![]), ("{}", vec!["default"]), (r#"{"connectionRef": 5}"#, vec![])]
        {
            let text = format!(r#"{{"metadata": {{"name": "x"}}, "spec": {spec}}}"#);
            let found = serde_json::from_str::<Item>(&text).unwrap().found(Kind::Endpoint);
            assert_eq!(found.connections, connections);
            assert!(found.metadata.finalizers.is_empty());
        }
    }

    fn page(token: &str, names: &[&str]) -> Value {
        let items: Vec<_> = names.iter().map(|name| object(name, name, "1", &[FINALIZER])).collect();
        json!({"metadata": {"continue": token}, "items": items})
    }

    #[tokio::test]
    async fn a_list_that_expires_between_two_pages_is_read_again() {
        let query = Query { kind: Kind::Endpoint, namespace: None, with_connections: false };
        let script = Script::of([
            (200, page("p2", &["a"])),
            (410, Value::Null),
            (200, page("p2", &["a"])),
            (200, page("", &["b"])),
        ]);
        let found = list(&script.client(), query, |_| true).await.unwrap();
        assert_eq!(found.iter().map(|object| &*object.key.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(script.requests().iter().filter(|line| line.contains("continue=p2")).count(), 2);
        // Such is an empty list of metadata.
        let script = Script::of([(200, json!({"metadata": {}, "items": null}))]);
        assert!(list(&script.client(), query, |_| true).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_outcome_of_a_removal_has_its_state() {
        const OTHER: &str = "example.org/x";
        let object = |version: &str, finalizers: &[&str]| object("x", "u", version, finalizers);
        let another = crate::controller::scripted::object("x", "another", "9", &[FINALIZER]);
        let mut deleting = object("2", &[]);
        deleting["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        let mut blocked = deleting.clone();
        blocked["metadata"]["finalizers"] = json!([OTHER]);
        let fails = |code: u16| (code, Value::Null);
        for (answers, state) in [
            (vec![(200, object("2", &[OTHER]))], State::Released),
            (vec![(200, deleting)], State::Deleted),
            (vec![(200, blocked)], State::DeletionBlocked(vec![OTHER.to_owned()])),
            // Somebody else set a finalizer before ours.
            (
                vec![
                    fails(409),
                    fails(503),
                    fails(422),
                    (200, listed([object("2", &[OTHER, FINALIZER])])),
                    (200, object("3", &[OTHER])),
                ],
                State::Released,
            ),
            // A response of ours was lost, or somebody else removed it.
            (vec![fails(503), fails(422), (200, listed([object("9", &[])]))], State::Released),
            (vec![fails(404)], State::Gone),
            (vec![fails(409), fails(404)], State::Gone),
            (vec![fails(422), (200, listed([]))], State::Gone),
            // An object that was created again is another one.
            (vec![fails(422), (200, listed([another]))], State::Gone),
            (vec![fails(403)], State::Failed("no".to_owned())),
        ] {
            let found = serde_json::from_value::<Item>(object("1", &[FINALIZER])).unwrap();
            let (script, expected) = (Script::of(answers.clone()), answers.len());
            assert_eq!(release(&script.client(), &found.found(Kind::Endpoint)).await, state);
            assert_eq!(script.requests().len(), expected, "{:?}", script.requests());
        }
    }
}
