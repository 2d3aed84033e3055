//! The admission webhook on a real API server: what people see of it, and what goes on without it.

use serde_json::{Value, json};

use crate::support::{
    control_plane::{ControlPlane, Finished},
    harness::PATIENCE,
    objects::{Manifest, endpoint, event, event_type},
    operator::{Operator, install},
    sidecar::{Sidecar, asked, configuration},
    test_namespace::TestNamespace,
    wait::eventually,
};

/// A schema for the examples here.
fn order() -> Value {
    json!({
        "type": "object", "required": ["order_id"],
        "properties": {"order_id": {"type": "integer"}, "placed": {"format": "date-time"}},
    })
}

async fn tenant(prefix: &str) -> TestNamespace<'static> {
    // It brings the custom resources.
    Operator::shared().await;
    TestNamespace::new(ControlPlane::shared().await, prefix).await
}

/// `kubectl create`, which keeps nulls, as a person runs it.
async fn create(tenant: &TestNamespace<'_>, manifest: Manifest) -> Finished {
    let text = tenant.mine(manifest).0.to_string();
    tenant.control_plane.kubectl_with(&["create", "-f", "-"], &text).await
}

async fn created(tenant: &TestNamespace<'_>, manifest: Manifest) -> String {
    let done = create(tenant, manifest).await;
    assert!(done.success, "{}", done.stderr);
    done.stderr
}

async fn refused(tenant: &TestNamespace<'_>, manifest: Manifest) -> String {
    let done = create(tenant, manifest).await;
    assert!(!done.success, "created: {}", done.stdout);
    done.stderr
}

