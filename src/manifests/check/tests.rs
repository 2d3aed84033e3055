//! Specs that the CRDs refuse, with the message for each field.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::plan::storable::NUL;
use crate::{
    api::{SvixConnectionSpec, WebhookEndpointSpec, WebhookEventSpec, WebhookEventTypeSpec},
    manifests::messages,
};

fn violations(kind: &str, spec: Value) -> Vec<(String, String)> {
    let object = json!({"apiVersion": "svix-operator.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    let found = Checker::new().unwrap().check(kind, &object);
    found.into_iter().map(|violation| (violation.pointer.to_string(), violation.message)).collect()
}

fn expect(kind: &str, spec: Value, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(p, m)| ((*p).to_owned(), (*m).to_owned())).collect();
    assert_eq!(violations(kind, spec), expected);
}

#[test]
fn every_violation_of_an_endpoint_is_named_at_once() {
    expect(
        "WebhookEndpoint",
        json!({"url": "ftp://user:pw@hooks.example.org/secret", "eventtypes": ["a.b"], "channels": ["x", "x"], "throttleRate": 0,
            "uid": "ep_1", "deletionPolicy": "Keep", "disabled": "no", "description": null, "metadata": {"svix-operator.dev/x": 1}}),
        &[
            ("/spec/channels/1", "found \"x\" again, as in item 0: each may be there once"),
            ("/spec/deletionPolicy", "found \"Keep\", expected one of Delete, Retain"),
            ("/spec/disabled", "found \"no\", expected true or false"),
            ("/spec/eventTypes", "missing, expected a list: add it"),
            ("/spec/eventtypes", "there is no such field; did you mean eventTypes?"),
            ("/spec/metadata/svix-operator.dev~1x", "found 1, expected text: put it in quotes"),
            (
                "/spec/metadata/svix-operator.dev~1x",
                "metadata keys that start with svix-operator.dev/ are reserved",
            ),
            ("/spec/throttleRate", "found 0, expected 1 or more"),
            ("/spec/uid", "a uid in Svix must not start with app_, ep_ or msg_"),
            (
                "/spec/url",
                "found ftp://hooks.example.org/..., expected an address that begins with http:// or https:// in lower case, without white space",
            ),
        ],
    );
}

#[test]
fn a_schema_and_an_example_have_one_source() {
    expect(
        "WebhookEventType",
        json!({"schema": {"a": 1}, "schemaText": "{}", "examples": [{"name": "a"}, {"name": "a", "value": {}}]}),
        &[
            ("/spec", "at most one of schema, schemaText and schemaFrom may be given"),
            ("/spec/examples/0", "exactly one of value and text must be given"),
            ("/spec/examples/1", "found \"a\" again, as in item 0: each may be there once"),
        ],
    );
}

#[test]
fn intervals_are_bounded() {
    for interval in ["", "200h", "0s"] {
        let spec =
            json!({"tokenSecretRef": {"name": "t", "key": "k"}, "ownerId": "o", "resyncInterval": interval});
        let found = violations("SvixConnection", spec);
        assert!(found.iter().any(|(pointer, _)| pointer == "/spec/resyncInterval"), "{interval}: {found:?}");
    }
}

#[test]
fn an_event_has_one_payload_and_a_duration_that_is_one() {
    let field = "exactly one of payload and payloadText must be given";
    expect("WebhookEvent", json!({"eventType": "a.b"}), &[("/spec", field)]);
    expect(
        "WebhookEvent",
        json!({"eventType": "a.b", "payload": {}, "payloadText": "{}"}),
        &[("/spec", field)],
    );
    expect("WebhookEvent", json!({"eventType": "a.b", "payload": {}, "ttlAfterFinished": "0s"}), &[]);
    for ttl in ["1m1h", "9000h"] {
        let found =
            violations("WebhookEvent", json!({"eventType": "a.b", "payload": {}, "ttlAfterFinished": ttl}));
        assert!(found.iter().any(|(pointer, _)| pointer == "/spec/ttlAfterFinished"), "{ttl}: {found:?}");
    }
}

#[test]
fn what_is_right_passes() {
    expect(
        "WebhookEventType",
        json!({"schema": {"anything": [1, null]}, "examples": [{"name": "a", "text": "{}"}]}),
        &[],
    );
    expect(
        "WebhookEndpoint",
        json!({"url": "https://hooks.example.org", "eventTypes": ["a.b"], "channels": null}),
        &[],
    );
}

#[test]
fn an_endpoint_has_one_source_for_each_value() {
    let two = "exactly one of url and urlFrom must be given";
    expect("WebhookEndpoint", json!({"eventTypes": ["a.b"]}), &[("/spec", two)]);
    let with =
        |field: &str, value: Value| json!({"url": "https://a.example", "eventTypes": ["a.b"], field: value});
    let found = violations("WebhookEndpoint", with("headers", json!([{"name": "X-Team"}])));
    assert_eq!(found[0].0, "/spec/headers/0");
    let found = violations(
        "WebhookEndpoint",
        with(
            "signingSecret",
            json!({"fromSecret": {"name": "s", "key": "k"}, "rotateAfter": "30m", "gracePeriod": "169h"}),
        ),
    );
    let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        ["/spec/signingSecret", "/spec/signingSecret/gracePeriod", "/spec/signingSecret/rotateAfter"]
    );
    let long = "k".repeat(5000);
    let found = violations("WebhookEndpoint", with("headers", json!([{"name": "X-Key", "value": long}])));
    assert!(found[0].1.starts_with("found a value (not shown)"), "{found:?}");
}

