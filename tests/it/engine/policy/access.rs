//! What a connection permits to the namespaces.

use super::*;

fn rules() -> Value {
    json!([
        {"namespaces": {"matchLabels": {"team": "a"}}, "applications": ["team-a-*"], "eventTypes": ["a.*"]},
        {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "platform"}}, "applications": ["*"],
         "eventTypes": ["*"], "allowExpunge": true, "maxAdoption": "Override"},
    ])
}

#[tokio::test]
async fn what_is_not_permitted_costs_no_call() {
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1h").with("access", rules())).await;
    harness.label_namespace("team-a", &[("team", "a")]);
    let mine = |manifest: Manifest| manifest.in_namespace("team-a");
    harness.declare([
        event_type("b.theirs").in_namespace("platform"),
        mine(event_type("a.mine")),
        mine(endpoint("good", &["a.mine"]).with("application", "team-a-1")),
    ]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    harness.svix.clear_calls();
    let refused = [
        mine(event_type("b.stolen")),
        mine(endpoint("other-app", &["a.mine"]).with("application", "team-b")),
        mine(endpoint("default-app", &["a.mine"])),
        mine(endpoint("other-type", &["b.theirs"]).with("application", "team-a-1")),
        mine(event_type("a.burnt").with("deletionPolicy", "Expunge")),
        event_type("c.nobody").in_namespace("stranger"),
        crate::support::objects::event("spy", "b.theirs")
            .in_namespace("team-a")
            .with("application", "team-a-1"),
    ];
    harness.declare(refused.clone());
    for manifest in &refused {
        harness.wait_for_reason(&manifest.key(), "NotPermitted").await;
        harness.delete(&manifest.key());
    }
    assert!(harness.svix.calls().is_empty(), "{:?}", harness.svix.calls());
    // The label makes the tenant: without it, what is there stays and is not touched.
    harness.label_namespace("team-a", &[]);
    harness.wait_for_reason(&mine(event_type("a.mine")).key(), "NotPermitted").await;
    assert!(!harness.svix.snapshot().event_types["a.mine"].archived);
    harness.label_namespace("team-a", &[("team", "a")]);
    harness.wait_for_reason(&mine(event_type("a.mine")).key(), "InSync").await;
}

#[tokio::test]
async fn declaring_without_permission_blocks_nobody() {
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1s").with("access", rules())).await;
    let squatter = event_type("b.wanted").in_namespace("stranger");
    harness.declare([squatter.clone()]);
    harness.wait_for_reason(&squatter.key(), "NotPermitted").await;
    let owner = event_type("b.wanted").in_namespace("platform");
    harness.declare([owner.clone()]);
    harness.wait_for_reason(&owner.key(), "InSync").await;
}

#[tokio::test]
async fn tenants_cannot_reach_others_in_one_application() {
    let shared = |adoption: &str| json!([{"namespaces": {}, "applications": ["default"], "eventTypes": ["*"], "maxAdoption": adoption}]);
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1s").with("access", shared("Override")))
            .await;
    let theirs = endpoint("hook", &["a.one"]).with("description", "secret plans");
    harness.declare([event_type("a.one"), theirs.clone()]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    let held = harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().clone();
    // By its default uid, by its id, by its uid in words of one's own: whatever is tried to have its signing key
    let attempt = |name: &str| {
        endpoint(name, &["a.one"])
            .in_namespace("tenant")
            .with("adoption", "Override")
            .with("signingSecret", json!({"toSecret": {"name": "stolen"}}))
    };
    let by_uid = attempt("by-uid").with("uid", "test.default.hook");
    let by_id = attempt("by-id").annotated("svix-operator.dev/adopt-id", &held.id);
    let observing = attempt("observing")
        .with("signingSecret", json!(null))
        .with("managementPolicy", "Observe")
        .annotated("svix-operator.dev/adopt-id", &held.id);
    harness.declare([by_uid.clone(), by_id.clone(), observing.clone()]);
    let reported = [
        harness.wait_for_reason(&by_uid.key(), "InvalidSpec").await.message,
        harness.wait_for_reason(&by_id.key(), "Conflict").await.message,
        harness.wait_for_reason(&observing.key(), "Differs").await.message,
        difference(&harness, &observing.key()).to_string().into(),
    ];
    assert!(
        reported
            .iter()
            .all(|message| !message.contains("secret plans") && !message.contains("hooks.example.org")),
        "{reported:?}"
    );
    assert_eq!(harness.svix.snapshot().endpoint("default", "test.default.hook"), Some(&held));
    assert!(harness.written_secret("stolen").is_none());
    // What nobody marked can be taken where adopting is allowed at all, and there only.
    harness.declare([connection(&harness.svix.url())
        .with("resyncInterval", "1s")
        .with("access", shared("Never"))]);
    let url = "https://hooks.example.org/by-hand";
    harness
        .edit_svix(
            "POST",
            "/app/default/endpoint",
            json!({"uid": "loose", "url": url, "eventTypes": ["a.one"]}),
        )
        .await;
    let equal = endpoint("loose", &["a.one"]).in_namespace("tenant").with("uid", "loose").with("url", url);
    harness.declare([equal.clone()]);
    harness.wait_for_reason(&equal.key(), "NotOurs").await;
}

#[tokio::test]
async fn a_claim_that_was_forged_opens_nothing() {
    // Given an event type that somebody made in Svix
    let mut harness = Harness::new().await;
    harness
        .edit_svix(
            "POST",
            "/event-type",
            json!({"name": "a.theirs", "description": "theirs", "schemas": {"1": {}}}),
        )
        .await;
    let kind = event_type("a.theirs").with("description", "mine");
    harness.declare([kind.clone()]);
    harness.wait_for_reason(&kind.key(), "NotOurs").await;
    // When whoever may write the object claims it, with all that can be known
    let uid = harness.object(&kind.key()).unwrap().meta().uid.clone().unwrap();
    let schema = svix_operator::plan::digest::Digest::of_json(&json!({})).to_string();
    let content = svix_operator::plan::digest::Digest::of_json(&json!(["theirs", false, schema]));
    for forged in [format!("{uid} default/a.theirs {content}"), format!("{uid} a.theirs {content}")] {
        harness
            .restart_with(|object| {
                svix_operator::manifests::with_meta(object, |meta| {
                    meta.annotations
                        .get_or_insert_default()
                        .insert("svix-operator.dev/claim".to_owned(), forged.clone());
                })
            })
            .await;
        harness.wait_until_idle().await;
        // Then nothing changes.
        harness.wait_for_reason(&kind.key(), "NotOurs").await;
        assert_eq!(harness.svix.snapshot().event_types["a.theirs"].description, "theirs");
    }
}

#[tokio::test]
async fn unknown_labels_match_no_rule_about_labels() {
    // Given a rule about what a namespace does not say of itself
    let selector = json!({"matchExpressions": [{"key": "tenant", "operator": "DoesNotExist"}]});
    let rule = json!([{"namespaces": selector, "applications": ["*"], "eventTypes": ["*"]}]);
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1s").with("access", rule)).await;
    // When an object is there before its namespace is known, or may not be read
    let kind = event_type("a.mine").in_namespace("new");
    harness.declare([kind.clone()]);
    // Then it waits for what the namespace says.
    harness.wait_for_reason(&kind.key(), "NotPermitted").await;
    assert!(harness.svix.snapshot().event_types.is_empty());
    harness.label_namespace("new", &[]);
    harness.wait_for_reason(&kind.key(), "InSync").await;
}

#[test]
fn overriding_needs_one_rule_that_grants_all_of_it() {
    // Given a rule that may override events of one kind, and one that grants another kind
    let spec: svix_operator::api::SvixConnectionSpec = serde_json::from_value(json!({
        "tokenSecretRef": {"name": "t", "key": "token"}, "ownerId": "o",
        "access": [
            {"namespaces": {}, "applications": ["app"], "eventTypes": ["a.*"], "maxAdoption": "Override"},
            {"namespaces": {}, "applications": ["app"], "eventTypes": ["b.*"], "maxAdoption": "Never"},
        ],
    }))
    .unwrap();
    let labels = std::collections::BTreeMap::new();
    let grants = svix_operator::plan::access::Grants::new(&spec, "ns", Some(&labels));
    let endpoint = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        grants.endpoint("app", &names, svix_operator::api::Adoption::Override).is_ok()
    };
    assert!(endpoint(&["a.one"]));
    assert!(!endpoint(&["b.one"]), "no rule lets it override an endpoint of these events");
    assert!(!endpoint(&["a.one", "b.one"]));
}
