//! The custom resource definitions: as generated, and as a real API server judges objects by them.

use serde_json::{Value, json};
use svix_operator::api;

use crate::support::{
    control_plane::ControlPlane,
    objects::{Manifest, connection, endpoint, event, event_type},
    operator::Operator,
    test_namespace::TestNamespace,
};

fn each_node(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, item)| each_node(item, &format!("{path}/{key}"), visit))
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| each_node(item, &format!("{path}/{index}"), visit));
        }
        _ => {}
    }
}

#[test]
fn the_committed_definitions_are_those_of_the_types() {
    for crd in api::crds() {
        let path = format!("{}/crds/{}.yaml", env!("CARGO_MANIFEST_DIR"), crd.spec.names.plural);
        let committed = std::fs::read_to_string(&path).unwrap();
        let generated = serde_yaml::to_string(&api::tidy_crd(&crd)).unwrap();
        assert!(committed == generated, "{path} is stale: cargo run -- crds --output-dir crds");
        assert!(committed.len() < 200_000);
    }
}

#[test]
fn definitions_have_no_defaults_and_are_bounded() {
    for crd in api::crds() {
        let crd = api::tidy_crd(&crd);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        each_node(&crd, "", &mut |path, node| {
            assert!(node.as_array().is_none_or(|items| !items.is_empty()), "{path} is empty");
        });
        each_node(schema, "", &mut |path, node| {
            // A property may well be called so.
            if path.ends_with("/properties") {
                return;
            }
            assert!(node.get("default").is_none(), "{path} has a default");
            let format = node.get("format").and_then(Value::as_str).unwrap_or_default();
            assert!(!format.starts_with("uint"), "{path} has format {format}");
            let within_bounds = match node.get("type").and_then(Value::as_str) {
                Some("array") => {
                    node.get("maxItems").is_some() && node.get("x-kubernetes-list-type").is_some()
                }
                Some("string") => node.get("maxLength").is_some() || node.get("enum").is_some(),
                Some("object") if node.get("additionalProperties").is_some() => {
                    node.get("maxProperties").is_some()
                }
                _ => true,
            };
            // The API server has its own bounds on metadata.
            assert!(
                within_bounds || path.starts_with("/properties/metadata"),
                "{path} is not bounded: {node}"
            );
        });
    }
}