/// Declares an event type, and waits until the webhook knows it.
async fn declared(tenant: &TestNamespace<'_>, manifest: Manifest) {
    let name = manifest.0["metadata"]["name"].as_str().unwrap().to_owned();
    tenant.apply([manifest]).await;
    eventually("the webhook to know it", PATIENCE, async || {
        let probe = tenant.mine(endpoint("probe", &[&name])).0.to_string();
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let stated = tenant.control_plane.kubectl_with(&arguments, &probe).await.stderr;
        if stated.contains("no WebhookEventType declares") { Err(stated) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn a_bad_event_is_refused_with_its_violations() {
    let tenant = tenant("adm-event").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    declared(&tenant, event_type("order.placed").with("schema", order())).await;

    let good = event("good", "order.placed").with("payload", json!({"order_id": 7}));
    assert_eq!(created(&tenant, good).await, "");

    let bad = event("bad", "order.placed").with("payload", json!({"order_id": "7", "placed": "yesterday"}));
    let stated = refused(&tenant, bad.clone()).await;
    println!("{stated}");
    assert!(stated.contains(r#"/spec/payload/order_id: found "7", expected an integer"#), "{stated}");
    assert!(
        stated.contains("/spec/payload/placed: found \"yesterday\", expected the format date-time"),
        "{stated}"
    );
    assert!(tenant.get("webhookevent", "bad").await.is_err());

    // The same through server-side apply, and as text.
    let applied = tenant.try_apply(&[tenant.mine(bad.clone()).0]).await;
    println!("{}", applied.stderr);
    assert!(applied.stderr.contains("/spec/payload/order_id"), "{}", applied.stderr);
    let text = event("text", "order.placed").with("payload", json!(null));
    let stated =
        refused(&tenant, text.clone().with("payloadText", r#"{"order_id": 1, "order_id": 2}"#)).await;
    assert!(stated.contains("/spec/payloadText: found the key \"order_id\" twice"), "{stated}");
    let stated = refused(&tenant, text.clone().with("payloadText", "[1]")).await;
    assert!(stated.contains("/spec/payloadText: expected a JSON object"), "{stated}");
    created(&tenant, text.with("payloadText", r#"{"order_id": 1}"#)).await;

    let stated = refused(&tenant, event("dots", "..").with("eventId", "..")).await;
    assert!(stated.contains("/spec/eventType: ") && stated.contains("/spec/eventId: "), "{stated}");

    // Clients that print the message instead of the causes, as Helm and Argo CD do.
    use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", "WebhookEvent"));
    let api: Api<DynamicObject> = Api::namespaced_with(tenant.control_plane.client(), &tenant.name, &kind);
    let bad = serde_json::from_value(tenant.mine(bad).0).unwrap();
    let Err(kube::Error::Api(status)) = api.create(&PostParams::default(), &bad).await else {
        panic!("created")
    };
    println!("{} {}: {}", status.code, status.reason, status.message);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(
        status.message.starts_with(
            "admission webhook \"events.svix-operator.dev\" denied the request: /spec/payload/order_id: found"
        ),
        "{}",
        status.message
    );
    assert_eq!(status.details.map_or(0, |details| details.causes.len()), 2);
}

#[tokio::test]
async fn a_thousand_violations_are_refused_readably() {
    let tenant = tenant("adm-many").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    let schema = json!({"additionalProperties": {"type": "integer"}});
    declared(&tenant, event_type("a.many").with("schema", schema)).await;
    let payload: serde_json::Map<_, _> = (0..1000).map(|i| (format!("k{i}"), json!("x"))).collect();
    let stated = refused(&tenant, event("many", "a.many").with("payload", Value::Object(payload))).await;
    assert!(stated.contains("and 990 or more other violations"), "{stated}");
    assert!(stated.len() < 2000 && stated.lines().count() < 20, "{stated}");
}

#[tokio::test]
async fn warnings_reach_the_person_at_the_terminal() {
    let tenant = tenant("adm-warn").await;
    let sidecar = Sidecar::start(&tenant, &[]).await;
    let undeclared = created(&tenant, event("early", "a.unknown")).await;
    assert!(undeclared.contains("Warning: /spec/eventType: no WebhookEventType declares"), "{undeclared}");
    let stated = created(&tenant, endpoint("hook", &["a.unknown"])).await;
    assert!(stated.contains("Warning: /spec/eventTypes/0: no WebhookEventType declares"), "{stated}");

    let lax =
        |name: &str, policy: &str| event_type(name).with("schema", order()).with("payloadPolicy", policy);
    declared(&tenant, lax("a.warn", "Warn")).await;
    declared(&tenant, lax("a.audit", "Audit")).await;
    let stated = created(&tenant, event("warned", "a.warn")).await;
    assert!(stated.contains("Warning: /spec/payload: found no \"order_id\""), "{stated}");
    assert_eq!(created(&tenant, event("audited", "a.audit")).await, "");
    let counted = "svix_operator_admission_payload_violations_total";
    assert_eq!(sidecar.process.metric(&format!("{counted}{{policy=\"Audit\"}}")).await, 1.0);
    assert_eq!(sidecar.process.metric(&format!("{counted}{{policy=\"Warn\"}}")).await, 1.0);

    // Somebody else declares the same.
    let stated = created(&tenant, lax("another", "Warn").with("name", "a.warn")).await;
    assert!(stated.contains(&format!("is declared by {}/a.warn already", tenant.name)), "{stated}");
}

#[tokio::test]
async fn unwatched_namespaces_are_warned_of() {
    let tenant = tenant("adm-elsewhere").await;
    let watched = ["--watch-namespaces", "team-a,team-b"];
    let _sidecar = Sidecar::start(&tenant, &watched).await;
    let expected = format!(
        "Warning: no operator of this release watches namespace {:?}; nothing will come of this object",
        tenant.name
    );
    for manifest in [event_type("a.b"), endpoint("hook", &["a.b"]), event("sent", "a.b")] {
        let stated = created(&tenant, manifest).await;
        assert_eq!(stated.trim(), expected);
    }
    let both = format!("team-a,{}", tenant.name);
    let other = Sidecar::unregistered(&tenant, &["--watch-namespaces", &both]).await;
    other.process.ready().await;
    tenant.apply_json(&[configuration(&tenant.name, other.address)]).await;
    asked(&tenant).await;
    assert_eq!(created(&tenant, endpoint("other", &["a.b"])).await, "");
}

#[tokio::test]
async fn declarations_that_cannot_work_are_refused() {
    let tenant = tenant("adm-declare").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    let schema = |schema: Value| event_type("a.b").with("schema", schema);
    for (manifest, expected) in [
        (schema(json!({"properties": {"a": {"type": "strin"}}})), "/spec/schema/properties/a/type: found"),
        (schema(json!({"items": {"$ref": "https://a.example/s.json"}})), "nothing outside is read"),
        (event_type("nodot"), "/metadata/name: found \"nodot\", expected `<group>.<event>`"),
        (endpoint("hook", &["a.b"]).with("url", "https://a.example:99999/"), "/spec/url: not a URL"),
        (endpoint("hook", &["a.b", ".."]), "/spec/eventTypes/1: expected the name"),
        (
            endpoint("hook", &["a.b"]).with("metadata", json!({"a": "x".repeat(4096)})),
            "/spec/metadata: with the owner mark",
        ),
    ] {
        let stated = refused(&tenant, manifest).await;
        assert!(stated.contains(expected), "{expected} is not in\n{stated}");
        assert!(!stated.contains("99999"), "a URL may be a credential: {stated}");
    }
    // Every example that does not match, at once.
    let examples = json!([
        {"name": "one", "value": {}}, {"name": "two", "value": {"order_id": 1}},
        {"name": "three", "text": "{\"order_id\": \"x\"}"},
    ]);
    let stated = refused(&tenant, schema(order()).with("examples", examples)).await;
    assert!(stated.contains("/spec/examples/0: (\"one\") does not match"), "{stated}");
    assert!(stated.contains("/spec/examples/2: (\"three\") does not match"), "{stated}");
    assert!(!stated.contains("examples/1"), "{stated}");
    // An update is judged like a create.
    created(&tenant, schema(order())).await;
    let bad = json!({"spec": {"schema": {"type": "strin"}}}).to_string();
    let patched = tenant.kubectl(&["patch", "webhookeventtype", "a.b", "--type=merge", "-p", &bad]).await;
    assert!(patched.stderr.contains("/spec/schema/type: found"), "{}", patched.stderr);
}

#[tokio::test]
async fn schemas_in_config_maps_and_changes_of_them_are_followed() {
    let tenant = tenant("adm-map").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    let map = |schema: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"schema.json": schema},
            "metadata": {"name": "schemas", "namespace": tenant.name},
        })
    };
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "schema.json"}});
    declared(&tenant, event_type("a.map").with("schema", json!(null)).with("schemaFrom", reference)).await;
    let stated = created(&tenant, event("early", "a.map")).await;
    assert!(stated.contains("is declared by") && stated.contains("its schema cannot be used"), "{stated}");
    let refusal = async |pointer: &str| {
        eventually("the schema to be in force", PATIENCE, async || {
            let text = tenant.mine(event("probe", "a.map")).0.to_string();
            let arguments = ["create", "--dry-run=server", "-f", "-"];
            let stated = tenant.control_plane.kubectl_with(&arguments, &text).await.stderr;
            if stated.contains(pointer) { Ok(()) } else { Err(stated) }
        })
        .await;
    };
    tenant.apply_json(&[map(r#"{"required": ["one"]}"#)]).await;
    refusal("found no \"one\"").await;
    tenant.apply_json(&[map(r#"{"required": ["two"]}"#)]).await;
    refusal("found no \"two\"").await;
    // Nobody declares it any more.
    tenant.kubectl(&["delete", "webhookeventtype", "a.map"]).await.expect_success();
    eventually("it to be forgotten", PATIENCE, async || {
        let text = tenant.mine(event("probe", "a.map")).0.to_string();
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let stated = tenant.control_plane.kubectl_with(&arguments, &text).await.stderr;
        if stated.contains("no WebhookEventType declares") { Ok(()) } else { Err(stated) }
    })
    .await;
}

#[tokio::test]
async fn a_webhook_that_is_down_blocks_creates_only() {
    let tenant = tenant("adm-down").await;
    let sidecar = Sidecar::start(&tenant, &[]).await;
    declared(&tenant, event_type("a.b")).await;
    created(&tenant, endpoint("hook", &["a.b"])).await;
    created(&tenant, event("sent", "a.b")).await;
    tenant.wait_for_reason("webhookendpoint", "hook", "InSync").await;

    sidecar.process.signal("KILL");
    sidecar.process.ended(PATIENCE).await;

    let stated = refused(&tenant, event("new", "a.b")).await;
    assert!(stated.contains("failed calling webhook"), "{stated}");
    // Metadata, finalizers and status.
    for kind in ["webhookeventtype/a.b", "webhookendpoint/hook", "webhookevent/sent"] {
        tenant.kubectl(&["label", kind, "touched=yes"]).await.expect_success();
        let finalizer = json!({"metadata": {"finalizers": ["example.org/mine"]}}).to_string();
        tenant.kubectl(&["patch", kind, "--type=merge", "-p", &finalizer]).await.expect_success();
        let none = json!({"metadata": {"finalizers": null}}).to_string();
        tenant.kubectl(&["patch", kind, "--type=merge", "-p", &none]).await.expect_success();
        let status = json!({"status": {"observedGeneration": 7}}).to_string();
        let patch = ["patch", kind, "--subresource=status", "--type=merge", "-p", &status];
        tenant.kubectl(&patch).await.expect_success();
    }
    tenant.kubectl(&["delete", "webhookevent", "sent"]).await.expect_success();
    tenant.kubectl(&["delete", "webhookendpoint/hook", "webhookeventtype/a.b"]).await.expect_success();
    tenant.gone("webhookendpoint", "hook").await;
    tenant.gone("webhookeventtype", "a.b").await;
}

#[tokio::test]
async fn deleting_or_breaking_what_is_received_warns() {
    // Given an event type with a receiver that the webhook knows
    let tenant = tenant("adm-received").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    declared(&tenant, event_type("a.one").with("schema", order())).await;
    created(&tenant, endpoint("hook", &["a.one"])).await;
    tenant.wait_for_reason("webhookendpoint", "hook", "InSync").await;
    tenant.wait_for_reason("webhookeventtype", "a.one", "InSync").await;
    let receivers = "1 endpoint receives its events: hook";
    eventually("the webhook to know the endpoint", PATIENCE, async || {
        let dry = ["delete", "webhookeventtype", "a.one", "--dry-run=server"];
        let stated = tenant.kubectl(&dry).await.stderr;
        if stated.contains(receivers) { Ok(()) } else { Err(stated) }
    })
    .await;

    // When its schema breaks receivers, and it is deleted
    let wider = json!({"properties": {"order_id": {"type": ["integer", "string"]}}});
    let patch = json!({"spec": {"schema": wider}}).to_string();
    let arguments = ["patch", "webhookeventtype", "a.one", "--type=merge", "-p", &patch];
    let breaking = tenant.kubectl(&arguments).await;
    let deleted = tenant.kubectl(&["delete", "webhookeventtype", "a.one"]).await;

    // Then both go through, with a warning that names the receiver.
    println!("{}\n{}", breaking.stderr, deleted.stderr);
    assert!(breaking.success && deleted.success, "{}{}", breaking.stderr, deleted.stderr);
    assert!(breaking.stderr.contains(&format!("Warning: /spec/schema: {receivers}")), "{}", breaking.stderr);
    let expected =
        "Warning: deleting it archives event type a.one in Svix, unless another object declares it";
    assert!(deleted.stderr.contains(expected), "{}", deleted.stderr);
    assert!(deleted.stderr.contains(&format!("Warning: {receivers}")), "{}", deleted.stderr);
    tenant.gone("webhookeventtype", "a.one").await;
}

#[tokio::test]
async fn a_dry_run_is_answered_and_leaves_nothing() {
    let tenant = tenant("adm-dry").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    declared(&tenant, event_type("order.placed").with("schema", order())).await;
    for (payload, passes) in [(json!({"order_id": 7}), true), (json!({}), false)] {
        let text = tenant.mine(event("dry", "order.placed").with("payload", payload)).0.to_string();
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let done = tenant.control_plane.kubectl_with(&arguments, &text).await;
        assert_eq!(done.success, passes, "{}", done.stderr);
        assert!(tenant.get("webhookevent", "dry").await.is_err());
    }
}

#[tokio::test]
async fn an_undecodable_event_type_stops_no_others() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    // A definition that lets anything in, as an older or a newer one might.
    let anything = json!([{
        "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }]);
    let name = "webhookeventtypes.svix-operator.dev";
    control_plane
        .kubectl(&["patch", "crd", name, "--type=json", "-p", &anything.to_string()])
        .await
        .expect_success();
    let tenant = TestNamespace::new(&control_plane, "odd").await;
    let odd = event_type("a.odd").with("schema", 5);
    eventually("the definition to be in force", PATIENCE, async || {
        let applied = tenant.try_apply(&[tenant.mine(odd.clone()).0]).await;
        if applied.success { Ok(()) } else { Err(applied.stderr) }
    })
    .await;
    let sidecar = Sidecar::start(&tenant, &[]).await;
    declared(&tenant, event_type("a.good").with("schema", order())).await;
    let stated = refused(&tenant, event("bad", "a.good")).await;
    assert!(stated.contains("/spec/payload: found no \"order_id\""), "{stated}");
    let log = sidecar.process.log_text();
    assert!(log.contains("cannot be read") && log.contains("a.odd"), "{log}");
    // Nor does it stop its own deletion.
    tenant.kubectl(&["delete", "webhookeventtype", "a.odd"]).await.expect_success();
}
