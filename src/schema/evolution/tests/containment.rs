//! Pairs of schemas of which it is known whether one contains the other: github.com/sdbs-uni-p/json-schema-containment-testsuite.
//!
//! Where a verdict is not the suite's, payloads decide: each is judged by the validators of both schemas.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{canonical, name, payloads::payload, sample::Choices};
use crate::schema::evolution::{Level, Verdict, Version, compare};

/// Pairs of all files of the suite for Draft 7 and 2020-12 whose verdicts are not in dispute.
const SAMPLE: &str = include_str!("../../../../tests/it/data/containment-sample.json");

/// Payloads that are made for a verdict that is not the suite's.
const PAYLOADS: u64 = 5_000;

/// Returns a schema that names its draft.
fn of_draft(schema: &Value, draft: &str) -> Value {
    match schema {
        Value::Bool(true) => json!({ "$schema": draft }),
        Value::Bool(false) => json!({ "$schema": draft, "not": {} }),
        schema => {
            let mut schema = schema.clone();
            if let Value::Object(map) = &mut schema {
                map.entry("$schema").or_insert_with(|| draft.into());
            }
            schema
        }
    }
}

/// Finds a payload that the new schema permits and the old one refuses, without the solver.
fn counterexample(schemas: &[Value; 2], versions: [&Version<'_>; 2], others: &[Value]) -> Option<Value> {
    let [old, new] = versions;
    let breaks = |it: &Value| new.permits(it) && !old.permits(it);
    let mut choices = Choices::Seed(7);
    let known = others.iter().find(|it| breaks(it)).cloned();
    known.or_else(|| {
        (0..PAYLOADS).map(|index| payload(&mut choices, &schemas[usize::from(index % 2 == 0)])).find(breaks)
    })
}

/// Adds the constants of a schema: in the suite, these are the payloads that it was made from.
fn constants(schema: &Value, found: &mut Vec<Value>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("const").cloned());
            map.values().for_each(|inner| constants(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| constants(inner, found)),
        _ => {}
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Whether formats and contents are enforced: the suite has their files under `optional`.
fn asserts_formats(file: &str) -> bool {
    file.contains("optional/format") || file.contains("optional/content")
}

#[test]
fn a_sample_is_decided_as_the_suite_says() {
    let cases: Vec<Value> = serde_json::from_str(SAMPLE).unwrap();
    let mut wrong = Vec::new();

    for case in &cases {
        let draft = case["draft"].as_str().unwrap();
        let formats = asserts_formats(case["file"].as_str().unwrap());
        let schemas = [&case["schema1"], &case["schema2"]].map(|schema| of_draft(schema, draft));
        let versions = schemas.each_ref().map(|schema| Version::new(schema, formats).unwrap());
        for (old, new, key) in [(1, 0, "s1SubsetEqOfs2"), (0, 1, "s2SubsetEqOfs1")] {
            let Some(expected) = case["tests"][key].as_bool() else { continue };
            let verdict = compare(&versions[old], &versions[new], Level::Strict);
            let found = match &verdict {
                Verdict::Safe | Verdict::Empty => Some(true),
                Verdict::Breaking(_) => Some(false),
                Verdict::NotDecided { .. } => None,
            };
            if found != Some(expected) {
                wrong.push(format!("{} {} {}: {verdict:?}", case["file"], case["id"], key));
            }
        }
    }

    assert!(cases.len() > 200);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Compares with a whole suite: `EVOLUTION_SUITE` is the folder of one draft, `EVOLUTION_DRAFT` its address.
#[test]
#[ignore = "needs the suite"]
fn the_whole_suite() {
    let folder = PathBuf::from(std::env::var("EVOLUTION_SUITE").unwrap());
    let draft = std::env::var("EVOLUTION_DRAFT").unwrap();
    let mut payloads: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut cases = Vec::new();
    for path in files(&folder) {
        let text = std::fs::read_to_string(&path).unwrap();
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        let path = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let (_, file) = path.split_once('/').unwrap();
        let known = payloads.entry(file.to_owned()).or_default();
        all.iter().for_each(|case| constants(case, known));
        cases.extend(all.into_iter().map(|case| (path.clone(), case)));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut canonical_counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, case) in &cases {
        let formats = asserts_formats(path);
        let schemas = [&case["schema1"], &case["schema2"]].map(|schema| of_draft(schema, &draft));
        for (old, new, key) in [(1, 0, "s1SubsetEqOfs2"), (0, 1, "s2SubsetEqOfs1")] {
            let Some(expected) = case["tests"][key].as_bool() else { continue };
            let pair = [schemas[old].clone(), schemas[new].clone()];
            let [Ok(old), Ok(new)] = pair.each_ref().map(|schema| Version::new(schema, formats)) else {
                *counts.entry("refused as schemas").or_default() += 1;
                let reasons = pair
                    .each_ref()
                    .map(|schema| Version::new(schema, formats).err().map(|it| it.to_string()));
                println!("refused as schemas: {path} {} {reasons:?}", case["id"]);
                continue;
            };
            let verdict = compare(&old, &new, Level::Strict);
            let is_as_expected = match verdict {
                Verdict::Safe | Verdict::Empty => Some(expected),
                Verdict::Breaking(_) => Some(!expected),
                Verdict::NotDecided { .. } => None,
            };
            let (_, file) = path.split_once('/').unwrap();
            let found = || counterexample(&pair, [&old, &new], &payloads[file]);
            let outcome = match (is_as_expected, &verdict) {
                (Some(true), _) => "as the suite",
                (None, _) => "not decided",
                (_, Verdict::Breaking(breaking))
                    if new.permits(&breaking.witness) && !old.permits(&breaking.witness) =>
                {
                    "breaking, not as the suite, with a payload"
                }
                (_, Verdict::Breaking(_)) => "WRONG: breaking",
                _ if found().is_some() => "WRONG: safe",
                _ => "safe, not as the suite",
            };
            *counts.entry(outcome).or_default() += 1;
            let canonical_says = match canonical::covers(&pair, formats) {
                Some(covers) if covers == expected => "as the suite",
                Some(_) => "not as the suite",
                None => "not decided",
            };
            *canonical_counts.entry(canonical_says).or_default() += 1;
            if let Some(fault) = canonical::contradiction(&pair, formats, &verdict) {
                println!("CONTRADICTION {path} {} {key}: {fault}", case["id"]);
            }
            if outcome != "as the suite" {
                let witness = match &verdict {
                    Verdict::Breaking(breaking) => breaking.witness.to_string(),
                    Verdict::NotDecided { places } => format!("{places:?}"),
                    _ => format!("{:?}", found()),
                };
                println!(
                    "{outcome}: {path} {} {key} {expected} {} {witness}\n  new {}\n  old {}",
                    case["id"],
                    name(&verdict),
                    pair[1],
                    pair[0]
                );
            }
        }
    }
    println!("ours: {counts:?}\ncanonical: {canonical_counts:?}");
}
