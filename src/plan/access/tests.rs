#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::{pattern::matches, *};
use crate::api::NamespaceSelector;

fn connection(access: serde_json::Value) -> SvixConnectionSpec {
    serde_json::from_value(json!({
        "tokenSecretRef": {"name": "t", "key": "token"}, "ownerId": "o", "access": access,
    }))
    .unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn without_rules_only_override_and_expunge_are_denied() {
    let spec = connection(json!(null));
    let grants = Grants::new(&spec, "ns", Some(&BTreeMap::new()));
    assert!(grants.event_type("a.b", Adoption::Match, false).is_ok());
    assert!(grants.endpoint("app", &names(&["a.b"]), Adoption::Match).is_ok());
    assert!(grants.event_type("a.b", Adoption::Override, false).is_err());
    assert!(grants.event_type("a.b", Adoption::Match, true).is_err());
    assert_eq!(grants.of_endpoint("app", &names(&["a.b"])), Adoption::Match);
}

#[test]
fn access_without_a_rule_is_denied() {
    let spec = connection(json!([
        {"namespaces": {"matchLabels": {"team": "a"}}, "applications": ["team-a-*"], "eventTypes": ["a.*"]},
        {"namespaces": {"matchLabels": {NAME_LABEL: "b"}}, "applications": ["b"], "eventTypes": ["b.*"],
         "maxAdoption": "Override", "allowExpunge": true},
    ]));
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let a = Grants::new(&spec, "x", Some(&labels));
    assert!(a.endpoint("team-a-1", &names(&["a.one"]), Adoption::Match).is_ok());
    for (application, event_type) in [("team-b", "a.one"), ("team-a-1", "b.one"), ("b", "b.one")] {
        let error = a.endpoint(application, &names(&[event_type]), Adoption::Match).unwrap_err();
        assert_eq!(error.reason, Reason::NotPermitted);
        assert!(error.message.starts_with("namespace \"x\" may not use "), "{error}");
    }
    assert!(a.event_type("a.one", Adoption::Match, true).is_err());
    let b = Grants::new(&spec, "b", Some(&BTreeMap::new()));
    assert!(b.event_type("b.one", Adoption::Override, true).is_ok());
    // A namespace cannot claim the name of another.
    let forged = BTreeMap::from([(NAME_LABEL.to_owned(), "b".to_owned())]);
    assert!(Grants::new(&spec, "c", Some(&forged)).event("b", &"b.one".to_owned()).is_err());
}

#[test]
fn each_kind_is_checked_for_what_it_declares() {
    fn object<K: serde::de::DeserializeOwned>(kind: &str, spec: &serde_json::Value) -> K {
        serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": kind,
            "metadata": {"name": "a.one", "namespace": "ns"}, "spec": spec,
        }))
        .unwrap()
    }
    let event_type: WebhookEventType = object("WebhookEventType", &json!({"schema": {}}));
    let endpoint: WebhookEndpoint =
        object("WebhookEndpoint", &json!({"url": "https://a.example", "eventTypes": ["a.one"]}));
    let event: WebhookEvent = object("WebhookEvent", &json!({"eventType": "a.one", "payload": {}}));
    let all = |connection: Option<&SvixConnectionSpec>| {
        [
            check(&event_type, "ns", connection, None).is_ok(),
            check(&Declaration::of(&event_type), "ns", connection, None).is_ok(),
            check(&endpoint, "ns", connection, None).is_ok(),
            check(&event, "ns", connection, None).is_ok(),
        ]
    };
    let rule = |applications: &[&str], event_types: &[&str]| {
        connection(json!([{"namespaces": {}, "applications": applications, "eventTypes": event_types}]))
    };

    assert_eq!(all(None), [true; 4], "without a connection there are no rules");
    assert_eq!(all(Some(&rule(&["default"], &["a.*"]))), [true; 4]);
    assert_eq!(all(Some(&rule(&["default"], &["b.*"]))), [false; 4]);
    assert_eq!(all(Some(&rule(&["other"], &["a.*"]))), [true, true, false, false]);
}

#[test]
fn two_rules_do_not_add_up_to_what_neither_grants() {
    let spec = connection(json!([
        {"namespaces": {}, "applications": ["one"], "eventTypes": ["a.*"]},
        {"namespaces": {}, "applications": ["two"], "eventTypes": ["b.*"]},
    ]));
    let grants = Grants::new(&spec, "ns", Some(&BTreeMap::new()));
    assert!(grants.endpoint("one", &names(&["a.x"]), Adoption::Match).is_ok());
    assert!(grants.endpoint("one", &names(&["b.x"]), Adoption::Match).is_err());
}

#[test]
fn selectors_mean_what_they_mean_in_kubernetes() {
    let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let chosen = |expression: serde_json::Value| {
        let selector: NamespaceSelector =
            serde_json::from_value(json!({"matchExpressions": [expression]})).unwrap();
        selects(&selector, "ns", Some(&labels))
    };
    assert!(chosen(json!({"key": "tier", "operator": "In", "values": ["gold", "silver"]})));
    assert!(!chosen(json!({"key": "tier", "operator": "NotIn", "values": ["gold"]})));
    assert!(chosen(json!({"key": "other", "operator": "NotIn", "values": ["gold"]})));
    assert!(chosen(json!({"key": "tier", "operator": "Exists"})));
    assert!(chosen(json!({"key": "other", "operator": "DoesNotExist"})));
    assert!(selects(&NamespaceSelector::default(), "ns", None));
}

proptest! {
    #[test]
    fn patterns_match_like_regular_expressions(
        pattern in "[ab*]{0,8}", text in "[ab]{0,10}"
    ) {
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
                Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
            }
        }
        prop_assert_eq!(matches(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
    }
}
