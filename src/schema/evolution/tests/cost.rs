//! What a comparison takes, and parts of schemas.

use serde_json::{Map, Value};

use super::name;
use crate::schema::evolution::{Counts, Level, Version, Work, compare_counted, not_compared, with_stack};

/// More steps than any comparison of one level may take.
pub(super) const MAX_STEPS: u64 = 6_000_000;
/// More bytes than any comparison may take at once, the compiled versions included.
pub(super) const MAX_BYTES: u64 = 42 * 1024 * 1024;
/// More allocations than any comparison may take.
pub(super) const MAX_ALLOCATIONS: u64 = 5_000_000;

/// What a comparison took, with the compilation of both versions.
pub(super) struct Cost {
    pub verdict: &'static str,
    pub steps: u64,
    pub bytes: u64,
    pub allocations: u64,
}

pub(super) fn cost(old: &Value, new: &Value, level: Level) -> Cost {
    // Allocations are counted for each thread.
    let measured = with_stack(|| {
        let mut result = (Some(not_compared()), Counts::default());
        let allocated = allocation_counter::measure(|| {
            let new = Version::new(new, true).unwrap();
            if new.is_too_large() {
                return;
            }
            let old = Version::new(old, true).unwrap();
            if !old.is_too_large() {
                result = compare_counted(&old, &new, level, Work::Full);
            }
        });
        (allocated, result)
    });
    let (allocated, (verdict, counts)) = measured.unwrap();
    Cost {
        verdict: name(&verdict.unwrap()),
        steps: counts.steps,
        bytes: allocated.bytes_max,
        allocations: allocated.count_total,
    }
}

pub(super) fn texts(count: usize, prefix: &str) -> Vec<Value> {
    (0..count).map(|index| format!("{prefix}{index}").into()).collect()
}

pub(super) fn objects(count: usize, make: impl Fn(usize) -> Value) -> Value {
    (0..count).map(make).collect()
}

pub(super) fn members(count: usize, prefix: &str, schema: &Value) -> Map<String, Value> {
    (0..count).map(|index| (format!("{prefix}{index}"), schema.clone())).collect()
}
