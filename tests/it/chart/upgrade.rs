//! An upgrade from the release before this one, and the way back. `tests/it/data/previous` is what that release left in
//! a cluster and in Svix; CONTRIBUTING says how it is made anew.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use super::{
    CHART,
    install::{helm, is_established},
};
use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{Manifest, connection, endpoint, event, event_type},
    operator::{OPERATOR_NAMESPACE, Operator},
    svix_server,
    test_namespace::is_ready,
    wait::eventually,
};

const PREVIOUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/previous");
const KINDS: &str = "svixconnections,webhookeventtypes,webhookendpoints,webhookevents";
/// The event type whose status never came to be written: the release before was killed in between.
const KILLED_AT: &str = "order.paid";

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{PREVIOUS}/{name}")).unwrap()).unwrap()
}

async fn ask(svix: &EmbeddedSvix, method: &str, path: &str, body: Option<&Value>) -> Value {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = reqwest::Client::new().request(method, format!("{}/api/v1{path}", svix.url()));
    let request = body.into_iter().fold(request.bearer_auth(svix.token()), reqwest::RequestBuilder::json);
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// The objects of all kinds.
async fn all(control_plane: &ControlPlane) -> Vec<Value> {
    let found = control_plane.kubectl(&["get", KINDS, "-A", "-o", "json"]).await.expect_success();
    let list: Value = serde_json::from_str(&found).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// What must outlive every step: which objects there are, what they declare, and what holds them.
fn essence(objects: &[Value]) -> Vec<Value> {
    let part = |it: &Value| {
        let meta = &it["metadata"];
        json!([it["kind"], meta["name"], meta["uid"], meta["finalizers"], it["spec"]])
    };
    objects.iter().map(part).collect()
}

async fn apply(control_plane: &ControlPlane, items: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &list).await.expect_success();
}

/// The definitions of the release before, as Helm would have brought them.
async fn previous_definitions(control_plane: &ControlPlane) {
    let crds = format!("{PREVIOUS}/crds");
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", &crds];
    control_plane.kubectl(&apply).await.expect_success();
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "-f", &crds];
    control_plane.kubectl(&wait).await.expect_success();
}

async fn token(control_plane: &ControlPlane, svix: &EmbeddedSvix) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": svix.token()},
        "metadata": {"name": "svix-token", "namespace": OPERATOR_NAMESPACE},
    });
    apply(control_plane, &[secret]).await;
}

/// Makes in Svix what the release before had made there; answers each old id with its new one.
async fn restore_svix(svix: &EmbeddedSvix) -> Vec<(String, String)> {
    let held = read("svix.json");
    let mut ids = Vec::new();
    for body in held["eventTypes"].as_array().unwrap() {
        ask(svix, "POST", "/event-type", Some(body)).await;
    }
    let mut same = |old: &Value, new: &Value| {
        ids.push((old["id"].as_str().unwrap().to_owned(), new["id"].as_str().unwrap().to_owned()));
    };
    for application in held["applications"].as_array().unwrap() {
        let made = ask(svix, "POST", "/app", Some(&application["application"])).await;
        same(&application["application"], &made);
        for body in application["endpoints"].as_array().unwrap() {
            let path = format!("/app/{}/endpoint", made["id"].as_str().unwrap());
            same(body, &ask(svix, "POST", &path, Some(body)).await);
        }
    }
    ids
}

