#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn revision(number: i64, digest: &str) -> Revision {
    Revision {
        name: format!("a.one-{digest}"),
        number,
        digest: digest.to_owned(),
        published_at: None,
        comparison: Comparison::without_level(ComparisonResult::NotCompared),
        has_schema: true,
    }
}

fn names(digests: &[&str]) -> Vec<String> {
    digests.iter().map(|digest| format!("a.one-{digest}")).collect()
}

#[test]
fn the_first_version_is_revision_one() {
    let plan = plan(&[], "a", 10);

    let expected = HistoryPlan { step: HistoryStep::Create, number: Some(1), obsolete: Vec::new(), kept: 1 };
    assert_eq!(plan, expected);
}

#[test]
fn numbers_grow_across_gaps() {
    let plan = plan(&[revision(3, "a"), revision(7, "b")], "c", 10);

    assert_eq!((plan.step, plan.number, plan.kept), (HistoryStep::Create, Some(8), 3));
}

#[test]
fn the_same_content_again_changes_nothing() {
    let plan = plan(&[revision(1, "a"), revision(2, "b")], "b", 10);

    assert_eq!((plan.step, plan.number, plan.kept), (HistoryStep::Nothing, Some(2), 2));
}

#[test]
fn a_rollback_gives_the_old_revision_a_new_number() {
    let known = [revision(1, "a"), revision(2, "b")];

    let plan = plan(&known, "a", 10);

    assert_eq!((plan.number, plan.kept), (Some(3), 2));
    assert_eq!(plan.step, HistoryStep::Renumber("a.one-a".to_owned()));
    assert_eq!(plan.obsolete, names(&[]));
}

#[test]
fn the_oldest_beyond_the_limit_are_removed() {
    let known = [revision(1, "a"), revision(2, "b"), revision(3, "c")];

    assert_eq!(plan(&known, "d", 2).obsolete, names(&["a", "b"]));
    assert_eq!(plan(&known, "c", 2).obsolete, names(&["a"]));
    assert_eq!(plan(&known, "d", 4).obsolete, names(&[]));
}

#[test]
fn the_present_version_is_never_removed() {
    let known = [revision(1, "a"), revision(2, "b"), revision(3, "c")];

    let plan = plan(&known, "a", 1);

    assert_eq!(plan.step, HistoryStep::Renumber("a.one-a".to_owned()));
    assert_eq!((plan.obsolete, plan.kept), (names(&["b", "c"]), 1));
}

#[test]
fn a_limit_of_zero_keeps_nothing() {
    let plan = plan(&[revision(1, "a"), revision(2, "b")], "b", 0);

    let obsolete = names(&["a", "b"]);
    assert_eq!(plan, HistoryPlan { step: HistoryStep::Nothing, number: None, obsolete, kept: 0 });
}

#[test]
fn the_largest_number_does_not_overflow() {
    let plan = plan(&[revision(i64::MAX, "a")], "b", 10);

    assert_eq!(plan.number, Some(i64::MAX));
}

#[test]
fn names_are_names_of_objects() {
    let long = format!("{}.-{}", "a".repeat(LONGEST_NAME - HASH - 3), "b".repeat(20));

    for object in ["order.placed", &long, &"a".repeat(253)] {
        let name = name(object, "uid", "digest");

        assert!(name.len() <= LONGEST_NAME && !name.contains("--") && !name.contains(".-"), "{name}");
        assert!(name.starts_with(&object[..12]), "{name}");
    }
}

#[test]
fn names_differ_by_owner_and_content() {
    let first = name("a.one", "uid", "digest");

    assert_ne!(first, name("a.one", "other", "digest"));
    assert_ne!(first, name("a.one", "uid", "other"));
    assert_eq!(first, name("a.one", "uid", "digest"));
}

fn published(schema: &Value) -> Published {
    Published { schema: schema.to_string(), format_assertion: true }
}

fn compare(old: &Published, new: &Published, levels: &[Level]) -> Comparison {
    let pair = Pair { old: old.clone().into(), new: new.clone().into(), known: Vec::new() };
    worst(levels.iter().map(|level| (*level, pair.compare(*level))))
}

#[test]
fn the_worst_verdict_counts() {
    let (wide, narrow) = (json!({"type": ["integer", "string"]}), json!({"type": "integer"}));

    let comparison = compare(&published(&wide), &published(&narrow), &[Level::Strict, Level::Backward]);

    let expected = Comparison { result: ComparisonResult::Breaking, level: Some(Level::Backward) };
    assert_eq!(comparison, expected);
}

#[test]
fn without_a_level_nothing_is_compared() {
    let comparison = compare(&published(&json!({})), &published(&json!({"type": "null"})), &[]);

    assert_eq!(comparison, Comparison::without_level(ComparisonResult::NotCompared));
}

#[test]
fn a_safe_change_names_its_level() {
    let old = published(&json!({"type": "number"}));

    let comparison = compare(&old, &published(&json!({"type": "integer"})), &[Level::Strict]);

    assert_eq!(comparison, Comparison { result: ComparisonResult::Safe, level: Some(Level::Strict) });
}

#[test]
fn what_cannot_be_read_is_not_compared() {
    let odd = Published { schema: "{".to_owned(), format_assertion: true };

    let comparison = compare(&odd, &published(&json!({})), &[Level::Strict]);

    assert_eq!(comparison.result, ComparisonResult::NotCompared);
}
