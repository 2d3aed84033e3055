//! What a process costs, as the kernel counts it.

use std::time::Duration;

/// Clock ticks a second in /proc, on every Linux there is.
const TICKS: u64 = 100;

/// Resident memory now, and the most there was, in KiB; `None`: the process has ended.
pub fn memory(pid: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((value("VmRSS:")?, value("VmHWM:")?))
}

/// CPU time so far, in user and kernel.
pub fn cpu(pid: u32) -> Duration {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Duration::ZERO };
    // The name in parentheses may hold anything.
    let rest = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Has the peak of a process' memory begin again.
pub fn forget_peak(pid: u32) {
    // Where the kernel does not permit it, the peak is that since the start.
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

pub fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}
