//! The payloads and schemas of the attacks.

use crate::support::hostile;
use serde_json::{Value, json};

/// A payload of about a megabyte whose tree would take a hundred.
pub fn beyond_the_weight() -> String {
    format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 148_000].join(","))
}

/// A payload that takes nearly as much memory as one may.
pub fn largest() -> String {
    format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 45_000].join(","))
}

/// Pairs of a schema and a payload within all limits, each of which took 15 to 26 seconds of a processor before work was
/// counted.
pub fn much_work() -> [(&'static str, Value, String); 5] {
    let media: Vec<_> = (0..4_900).map(|_| json!({"contentMediaType": "application/json"})).collect();
    let text = format!("[{}1]", "1,".repeat(199_999));
    let numbers: Vec<usize> = (0..150_000).map(|i| i * 7).collect();
    let not: Vec<_> = (0..4_898).map(|i| json!({"not": {"const": i}})).collect();
    let of_property = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
    let mut unique = of_property(json!({"$ref": "#/definitions/d14"}));
    unique["definitions"] = hostile::doubling(14, &json!({"uniqueItems": true})).into();
    [
        ("a.media", of_property(json!({"allOf": media})), json!({"a": text}).to_string()),
        ("a.unique", unique, json!({"a": numbers}).to_string()),
        (
            "a.pattern",
            of_property(json!({"pattern": "a[ab]{2000}c|d$"})),
            json!({"a": hostile::bits(900_000)}).to_string(),
        ),
        (
            "a.not",
            of_property(json!({"items": {"allOf": not}})),
            format!("{{\"a\":[{}-9]}}", "-9,".repeat(299_999)),
        ),
        (
            "a.regex",
            of_property(json!({"format": "regex"})),
            json!({"a": r"(a)".to_owned() + &r"\1".repeat(300_000)}).to_string(),
        ),
    ]
}