/// Makes the objects that the release before left, statuses and claims included.
async fn restore_objects(control_plane: &ControlPlane, mut changes: Vec<(String, String)>) -> usize {
    let objects = read("objects.json");
    let objects = objects.as_array().unwrap();
    let renewed = |value: &Value, changes: &[(String, String)]| -> Value {
        let text = changes.iter().fold(value.to_string(), |text, (old, new)| text.replace(old, new));
        serde_json::from_str(&text).unwrap()
    };
    let mut made = 0;
    for old in objects {
        let new = renewed(old, &changes);
        let mut bare = new.clone();
        bare.as_object_mut().unwrap().remove("status");
        let meta = bare["metadata"].as_object_mut().unwrap();
        meta.remove("uid");
        meta.remove("annotations");
        apply(control_plane, &[bare]).await;
        if !old["apiVersion"].as_str().unwrap().starts_with("svix-operator.dev/") {
            continue;
        }
        made += 1;
        let kind = old["kind"].as_str().unwrap().to_lowercase();
        let name = old["metadata"]["name"].as_str().unwrap();
        let namespace = old["metadata"]["namespace"].as_str().unwrap_or("default");
        let target = [kind.as_str(), name, "--namespace", namespace];
        let found = control_plane.kubectl(&[&["get"], &target[..], &["-o", "json"]].concat()).await;
        let found: Value = serde_json::from_str(&found.expect_success()).unwrap();
        let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap().to_owned();
        changes.push((uid(old), uid(&found)));
        let new = renewed(&new, &changes);
        assert_eq!(new["status"]["observedGeneration"], found["metadata"]["generation"], "{kind} {name}");
        if !new["metadata"]["annotations"].is_null() {
            let claim = json!({"metadata": {"annotations": new["metadata"]["annotations"]}}).to_string();
            let patch = [&["patch"], &target[..], &["--type=merge", "-p", &claim]].concat();
            control_plane.kubectl(&patch).await.expect_success();
        }
        if name != KILLED_AT {
            let status = json!({"status": new["status"]}).to_string();
            let patch = ["--type=merge", "--subresource=status", "-p", &status];
            control_plane.kubectl(&[&["patch"], &target[..], &patch].concat()).await.expect_success();
        }
    }
    made
}

/// Runs the operator until it has everything ready and has read Svix whole twice more.
async fn works(control_plane: &ControlPlane, svix: &EmbeddedSvix, count: usize) {
    let operator = Operator::start(control_plane, &[]);
    let listed = || svix.calls().iter().filter(|call| call.operation == "event-type.list").count();
    let before = listed();
    eventually("all to be ready, and Svix to be read", PATIENCE, async || {
        let objects = all(control_plane).await;
        let not: Vec<_> = objects.iter().filter(|it| !is_ready(it)).map(|it| it["status"].clone()).collect();
        let mut counted = 0.0;
        for kind in ["SvixConnection", "WebhookEventType", "WebhookEndpoint", "WebhookEvent"] {
            counted +=
                operator.metric(&format!("svix_operator_objects{{kind=\"{kind}\",ready=\"true\"}}")).await;
        }
        let reads = listed() - before;
        if objects.len() == count && not.is_empty() && counted as usize == count && reads > 2 {
            Ok(())
        } else {
            Err(format!("{} objects, {counted} ready, {reads} readings, not ready: {not:?}", objects.len()))
        }
    })
    .await;
    operator.signal("TERM");
    operator.ended(Duration::from_secs(15)).await;
}

fn writes(svix: &EmbeddedSvix) -> Vec<String> {
    let calls = svix.calls().into_iter().filter(svix_operator::embedded::Call::is_write);
    calls.map(|call| format!("{} {}", call.operation, call.path)).collect()
}

#[tokio::test]
async fn upgrade_and_rollback_lose_nothing() {
    // Given what the release before left
    let control_plane = &ControlPlane::start().await;
    let svix = &svix_server::start().await;
    previous_definitions(control_plane).await;
    for namespace in [OPERATOR_NAMESPACE, "shop"] {
        control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    }
    token(control_plane, svix).await;
    let mut changes = restore_svix(svix).await;
    changes.push(("http://svix.invalid".to_owned(), svix.url()));
    let count = restore_objects(control_plane, changes).await;
    let before = essence(&all(control_plane).await);
    let held = svix.snapshot();
    svix.clear_calls();

    // When this release takes over
    let quiet = ["--set", "webhook.enabled=false"];
    let install = [&["install", "svix-operator", CHART, "--take-ownership"][..], &quiet].concat();
    helm(control_plane, &install).await;
    is_established(control_plane).await;
    works(control_plane, svix, count).await;
    // Then everything is ready, as it was, and nothing was written to Svix.
    assert_eq!(writes(svix), [""; 0]);
    assert_eq!(svix.snapshot(), held);
    assert_eq!(essence(&all(control_plane).await), before);

    // Back again, with a field that the release before does not know
    let hook = ["webhookendpoint", "everything", "--namespace", "shop"];
    let newer = r#"{"spec": {"statistics": true}}"#;
    control_plane
        .kubectl(&[&["patch"], &hook[..], &["--type=merge", "-p", newer]].concat())
        .await
        .expect_success();
    previous_definitions(control_plane).await;
    eventually("the definitions of before to be in force", PATIENCE, async || {
        let now = essence(&all(control_plane).await);
        if now == before { Ok(()) } else { Err(json!(now).to_string()) }
    })
    .await;
    // What is not known is dropped for good with the next write of any part of the object.
    let touch = [&["annotate"], &hook[..], &["touched=true"]].concat();
    control_plane.kubectl(&touch).await.expect_success();
    // And forward
    helm(control_plane, &[&["upgrade", "svix-operator", CHART][..], &quiet].concat()).await;
    let path =
        "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.statistics.type}";
    let get = ["get", "crd", "webhookendpoints.svix-operator.dev", "-o", path];
    assert_eq!(control_plane.kubectl(&get).await.expect_success(), "boolean");
    works(control_plane, svix, count).await;
    assert_eq!(writes(svix), [""; 0]);
    assert_eq!(essence(&all(control_plane).await), before);
}

