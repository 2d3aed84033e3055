//! How much work a judgement may be, in steps that are counted while it is made.
//!
//! A step is a visit of a value by a keyword, or some bytes of text; what a keyword does with a value beyond that counts as
//! so many steps as it takes. Since steps are counted, not time, every process judges a payload alike.

/// Most steps of finding out whether a payload matches.
pub(super) const MAX_STEPS: u64 = 40_000_000;
/// Most steps of finding out what is wrong with a payload that does not match, and again of finding out the first.
pub(super) const MAX_FINDING_STEPS: u64 = MAX_STEPS / 4;
/// Steps of finding out what is wrong that find only few violations: they take about a megabyte.
pub(super) const FEW_FINDING_STEPS: u64 = 1_000_000;
