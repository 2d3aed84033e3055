//! The feed of the sidecar's catalogue, with objects as an API server returns them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::FutureExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::catalogue::{Catalogue, Judgement};

use super::{super::scripted::Script, *};

/// An object that declares `a.b` with a schema that requires a property of the object's name.
fn object(name: &str, created: &str) -> Value {
    json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": name, "namespace": "ns", "generation": 1, "creationTimestamp": created},
        "spec": {"name": "a.b", "schema": {"required": [name]}},
    })
}

fn older(name: &str) -> Value {
    object(name, "2026-01-01T00:00:00Z")
}

fn newer(name: &str) -> Value {
    object(name, "2026-02-01T00:00:00Z")
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

/// The status of an object whose spec cannot be carried out.
fn refused(reason: &str) -> Value {
    json!({"observedGeneration": 1, "conditions": [{
        "type": "Ready", "status": "False", "reason": reason, "message": "no",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]})
}

/// A feed, and the objects that its API server has.
struct Fixture {
    feed: Feed,
    catalogue: Catalogue,
    directory: Directory,
    stored: Arc<Mutex<Vec<Value>>>,
}

impl Fixture {
    fn new() -> Self {
        let stored: Arc<Mutex<Vec<Value>>> = Arc::default();
        let script = Script::answered_by({
            let stored = stored.clone();
            move |request, _| {
                let is_named = |object: &&Value| {
                    request.contains(&format!("/{} ", object["metadata"]["name"].as_str().unwrap()))
                };
                match stored.lock().iter().find(is_named) {
                    Some(object) => (200, object.clone()),
                    None => (404, json!("not found")),
                }
            }
        });
        let (catalogue, directory) = (Catalogue::default(), Directory::default());
        let (changes, _) = mpsc::unbounded_channel();
        let writer = CatalogueWriter::new(catalogue.clone());
        let feed = Feed::new(script.client(), writer, directory.clone(), changes);
        Self { feed, catalogue, directory, stored }
    }

    /// Stores an object in the API server.
    fn store(&self, object: &Value) {
        let mut stored = self.stored.lock();
        stored.retain(|present| present["metadata"]["name"] != object["metadata"]["name"]);
        stored.push(object.clone());
    }

    /// Stores an object, and hands it to the feed.
    fn hand_in(&mut self, object: &Value) {
        self.store(object);
        let (name, Some(declaring)) = read(object) else { panic!("it cannot be decoded") };
        self.feed.apply(name, declaring);
    }

    /// Stores an object, and has the feed take it in.
    async fn apply(&mut self, object: Value) {
        self.hand_in(&object);
        self.feed.settle().await;
    }

    /// The name of the object that owns `a.b`, if no other one would be preferred.
    fn owner(&self) -> Option<String> {
        self.directory.holder("default", "a.b").filter(|owner| !owner.is_refused).map(|owner| owner.name)
    }

    /// Whether payloads are judged by the schema of this object.
    fn judges_by(&self, name: &str) -> bool {
        let judge = |payload: Value| self.catalogue.judge("default", "a.b", &payload);
        judge(json!({ name: 1 })) == Judgement::Valid && matches!(judge(json!({})), Judgement::Invalid { .. })
    }
}

fn read(object: &Value) -> (NamespacedName, Option<Declaring>) {
    decoded(serde_json::from_str::<Readable<WebhookEventType>>(&object.to_string()).unwrap())
}

#[tokio::test]
async fn status_says_who_owns_an_event_type() {
    let recorded = json!({"svix": {"connection": "default", "name": "a.b"}});
    let owner = with(newer("owner"), "status", recorded);

    let mut fixture = Fixture::new();
    fixture.apply(older("other")).await;
    fixture.apply(owner.clone()).await;
    assert_eq!(fixture.owner().as_deref(), Some("owner"));
    assert!(fixture.judges_by("owner"));

    let mut listed = Fixture::new();
    listed.feed.replace([read(&older("other")), read(&owner)].into()).await;
    assert_eq!(listed.owner().as_deref(), Some("owner"));
    assert!(listed.judges_by("owner"));
}

#[tokio::test]
async fn what_cannot_be_carried_out_judges_nothing() {
    let both = json!({"name": "a.b", "schema": {"required": ["broken"]}, "schemaText": "{}"});
    for broken in [
        with(older("broken"), "status", refused("InvalidSpec")),
        with(older("broken"), "status", refused("InvalidSchema")),
        with(older("broken"), "spec", both),
    ] {
        let mut fixture = Fixture::new();

        fixture.apply(broken.clone()).await;
        assert_eq!(fixture.owner(), None, "admission names no object that gives way: {broken}");
        fixture.apply(newer("valid")).await;

        assert_eq!(fixture.owner().as_deref(), Some("valid"), "{broken}");
        assert!(fixture.judges_by("valid"), "{broken}");
    }
}

#[tokio::test]
async fn another_object_takes_over_when_status_says_so() {
    let mut fixture = Fixture::new();
    fixture.apply(older("broken")).await;
    fixture.apply(newer("valid")).await;
    assert!(fixture.judges_by("broken"), "nothing is known of it yet");

    fixture.apply(with(older("broken"), "status", refused("InvalidSpec"))).await;
    assert!(fixture.judges_by("valid"));

    let corrected = json!({"name": "broken", "namespace": "ns", "generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z"});
    fixture.apply(with(with(older("broken"), "status", refused("InvalidSpec")), "metadata", corrected)).await;
    assert!(fixture.judges_by("broken"), "the status is about an earlier spec");
}

#[tokio::test]
async fn no_thread_of_the_runtime_compiles() {
    let mut fixture = Fixture::new();
    let (here, compiling) = (std::thread::current().id(), Arc::new(Mutex::new(Vec::new())));
    fixture.catalogue.on_compile({
        let compiling = compiling.clone();
        move || compiling.lock().push(std::thread::current().id())
    });

    fixture.feed.replace([read(&older("one"))].into()).await;
    fixture.apply(with(older("one"), "spec", json!({"name": "a.b", "schema": {"required": ["two"]}}))).await;

    assert_eq!(compiling.lock().len(), 2);
    assert!(!compiling.lock().contains(&here), "compiled on the thread of the runtime");
}

/// An object in a namespace that declares an event type of its name, with a schema of so many bytes.
fn in_namespace(namespace: &str, name: &str, bytes: usize) -> Value {
    json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {
            "name": name, "namespace": namespace, "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"name": name, "schema": {"required": [name], "description": "x".repeat(bytes)}},
    })
}

/// The size of a schema that takes longer to compile than a brief compilation may.
const LARGE: usize = 20_000;

#[tokio::test]
async fn a_namespace_does_not_delay_schemas_of_others() {
    for (bytes, of_other) in [(0, 0), (LARGE, LARGE), (LARGE, 0)] {
        let mut fixture = Fixture::new();
        fixture.feed.replace(List::new()).await;

        for number in 0..20 {
            fixture.hand_in(&in_namespace("flood", &format!("flood.a{number:02}"), bytes));
        }
        fixture.hand_in(&in_namespace("other", "other.a", of_other));
        while !fixture.catalogue.contains("default", "other.a") {
            fixture.feed.advance().await;
        }

        let usable = fixture.catalogue.names("default");
        assert!(usable.len() <= 2, "{bytes}, {of_other}: {usable:?} were compiled first");
        fixture.feed.settle().await;
        assert_eq!(fixture.catalogue.names("default").len(), 21);
    }
}

#[tokio::test]
async fn an_event_type_is_unknown_until_its_schema_is_compiled() {
    let mut fixture = Fixture::new();

    fixture.hand_in(&older("one"));
    let while_it_waits = fixture.catalogue.may_be_declared("default", "a.b");
    fixture.feed.settle().await;

    assert!(while_it_waits, "nobody may take it for undeclared");
    assert!(!fixture.catalogue.may_be_declared("default", "a.b") && fixture.judges_by("one"));
}

#[tokio::test]
async fn what_is_deleted_while_it_is_compiled_is_not_used() {
    let mut fixture = Fixture::new();
    let (name, _) = read(&older("one"));
    let (begun, is_compiling) = std::sync::mpsc::channel();
    let (finish, may_finish) = std::sync::mpsc::channel();
    let may_finish = Mutex::new(may_finish);
    fixture.catalogue.on_compile(move || {
        begun.send(()).unwrap();
        may_finish.lock().recv().unwrap();
    });

    fixture.hand_in(&older("one"));
    assert!(fixture.feed.advance().now_or_never().is_none());
    is_compiling.recv().unwrap();
    fixture.feed.remove(&name);
    finish.send(()).unwrap();
    fixture.feed.settle().await;

    assert!(!fixture.catalogue.contains("default", "a.b"));
}

#[tokio::test]
async fn a_later_list_compiles_only_what_changed() {
    let mut fixture = Fixture::new();
    let objects = ["a.a", "a.b", "a.c"].map(|name| in_namespace("ns", name, 0));
    fixture.feed.replace(objects.iter().map(read).collect()).await;
    let compilations = Arc::new(AtomicUsize::new(0));
    fixture.catalogue.on_compile({
        let compilations = compilations.clone();
        move || {
            compilations.fetch_add(1, Ordering::SeqCst);
        }
    });

    let changed = with(objects[1].clone(), "spec", json!({"name": "a.b", "schema": {"required": ["d"]}}));
    fixture.feed.replace([read(&objects[0]), read(&changed)].into()).await;
    assert_eq!(fixture.catalogue.names("default"), ["a.a", "a.b"], "what is gone is removed at once");
    fixture.feed.settle().await;

    assert_eq!(compilations.load(Ordering::SeqCst), 1);
    assert!(fixture.judges_by("d"));
}

#[tokio::test]
async fn objects_that_are_not_kept_are_read_when_their_turn_comes() {
    let mut fixture = Fixture::new();
    fixture.feed.replace(List::new()).await;

    for number in 0..20 {
        fixture.hand_in(&in_namespace("ns", &format!("a.a{number}"), 400_000));
    }
    fixture.feed.settle().await;

    assert_eq!(fixture.catalogue.names("default").len(), 20);
}