/// What the recorded release is given to do.
fn declared(url: &str) -> Vec<Manifest> {
    let map = json!({"configMapKeyRef": {"name": "schemas", "key": "order.shipped.json"}});
    let examples = json!([{"name": "one", "value": {"id": 7}}]);
    let order = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
    vec![
        connection(url).with("resyncInterval", "2s"),
        event_type("order.placed")
            .with("description", "Somebody ordered.")
            .with("schema", order)
            .with("examples", examples),
        event_type(KILLED_AT).with("payloadPolicy", "Warn").with("deprecated", true),
        event_type("order.shipped").with("schema", json!(null)).with("schemaFrom", map),
        // Not Expunge, which connections have to allow since (docs/upgrade.md).
        event_type("order.returned").with("deletionPolicy", "Retain"),
        endpoint("everything", &["order.placed", "order.paid", "order.shipped"])
            .with("description", "All of it.")
            .with("throttleRate", 5),
        endpoint("one-channel", &["order.placed"])
            .with("channels", json!(["https://shop.example.org/", "plain"]))
            .with("metadata", json!({"team": "warehouse"})),
        endpoint("elsewhere", &["order.paid"])
            .with("application", "tenant-a")
            .with("uid", "own-uid")
            .with("disabled", true)
            .with("deletionPolicy", "Retain"),
        event("nobody-listens", "order.returned"),
    ]
}

/// A checkout of the release before with its program built (see CONTRIBUTING).
fn previous_checkout() -> PathBuf {
    std::env::var("SVIX_OPERATOR_PREVIOUS").expect("a checkout of the release before").into()
}

/// Runs the program of the release before until all of so many objects are ready.
async fn previous_works(checkout: &Path, control_plane: &ControlPlane, count: usize) {
    let operator = Operator::start_program(
        &checkout.join("target/debug/svix-operator"),
        control_plane,
        control_plane.kubeconfig(),
        &["run", "--namespace", OPERATOR_NAMESPACE],
    );
    operator.ready().await;
    eventually("all to be ready", PATIENCE, async || {
        let objects = all(control_plane).await;
        let up_to_date =
            |it: &&Value| is_ready(it) && it["status"]["observedGeneration"] == it["metadata"]["generation"];
        let ready = objects.iter().filter(up_to_date).count();
        if (ready, objects.len()) == (count, count) { Ok(()) } else { Err(json!(objects).to_string()) }
    })
    .await;
    operator.signal("TERM");
    operator.ended(Duration::from_secs(15)).await;
}

/// A cluster in which the release before makes what is declared; answers the ConfigMap with the schema, too.
async fn previous_at_work(checkout: &Path, control_plane: &ControlPlane, svix: &EmbeddedSvix) -> Value {
    previous_definitions(control_plane).await;
    for namespace in [OPERATOR_NAMESPACE, "shop"] {
        control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    }
    token(control_plane, svix).await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "schemas", "namespace": "shop"},
        "data": {"order.shipped.json": r#"{"type": "object"}"#},
    });
    let mut objects: Vec<_> = declared(&svix.url()).into_iter().map(|it| it.in_namespace("shop").0).collect();
    objects[0]["metadata"].as_object_mut().unwrap().remove("namespace");
    apply(control_plane, std::slice::from_ref(&map)).await;
    apply(control_plane, &objects).await;
    previous_works(checkout, control_plane, objects.len()).await;
    map
}

