#![allow(clippy::unwrap_used, clippy::panic)]

mod any_input;
mod compatibility;
mod receivers;
mod size;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{JsonObject, PayloadPolicy, SvixConnectionSpec},
    catalogue::{Declared, Holder},
    plan::revision::Published,
};

fn known(policy: PayloadPolicy) -> Known {
    let known = Known::default();
    let schema = json!({"required": ["a"], "properties": {"a": {"type": "integer"}}});
    let schema = Some(JsonObject::from_value(&schema).unwrap());
    known.catalogue.put("default", "a.b", Declared { schema, format_assertion: true, policy }).unwrap();
    let holder = Holder { namespace: "team".to_owned(), name: "a.b".to_owned(), is_refused: false };
    known.directory.set_holder("default", "a.b", Some(holder));
    known.directory.set_connection("default", Some(SvixConnectionSpec::default()));
    known
}

fn request(operation: &str, kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5", "operation": operation, "name": "x", "namespace": "team", "dryRun": false,
            "kind": {"group": "svix-operator.dev", "version": "v1alpha1", "kind": kind},
            "object": {
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": kind,
                "metadata": {"name": "x", "namespace": "team"}, "spec": spec,
            },
        },
    })
}

fn event(payload: &Value) -> Value {
    request("CREATE", "WebhookEvent", &json!({"eventType": "a.b", "payload": payload}))
}

fn answer(known: &Known, request: &Value) -> (Reviewed, Value) {
    let reviewed = review(request.to_string().as_bytes(), known);
    let answer: Value = serde_json::from_slice(&reviewed.answer).unwrap();
    assert_eq!(answer["response"]["uid"], request["request"]["uid"]);
    (reviewed, answer["response"].clone())
}

