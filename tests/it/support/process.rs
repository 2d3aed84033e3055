//! What a process costs, as the kernel counts it.

/// What attacks on the webhook or the gateway may take, in MiB: less than the limit in the chart, which has room for both in one
/// process.
pub const LIMIT_OF_SIDECARS: u64 = 192;
/// The memory limit of the operator in the chart, in MiB.
pub const LIMIT_OF_OPERATOR: u64 = 256;

/// Returns the most resident memory that a process had so far, in MiB.
pub fn peak_mib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:") / 1024
}

/// Returns the resident memory of a process that is not backed by files, in KiB.
pub fn heap_kib(pid: u32) -> usize {
    status_kib(pid, "RssAnon:").try_into().unwrap()
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process to run");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Returns the settings of glibc's allocator that the image has, as variables of the environment.
pub fn image_environment() -> Vec<(&'static str, &'static str)> {
    let dockerfile = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile"));
    let lines = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV "));
    let settings: Vec<_> =
        lines.flat_map(|line| line.split(' ').filter_map(|it| it.split_once('='))).collect();
    assert!(settings.iter().any(|(name, _)| *name == "MALLOC_ARENA_MAX"), "{settings:?}");
    settings.into_iter().filter(|(name, _)| name.starts_with("MALLOC_")).collect()
}