/// The programs themselves take turns, the one before included. `.ci/run` builds it.
#[tokio::test]
#[ignore = "needs SVIX_OPERATOR_PREVIOUS"]
async fn both_releases_take_over_from_each_other() {
    let checkout = &previous_checkout();
    let control_plane = &ControlPlane::start().await;
    let svix = &svix_server::start().await;
    // Given what the program before made
    previous_at_work(checkout, control_plane, svix).await;
    let before = essence(&all(control_plane).await);
    let held = svix.snapshot();
    assert!(before.len() > 8 && held.applications.len() == 2, "{before:#?}");
    svix.clear_calls();
    // When this one takes over, then the one before, and this one again
    let quiet = ["--set", "webhook.enabled=false"];
    helm(control_plane, &[&["install", "svix-operator", CHART, "--take-ownership"][..], &quiet].concat())
        .await;
    is_established(control_plane).await;
    works(control_plane, svix, before.len()).await;
    previous_definitions(control_plane).await;
    previous_works(checkout, control_plane, before.len()).await;
    helm(control_plane, &[&["upgrade", "svix-operator", CHART][..], &quiet].concat()).await;
    works(control_plane, svix, before.len()).await;
    // Then nothing was written on the way.
    assert_eq!(writes(svix), [""; 0]);
    assert_eq!(svix.snapshot(), held);
    assert_eq!(essence(&all(control_plane).await), before);

    // And what this one made, the one before changes and cleans up.
    let newer = [
        event_type("order.lost").with("description", "Made by the newer one."),
        endpoint("newer", &["order.lost"]).with("throttleRate", 7),
    ];
    apply(control_plane, &newer.map(|it| it.in_namespace("shop").0)).await;
    works(control_plane, svix, before.len() + 2).await;
    previous_definitions(control_plane).await;
    let uid = "test.shop.newer";
    let changed = endpoint("newer", &["order.lost"]).with("throttleRate", 8).in_namespace("shop").0;
    apply(control_plane, &[changed]).await;
    previous_works(checkout, control_plane, before.len() + 2).await;
    assert_eq!(svix.snapshot().endpoint("default", uid).unwrap().throttle_rate, Some(8));
    let delete =
        ["delete", "-n", "shop", "--wait=false", "webhookeventtype/order.lost", "webhookendpoint/newer"];
    control_plane.kubectl(&delete).await.expect_success();
    previous_works(checkout, control_plane, before.len()).await;
    let now = svix.snapshot();
    assert!(now.endpoint("default", uid).is_none() && now.event_types["order.lost"].archived, "{now:?}");
}

/// Records `tests/it/data/previous` from a checkout of a release with its program built (see CONTRIBUTING).
#[tokio::test]
#[ignore = "a step of a release, and needs SVIX_OPERATOR_PREVIOUS"]
async fn the_state_that_a_release_leaves_is_recorded() {
    let checkout = &previous_checkout();
    let target = format!("{PREVIOUS}/crds");
    std::fs::create_dir_all(&target).unwrap();
    for entry in std::fs::read_dir(checkout.join("crds")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), PathBuf::from(&target).join(entry.file_name())).unwrap();
    }
    let control_plane = &ControlPlane::start().await;
    let svix = &svix_server::start().await;
    let map = previous_at_work(checkout, control_plane, svix).await;

    let mut left = vec![map];
    for mut object in all(control_plane).await {
        let meta = object["metadata"].as_object_mut().unwrap();
        meta.retain(|key, _| {
            ["name", "namespace", "uid", "finalizers", "annotations"].contains(&key.as_str())
        });
        left.push(
            serde_json::from_str(&object.to_string().replace(&svix.url(), "http://svix.invalid")).unwrap(),
        );
    }
    let made = async |path: String| {
        let mut list = ask(svix, "GET", &path, None).await["data"].clone();
        for body in list.as_array_mut().unwrap() {
            body.as_object_mut().unwrap().retain(|key, value| {
                // `filterTypes` is an older name of `eventTypes`, and both are reported.
                !["createdAt", "updatedAt", "filterTypes"].contains(&key.as_str()) && !value.is_null()
            });
        }
        list
    };
    let mut applications = Vec::new();
    for application in made("/app".to_owned()).await.as_array().unwrap() {
        let path = format!("/app/{}/endpoint", application["id"].as_str().unwrap());
        applications.push(json!({"application": application, "endpoints": made(path).await}));
    }
    let held = json!({
        "eventTypes": made("/event-type?with_content=true".to_owned()).await, "applications": applications,
    });
    for (name, value) in [("objects.json", json!(left)), ("svix.json", held)] {
        let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
        std::fs::write(format!("{PREVIOUS}/{name}"), text).unwrap();
    }
}
