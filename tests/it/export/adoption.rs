//! What is exported is adopted as it is.

use serde_json::json;

use super::{Environment, OWNER, files, load, unmarked};

/// An environment with one of everything.
async fn environment() -> Environment {
    let environment = Environment::new().await;
    let big = serde_json::from_str::<serde_json::Value>(
        r#"{"maximum": 0.1, "enum": [null, 1e30], "minimum": 1.10}"#,
    )
    .unwrap();
    for body in [
        json!({"name": "order.placed", "description": "yes", "schemas": {"1": {"type": "object", "properties": {
            "on": {"type": "integer", "maximum": 9_007_199_254_740_993_i64}, "ja": {"const": "no"}, "\u{2028}": {"title": "a: b # c\n\u{85}"}}}}}),
        json!({"name": "UserCreated", "description": " multi\nline\n\n ", "deprecated": true, "featureFlag": "beta_1"}),
        json!({"name": "number.types", "description": "", "schemas": {"1": big, "2": {"type": "object"}}}),
        json!({"name": "any.payload", "description": "\u{1f600} \\u0041 \"'`"}),
        json!({"name": "gone.type", "description": "d"}),
    ] {
        environment.post("/event-type", body).await;
    }
    environment.post("/app", json!({"name": "tenant-1", "uid": "tenant-1"})).await;
    environment
        .post(
            "/app",
            json!({"name": "Tenant Two", "uid": "Tenant_2", "throttleRate": 5, "metadata": {"a": "b"}}),
        )
        .await;
    let endpoint = async |app: &str, body| {
        environment.post(&format!("/app/{app}/endpoint"), body).await["id"].as_str().unwrap().to_owned()
    };
    endpoint(
        "tenant-1",
        json!({"url": "https://a.example/1", "uid": "plain", "eventTypes": ["order.placed"]}),
    )
    .await;
    let channel = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, b"https://repo.example/").to_string();
    let full = json!({
        "url": "https://a.example/2", "uid": "Full_One", "description": "on", "eventTypes": ["order.placed", "UserCreated", "gone.type"],
        "channels": ["plain", channel], "throttleRate": 7, "disabled": true, "metadata": {channel.as_str(): "https://repo.example/", "y": "1.0", "n": ""},
    });
    let id = endpoint("tenant-1", full).await;
    environment
        .call(
            "PUT",
            &format!("/app/tenant-1/endpoint/{id}/headers"),
            &json!({"headers": {"X-Team": "hunter2-header"}}),
        )
        .await;
    endpoint("Tenant_2", json!({"url": "https://a.example/3", "eventTypes": ["UserCreated"]})).await;
    let hidden = endpoint(
        "Tenant_2",
        json!({"url": "https://u:hunter2-url@a.example/4", "uid": "hidden", "eventTypes": ["UserCreated"]}),
    )
    .await;
    environment
        .call(
            "PUT",
            &format!("/app/Tenant_2/endpoint/{hidden}/headers"),
            &json!({"headers": {"Authorization": "hunter2-token", "X-Team": "a"}}),
        )
        .await;
    environment.call("DELETE", "/event-type/gone.type", &json!(null)).await;
    environment
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mark_is_the_only_write_to_an_endpoint() {
    for layout in ["file", "object", "application"] {
        let environment = environment().await;
        let before = environment.svix.snapshot();
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");

        let printed = environment.exported(&folder, &["--layout", layout, "--with-secrets"]);
        let exported = environment.svix.snapshot();
        let diff = environment.diff(&folder);
        let writes = environment.applied(&folder);

        assert_eq!(exported, before, "an export writes nothing");
        assert!(
            printed.starts_with("4 event types and 4 endpoints, with 4 Secrets (ownerId svix-operator)"),
            "{printed}"
        );
        assert_eq!(diff, (Some(0), "no differences (4 compared), 4 to adopt".to_owned()));
        assert_eq!(writes.len(), 4, "{writes:?}");
        assert!(writes.iter().all(|write| write.starts_with("endpoint.patch ")), "{writes:?}");
        let mut after = unmarked(environment.svix.snapshot());
        // The one without a uid got one together with its mark.
        let endpoints = &mut after.applications.get_mut("Tenant_2").unwrap().endpoints;
        let named = endpoints.keys().find(|uid| uid.starts_with("svix-operator.default.")).cloned().unwrap();
        let mut named = endpoints.remove(&named).unwrap();
        named.uid = None;
        endpoints.insert(named.id.clone(), named);
        assert_eq!(after, unmarked(before));
        assert_eq!(environment.applied(&folder), [""; 0], "what is adopted is left alone");
        assert_eq!(environment.diff(&folder), (Some(0), "no differences (8 compared)".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_exported_unless_asked_for() {
    let environment = environment().await;
    let parent = tempfile::tempdir().unwrap();
    let (without, with) = (parent.path().join("without"), parent.path().join("with"));
    let keys: Vec<String> = environment
        .svix
        .snapshot()
        .applications
        .values()
        .flat_map(|app| app.endpoints.values())
        .map(|endpoint| endpoint.secret.clone())
        .collect();
    let is_credential =
        |text: &str| text.contains("hunter2") || keys.iter().any(|key| text.contains(key.as_str()));

    let printed = environment.exported(&without, &[]);
    environment.exported(&with, &["--with-secrets"]);

    assert!(!is_credential(&printed), "{printed}");
    for (path, text) in files(&without) {
        assert!(!is_credential(&text), "{}", path.display());
    }
    for expected in [
        "/headers: X-Team not in the manifest",
        "key url of Secret x--ztenant-2.hidden-svix",
        "does not show the values of Authorization",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
    let mut found = 0;
    for (path, text) in files(&with) {
        let is_secret = path.strip_prefix(&with).unwrap().starts_with("secrets");
        assert!(is_secret || !is_credential(&text), "{}", path.display());
        found += usize::from(is_credential(&text));
    }
    assert!(found > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_left_alone_where_they_are_not_exported() {
    let environment = environment().await;
    let folder = tempfile::tempdir().unwrap();
    // The address of this one is in a Secret that is not exported.
    environment.exported(folder.path(), &["--select", "endpoint=Full_One"]);
    let before = unmarked(environment.svix.snapshot());

    let writes = environment.applied(folder.path());

    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(unmarked(environment.svix.snapshot()), before);
    let environment = self::environment().await;
    let folder = tempfile::tempdir().unwrap();
    environment.exported(folder.path(), &["--select", "endpoint=Full_One", "--plain-header", "x-team"]);
    let loaded = load(folder.path());
    let header = &loaded.endpoints[0].object.spec.headers.as_ref().unwrap()[0];
    assert_eq!(header.value.as_deref(), Some("hunter2-header"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_of_the_operator_come_back_as_they_were() {
    let environment = Environment::new().await;
    let folder = tempfile::tempdir().unwrap();
    let declared = r#"
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec: {ownerId: prod, tokenSecretRef: {name: svix-token, key: token}}
---
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: order.placed}
spec: {description: d, schema: {type: object}}
---
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEndpoint
metadata: {name: hook, namespace: team-a}
spec: {url: "https://a.example/x", eventTypes: [order.placed], channels: ["https://repo.example/"], application: shop, metadata: {k: v}}
"#;
    std::fs::write(folder.path().join("all.yaml"), declared).unwrap();
    environment.applied(folder.path());
    let parent = tempfile::tempdir().unwrap();
    let exported = parent.path().join("out");

    let printed = environment.exported(&exported, &[]);

    assert_eq!(printed, format!("1 event type and 1 endpoint (ownerId prod) in {}\n", exported.display()));
    let (before, after) = (load(folder.path()), load(&exported));
    assert_eq!(before.endpoints[0].object, after.endpoints[0].object);
    assert_eq!(before.event_types[0].object, after.event_types[0].object);
    assert_eq!(after.connections[0].object.spec.owner_id, "prod");
    assert_eq!(environment.applied(&exported), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_manifests_cannot_say_is_listed() {
    let environment = environment().await;
    environment.post("/app", json!({"name": "no uid"})).await;
    let body = |uid: &str, event_types: serde_json::Value, mark: &str| {
        let metadata = if mark.is_empty() { json!({}) } else { json!({OWNER: mark}) };
        json!({"url": "https://a.example/", "uid": uid, "eventTypes": event_types, "metadata": metadata})
    };
    for body in [
        body("all-types", json!(null), ""),
        body("odd-mark", json!(["order.placed"]), "odd"),
        body("one", json!(["order.placed"]), "prod/ns/hook"),
        body("two", json!(["order.placed"]), "prod/ns/hook"),
        body("msg_x", json!(["order.placed"]), ""),
    ] {
        environment.post("/app/tenant-1/endpoint", body).await;
    }
    let folder = tempfile::tempdir().unwrap();

    environment.exported(folder.path(), &["--owner-id", "prod", "--include-archived"]);

    let page = &files(folder.path())[&folder.path().join("not-exported.md")];
    let (none, part) = page.split_once("## Not in the manifest").unwrap();
    for (text, section) in [
        ("application app_", none),
        ("expected a uid of letters", none),
        ("endpoint all-types of application tenant-1: /filterTypes: found none", none),
        ("endpoint odd-mark of application tenant-1: /metadata: found \"odd\"", none),
        ("another endpoint has the mark of WebhookEndpoint ns/hook, too", none),
        (
            "endpoint msg_x of application tenant-1: /uid: found \"msg_x\"; the operator finds it by its id",
            part,
        ),
        (
            "endpoint Full_One of application tenant-1: /filterTypes: gone.type: not in Svix, or archived",
            part,
        ),
        ("event type number.types: /schemas: versions 2 are not in the manifest", part),
        ("event type gone.type: /archived: it is archived", part),
        ("application Tenant_2: /name, /throttleRate, /metadata", part),
    ] {
        assert!(section.contains(text), "{text}\n{page}");
    }
    let loaded = load(folder.path());
    let archived =
        loaded.event_types.iter().find(|found| found.object.event_type_name() == "gone.type").unwrap();
    assert!(!archived.object.spec.is_managed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_nulls_stay_as_svix_has_them() {
    let environment = environment().await;
    let folder = tempfile::tempdir().unwrap();

    environment.exported(folder.path(), &[]);

    let loaded = load(folder.path());
    let of = |name: &str| {
        loaded
            .event_types
            .iter()
            .find(|found| found.object.event_type_name() == name)
            .unwrap()
            .object
            .spec
            .clone()
    };
    let text = of("number.types").schema_text.unwrap();
    assert!(text.contains("\"maximum\": 0.1") && text.contains("null"), "{text}");
    assert!(of("number.types").schema.is_none());
    let schema = of("order.placed").schema.unwrap().to_value();
    assert_eq!(schema["properties"]["on"]["maximum"], json!(9_007_199_254_740_993_i64));
    assert_eq!(schema["properties"]["\u{2028}"]["title"], "a: b # c\n\u{85}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uids_that_a_spec_cannot_have_are_adopted_by_id() {
    let environment = Environment::new().await;
    environment.post("/event-type", json!({"name": "a.one", "description": ""})).await;
    environment.post("/app", json!({"name": "app", "uid": "app"})).await;
    for (uid, mark) in [
        (Some("msg_x"), None),
        (Some("app_x"), None),
        (Some("prod.team.hook"), None),
        (Some("prod.team.Hook"), None),
        (Some("prod.Team.hook"), None),
        (Some("prod."), None),
        (Some("other"), Some("prod/team/marked")),
        (Some("prod.elsewhere.x"), Some("prod/team/moved")),
        (None, Some("prod/team/lost")),
    ] {
        let metadata = mark.map_or(json!({}), |mark| json!({OWNER: mark}));
        let url = format!("https://a.example/{}", uid.unwrap_or_default());
        let body = json!({"url": url, "uid": uid, "eventTypes": ["a.one"], "metadata": metadata});
        environment.post("/app/app/endpoint", body).await;
    }
    let urls = || {
        let snapshot = environment.svix.snapshot();
        let all = snapshot.applications["app"].endpoints.values();
        all.map(|endpoint| (endpoint.url.clone(), endpoint.uid.clone()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = urls();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("out");

    environment.exported(&folder, &[]);
    let writes = environment.applied(&folder);

    // The one without a uid gets one; those with a mark and a uid need nothing.
    assert_eq!(writes.len(), 7, "{writes:?}");
    assert!(writes.iter().all(|write| write.starts_with("endpoint.patch ")), "{writes:?}");
    let mut after = urls();
    assert_eq!(
        after.insert("https://a.example/".to_owned(), None).flatten().as_deref(),
        Some("prod.team.lost")
    );
    assert_eq!(after, before);
    assert_eq!(environment.applied(&folder), [""; 0]);
}
