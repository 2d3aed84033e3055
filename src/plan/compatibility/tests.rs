#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;
use crate::{api::WebhookEventTypeSpec, plan::revision::Published};

fn integer() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}})
}

fn number() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "number"}}})
}

fn enforced(level: Level) -> [Policy; 1] {
    [Policy { level, action: CompatibilityAction::Enforce, against: CompatibilityAgainst::Last }]
}

fn warned(level: Level) -> Policy {
    Policy { action: CompatibilityAction::Warn, ..enforced(level)[0] }
}

fn against_all(level: Level) -> [Policy; 1] {
    [Policy { against: CompatibilityAgainst::All, ..enforced(level)[0] }]
}

/// Without versions that are kept.
fn assess(old: Schema<'_>, new: Schema<'_>, policies: &[Policy], allowed: Option<&str>) -> Assessment {
    assess_all(Some(old), &KeptVersions::default(), new, policies, allowed)
}

/// These versions, the last one first.
fn kept(versions: &[&Value]) -> KeptVersions {
    let numbers = (1..=versions.len()).rev();
    let published = |value: &Value| Published { schema: value.to_string(), format_assertion: true };
    let versions =
        numbers.zip(versions).map(|(number, value)| (i64::try_from(number).unwrap(), published(value)));
    KeptVersions { versions: versions.collect(), missing: Vec::new() }
}

fn text() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "string"}}})
}

fn asserted(value: &Value) -> Schema<'_> {
    Schema { value, format_assertion: true }
}

fn assessed(old: &Value, new: &Value, policies: &[Policy], allowed: Option<&str>) -> Assessment {
    assess(asserted(old), asserted(new), policies, allowed)
}

fn refused(assessment: Assessment) -> String {
    match assessment {
        Assessment::Refuse(message) => message,
        other => panic!("{other:?}"),
    }
}

fn object(compatibility: Value) -> WebhookEventType {
    let spec: WebhookEventTypeSpec = serde_json::from_value(json!({"compatibility": compatibility})).unwrap();
    WebhookEventType::new("a.one", spec)
}

fn connection(compatibility: Value) -> SvixConnectionSpec {
    SvixConnectionSpec {
        compatibility: serde_json::from_value(compatibility).unwrap(),
        ..SvixConnectionSpec::default()
    }
}