#[test]
fn a_credential_in_the_wrong_place_is_not_shown() {
    let secret = "hunter2";
    for (field, value) in [
        ("headers", json!(format!("Authorization: Bearer {secret}"))),
        ("headers", json!([format!("Authorization: Bearer {secret}")])),
        ("headers", json!([{"name": format!("Authorization: Bearer {secret}"), "value": "x"}])),
        ("headers", json!([{"name": "X-Key", "valueFrom": secret}])),
        ("headers", json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": secret}}])),
        ("headers", json!([{"name": "X-Key", "value": 48_151_623}])),
        ("urlFrom", json!(format!("https://a.example/{secret}"))),
        ("urlFrom", json!({"secretKeyRef": secret})),
        ("signingSecret", json!(secret)),
        ("signingSecret", json!({"fromSecret": secret})),
        ("signingSecret", json!({"fromSecret": {"name": "s", "key": format!("whsec_{secret}=")}})),
        ("signingSecret", json!({"toSecret": {"name": format!("whsk_{secret}")}})),
        ("uid", json!(format!("sk_{secret}/eu"))),
    ] {
        let mut spec = json!({"eventTypes": ["a.b"], "url": "https://a.example"});
        spec[field] = value.clone();

        let found = violations("WebhookEndpoint", spec);

        assert!(!found.is_empty(), "{field}: {value}");
        let text = format!("{found:?}");
        assert!(!text.contains(secret) && !text.contains("48151623"), "{text}");
    }
}

/// The texts that the CRDs have under a key, each once.
fn in_the_crds(named: &str) -> Vec<String> {
    fn collect(value: &Value, named: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match value {
                Value::String(text) if key == named => out.push(text.clone()),
                value => collect(value, named, out),
            }),
            Value::Array(items) => items.iter().for_each(|item| collect(item, named, out)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::to_value(api::crds()).unwrap(), named, &mut found);
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_pattern_has_words() {
    let found = in_the_crds("pattern");
    assert!(found.len() > 5, "{found:?}");
    let without: Vec<_> = found.iter().filter(|pattern| messages::pattern(pattern).is_none()).collect();
    assert_eq!(without, [""; 0], "write them into src/manifests/messages.rs, fn pattern");
}

/// The rules in the CRDs about one state of an object, all of which `validate` of a spec checks.
#[test]
fn every_cel_rule_is_known() {
    let mut found = in_the_crds("rule");
    found.retain(|rule| !rule.contains("oldSelf"));
    let known = [
        "!has(self.examples) || size(self.examples) == 0 || has(self.schema) || has(self.schemaText) || has(self.schemaFrom)",
        "!has(self.featureFlag) || !has(self.featureFlags)",
        "!has(self.rotateAfter) || has(self.toSecret)",
        "!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')",
        "[has(self.schema), has(self.schemaText), has(self.schemaFrom)].filter(x, x).size() <= 1",
        "has(self.fromSecret) != has(self.toSecret)",
        "has(self.payload) != has(self.payloadText)",
        "has(self.url) != has(self.urlFrom)",
        "has(self.value) != has(self.text)",
        "has(self.value) != has(self.valueFrom)",
        "self != '' && duration(self) <= duration('168h')",
        "self != '' && duration(self) <= duration('8760h')",
        "self != '' && duration(self) >= duration('1h') && duration(self) <= duration('87600h')",
        "self != '' && duration(self) >= duration('1s') && duration(self) <= duration('168h')",
        "self.all(key, !key.startsWith('svix-operator.dev/'))",
        "self.operator in ['In', 'NotIn'] ? (has(self.values) && self.values.size() > 0) : !(has(self.values) && self.values.size() > 0)",
    ];
    assert_eq!(found, known, "write a new rule into `validate` of its spec in src/api, then here");
}

/// Every spec is readable after that, so each of its rules is checked.
#[test]
fn a_wrong_spec_is_conformed_to_a_readable_one() {
    let checker = Checker::new().unwrap();
    for kind in &checker.kinds {
        let schema = kind.schema.pointer("/properties/spec").unwrap();
        for wrong in [
            json!(null),
            json!({}),
            json!({"unknown": 1}),
            json!({"url": 5, "headers": [{"name": {}}, 1], "signingSecret": "s", "throttleRate": 1e300}),
            json!({"schema": [], "examples": {"name": "a"}, "deletionPolicy": "Keep", "deprecated": "no"}),
            json!({"access": [{"namespaces": {"matchExpressions": [{"key": 1}]}}], "tokenSecretRef": []}),
        ] {
            let spec = conform::conform(schema, &wrong);
            let read = match kind.name.as_str() {
                "SvixConnection" => serde_json::from_value::<SvixConnectionSpec>(spec.clone()).is_ok(),
                "WebhookEventType" => serde_json::from_value::<WebhookEventTypeSpec>(spec.clone()).is_ok(),
                "WebhookEndpoint" => serde_json::from_value::<WebhookEndpointSpec>(spec.clone()).is_ok(),
                _ => serde_json::from_value::<WebhookEventSpec>(spec.clone()).is_ok(),
            };
            assert!(read, "{}: {spec}", kind.name);
        }
    }
}

#[test]
fn what_svix_can_never_store_has_its_place() {
    let schema = json!({"properties": {"a": {"enum": ["\0"]}}});
    let examples = json!([{"name": "one", "value": {"a": "\0"}}]);
    expect(
        "WebhookEventType",
        json!({"schema": schema, "description": "\0", "examples": examples}),
        &[
            ("/spec/description", NUL),
            ("/spec/examples/0/value/a", NUL),
            ("/spec/schema/properties/a/enum/0", NUL),
        ],
    );
    expect(
        "WebhookEndpoint",
        json!({"url": "https://a.example", "eventTypes": ["a.b"], "metadata": {"a": "\0"}}),
        &[("/spec/metadata/a", NUL)],
    );
    // A payload is kept as it is sent.
    expect("WebhookEvent", json!({"eventType": "a.b", "payload": {"a": "\0"}}), &[]);
}

#[test]
fn mistakes_in_addresses_are_named() {
    const ADDRESS: &str = "expected an absolute http or https URL";
    for (text, expected) in [
        (
            "\"https://hooks.example.org/hunter2\"",
            format!("found an address in quotes; {ADDRESS}: remove the quotes"),
        ),
        (
            "<https://hooks.example.org/hunter2>",
            format!("found an address in quotes; {ADDRESS}: remove the quotes"),
        ),
        (
            "URL=https://hooks.example.org/hunter2",
            format!("found NAME=value; {ADDRESS}: remove the name and the equals sign"),
        ),
        (
            "export URL=https://hooks.example.org/hunter2",
            format!("found NAME=value; {ADDRESS}: remove the name and the equals sign"),
        ),
        (
            "hooks.example.org/hunter2",
            format!("found a text without http:// or https:// at its beginning; {ADDRESS}"),
        ),
        (
            "//hooks.example.org/hunter2",
            format!("found a text without http:// or https:// at its beginning; {ADDRESS}"),
        ),
        (
            "https:/hooks.example.org/hunter2",
            format!("found http: or https: without // behind it; {ADDRESS}"),
        ),
        (
            "https://hooks.example.org/hunter2 x",
            format!("found white space inside; {ADDRESS}: remove it, or encode a space as %20"),
        ),
        ("https://", format!("the URL has no host; {ADDRESS}")),
        ("\u{feff}https://hooks.example.org/hunter2", "found a byte order mark (U+FEFF); ".to_owned()),
        (
            "$URL/hunter2",
            format!("found a placeholder such as ${{NAME}} or {{{{ .name }}}}; {ADDRESS}: replace it"),
        ),
        (
            "{{ .Values.url }}",
            format!("found a placeholder such as ${{NAME}} or {{{{ .name }}}}; {ADDRESS}: replace it"),
        ),
        (
            "HTTPS://hooks.example.org/hunter2",
            "found HTTPS://hooks.example.org/..., expected an address that begins".to_owned(),
        ),
    ] {
        let found = violations("WebhookEndpoint", json!({"url": text, "eventTypes": ["a.b"]}));

        let [(pointer, message)] = found.as_slice() else { panic!("{text}: {found:?}") };
        assert!(pointer == "/spec/url" && !message.contains("hunter2"), "{text}: {message}");
        assert!(message.starts_with(&expected), "{text}: {message}");
    }
}
