//! The attacks of docs/security.md on each process at the memory limit of the chart: the peak of its memory, its CPU time,
//! and what others notice meanwhile.
//!
//! Each process runs in a memory cgroup where the machine permits one to be created: beyond the limit, the kernel ends
//! it, as in a cluster. It has the settings of glibc's allocator that the image has; `dev`, which people run without it, has none. Others are a second tenant or caller, who asks for something small ten times a second.

mod dev;
mod gateway;
mod limit;
mod operator;
mod payloads;
mod webhook;

use std::time::{Duration, Instant};

use futures::FutureExt as _;

use crate::{
    process::{self, cpu, memory, mib},
    table::Table,
};

/// Pause between two requests of the others.
const PAUSE: Duration = Duration::from_millis(100);

pub async fn run(table: &mut Table) {
    gateway::run(table).await;
    dev::run(table).await;
    webhook::run(table).await;
    operator::run(table).await;
}

/// What an attack is compared with.
struct Bounds {
    /// The memory limit of the process; `None`: the chart has none for it.
    limit_mib: Option<u64>,
    /// Time after which the others have what they asked for.
    others: Duration,
}

/// Runs an attack on a process, while others ask for something small, and adds a row to the table. `before`: what the same
/// attack did before there were bounds, as it was reported then. The attack returns what became of it.
async fn measure(
    table: &mut Table,
    (name, before): (&str, &str),
    pid: u32,
    Bounds { limit_mib, others }: Bounds,
    attack: impl Future<Output = String>,
    mut ask: impl AsyncFnMut() -> bool,
) {
    process::forget_peak(pid);
    let spent = cpu(pid);
    let begun = Instant::now();
    let (mut worst, mut asked, mut refused) = (Duration::ZERO, 0, 0);
    let mut attack = Box::pin(attack.fuse());
    let mut asking = async |worst: &mut Duration, asked: &mut u32, refused: &mut u32| {
        let begun = Instant::now();
        let is_answered = ask().await;
        *worst = (*worst).max(begun.elapsed());
        *asked += 1;
        *refused += u32::from(!is_answered);
    };
    let outcome = {
        let rounds = async {
            loop {
                asking(&mut worst, &mut asked, &mut refused).await;
                tokio::time::sleep(PAUSE).await;
            }
        };
        futures::pin_mut!(rounds);
        futures::select! {
            outcome = attack => outcome,
            () = rounds.fuse() => unreachable!("it never ends"),
        }
    };
    // A request that was in progress when the attack ended counts for nothing, so one more.
    asking(&mut worst, &mut asked, &mut refused).await;
    let took = begun.elapsed();
    let Some((_, peak)) = memory(pid) else {
        table.add(name, "the process ended".to_owned(), before.to_owned(), String::new());
        return;
    };
    let spent = cpu(pid).saturating_sub(spent);
    let limit = limit_mib.map(|limit| format!("{limit} MiB; ")).unwrap_or_default();
    table.add(
        name,
        format!(
            "{}; {:.1} s CPU in {:.1} s; others: {:.0} ms at most, {refused} of {asked} not answered; {outcome}",
            mib(peak),
            spent.as_secs_f64(),
            took.as_secs_f64(),
            worst.as_secs_f64() * 1e3,
        ),
        before.to_owned(),
        format!("{limit}others {} s", others.as_secs_f64()),
    );
}

/// Counts equal outcomes: `200 × 3, 422 × 1`.
fn counted<T: std::fmt::Debug + Ord>(outcomes: impl IntoIterator<Item = T>) -> String {
    let mut counts = std::collections::BTreeMap::<T, usize>::new();
    for outcome in outcomes {
        *counts.entry(outcome).or_default() += 1;
    }
    counts.iter().map(|(outcome, count)| format!("{outcome:?} × {count}")).collect::<Vec<_>>().join(", ")
}