#[tokio::test]
async fn the_api_server_refuses_what_it_should_and_says_why() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "refuse").await;
    let hook = || endpoint("hook", &["a.one"]);
    let kind = || event_type("a.one");
    let sent = || event("e", "a.one");
    let long = "x".repeat(300);
    let many: Vec<_> = (0..501).map(|i| format!("a.e{i}")).collect();
    let eleven: Vec<_> = (0..11).map(|i| format!("c{i}")).collect();
    let cases: Vec<(Manifest, &str)> = vec![
        (kind().with("schemaText", "{}"), "at most one of schema, schemaText and schemaFrom"),
        (
            kind().with("schema", json!(null)).with("examples", json!([{"name": "one", "value": {}}])),
            "examples need schema, schemaText or schemaFrom",
        ),
        (
            kind().with("featureFlag", "a").with("featureFlags", json!(["a"])),
            "at most one of featureFlag and featureFlags",
        ),
        (kind().with("featureFlags", json!([])), "spec.featureFlags"),
        (kind().with("featureFlags", json!(["a", "a"])), "spec.featureFlags"),
        (kind().with("featureFlags", json!(["a b"])), "spec.featureFlags"),
        (kind().with("name", "with space"), "spec.name"),
        (kind().with("name", long.as_str()), "spec.name"),
        (kind().with("schema", json!("text")), "spec.schema"),
        (kind().with("deletionPolicy", "Burn"), "spec.deletionPolicy"),
        (kind().with("examples", json!([{"name": "a"}])), "exactly one of value and text"),
        (
            kind().with("examples", json!([{"name": "a", "value": {}}, {"name": "a", "value": {}}])),
            "spec.examples",
        ),
        (kind().with("groupName", "ü"), "spec.groupName"),
        (hook().with("url", "ftp://a.example/"), "spec.url"),
        (hook().with("url", "https://"), "spec.url"),
        (hook().with("url", "https://a b/"), "spec.url"),
        (hook().with("url", json!(null)), "exactly one of url and urlFrom"),
        (
            hook().with("urlFrom", json!({"secretKeyRef": {"name": "s", "key": "k"}})),
            "exactly one of url and urlFrom",
        ),
        (
            hook().with("headers", json!([{"name": "X-A", "value": "a"}, {"name": "X-A", "value": "b"}])),
            "spec.headers",
        ),
        (hook().with("headers", json!([{"name": "X-A"}])), "exactly one of value and valueFrom"),
        (hook().with("headers", json!([{"name": "X A", "value": "a"}])), "spec.headers[0].name"),
        // A Secret of another namespace cannot even be named.
        (
            hook().with(
                "signingSecret",
                json!({"fromSecret": {"name": "s", "key": "k", "namespace": "kube-system"}}),
            ),
            ".spec.signingSecret.fromSecret.namespace: field not declared in schema",
        ),
        (hook().with("signingSecret", json!({})), "exactly one of fromSecret and toSecret"),
        (
            hook().with(
                "signingSecret",
                json!({"fromSecret": {"name": "s", "key": "k"}, "rotateAfter": "720h"}),
            ),
            "rotateAfter needs toSecret",
        ),
        (
            hook().with("signingSecret", json!({"toSecret": {"name": "s"}, "rotateAfter": "30m"})),
            "rotateAfter must be between 1h and 87600h",
        ),
        (
            hook().with("signingSecret", json!({"toSecret": {"name": "s"}, "gracePeriod": "169h"})),
            "gracePeriod must be between 0s and 168h",
        ),
        (
            hook().with("signingSecret", json!({"toSecret": {"name": "Not A Name"}})),
            "spec.signingSecret.toSecret.name",
        ),
        (
            hook()
                .with("url", json!(null))
                .with("urlFrom", json!({"secretKeyRef": {"name": "a/../../other/secrets/b", "key": "url"}})),
            "spec.urlFrom.secretKeyRef.name",
        ),
        (
            hook().with(
                "headers",
                json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "?watch=1", "key": "a"}}}]),
            ),
            "spec.headers[0].valueFrom.secretKeyRef.name",
        ),
        (
            hook().with("signingSecret", json!({"fromSecret": {"name": "a?limit=500", "key": "a"}})),
            "spec.signingSecret.fromSecret.name",
        ),
        (
            kind()
                .with("schema", json!(null))
                .with("schemaFrom", json!({"configMapKeyRef": {"name": "?", "key": "a"}})),
            "spec.schemaFrom.configMapKeyRef.name",
        ),
        (hook().with("adoption", "Always"), "spec.adoption"),
        (hook().with("managementPolicy", "Watch"), "spec.managementPolicy"),
        (hook().with("eventTypes", json!([])), "spec.eventTypes"),
        (hook().with("eventTypes", json!(["a.one", "a.one"])), "spec.eventTypes"),
        (hook().with("eventTypes", json!(many)), "spec.eventTypes"),
        (hook().with("eventTypes", json!(["a/b"])), "spec.eventTypes"),
        (hook().with("channels", json!([])), "spec.channels"),
        (hook().with("channels", json!(eleven)), "spec.channels"),
        (hook().with("application", "app_1"), "must not start with app_"),
        (hook().with("uid", "ep_1"), "must not start with app_"),
        (hook().with("throttleRate", 0), "spec.throttleRate"),
        (hook().with("throttleRate", 65_536), "spec.throttleRate"),
        (hook().with("metadata", json!({"svix-operator.dev/owner": "x"})), "are reserved"),
        (hook().with("disabled", "yes"), "spec.disabled"),
        (hook().with("unknown", 1), "unknown"),
        (sent().with("payload", json!(null)), "exactly one of payload and payloadText"),
        (sent().with("payloadText", "{}"), "exactly one of payload and payloadText"),
        (sent().with("payload", json!([1])), "spec.payload"),
        (sent().with("channels", json!([])), "spec.channels"),
        (sent().with("channels", json!(eleven)), "spec.channels"),
        (sent().with("eventId", "msg_1"), "must not start with app_"),
        (sent().with("application", "ep_1"), "must not start with app_"),
        (sent().with("ttlAfterFinished", "1d"), "spec.ttlAfterFinished"),
        (sent().with("ttlAfterFinished", "9000h"), "between 0s and 8760h"),
        (connection("https://a.example").named(&long), "metadata.name"),
        (connection("https://a.example").with("ownerId", "a.b"), "spec.ownerId"),
        (connection("https://a.example").with("ownerId", json!(null)), "spec.ownerId"),
        (connection("https://u:p@a.example"), "spec.serverUrl"),
        (connection("a.example"), "spec.serverUrl"),
        (connection("https://a.example").with("resyncInterval", "0s"), "between 1s and 168h"),
        (connection("https://a.example").with("resyncInterval", "1d"), "spec.resyncInterval"),
        (connection("https://a.example").with("requestsPerSecond", -1), "spec.requestsPerSecond"),
        (connection("https://a.example").with("access", json!([{"applications": ["a"]}])), "namespaces"),
        (
            connection("https://a.example")
                .with("access", json!([{"namespaces": {}, "applications": ["a/b"]}])),
            "applications[0]",
        ),
        (
            connection("https://a.example").with(
                "access",
                json!([{"namespaces": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]),
            ),
            "In and NotIn need values",
        ),
    ];
    for (manifest, expected) in cases {
        let manifest = match manifest.0["kind"].as_str() {
            Some("SvixConnection") => manifest,
            _ => manifest.in_namespace(&tenant.name),
        };
        let arguments = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
        let refused = tenant.control_plane.kubectl_with(&arguments, &manifest.0.to_string()).await;
        assert!(!refused.success, "accepted: {}", manifest.0);
        assert!(
            refused.stderr.contains(expected),
            "{}\ninstead of {expected:?}: {}",
            manifest.0,
            refused.stderr
        );
    }
}

