//! How much work a judgement may be, in steps that are counted while it is made.
//!
//! A step is a visit of a value by a keyword, or some bytes of text; what a keyword does with a value beyond that counts as
//! so many steps as it takes. A step takes at most some 20 ns on a machine of 2026, and a tenth of it in most schemas. Since
//! steps are counted, not time, every process judges a payload alike.

/// The steps of a judgement that is not given up.
pub(super) const MAX_STEPS: u64 = 40_000_000;
/// The steps of finding what is wrong with a payload, and of finding the first of that.
const FINDING: u64 = 4;

/// How much work a judgement may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A fraction of a millisecond.
    Quick,
    /// Some milliseconds.
    Moderate,
    /// All that a payload may be: a payload that is more work is refused.
    Full,
}

impl Effort {
    /// The steps of finding out whether a payload matches.
    pub(super) fn steps(self) -> u64 {
        match self {
            Self::Quick => MAX_STEPS / 1_000,
            Self::Moderate => MAX_STEPS / 50,
            Self::Full => MAX_STEPS,
        }
    }

    /// The steps of finding out what is wrong with it.
    pub(super) fn finding_steps(self) -> u64 {
        match self {
            Self::Full => MAX_STEPS / FINDING,
            other => other.steps(),
        }
    }
}
