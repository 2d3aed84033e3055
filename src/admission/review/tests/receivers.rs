//! Who receives the events of an event type that is changed or deleted.

use std::sync::Arc;

use super::*;

/// Declares endpoints that receive `a.b`, by namespace and name.
fn received(known: &Known, endpoints: &[(&str, &str)]) {
    for (namespace, name) in endpoints {
        let endpoint = json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"url": "https://hooks.example.org", "eventTypes": ["a.b"]},
            "status": {"svix": {"connection": "default", "application": "default", "uid": name, "id": name}},
        });
        let endpoint = serde_json::from_value(endpoint).unwrap();
        known.endpoints.set(&Arc::from(*namespace), &Arc::from(*name), Some(&endpoint));
    }
    known.endpoints.complete();
}

/// The owner of `a.b`, which is in Svix.
fn owner(spec: &Value) -> Value {
    json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": "a.b", "namespace": "team"}, "spec": spec,
        "status": {"svix": {"connection": "default", "name": "a.b"}},
    })
}

fn deletion(object: &Value) -> Value {
    let mut request = request("DELETE", "WebhookEventType", &json!({}));
    request["request"]["object"] = Value::Null;
    request["request"]["oldObject"] = object.clone();
    request
}

fn update(before: &Value, spec: &Value) -> Value {
    let mut request = request("UPDATE", "WebhookEventType", spec);
    request["request"]["object"]["metadata"] = before["metadata"].clone();
    request["request"]["oldObject"] = before.clone();
    request
}

fn typed_with(kind: &str, action: &str) -> Value {
    json!({
        "compatibility": {"action": action},
        "schema": {"type": "object", "properties": {"n": {"type": kind}}},
    })
}

fn warnings(answer: &Value) -> Vec<String> {
    serde_json::from_value(answer["warnings"].clone()).unwrap_or_default()
}

#[test]
fn deleting_what_is_received_is_admitted_with_a_warning() {
    let known = known(PayloadPolicy::Enforce);
    received(&known, &[("team", "hook"), ("others", "s3cret"), ("others", "s3cret-2")]);

    let (reviewed, answer) = answer(&known, &deletion(&owner(&json!({}))));

    assert_eq!((reviewed.outcome, &answer["allowed"]), (Outcome::Warned, &json!(true)));
    assert_eq!(
        warnings(&answer),
        [
            "deleting it archives event type a.b in Svix, unless another object declares it",
            "3 endpoints receive its events: hook, and 2 in other namespaces",
        ]
    );
}

#[test]
fn a_deletion_that_changes_nothing_in_svix_gets_no_warning() {
    let suspended = json!({
        "ownerId": "o", "tokenSecretRef": {"name": "t", "key": "t"}, "suspend": true,
    });
    for (spec, connection) in [
        (json!({"deletionPolicy": "Retain"}), None),
        (json!({"suspend": true}), None),
        (json!({"managementPolicy": "Observe"}), None),
        (json!({}), Some(suspended)),
    ] {
        let known = known(PayloadPolicy::Enforce);
        received(&known, &[("team", "hook")]);
        if let Some(connection) = connection {
            known.directory.set_connection("default", Some(serde_json::from_value(connection).unwrap()));
        }

        let (reviewed, answer) = answer(&known, &deletion(&owner(&spec)));

        assert_eq!((reviewed.outcome, warnings(&answer)), (Outcome::Admitted, Vec::new()), "{spec}");
    }
}

#[test]
fn others_than_the_owner_learn_nothing() {
    let known = known(PayloadPolicy::Enforce);
    received(&known, &[("team", "hook")]);
    let mut other = owner(&typed_with("integer", "Warn"));
    other["metadata"]["namespace"] = "others".into();
    other["spec"]["name"] = "a.b".into();
    let mut spec = typed_with("number", "Warn");
    spec["name"] = "a.b".into();

    for request in [deletion(&other), update(&other, &spec)] {
        let (_, answer) = answer(&known, &request);

        assert!(!answer.to_string().contains("receives its events"), "{answer}");
    }
}

#[test]
fn nothing_received_is_nothing_to_warn_of() {
    let known = known(PayloadPolicy::Enforce);
    received(&known, &[]);
    let mut going = owner(&json!({}));
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();

    let (reviewed, _) = answer(&known, &deletion(&owner(&json!({}))));
    assert_eq!(reviewed.outcome, Outcome::Admitted);

    received(&known, &[("team", "hook")]);
    for request in [deletion(&going), deletion(&json!(5)), deletion(&Value::Null)] {
        let (reviewed, answer) = answer(&known, &request);
        assert_eq!((reviewed.outcome, &answer["allowed"]), (Outcome::Admitted, &json!(true)), "{request}");
    }
}

#[test]
fn expunging_is_named_as_such() {
    let known = known(PayloadPolicy::Enforce);
    received(&known, &[("team", "hook")]);

    let (_, answer) = answer(&known, &deletion(&owner(&json!({"deletionPolicy": "Expunge"}))));

    assert!(warnings(&answer)[0].starts_with("deleting it permanently removes event type a.b"), "{answer}");
}

#[test]
fn a_breaking_change_names_the_receivers() {
    let known = known(PayloadPolicy::Enforce);
    received(&known, &[("team", "hook"), ("others", "s3cret")]);
    let expected = "1 in other namespaces";
    for action in ["Warn", "Enforce"] {
        let request = update(&owner(&typed_with("integer", action)), &typed_with("number", action));

        let (_, answer) = answer(&known, &request);

        let text =
            if action == "Warn" { answer["warnings"].to_string() } else { answer["status"].to_string() };
        assert!(text.contains("2 endpoints receive its events: hook") && text.contains(expected), "{text}");
        assert!(!answer.to_string().contains("s3cret"), "{answer}");
    }
}

#[test]
fn leaving_a_connection_names_the_receivers() {
    let known = known(PayloadPolicy::Enforce);
    received(&known, &[("team", "hook")]);
    let before = owner(&json!({}));

    let (_, moved) = answer(&known, &update(&before, &json!({"connectionRef": {"name": "other"}})));
    let (_, stays) = answer(&known, &update(&before, &json!({"description": "x"})));

    let warnings = warnings(&moved).join("\n");
    assert!(
        warnings.contains("event type a.b is archived through SvixConnection \"default\"")
            && warnings.contains("/spec/connectionRef: 1 endpoint receives its events: hook"),
        "{warnings}"
    );
    assert!(!stays.to_string().contains("receives its events"), "{stays}");
}
