//! The decision on pairs of schemas.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;

mod canonical;
mod containment;
mod hostile;
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

#[test]
fn every_pair_is_decided_as_it_should_be() {
    let pairs: Vec<Value> = serde_json::from_str(PAIRS).unwrap();
    let mut wrong = Vec::new();

    for pair in &pairs {
        let mut schemas = [pair["old"].clone(), pair["new"].clone()];
        if pair["draft"] == json!(2020) {
            for schema in &mut schemas {
                schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            }
        }
        let asserted = pair["formats"] == json!("asserted");
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
