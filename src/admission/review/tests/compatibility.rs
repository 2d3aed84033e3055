//! Changes of schemas.

use super::*;

/// An update of an event type from one spec to another.
fn changed(old: &Value, new: &Value) -> Value {
    let mut request = request("UPDATE", "WebhookEventType", new);
    request["request"]["oldObject"] = request["request"]["object"].clone();
    request["request"]["oldObject"]["spec"] = old.clone();
    request
}

fn typed(kind: &str, compatibility: &Value) -> Value {
    json!({
        "name": "a.b", "compatibility": compatibility,
        "schema": {"type": "object", "properties": {"n": {"type": kind}}},
    })
}

#[test]
fn a_breaking_change_is_refused_where_enforced() {
    let enforced = json!({"action": "Enforce"});
    let request = changed(&typed("integer", &enforced), &typed("number", &enforced));

    let (reviewed, answer) = answer(&Known::default(), &request);

    assert_eq!(reviewed.outcome, Outcome::Refused);
    assert_eq!(answer["status"]["details"]["causes"][0]["field"], "/spec/schema");
    let message = answer["status"]["message"].as_str().unwrap();
    assert!(message.contains("svix-operator.dev/allow-breaking: \""), "{message}");
}

#[test]
fn a_breaking_change_is_a_warning_by_default() {
    let request = changed(&typed("integer", &Value::Null), &typed("number", &Value::Null));

    let (_, answer) = answer(&known(PayloadPolicy::Enforce), &request);

    assert_eq!(answer["allowed"], true);
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("the schema breaks compatibility (ConsumerSafe)"), "{warnings}");
}

#[test]
fn the_annotation_admits_the_change() {
    let enforced = json!({"action": "Enforce"});
    let (old, new) = (typed("integer", &enforced), typed("number", &enforced));
    let digest = crate::plan::compatibility::digest(&old["schema"], &new["schema"]);
    let mut request = changed(&old, &new);
    let allowed = format!("{digest} agreed");
    request["request"]["object"]["metadata"]["annotations"] =
        json!({"svix-operator.dev/allow-breaking": allowed});

    let (_, answer) = answer(&Known::default(), &request);

    assert_eq!(answer["allowed"], true);
}

#[test]
fn a_schema_that_is_removed_breaks() {
    let enforced = json!({"action": "Enforce"});
    let request = changed(&typed("integer", &enforced), &json!({"name": "a.b", "compatibility": enforced}));

    let (reviewed, _) = answer(&Known::default(), &request);

    assert_eq!(reviewed.outcome, Outcome::Refused);
}

#[test]
fn a_connection_enforces_compatibility() {
    let known = known(PayloadPolicy::Enforce);
    let spec = json!({
        "ownerId": "o", "tokenSecretRef": {"name": "t", "key": "t"}, "compatibility": {"action": "Enforce"},
    });
    known.directory.set_connection("default", Some(serde_json::from_value(spec).unwrap()));
    let none = json!({"level": "None"});

    let (reviewed, _) = answer(&known, &changed(&typed("integer", &none), &typed("number", &none)));

    assert_eq!(reviewed.outcome, Outcome::Refused);
}

/// The outcome and the response of a change from `number` to `positive` numbers, where these versions are kept.
fn changed_against_all(kept: &KeptVersions) -> (Outcome, Value) {
    let all = json!({"action": "Enforce", "against": "All"});
    let positive = json!({"type": "object", "properties": {"n": {"type": "number", "minimum": 0}}});
    let mut new = typed("number", &all);
    new["schema"] = positive;
    let body = changed(&typed("number", &all), &new).to_string();

    let begun = begin(body.as_bytes(), &Known::default(), &Effort::full());
    let Begun::Comparing(draft) = begun else { panic!("{begun:?}") };
    let reviewed = draft.assess(kept);

    let answer: Value = serde_json::from_slice(&reviewed.answer).unwrap();
    (reviewed.outcome, answer["response"].clone())
}

#[test]
fn an_older_version_counts_against_all() {
    let integer = typed("integer", &Value::Null)["schema"].to_string();
    let published = Published { schema: integer, format_assertion: true };
    let kept = KeptVersions { versions: vec![(1, published)], missing: Vec::new() };

    let (outcome, answer) = changed_against_all(&kept);

    assert_eq!(outcome, Outcome::Refused);
    let message = answer["status"]["message"].as_str().unwrap();
    assert!(message.contains("that its revision 1 refused"), "{message}");
}

#[test]
fn versions_that_cannot_be_read_are_a_warning() {
    let kept = KeptVersions { missing: vec!["they cannot be read".to_owned()], ..KeptVersions::default() };

    let (outcome, answer) = changed_against_all(&kept);

    assert_eq!(outcome, Outcome::Warned);
    assert!(answer["warnings"].to_string().contains("they cannot be read"), "{answer}");
}

#[test]
fn only_a_changed_schema_is_compared() {
    let compares = |review: &Value| {
        let begun = begin(review.to_string().as_bytes(), &Known::default(), &Effort::brief());
        matches!(begun, Begun::Comparing(_))
    };
    let none = json!({"level": "None"});

    assert!(compares(&changed(&typed("integer", &Value::Null), &typed("number", &Value::Null))));
    assert!(!compares(&changed(&typed("integer", &none), &typed("number", &none))));
    let described = json!({"name": "a.b", "description": "d", "schema": typed("integer", &none)["schema"]});
    assert!(!compares(&changed(&typed("integer", &Value::Null), &described)));
    assert!(!compares(&event(&json!({"a": 1}))));
}
