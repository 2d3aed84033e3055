//! Properties of `diff` and `apply` over random manifests, against the embedded Svix.

use std::collections::BTreeSet;

use proptest::{collection, option, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use svix_operator::{
    changes::{Action, ChangeSet},
    embedded::{EmbeddedSvix, FaultPlan, Snapshot},
    manifests::yaml,
};

use super::{carry_out, preview};
use crate::support::svix_server;

/// `PROPTEST_CASES=1000 cargo test --test it changes::properties` looks longer.
fn cases() -> usize {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

fn connection() -> Value {
    json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "SvixConnection", "metadata": {"name": "default"},
        "spec": {"ownerId": "prod", "tokenSecretRef": {"name": "t", "key": "t"}},
    })
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "ns"},
        "stringData": {"one": "Bearer one-credential", "two": "Bearer two-credential"},
    })
}

prop_compose! {
    fn event_type(name: &'static str)(
        description in option::of("[a-z]{1,8}"),
        schema in option::of(prop_oneof![
            Just(json!({"type": "object"})),
            Just(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
            Just(json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})),
        ]),
        deprecated in option::of(any::<bool>()),
    ) -> Value {
        let mut spec = json!({});
        if let Some(description) = description { spec["description"] = description.into(); }
        if let Some(schema) = schema { spec["schema"] = schema; }
        if let Some(deprecated) = deprecated { spec["deprecated"] = deprecated.into(); }
        json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": name, "namespace": "ns"}, "spec": spec,
        })
    }
}

prop_compose! {
    fn endpoint(name: &'static str)(
        host in "[ab]", path in "[pq]",
        description in option::of("[a-z]{1,8}"),
        rate in option::of(1..50u16),
        disabled in option::of(any::<bool>()),
        channels in option::of(collection::btree_set("[cd]", 1..3)),
        metadata in option::of(collection::btree_map("[mn]", "[a-z]{1,3}", 0..3)),
        headers in collection::btree_map(prop_oneof![Just("X-One"), Just("Authorization")],
            prop_oneof![Just(json!({"value": "plain-credential"})), Just(json!("one")), Just(json!("two"))], 0..3),
        application in prop_oneof![Just(None), Just(Some("other"))],
    ) -> Value {
        let mut spec = json!({"url": format!("https://{host}.example.org/{path}"), "eventTypes": ["a.one"]});
        if let Some(description) = description { spec["description"] = description.into(); }
        if let Some(rate) = rate { spec["throttleRate"] = rate.into(); }
        if let Some(disabled) = disabled { spec["disabled"] = disabled.into(); }
        if let Some(channels) = channels { spec["channels"] = channels.into_iter().collect::<Vec<_>>().into(); }
        if let Some(metadata) = metadata { spec["metadata"] = json!(metadata); }
        if let Some(application) = application { spec["application"] = application.into(); }
        let headers: Vec<Value> = headers.into_iter().map(|(name, value)| match value {
            Value::String(key) => {
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "hook", "key": key}}})
            }
            inline => json!({"name": name, "value": inline["value"]}),
        }).collect();
        if !headers.is_empty() { spec["headers"] = headers.into(); }
        json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": format!("{name}-{}", application.unwrap_or("default")), "namespace": "ns"}, "spec": spec,
        })
    }
}

/// The manifests of a folder: the event type that endpoints subscribe to is always there.
fn folder() -> impl Strategy<Value = String> {
    (
        event_type("a.one"),
        option::of(event_type("b.two")),
        option::of(event_type("c.three")),
        option::of(endpoint("hook")),
        option::of(endpoint("other")),
    )
        .prop_map(|(first, second, third, hook, other)| {
            let objects = [Some(connection()), Some(secret()), Some(first), second, third, hook, other];
            objects.into_iter().flatten().map(|object| format!("---\n{}", yaml::write(&object))).collect()
        })
}

fn folders() -> impl Iterator<Item = (String, String)> {
    let mut runner = TestRunner::deterministic();
    (0..cases()).map(move |_| {
        let mut next = || folder().new_tree(&mut runner).unwrap().current();
        (next(), next())
    })
}

