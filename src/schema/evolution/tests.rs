//! The decision on pairs of schemas.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

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

/// Runs a whole suite of containment pairs: `EVOLUTION_SUITE` is the folder of one draft.
#[test]
#[ignore = "needs the suite"]
fn the_containment_suite() {
    let folder = std::env::var("EVOLUTION_SUITE").unwrap();
    let draft = std::env::var("EVOLUTION_DRAFT").unwrap();
    let mut files = vec![std::path::PathBuf::from(folder)];
    let (mut right, mut wrong, mut open, mut refused, mut disputed) = (0, Vec::new(), Vec::new(), 0, 0);
    let mut slow = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for case in cases {
            let mut schemas = [case["schema1"].clone(), case["schema2"].clone()];
            for schema in &mut schemas {
                if let Value::Object(map) = schema {
                    map.entry("$schema").or_insert_with(|| draft.as_str().into());
                } else if let Value::Bool(all) = schema {
                    let text = draft.as_str();
                    *schema =
                        if *all { json!({ "$schema": text }) } else { json!({ "$schema": text, "not": {} }) };
                }
            }
            // Where formats and contents are asserted, the suite has them under `optional`.
            let text = path.to_string_lossy();
            let formats = text.contains("optional/format") || text.contains("optional/content");
            let versions = schemas.each_ref().map(|schema| Version::new(schema, formats));
            let [Ok(first), Ok(second)] = versions else {
                refused += 2;
                continue;
            };
            for (old, new, expected) in [
                (&second, &first, &case["tests"]["s1SubsetEqOfs2"]),
                (&first, &second, &case["tests"]["s2SubsetEqOfs1"]),
            ] {
                let Some(expected) = expected.as_bool() else { continue };
                let begin = std::time::Instant::now();
                let verdict = compare(old, new, Level::Strict);
                let name = format!(
                    "{} {} {}",
                    path.display(),
                    case["id"],
                    if std::ptr::eq(new, &first) { "1 in 2" } else { "2 in 1" }
                );
                if begin.elapsed().as_millis() > 100 {
                    slow.push(format!("{name} {:?}", begin.elapsed()));
                }
                match (&verdict, expected) {
                    (Verdict::Safe | Verdict::Empty, true) | (Verdict::Breaking(_), false) => right += 1,
                    (Verdict::NotDecided { places }, expected) => {
                        open.push(format!(
                            "{name} ({expected}) {places:?}\n  {}\n  {}",
                            new.schema, old.schema
                        ));
                    }
                    // The suite may be wrong; a payload that the validators tell apart is not.
                    (Verdict::Safe, false)
                        if new.schema.get("const").is_none_or(|it| !new.permits(it) || old.permits(it)) =>
                    {
                        disputed += 1;
                    }
                    (Verdict::Breaking(_), true) => disputed += 1,
                    (verdict, expected) => {
                        wrong.push(format!(
                            "{name} expected {expected}: {verdict:?}\n  {}\n  {}",
                            new.schema, old.schema
                        ));
                    }
                }
            }
        }
    }
    println!("WRONG\n{}\nOPEN\n{}\nSLOW\n{}", wrong.join("\n"), open.join("\n"), slow.join("\n"));
    println!(
        "right {right} wrong {} open {} refused {refused} disputed by our validators {disputed}",
        wrong.len(),
        open.len()
    );
}
