//! The decision on pairs of schemas.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::schema::Effort;

mod canonical;
mod containment;
mod cost;
mod hostile;
mod hostile_patterns;
mod opened;
mod payloads;
mod random;
mod sample;

/// The pairs, each with its verdicts.
const PAIRS: &str = include_str!("../../../tests/it/data/evolution-pairs.json");

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Safe => "safe",
        Verdict::Breaking(_) => "breaking",
        Verdict::NotDecided { .. } => "not decided",
        Verdict::Empty => "empty",
    }
}

/// The two schemas of a pair, and whether formats are enforced.
fn schemas_of(pair: &Value) -> ([Value; 2], bool) {
    let mut schemas = [pair["old"].clone(), pair["new"].clone()];
    if pair["draft"] == json!(2020) {
        for schema in &mut schemas {
            schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        }
    }
    (schemas, pair["formats"] == json!("asserted"))
}

#[test]
fn brief_work_is_enough_for_small_pairs_and_decides_alike() {
    let pairs: Vec<Value> = serde_json::from_str(PAIRS).unwrap();

    for pair in &pairs {
        let (schemas, asserted) = schemas_of(pair);
        let effort = Effort::small();
        let [old, new] =
            schemas.each_ref().map(|schema| Version::new_within(schema, asserted, &effort).unwrap());
        for level in [Level::Strict, Level::ConsumerSafe, Level::Backward, Level::Full] {
            let brief = compare_within(&old, &new, level, Work::Brief);

            assert_eq!(brief, Some(compare(&old, &new, level)), "{} {level}", pair["id"]);
        }
    }
}

#[test]
fn every_pair_is_decided_as_it_should_be() {
    let pairs: Vec<Value> = serde_json::from_str(PAIRS).unwrap();
    let mut wrong = Vec::new();

    for pair in &pairs {
        let (schemas, asserted) = schemas_of(pair);
        let [old, new] = schemas.each_ref().map(|schema| Version::new(schema, asserted).unwrap());
        for (level, expected) in [
            (Level::Strict, &pair["expected"]["closed"]),
            (Level::ConsumerSafe, &pair["expected"]["open"]),
            (Level::Backward, &pair["backward"]),
        ] {
            let verdict = compare(&old, &new, level);
            if name(&verdict) != expected {
                wrong.push(format!("{} {level}: {verdict:?}, expected {expected}", pair["id"]));
            }
        }
    }

    assert_eq!(pairs.len(), 64);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
