//! Measures what docs/performance.md reports; `cargo bench` prints a table at the end.
//!
//! Each figure stands beside a baseline that is measured in the same run, since machines differ and drift. With
//! `SVIX_SERVER_URL` and `SVIX_TOKEN` the first part runs against that server in place of the embedded one.
//! `cargo bench -- converge` runs one part; the parts are `converge`, `cluster`, `validate`, `hostile`, `gateway`,
//! `admission`, `changes`, `evolution`, `memory` and `attacks`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code)]

#[path = "../../tests/it/support/mod.rs"]
mod support;

mod admission;
mod attacks;
mod changes;
mod cluster;
mod converge;
mod evolution;
mod gateway;
mod hostile;
mod memory;
mod process;
mod table;
mod validate;

use table::Table;

/// Tasks at once, in the engine and in every baseline.
const CONCURRENCY: usize = 32;
/// Latency of the embedded Svix, where nothing else is stated.
const LATENCY: std::time::Duration = std::time::Duration::from_millis(3);

fn main() {
    // Cargo adds `--bench`; what does not begin with a dash names parts.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let [hold, how] = &wanted[..]
        && hold == "hold"
    {
        return validate::hold(how);
    }
    let runs = |part: &str| wanted.is_empty() || wanted.iter().any(|name| part.contains(name.as_str()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut table = Table::default();
    runtime.block_on(async {
        if runs("converge") {
            converge::run(&mut table).await;
        }
        if runs("cluster") {
            cluster::run(&mut table).await;
        }
        if runs("validate") {
            validate::run(&mut table);
        }
        if runs("hostile") {
            hostile::run(&mut table);
        }
        if runs("gateway") {
            gateway::run(&mut table).await;
        }
        if runs("admission") {
            admission::run(&mut table).await;
        }
        if runs("changes") {
            changes::run(&mut table).await;
        }
        if runs("evolution") {
            evolution::run(&mut table).await;
        }
        if runs("memory") {
            memory::run(&mut table).await;
        }
        if runs("attacks") {
            attacks::run(&mut table).await;
        }
    });
    table.print();
}
