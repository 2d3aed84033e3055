//! Comparing two versions of a schema: each event type of GitHub's webhooks with the release before.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use svix_operator::schema::evolution::{Level, Version, compare};

use crate::{support::octokit::releases, table::Table};

pub async fn run(table: &mut Table) {
    let Some(releases) = releases().await else { return };
    let mut times = Vec::new();
    let mut compile = Duration::ZERO;
    for pair in releases.windows(2) {
        for (name, new) in &pair[1].event_types {
            // What did not change is not compared.
            let Some(old) = pair[0].event_types.get(name).filter(|old| *old != new) else { continue };
            let begun = Instant::now();
            let [old, new] = [old, new].map(|schema| Version::new(schema, true).unwrap());
            compile += begun.elapsed();
            let begun = Instant::now();
            black_box(compare(&old, &new, Level::ConsumerSafe));
            times.push(begun.elapsed());
        }
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    let baseline = format!("compiling both takes {:.1?}", compile / u32::try_from(times.len()).unwrap_or(1));
    let what = |share: &str| format!("{} pairs of GitHub's schemas compared, {share}", times.len());
    table.add(&what("median"), format!("{:.1?}", at(50)), baseline.clone(), "5 ms".to_owned());
    table.add(&what("99th percentile"), format!("{:.1?}", at(99)), baseline, "50 ms".to_owned());
}