#[test]
fn a_refusal_shows_rules_and_a_payload() {
    let message = refused(assessed(&integer(), &number(), &enforced(Level::ConsumerSafe), None));

    for part in
        ["ConsumerSafe", "{\"n\":", "at /n", "type: \"number\"", "type: \"integer\"", "/properties/n/type"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_safe_change_is_compatible() {
    let assessment = assessed(&number(), &integer(), &enforced(Level::Strict), None);

    assert_eq!(assessment, Assessment::Compatible);
}

#[test]
fn the_annotation_permits_one_change() {
    let allowed = format!("{} agreed with all receivers", digest(&integer(), &number()));
    let next = json!({"type": "object"});

    let first = assessed(&integer(), &number(), &enforced(Level::ConsumerSafe), Some(&allowed));
    let second = assessed(&number(), &next, &enforced(Level::ConsumerSafe), Some(&allowed));

    assert!(matches!(first, Assessment::Warn(message) if message.ends_with("agreed with all receivers")));
    refused(second);
}

#[test]
fn the_annotation_needs_a_reason() {
    let allowed = digest(&integer(), &number());

    for allowed in [allowed.clone(), format!("{allowed} "), "x reason".into(), String::new()] {
        refused(assessed(&integer(), &number(), &enforced(Level::ConsumerSafe), Some(&allowed)));
    }
}

#[test]
fn the_refusal_prints_the_annotation() {
    let message = refused(assessed(&integer(), &number(), &enforced(Level::ConsumerSafe), None));

    let annotation =
        format!("svix-operator.dev/allow-breaking: \"{} <reason>\"", digest(&integer(), &number()));
    assert!(message.contains(&annotation), "{message}");
}

#[test]
fn the_digest_is_of_values() {
    let written = json!({"properties": {"n": {"type": "integer", "maximum": 1.0}}, "type": "object"});
    let stored = json!({"type": "object", "properties": {"n": {"maximum": 1, "type": "integer"}}});

    assert_eq!(digest(&written, &number()), digest(&stored, &number()));
    assert_ne!(digest(&integer(), &number()), digest(&number(), &integer()));
}

#[test]
fn what_is_not_decided_is_never_refused() {
    let unusable = json!({"type": "no type"});

    let assessment = assessed(&unusable, &number(), &enforced(Level::ConsumerSafe), None);

    assert!(matches!(assessment, Assessment::Warn(message) if message.starts_with("not decided")));
}

#[test]
fn a_schema_that_permits_nothing_is_refused() {
    let empty = json!({"type": "object", "required": ["a"], "properties": {"a": false}});

    let message = refused(assessed(&integer(), &empty, &enforced(Level::ConsumerSafe), None));

    assert!(message.contains("permits no payload at all"), "{message}");
}

#[test]
fn formats_that_are_no_longer_enforced_break() {
    let schema = json!({"type": "object", "properties": {"at": {"type": "string", "format": "date"}}});
    let new = Schema { value: &schema, format_assertion: false };

    refused(assess(asserted(&schema), new, &enforced(Level::ConsumerSafe), None));
}

#[test]
fn the_default_warns_about_consumers() {
    let policies = policies(&object(Value::Null), None);

    assert_eq!(policies, [warned(Level::ConsumerSafe)]);
}

#[test]
fn the_stricter_of_object_and_connection_wins() {
    let lax = object(json!({"level": "None"}));
    let floor = connection(json!({"action": "Enforce"}));
    assert_eq!(policies(&lax, Some(&floor)), enforced(Level::ConsumerSafe));

    let strict = object(json!({"level": "Full", "action": "Enforce"}));
    let warning = warned(Level::ConsumerSafe);
    let floor = connection(json!({}));
    assert_eq!(policies(&strict, Some(&floor)), [enforced(Level::Full)[0], warning]);
}

#[test]
fn no_level_compares_nothing() {
    let none = policies(&object(json!({"level": "None", "action": "Enforce"})), None);

    assert_eq!(none, []);
    assert_eq!(assessed(&integer(), &number(), &none, None), Assessment::Compatible);
}

#[test]
fn a_warning_of_one_policy_hides_no_refusal() {
    let policies = [enforced(Level::Strict)[0], warned(Level::ConsumerSafe)];

    refused(assessed(&integer(), &number(), &policies, None));
}

#[test]
fn control_characters_are_escaped() {
    let old = json!({"type": "object", "properties": {"\u{202e}n": {"type": "integer"}}});
    let new = json!({"type": "object", "properties": {"\u{202e}n": {"type": "number"}}});

    let message = refused(assessed(&old, &new, &enforced(Level::ConsumerSafe), None));

    assert!(!message.contains('\u{202e}') && message.contains("\\u{202e}"), "{message}");
}

#[test]
fn each_kept_version_is_compared() {
    let kept = kept(&[&number(), &integer()]);
    let narrower = json!({"type": "object", "properties": {"n": {"type": "number", "minimum": 0}}});
    let policies = against_all(Level::ConsumerSafe);

    let all = assess_all(Some(asserted(&number())), &kept, asserted(&narrower), &policies, None);
    let last = assess_all(
        Some(asserted(&number())),
        &kept,
        asserted(&narrower),
        &enforced(Level::ConsumerSafe),
        None,
    );

    assert!(refused(all).contains("that its revision 1 refused"));
    assert_eq!(last, Assessment::Compatible);
}

#[test]
fn a_rollback_is_compared_with_the_others_only() {
    let kept = kept(&[&number(), &integer()]);
    let policies = against_all(Level::ConsumerSafe);

    let back = assess_all(Some(asserted(&number())), &kept, asserted(&integer()), &policies, None);

    assert_eq!(back, Assessment::Compatible);
}

#[test]
fn one_annotation_permits_the_change_against_all() {
    let kept = kept(&[&number(), &integer(), &json!({"type": "array"})]);
    let policies = against_all(Level::ConsumerSafe);
    let allowed = format!("{} agreed", digest(&number(), &text()));

    let assessment =
        assess_all(Some(asserted(&number())), &kept, asserted(&text()), &policies, Some(&allowed));

    assert!(matches!(assessment, Assessment::Warn(message) if message.ends_with("permits it: agreed")));
}

#[test]
fn kept_versions_count_without_a_last_one() {
    let kept = kept(&[&integer()]);

    let message =
        refused(assess_all(None, &kept, asserted(&text()), &against_all(Level::ConsumerSafe), None));

    assert!(message.contains("that its revision 1 refused"), "{message}");
    assert!(message.contains(&digest(&Value::Null, &text())), "{message}");
}

#[test]
fn versions_that_are_not_kept_are_a_warning() {
    let kept = KeptVersions {
        missing: vec!["revision 3 is too large to be kept".to_owned()],
        ..KeptVersions::default()
    };

    let all = assess_all(
        Some(asserted(&number())),
        &kept,
        asserted(&integer()),
        &against_all(Level::ConsumerSafe),
        None,
    );

    assert!(matches!(all, Assessment::Warn(message) if message.contains("revision 3 is too large")));
}

#[test]
fn unusable_kept_versions_are_a_warning() {
    let kept = kept(&[&json!({"type": "no type"})]);

    let assessment = assess_all(
        Some(asserted(&number())),
        &kept,
        asserted(&integer()),
        &against_all(Level::ConsumerSafe),
        None,
    );

    assert!(matches!(assessment, Assessment::Warn(message) if message.contains("revision 1 cannot be used")));
}

#[test]
fn neither_side_is_made_stricter_than_it_says() {
    let all = json!({"against": "All"});
    let enforcing = connection(json!({"action": "Enforce"}));
    let both = policies(&object(all.clone()), Some(&enforcing));
    assert_eq!(
        both,
        [
            enforced(Level::ConsumerSafe)[0],
            Policy { against: CompatibilityAgainst::All, ..warned(Level::ConsumerSafe) }
        ]
    );

    let strict = object(json!({"action": "Enforce", "against": "All"}));
    assert_eq!(policies(&strict, Some(&connection(all))), against_all(Level::ConsumerSafe));
}