#[tokio::test]
async fn immutable_fields_are_refused_with_advice() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "immutable").await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    let changes = [
        ("webhookeventtype/a.one", json!({"name": "b.two"}), "spec.name cannot be changed"),
        ("webhookendpoint/hook", json!({"application": "other"}), "application cannot be changed"),
        ("webhookendpoint/hook", json!({"uid": "other"}), "uid cannot be changed"),
        (
            &*format!("svixconnection/{}", tenant.name),
            json!({"ownerId": "other"}),
            "ownerId cannot be changed",
        ),
        (
            &*format!("svixconnection/{}", tenant.name),
            json!({"defaultApplication": "other"}),
            "defaultApplication cannot be changed",
        ),
    ];
    for (object, spec, expected) in changes {
        let patch = json!({ "spec": spec }).to_string();
        let refused = tenant.kubectl(&["patch", object, "--type=merge", "-p", &patch]).await;
        assert!(!refused.success, "accepted: {object} {patch}");
        assert!(refused.stderr.contains(expected), "{object} {patch}: {}", refused.stderr);
    }
    // Saying what was the default is no change.
    let patch = json!({"spec": {"name": "a.one"}}).to_string();
    tenant.kubectl(&["patch", "webhookeventtype/a.one", "--type=merge", "-p", &patch]).await.expect_success();
}

#[tokio::test]
async fn nothing_of_an_event_can_be_changed_its_payload_included() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "event").await;
    let payload = json!({"a": {"b": [1, {"c": "x"}]}, "d": 1});
    tenant.apply([event("e", "a.one").with("payload", payload.clone())]).await;
    let text = event("t", "a.one").with("payload", json!(null)).with("payloadText", r#"{"a":1}"#);
    tenant.apply([text]).await;
    for (name, spec) in [
        ("e", json!({"eventType": "a.two"})),
        ("e", json!({"payload": {"d": 2}})),
        ("e", json!({"payload": {"new": 1}})),
        ("e", json!({"payload": {"d": null}})),
        ("e", json!({"payload": {"a": {"b": [1, {"c": "y"}]}}})),
        ("e", json!({"payload": {"a": {"b": [1]}}})),
        ("e", json!({"channels": ["c"]})),
        ("e", json!({"ttlAfterFinished": "1h"})),
        ("t", json!({"payloadText": r#"{"a":2}"#})),
        ("t", json!({"payloadText": null, "payload": {"a": 1}})),
    ] {
        let patch = json!({ "spec": spec }).to_string();
        let object = format!("webhookevent/{name}");
        let refused = tenant.kubectl(&["patch", &object, "--type=merge", "-p", &patch]).await;
        assert!(!refused.success, "accepted: {object} {patch}");
        assert!(refused.stderr.contains("an event cannot be changed"), "{patch}: {}", refused.stderr);
    }
    let patch = json!({"spec": {"payload": payload}, "metadata": {"labels": {"x": "y"}}}).to_string();
    tenant.kubectl(&["patch", "webhookevent/e", "--type=merge", "-p", &patch]).await.expect_success();
}
