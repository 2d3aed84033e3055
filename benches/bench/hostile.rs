//! The search for the pair of a schema and a payload that takes most of a processor, among 10,000 within the limits.

use std::time::Duration;

use svix_operator::schema::{Effort, MAX_STEPS};

use crate::{
    support::hostile::{Pair, search},
    table::Table,
};

/// Pairs that are judged.
const PAIRS: usize = 10_000;
/// Searches, each of which begins with other pairs, since one soon has variants of one pair only.
const SEARCHES: usize = 20;
/// The most expensive pairs of a search that are judged with all steps.
const CHECKED: usize = 2;
/// Steps of each in the search. What takes more is taken for what it would take in all steps.
const STEPS: u64 = MAX_STEPS / 20;

/// Milliseconds that judging takes, or would take.
fn cost(pair: &Pair) -> Option<f64> {
    let (findings, [_, _, judged]) = pair.judge(&Effort::of(STEPS))?;
    let times = if findings.is_given_up { 20.0 } else { 1.0 };
    Some(judged.as_secs_f64() * 1000.0 * times)
}

pub fn run(table: &mut Table) {
    let pairs = std::env::var("HOSTILE_PAIRS").ok().and_then(|it| it.parse().ok()).unwrap_or(PAIRS);
    let found =
        (0..SEARCHES).flat_map(|seed| search(seed as u64, pairs / SEARCHES, cost).into_iter().take(CHECKED));
    let mut worst = [Duration::ZERO; 3];
    for found in found {
        let pair = found.genes.pair();
        // The least of three: what the machine does meanwhile is not the pair's.
        let times = (0..3).filter_map(|_| pair.judge(&Effort::full()));
        let Some((findings, [compile, read, judge])) = times.min_by_key(|(_, [_, _, judge])| *judge) else {
            continue;
        };
        println!(
            "{judge:.0?} to judge ({:.0} ms expected, {} steps, given up: {}), {read:.0?} to read, {compile:.0?} to compile: {:?}",
            found.cost, findings.steps, findings.is_given_up, found.genes
        );
        worst = [worst[0].max(compile), worst[1].max(read), worst[2].max(judge)];
    }
    table.add(
        &format!("the worst of {pairs} hostile pairs of schema and payload, judged"),
        format!("{:.0?}", worst[2]),
        format!("read in {:.0?}, compiled in {:.0?}", worst[1], worst[0]),
        "1 s".to_owned(),
    );
}
