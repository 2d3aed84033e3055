//! Random pairs of schemas, and payloads that were made independently of the solver.
//!
//! `PROPTEST_CASES=100000 cargo test --lib evolution::tests::random` looks longer.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any},
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::Value;

use super::{
    canonical, name,
    opened::opened,
    payloads::payload,
    sample::{Choices, Draft, schema},
};
use crate::schema::evolution::{Level, Verdict, Version, compare};

/// Payloads of a pair.
const PAYLOADS: u64 = 60;

/// A pair of schemas: the second is made by the same choices, but for a few.
fn pair(bytes: &[u8], edits: &[(u8, u8)], is_newest: bool) -> [Value; 2] {
    let draft = if is_newest { Draft::Newest } else { Draft::Seven };
    let mut other = bytes.to_vec();
    for (place, byte) in edits {
        let length = other.len();
        if let Some(at) = other.get_mut(usize::from(*place) % length.max(1)) {
            *at = *byte;
        }
    }
    [bytes, &other].map(|bytes| schema(&mut Choices::Bytes(bytes.iter()), draft))
}

/// Finds what is wrong with a verdict.
fn fault(schemas: &[Value; 2], level: Level, verdict: &Verdict, payloads: &[Value]) -> Option<String> {
    let [old, new] = schemas.each_ref().map(|schema| Version::new(schema, true).unwrap());
    let opened = opened(&schemas[0]);
    let opened = opened.as_ref().and_then(|opened| Version::new(opened, true).ok());
    let breaks = |payload: &Value| match level {
        Level::Backward => old.permits(payload) && !new.permits(payload),
        Level::Strict => new.permits(payload) && !old.permits(payload),
        _ => new.permits(payload) && opened.as_ref().is_some_and(|opened| !opened.permits(payload)),
    };
    match verdict {
        Verdict::Safe => payloads.iter().find(|it| breaks(it)).map(|it| format!("safe, but {it} breaks")),
        Verdict::Empty => {
            payloads.iter().find(|it| new.permits(it)).map(|it| format!("empty, but {it} matches"))
        }
        Verdict::Breaking(breaking) => {
            let witness = &breaking.witness;
            let is_opened = level == Level::ConsumerSafe && opened.is_none();
            let holds =
                if is_opened { new.permits(witness) && !old.permits(witness) } else { breaks(witness) };
            (!holds).then(|| format!("breaking, but {witness} does not break"))
        }
        Verdict::NotDecided { .. } => None,
    }
}

#[test]
fn no_payload_contradicts_a_verdict() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let config = ProptestConfig {
        cases,
        max_global_rejects: u32::MAX,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let counts: RefCell<BTreeMap<&str, u64>> = RefCell::default();
    let strategy = (vec(any::<u8>(), 1..120), vec(any::<(u8, u8)>(), 0..5), any::<bool>(), any::<u64>());

    let result = TestRunner::new(config).run(&strategy, |(bytes, edits, is_newest, seed)| {
        let schemas = pair(&bytes, &edits, is_newest);
        let versions = schemas.each_ref().map(|schema| Version::new(schema, true));
        let [Ok(old), Ok(new)] = versions else { return Err(TestCaseError::reject("not usable")) };
        if let Some(path) = std::env::var_os("EVOLUTION_TRACE") {
            std::fs::write(path, format!("{}\n{}", schemas[0], schemas[1])).unwrap();
        }
        let mut choices = Choices::Seed(seed);
        let payloads: Vec<_> =
            (0..PAYLOADS).map(|index| payload(&mut choices, &schemas[usize::from(index % 2 == 0)])).collect();
        for level in [Level::Strict, Level::ConsumerSafe, Level::Backward] {
            let verdict = compare(&old, &new, level);
            *counts.borrow_mut().entry(name(&verdict)).or_default() += 1;
            if let Verdict::NotDecided { .. } = verdict
                && std::env::var_os("EVOLUTION_SHOW").is_some()
            {
                println!("{level} {verdict:?}\n  {}\n  {}", schemas[0], schemas[1]);
            }
            if let Some(fault) = fault(&schemas, level, &verdict, &payloads) {
                return Err(TestCaseError::fail(format!("{level}: {fault}\n{}\n{}", schemas[0], schemas[1])));
            }
        }
        // Formats are annotations here: the other implementation does not know that no UUID is shorter than three characters.
        // It computes with floats where ours computes with decimals, and takes more stack than a thread has for some references
        // to the root.
        let text = format!("{}{}", schemas[0], schemas[1]);
        if !text.contains("e+") && !text.contains("\"#\"") {
            let versions = schemas.each_ref().map(|schema| Version::new(schema, false));
            let [Ok(old), Ok(new)] = versions else { return Err(TestCaseError::reject("not usable")) };
            if let Some(fault) =
                canonical::contradiction(&schemas, false, &compare(&old, &new, Level::Strict))
            {
                return Err(TestCaseError::fail(format!("{fault}\n{}\n{}", schemas[0], schemas[1])));
            }
        }
        Ok(())
    });

    println!("{:?}", counts.borrow());
    if let Err(error) = result {
        panic!("{error}");
    }
}