#[test]
fn a_refusal_lists_every_violation() {
    let (reviewed, answer) = answer(&known(PayloadPolicy::Enforce), &event(&json!({"a": "x"})));
    assert_eq!((reviewed.outcome, reviewed.violated), (Outcome::Refused, Some(PayloadPolicy::Enforce)));
    assert_eq!(answer["allowed"], false);
    assert_eq!((&answer["status"]["code"], &answer["status"]["reason"]), (&json!(422), &json!("Invalid")));
    assert_eq!(answer["status"]["message"], r#"/spec/payload/a: found "x", expected an integer"#);
    assert_eq!(answer["status"]["details"]["kind"], "WebhookEvent");
    assert_eq!(answer["status"]["details"]["causes"][0]["field"], "/spec/payload/a");
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let known = Known::default();
    let schema = Some(JsonObject::from_value(&json!({"properties": {"a": {"maximum": 100}}})).unwrap());
    let declared = Declared { schema, format_assertion: true, policy: PayloadPolicy::Enforce };
    known.catalogue.put("default", "a.b", declared).unwrap();
    let review = |number: &str| {
        let spec = json!({"eventType": "a.b", "payloadText": format!(r#"{{"a": {number}}}"#)});
        answer(&known, &request("CREATE", "WebhookEvent", &spec)).1
    };

    let above = review("100.0000000000000000000001");

    assert_eq!(above["allowed"], false);
    assert_eq!(
        above["status"]["message"],
        "/spec/payloadText: /a: found 100.0000000000000000000001, expected at most 100"
    );
    assert_eq!(review("100.0000000000000000000000")["allowed"], true);
    assert_eq!(review("1e2")["allowed"], true);
    assert_eq!(review("1e400")["allowed"], false);
}

#[test]
fn the_policy_decides_about_a_bad_payload() {
    for (policy, outcome, warnings) in
        [(PayloadPolicy::Warn, Outcome::Warned, 1), (PayloadPolicy::Audit, Outcome::Admitted, 0)]
    {
        let (reviewed, answer) = answer(&known(policy), &event(&json!({})));
        assert_eq!((reviewed.outcome, reviewed.violated), (outcome, Some(policy)));
        assert_eq!(answer["allowed"], true);
        assert_eq!(answer["warnings"].as_array().map_or(0, Vec::len), warnings);
    }
    // Other faults of an event are refused whatever the policy of its type.
    let mut bad = event(&json!({}));
    bad["request"]["object"]["spec"]["eventId"] = "ep_1".into();
    assert_eq!(answer(&known(PayloadPolicy::Audit), &bad).0.outcome, Outcome::Refused);
}

#[test]
fn only_changes_of_our_specs_are_refused() {
    let known = known(PayloadPolicy::Enforce);
    let bad = json!({"url": "nonsense", "eventTypes": [".."]});
    let mut requests = vec![
        request("DELETE", "WebhookEndpoint", &bad),
        request("CONNECT", "WebhookEndpoint", &bad),
        request("UPDATE", "WebhookEvent", &json!({"eventType": "..", "payload": {}})),
        request("CREATE", "SvixConnection", &json!({})),
    ];
    let update = request("UPDATE", "WebhookEndpoint", &bad);
    let change = |path: &str, value: Value| {
        let mut changed = update.clone();
        *changed["request"].pointer_mut(path).unwrap() = value;
        changed
    };
    let mut deleting = update.clone();
    deleting["request"]["object"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let mut unchanged = update.clone();
    unchanged["request"]["oldObject"] = update["request"]["object"].clone();
    let mut status = update.clone();
    status["request"]["subResource"] = "status".into();
    requests.extend([deleting, unchanged, status, change("/kind/group", json!("example.org"))]);
    for request in requests {
        let (reviewed, answer) = answer(&known, &request);
        assert_eq!((reviewed.outcome, &answer["allowed"]), (Outcome::Ignored, &json!(true)), "{request}");
    }
    assert_eq!(answer(&known, &update).0.outcome, Outcome::Refused);
}

#[test]
fn unreadable_requests_are_refused_with_their_uid() {
    let known = Known::default();
    for broken in [
        json!({"request": {"uid": "u"}}),
        json!({"request": {"uid": "u", "operation": 5, "kind": {"group": "g", "kind": "k"}}}),
    ] {
        let (reviewed, answer) = answer(&known, &broken);
        assert_eq!((reviewed.outcome, &answer["allowed"]), (Outcome::Unreadable, &json!(false)));
        assert_eq!(answer["status"]["code"], 400);
    }
    for broken in
        [request("CREATE", "WebhookEvent", &json!(5)), request("CREATE", "WebhookEndpoint", &json!({}))]
    {
        let (reviewed, answer) = answer(&known, &broken);
        assert_eq!(reviewed.outcome, Outcome::Refused);
        assert!(answer["status"]["message"].as_str().unwrap().contains("the object cannot be read"));
    }
    let mut without = event(&json!({}));
    without["request"]["object"] = json!(null);
    assert_eq!(answer(&known, &without).0.outcome, Outcome::Refused);
    assert_eq!(review(b"", &known).outcome, Outcome::Unreadable);
    assert_eq!(review(&b"[".repeat(100_000), &known).outcome, Outcome::Unreadable);
}

#[test]
fn access_denied_is_a_warning_that_discloses_nothing() {
    let known = known(PayloadPolicy::Enforce);
    let spec = serde_json::from_value(json!({
        "tokenSecretRef": {"name": "t", "key": "token"}, "ownerId": "o",
        "access": [{"namespaces": {"matchLabels": {"team": "a"}}, "applications": ["*"], "eventTypes": ["a.*"]}],
    }));
    known.directory.set_connection("default", Some(spec.unwrap()));
    let requests = [
        event(&json!({"a": "x"})),
        request("CREATE", "WebhookEventType", &json!({"name": "a.b", "schema": {}})),
        request(
            "CREATE",
            "WebhookEndpoint",
            &json!({"url": "https://a.example/", "eventTypes": ["a.b", "a.c"]}),
        ),
    ];
    // The namespace is not known yet: all goes on as without rules.
    assert_eq!(answer(&known, &requests[0]).0.outcome, Outcome::Refused);
    known.directory.set_namespace("team", Some([("team".to_owned(), "b".to_owned())].into()));
    for request in &requests {
        let (reviewed, answer) = answer(&known, request);
        assert_eq!((reviewed.outcome, reviewed.violated), (Outcome::Warned, None), "{answer}");
        let [warning] = &answer["warnings"].as_array().unwrap()[..] else { panic!("{answer}") };
        let warning = warning.as_str().unwrap();
        assert!(warning.starts_with("NotPermitted: namespace \"team\" may not "), "{warning}");
    }
    // What is wrong whatever the rules say is refused.
    assert_eq!(answer(&known, &event(&json!([1]))).0.outcome, Outcome::Refused);
    known.directory.set_namespace("team", Some([("team".to_owned(), "a".to_owned())].into()));
    assert_eq!(answer(&known, &requests[0]).0.outcome, Outcome::Refused);
    let (_, answer) = answer(&known, &requests[1]);
    assert!(answer["warnings"][0].as_str().unwrap().contains("is declared by team/a.b already"), "{answer}");
}

#[test]
fn a_missing_or_deleted_connection_is_a_warning() {
    let known = known(PayloadPolicy::Enforce);
    let spec = |name: &str| json!({"eventType": "a.b", "payload": {}, "connectionRef": {"name": name}});
    let warnings = |request: &Value| {
        let (_, answer) = answer(&known, request);
        let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
        warnings.iter().map(|warning| warning.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let [said] = &warnings(&request("CREATE", "WebhookEvent", &spec("defualt")))[..] else { panic!() };
    let expected =
        r#"there is no SvixConnection "defualt" (did you mean "default"?); this object waits for it"#;
    assert_eq!(*said, format!("/spec/connectionRef: {expected}"));
    let [said] = &warnings(&request("CREATE", "WebhookEvent", &spec("other")))[..] else { panic!() };
    assert!(!said.contains("did you mean"), "{said}");

    known.directory.connection_is_going("default");
    let hook = json!({"url": "https://a.example/", "eventTypes": ["a.b"]});
    let [said] = &warnings(&request("CREATE", "WebhookEndpoint", &hook))[..] else { panic!() };
    assert!(said.contains("is being deleted"), "{said}");
    assert_eq!(warnings(&request("UPDATE", "WebhookEndpoint", &hook)), [""; 0]);
    // One of the same name that is made later is another.
    known.directory.set_connection("default", Some(SvixConnectionSpec::default()));
    assert_eq!(warnings(&request("CREATE", "WebhookEndpoint", &hook)), [""; 0]);
}

#[test]
fn what_a_schema_does_not_enforce_is_warned_of() {
    let known = known(PayloadPolicy::Enforce);
    known.directory.set_holder("default", "a.b", None);
    let warnings = |spec: &Value| {
        let (reviewed, answer) = answer(&known, &request("CREATE", "WebhookEventType", spec));
        assert_eq!(reviewed.outcome, Outcome::Warned, "{answer}");
        answer["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let schema = json!({"properties": {"a/b": {"requried": ["x"], "format": "date_time"}}});
    let place = "/spec/schema/properties/a~1b";
    let expected = [
        format!("{place}/requried: no keyword of JSON Schema, and ignored; did you mean required?"),
        format!(
            "{place}/format: the format \"date_time\" is not known and not enforced; did you mean date-time?"
        ),
    ];
    let found = warnings(&json!({"name": "a.b", "schema": schema}));
    assert!(found.len() == 2 && expected.iter().all(|warning| found.contains(warning)), "{found:?}");
    let text = json!({"unevaluatedProperties": false}).to_string();
    let found = warnings(&json!({"name": "a.b", "schemaText": text}));
    let begin = "/spec/schemaText: /unevaluatedProperties: a keyword of 2019-09, ignored in Draft 7, in which a schema without \
                 $schema is read; name the draft";
    assert!(found.len() == 1 && found[0].starts_with(begin), "{found:?}");
    // Other warnings come first.
    let holder = Holder { namespace: "other".to_owned(), name: "a.b".to_owned(), is_refused: false };
    known.directory.set_holder("default", "a.b", Some(holder));
    let found = warnings(&json!({"name": "a.b", "schema": {"nullable": true}}));
    assert!(found[0].contains("is declared by") && found[1].contains("OpenAPI"), "{found:?}");
}

#[test]
fn headers_keys_and_addresses_are_validated() {
    let spec = json!({
        "eventTypes": ["a.b"],
        "headers": [
            {"name": "User-Agent", "value": "mine"},
            {"name": "X-Key", "value": "hunter2\u{7}"},
            {"name": "x-key", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "signingSecret": {"toSecret": {"name": "s"}, "rotateAfter": "1h", "gracePeriod": "168h"},
    });
    let (_, answer) = answer(&known(PayloadPolicy::Enforce), &request("CREATE", "WebhookEndpoint", &spec));
    assert_eq!(answer["allowed"], false);
    let causes = answer["status"]["details"]["causes"].as_array().unwrap();
    let fields: Vec<_> = causes.iter().map(|cause| cause["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "/spec",
            "/spec/headers/0/name",
            "/spec/headers/1/value",
            "/spec/headers/2/name",
            "/spec/signingSecret/gracePeriod",
        ]
    );
    assert!(!answer.to_string().contains("hunter2"), "{answer}");
}

#[test]
fn what_svix_can_never_store_is_refused_with_its_place() {
    let known = known(PayloadPolicy::Enforce);
    let url = "https://hooks.example.org/a";
    for (kind, spec, place) in [
        ("WebhookEventType", json!({"schema": {"title": "\0"}, "name": "a.c"}), "/spec/schema/title"),
        ("WebhookEventType", json!({"schema": {}, "name": "a.c", "description": "\0"}), "/spec/description"),
        (
            "WebhookEventType",
            json!({"schema": {}, "name": "a.c", "examples": [{"name": "one", "value": {"a": "\0"}}]}),
            "/spec/examples/0",
        ),
        (
            "WebhookEndpoint",
            json!({"url": url, "eventTypes": ["a.b"], "metadata": {"a": "\0"}}),
            "/spec/metadata/a",
        ),
    ] {
        let (reviewed, answer) = answer(&known, &request("CREATE", kind, &spec));
        assert_eq!(reviewed.outcome, Outcome::Refused, "{spec}");
        assert_eq!(answer["status"]["details"]["causes"][0]["field"], place, "{answer}");
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(message.contains("found the character U+0000"), "{message}");
    }
}

#[test]
fn an_invalid_draft_7_schema_gets_a_warning() {
    let known = known(PayloadPolicy::Enforce);
    let draft4 = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"a": {"maximum": 5, "exclusiveMaximum": true}},
    });
    let draft2020 = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"$ref": "#/$defs/money"}},
        "$defs": {"money": {"$id": "https://schemas.example.org/money", "items": {"pattern": "a"}}},
        "examples": [{"$ref": "#none"}],
    });
    let name = json!("a.c");
    let spec = json!({"schema": draft4, "name": name});
    let (reviewed, answer) = answer(&known, &request("CREATE", "WebhookEventType", &spec));
    assert_eq!(reviewed.outcome, Outcome::Warned);
    assert_eq!(
        answer["warnings"],
        json!([
            "/spec/schema/properties/a/exclusiveMaximum: not valid as Draft 7, as which Svix reads it: found true, \
             expected a number; write the bound itself as exclusiveMaximum, in place of maximum"
        ])
    );
    let spec = json!({"schema": draft2020, "name": name});
    let (_, answer) = self::answer(&known, &request("CREATE", "WebhookEventType", &spec));
    assert_eq!(answer["warnings"], Value::Null, "a reference by place is one in every draft");
}

#[test]
fn an_event_type_may_have_no_schema() {
    let known = known(PayloadPolicy::Enforce);
    let plain = json!({"name": "a.b", "description": "d"});
    let (_, response) = answer(&known, &request("CREATE", "WebhookEventType", &plain));
    assert_eq!(response["allowed"], true, "{response}");

    let examples = json!({"name": "a.b", "examples": [{"name": "one", "value": {}}]});
    let (_, response) = answer(&known, &request("CREATE", "WebhookEventType", &examples));
    assert_eq!(response["allowed"], false, "{response}");
}
