//! What judging a payload may cost has a bound: beyond it less is reported, or nothing is judged.

use serde_json::{Value, json};
use svix_operator::schema::{Compiled, parse};

/// A hundred thousand objects, none of which has what ten keys ask for: jsonschema collects all violations before it
/// tells the first, which takes more than a hundred megabytes here.
fn hostile() -> Value {
    parse(format!(r#"{{"a":[{}{{}}]}}"#, "{},".repeat(100_000)).as_bytes()).unwrap()
}

fn items() -> Value {
    let names: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
    json!({"items": {"required": names}})
}

#[test]
fn a_million_violations_report_the_first_only() {
    let compiled = Compiled::new(&json!({"properties": {"a": items()}}), true).unwrap();
    let (reported, more) = compiled.violations(&hostile());
    assert_eq!((reported.len(), more), (2, 0), "{reported:?}");
    assert!(reported[0].message.starts_with("found no \"k"), "{reported:?}");
    assert!(reported[1].message.contains("too large a payload to say what else"), "{reported:?}");
}

#[test]
fn multiplying_alternatives_report_no_violations() {
    let alternatives = json!({"properties": {"a": {"anyOf": [items(), items()]}}});
    let (reported, _) = Compiled::new(&alternatives, true).unwrap().violations(&hostile());
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert!(reported[0].message.contains("too large to say where"), "{reported:?}");
}

#[test]
fn too_many_enum_comparisons_are_refused() {
    let numbers: Vec<f64> = (0..60_000).map(|i| f64::from(i) + 0.5).collect();
    let compiled = Compiled::new(&json!({"properties": {"a": {"items": {"enum": numbers}}}}), true).unwrap();
    let payload = parse(format!(r#"{{"a":[{}59999.5]}}"#, "59999.5,".repeat(8_000)).as_bytes()).unwrap();
    let (reported, _) = compiled.violations(&payload);
    assert!(reported[0].message.contains("all that the enums of this schema can judge"), "{reported:?}");
    let (reported, _) = compiled.violations(&json!({"a": [1]}));
    assert!(reported[0].message.starts_with("found 1, expected one of 0.5"), "{reported:?}");
}