/// What the manifests of a change set have in Svix.
fn content(svix: &EmbeddedSvix, changes: &ChangeSet) -> Snapshot {
    let named: BTreeSet<&str> =
        changes.changes.iter().filter_map(|change| change.resource.as_deref()).collect();
    let mut content = svix.snapshot().content();
    content.event_types.retain(|name, _| named.contains(name.as_str()));
    for application in content.applications.values_mut() {
        application.endpoints.retain(|uid, _| named.contains(uid.as_str()));
    }
    content.applications.retain(|_, application| !application.endpoints.is_empty());
    content
}

/// The uids and names that writes were about.
fn written(svix: &EmbeddedSvix, declared: &ChangeSet) -> BTreeSet<String> {
    let ids = svix
        .snapshot()
        .applications
        .into_values()
        .flat_map(|application| application.endpoints.into_values());
    let uids: Vec<_> = ids.map(|endpoint| (endpoint.id, endpoint.uid.unwrap_or_default())).collect();
    let mut written = BTreeSet::new();
    for call in svix.calls().iter().filter(|call| call.is_write()) {
        match call.operation {
            "application.create" => {}
            "event-type.create" | "endpoint.create" => {
                written.insert("(created)".to_owned());
            }
            _ => {
                let name = call.path.split('/').find_map(|part| {
                    let uid = uids.iter().find(|(id, _)| id == part).map(|(_, uid)| uid.as_str());
                    let named = declared.changes.iter().filter_map(|change| change.resource.as_deref());
                    uid.or_else(|| named.into_iter().find(|name| *name == part))
                });
                written.insert(name.unwrap_or_else(|| panic!("a write of {}", call.path)).to_owned());
            }
        }
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_what_is_done() {
    for (a, b) in folders() {
        let svix = svix_server::start().await;
        let first = preview(&svix, &a).await;
        assert!(svix.calls().iter().all(|call| !call.is_write()), "a preview wrote: {:?}", svix.calls());
        carry_out(&svix, &a, &first).await;
        assert!(!preview(&svix, &a).await.has_differences(), "{:#?}\n{a}", preview(&svix, &a).await);

        let changes = preview(&svix, &b).await;
        svix.clear_calls();
        carry_out(&svix, &b, &changes).await;

        let planned: BTreeSet<_> = changes
            .changes
            .iter()
            .filter(|change| change.action.is_change())
            .filter_map(|change| change.resource.clone())
            .collect();
        let mut written = written(&svix, &changes);
        if written.remove("(created)") {
            assert!(changes.changes.iter().any(|change| change.action == Action::Create), "{changes:#?}");
        }
        assert!(written.is_subset(&planned), "written {written:?}, planned {planned:?}\n{a}\n===\n{b}");
        let again = preview(&svix, &b).await;
        assert!(!again.has_differences(), "{again:#?}\n{a}\n===\n{b}");
        svix.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_does_not_matter() {
    for (a, b) in folders() {
        let (svix, fresh) = (svix_server::start().await, svix_server::start().await);
        let first = preview(&svix, &a).await;
        carry_out(&svix, &a, &first).await;
        // A manifest cannot say that a field goes back to what it was before anybody declared it, unless status knows who
        // did; so the second folder names the same fields.
        let b = with_fields_of(&a, &b);

        let changes = preview(&svix, &b).await;
        carry_out(&svix, &b, &changes).await;
        let only = preview(&fresh, &b).await;
        carry_out(&fresh, &b, &only).await;

        assert_eq!(
            hide_headers(content(&svix, &changes)),
            hide_headers(content(&fresh, &only)),
            "{a}\n===\n{b}"
        );
        svix.shutdown().await;
        fresh.shutdown().await;
    }
}

/// Headers that Svix hides are left as they are, on purpose.
fn hide_headers(mut snapshot: Snapshot) -> Snapshot {
    for application in snapshot.applications.values_mut() {
        for endpoint in application.endpoints.values_mut() {
            endpoint.headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
        }
    }
    snapshot
}

/// The second folder, with the optional fields that only the first one has set to their defaults.
fn with_fields_of(a: &str, b: &str) -> String {
    let objects = |text: &str| -> Vec<Value> {
        yaml::documents(text).map(|document| document.unwrap().value).collect()
    };
    let before = objects(a);
    let find = |object: &Value| {
        before.iter().find(|other| other["kind"] == object["kind"] && other["metadata"] == object["metadata"])
    };
    let mut out = String::new();
    for mut object in objects(b) {
        if let Some(other) = find(&object).filter(|_| object["kind"] != "Secret") {
            for (field, default) in [
                ("description", json!("")),
                ("deprecated", json!(false)),
                ("schema", other["spec"]["schema"].clone()),
                ("disabled", json!(false)),
                ("throttleRate", json!(49)),
                ("metadata", json!({"m": "x", "n": "y"})),
                ("headers", json!([{"name": "X-Two", "value": "x"}])),
            ] {
                if other["spec"].get(field).is_some() && object["spec"].get(field).is_none() {
                    object["spec"][field] = default;
                }
            }
            if let Some(metadata) = other["spec"]["metadata"].as_object() {
                for key in metadata.keys() {
                    if object["spec"]["metadata"].get(key).is_none() {
                        object["spec"]["metadata"][key] = json!("z");
                    }
                }
            }
        }
        out.push_str(&format!("---\n{}", yaml::write(&object)));
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_apply_is_completed_by_the_next() {
    for (seed, (a, _)) in folders().enumerate() {
        let (svix, fresh) = (svix_server::start().await, svix_server::start().await);
        let planned = preview(&svix, &a).await;
        svix.faults().set(FaultPlan {
            seed: seed as u64,
            drop_before: 0.2,
            drop_after: 0.2,
            errors: 0.1,
            ..FaultPlan::default()
        });
        let url = svix.url();
        // It ends somewhere in the middle.
        let _ =
            tokio::time::timeout(std::time::Duration::from_millis(40), carry_out(&svix, &a, &planned)).await;
        svix.faults().clear();

        let left = preview(&svix, &a).await;
        assert!(!left.has_refusals(), "{left:#?}");
        carry_out(&svix, &a, &left).await;
        let only = preview(&fresh, &a).await;
        carry_out(&fresh, &a, &only).await;

        assert_eq!(content(&svix, &left), content(&fresh, &only), "{url}\n{a}");
        svix.shutdown().await;
        fresh.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_do_no_harm() {
    for (a, _) in folders().take(8) {
        let (svix, fresh) = (svix_server::start().await, svix_server::start().await);
        let planned = preview(&svix, &a).await;

        tokio::join!(carry_out(&svix, &a, &planned), carry_out(&svix, &a, &planned));

        let left = preview(&svix, &a).await;
        carry_out(&svix, &a, &left).await;
        let only = preview(&fresh, &a).await;
        carry_out(&fresh, &a, &only).await;
        assert_eq!(content(&svix, &left), content(&fresh, &only), "{a}");
        svix.shutdown().await;
        fresh.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_shown() {
    use svix_operator::changes::{
        Plan,
        output::{self, Format},
    };
    for (a, b) in folders() {
        let svix = svix_server::start().await;
        let first = preview(&svix, &a).await;
        carry_out(&svix, &a, &first).await;
        let changes = preview(&svix, &b).await;
        let plan = Plan::new("server".to_owned(), "default".to_owned(), &changes).to_text().unwrap();
        let mut all = plan.into_bytes();

        for format in [Format::Text, Format::Json, Format::Markdown] {
            for color in [true, false] {
                for changes in [&first, &changes] {
                    output::write(changes, format, color, &mut all).unwrap();
                }
            }
        }

        let all = String::from_utf8(all).unwrap();
        for credential in
            ["one-credential", "two-credential", "plain-credential", "example.org/p", svix.token()]
        {
            assert!(!all.contains(credential), "{credential}: {all}");
        }
        svix.shutdown().await;
    }
}
