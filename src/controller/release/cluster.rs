//! The calls to the API server: pages of what is there, one object, and the patch that takes the finalizer off.

use std::time::Duration;

use kube::{
    Client, Resource as _,
    api::{ListParams, Patch, PatchParams},
    core::Request,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{
    api::{DEFAULT_CONNECTION, FINALIZER, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    controller::{MANAGER, errors::describe, watch::PAGE},
    engine::{Kind, ObjectKey},
};

use super::{State, without_ours};

/// How often a list that became too old between two pages is begun again.
const LISTS: usize = 5;
/// How often the release of one object is tried.
const TRIES: u32 = 10;
/// The pause before a second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(50);

/// What has to be known of an object.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub key: ObjectKey,
    /// The connections that it is reconciled through or still holds something through, when that was asked for.
    pub through: Vec<String>,
    uid: Option<String>,
    version: Option<String>,
    finalizers: Vec<String>,
    deleting: bool,
}

impl Held {
    /// Whether our finalizer is on it.
    pub fn is_ours(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    /// `null` when there are none: so a list of metadata says it.
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct PageMeta {
    r#continue: Option<String>,
}

/// What is read of an object. Not kube's `PartialObjectMeta`: the managed fields that it reads may be nested as deep as
/// the object itself, and serde_json gives up on that.
#[derive(Deserialize)]
struct Item {
    metadata: Meta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    finalizers: Option<Vec<String>>,
    deletion_timestamp: Option<String>,
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
    fn held(self, kind: Kind) -> Held {
        let through = self.through(kind);
        let Meta { name, namespace, uid, resource_version, finalizers, deletion_timestamp } = self.metadata;
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        Held {
            key: ObjectKey { kind, namespace: namespace.into(), name: name.into() },
            through,
            uid,
            version: resource_version,
            finalizers: finalizers.unwrap_or_default(),
            deleting: deletion_timestamp.is_some(),
        }
    }

    /// As far as the object can be read: what is unreadable belongs to no connection.
    fn through(&self, kind: Kind) -> Vec<String> {
        if kind == Kind::Connection {
            return self.metadata.name.iter().cloned().collect();
        }
        let spec = self.spec.as_deref().and_then(|text| serde_json::from_str::<Spec>(text.get()).ok());
        let status = self.status.as_deref().and_then(|text| serde_json::from_str::<Status>(text.get()).ok());
        let declared = spec.map(|spec| {
            spec.connection_ref.map_or_else(|| DEFAULT_CONNECTION.to_owned(), |reference| reference.name)
        });
        let held = status.and_then(|status| status.svix?.connection);
        declared.into_iter().chain(held).collect()
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

/// The objects of a kind that are chosen, everywhere or in one namespace; each page is read once. Specs are asked for
/// only where the connection has to be known.
pub(super) async fn list(
    client: &Client,
    kind: Kind,
    namespace: Option<&str>,
    by_connection: bool,
    chosen: impl Fn(&Held) -> bool,
) -> kube::Result<Vec<Held>> {
    let request = request(kind, namespace);
    let (mut found, mut token, mut lists) = (Vec::new(), None, 1);
    loop {
        let params = ListParams { limit: Some(PAGE), continue_token: token, ..ListParams::default() };
        let page = if by_connection { request.list(&params) } else { request.list_metadata(&params) };
        match client.request::<Page>(page.map_err(kube::Error::BuildRequest)?).await {
            Ok(page) => {
                found.extend(page.items.into_iter().flatten().map(|item| item.held(kind)).filter(&chosen));
                token = page.metadata.r#continue.filter(|token| !token.is_empty());
                if token.is_none() {
                    return Ok(found);
                }
            }
            // The API server has forgotten how it was when the first page was read.
            Err(kube::Error::Api(status)) if status.code == 410 && lists < LISTS => {
                (found, token, lists) = (Vec::new(), None, lists + 1);
            }
            Err(error) => return Err(error),
        }
    }
}

/// One object; `None`: it is not there.
pub(super) async fn get(client: &Client, key: &ObjectKey) -> kube::Result<Option<Held>> {
    let get = request_of(key).get_metadata(&key.name, &kube::api::GetParams::default());
    match client.request::<Item>(get.map_err(kube::Error::BuildRequest)?).await {
        Ok(item) => Ok(Some(item.held(key.kind))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes our finalizer off one object. The patch names the version that was read, so that a finalizer which somebody
/// else sets meanwhile is not lost.
pub(super) async fn release(client: &Client, found: &Held) -> State {
    let mut held = found.clone();
    let mut problem = String::new();
    for turn in 0..TRIES {
        if turn > 0 {
            let pause = PAUSE * 2_u32.pow(turn.min(6) - 1);
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
            match get(client, &held.key).await {
                Ok(Some(now)) if now.uid == found.uid && now.is_ours() => held = now,
                // An answer of ours that was lost, or somebody who does the same.
                Ok(Some(now)) if now.uid == found.uid => return released(&now),
                // One that was made again was never held by what is gone.
                Ok(_) => return State::Gone,
                Err(error) if may_pass(&error) => {
                    problem = describe(&error);
                    continue;
                }
                Err(error) => return State::Failed(describe(&error)),
            }
        }
        match patch(client, &held).await {
            Ok(item) => return released(&item.held(held.key.kind)),
            Err(kube::Error::Api(status)) if status.code == 404 => return State::Gone,
            Err(error) if may_pass(&error) => problem = describe(&error),
            Err(error) => return State::Failed(describe(&error)),
        }
    }
    State::Failed(problem)
}

async fn patch(client: &Client, held: &Held) -> kube::Result<Item> {
    let finalizers = without_ours(&held.finalizers);
    let patch =
        json!({"metadata": {"uid": held.uid, "resourceVersion": held.version, "finalizers": finalizers}});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = request_of(&held.key).patch_metadata(&held.key.name, &params, &Patch::Merge(patch));
    client.request::<Item>(patch.map_err(kube::Error::BuildRequest)?).await
}

/// What is left of an object without our finalizer.
fn released(now: &Held) -> State {
    match (now.deleting, now.finalizers.is_empty()) {
        (true, true) => State::Deleted,
        (true, false) => State::StillHeld(now.finalizers.clone()),
        (false, _) => State::Released,
    }
}

/// Whether trying again is worth it: somebody else wrote, or the API server is busy or away for a moment.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 409 | 429 | 500 | 502 | 503 | 504),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use kube::client::Body;

    use super::*;

    #[test]
    fn an_object_is_read_however_deep_it_is_nested_and_however_wrong_its_spec_is() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
        let text = format!(
            r#"{{"metadata": {{"name": "a.b", "namespace": "ns", "uid": "u", "resourceVersion": "7",
                "finalizers": ["example.org/x", "{FINALIZER}"], "managedFields": [{{"fieldsV1": {deep}}}]}},
                "spec": {{"schema": {deep}, "connectionRef": {{"name": "one"}}}},
                "status": {{"svix": {{"connection": "two"}}, "deep": {deep}}}}}"#
        );
        let held = serde_json::from_str::<Item>(&text).unwrap().held(Kind::EventType);
        assert!(held.is_ours());
        assert_eq!(held.key.to_string(), "WebhookEventType/ns/a.b");
        assert_eq!(held.through, ["one", "two"]);
        assert_eq!(without_ours(&held.finalizers), ["example.org/x"]);
        for (spec, through) in [("5", vec![]), ("{}", vec!["default"]), (r#"{"connectionRef": 5}"#, vec![])] {
            let text = format!(r#"{{"metadata": {{"name": "x"}}, "spec": {spec}}}"#);
            let held = serde_json::from_str::<Item>(&text).unwrap().held(Kind::Endpoint);
            assert_eq!(
                (held.through, held.finalizers.is_empty()),
                (through.into_iter().map(str::to_owned).collect(), true)
            );
        }
    }

    /// An API server that gives these answers, one after the other, and remembers what it was asked.
    fn scripted(answers: Vec<(u16, serde_json::Value)>) -> (Client, Arc<Mutex<Vec<String>>>) {
        let (asked, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(answers.into_iter())));
        let heard = asked.clone();
        let service = tower::service_fn(move |request: hyper::Request<Body>| {
            let (asked, answers) = (asked.clone(), answers.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = String::from_utf8(body.collect_bytes().await.unwrap().to_vec()).unwrap();
                asked.lock().unwrap().push(format!("{} {} {body}", parts.method, parts.uri));
                let (status, mut answer) = answers.lock().unwrap().next().unwrap();
                if status >= 400 {
                    answer = json!({"kind": "Status", "status": "Failure", "code": status, "reason": "x", "message": "no"});
                }
                let response = hyper::Response::builder().status(status);
                Ok::<_, std::convert::Infallible>(
                    response.body(Body::from(answer.to_string().into_bytes())).unwrap(),
                )
            }
        });
        (Client::new(service, "default"), heard)
    }

    fn object(name: &str, uid: &str, version: &str, finalizers: &[&str]) -> serde_json::Value {
        json!({"metadata": {
            "name": name, "namespace": "ns", "uid": uid, "resourceVersion": version, "finalizers": finalizers,
        }})
    }

    fn page(token: &str, names: &[&str]) -> serde_json::Value {
        let items: Vec<_> = names.iter().map(|name| object(name, name, "1", &[FINALIZER])).collect();
        json!({"metadata": {"continue": token}, "items": items})
    }

    #[tokio::test]
    async fn a_list_that_grew_too_old_between_two_pages_is_begun_again() {
        let none = serde_json::Value::Null;
        let (client, asked) = scripted(vec![
            (200, page("p2", &["a"])),
            (410, none),
            (200, page("p2", &["a"])),
            (200, page("", &["b"])),
        ]);
        let found = list(&client, Kind::Endpoint, None, false, |_| true).await.unwrap();
        assert_eq!(found.iter().map(|held| &*held.key.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(asked.lock().unwrap().iter().filter(|line| line.contains("continue=p2")).count(), 2);
        // Such is an empty list of metadata.
        let (client, _) = scripted(vec![(200, json!({"metadata": {}, "items": null}))]);
        assert!(list(&client, Kind::Endpoint, None, false, |_| true).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_changed_meanwhile_is_read_again_and_what_went_away_needs_nothing() {
        let none = serde_json::Value::Null;
        let held = || {
            serde_json::from_value::<Item>(object("x", "u", "1", &[FINALIZER])).unwrap().held(Kind::Endpoint)
        };
        let (client, asked) = scripted(vec![
            (409, none.clone()),
            (503, none.clone()),
            (200, object("x", "u", "2", &["example.org/x", FINALIZER])),
            (200, object("x", "u", "3", &["example.org/x"])),
        ]);
        assert_eq!(release(&client, &held()).await, State::Released);
        let last = asked.lock().unwrap().last().unwrap().clone();
        assert!(last.contains(r#""finalizers":["example.org/x"],"resourceVersion":"2","uid":"u""#), "{last}");
        for (answers, state) in [
            (vec![(404, none.clone())], State::Gone),
            (vec![(409, none.clone()), (404, none.clone())], State::Gone),
            (vec![(409, none.clone()), (200, object("x", "another", "9", &[FINALIZER]))], State::Gone),
            (vec![(409, none.clone()), (200, object("x", "u", "9", &[]))], State::Released),
            (vec![(403, none.clone())], State::Failed("no".to_owned())),
        ] {
            assert_eq!(release(&scripted(answers).0, &held()).await, state);
        }
    }
}
