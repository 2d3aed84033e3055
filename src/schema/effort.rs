//! How much work judgements may be, in steps that are counted while they are made.
//!
//! A step is a visit of a value by a keyword, or some bytes of text; what a keyword does with a value beyond that counts as
//! so many steps as it takes. Since steps are counted, not time, every process judges a payload alike.

use std::cell::Cell;

/// Most steps of finding out whether payloads match.
pub const MAX_STEPS: u64 = 40_000_000;
/// Most steps of finding out what is wrong with a payload that does not match, and again of finding out the first.
pub(super) const MAX_FINDING_STEPS: u64 = MAX_STEPS / 4;
/// Steps of finding out what is wrong that find only few violations: they take about a megabyte.
pub(super) const FEW_FINDING_STEPS: u64 = 1_000_000;
/// Steps of a judgement that takes less than a millisecond.
const BRIEF_STEPS: u64 = 50_000;
/// Largest programs of all patterns of a schema together, in ranges of characters.
pub(super) const MAX_PATTERN_SIZE: usize = 1_000_000;
/// The same of one that takes less than ten milliseconds.
const SMALL_STEPS: u64 = 10 * BRIEF_STEPS;
/// Most bytes of a schema that is compiled in some milliseconds.
pub const SMALL_BYTES: usize = 128 * 1024;

/// The work of compiling a schema.
#[derive(Debug)]
struct Compiling {
    /// Most values of the schema.
    values: usize,
    /// Most bytes of it.
    bytes: usize,
    /// Most steps of finding out how the parts of the schema refer to each other.
    reference_steps: usize,
    /// Largest programs of all patterns together, in ranges of characters.
    pattern_size: usize,
}

/// A schema that takes more is too intricate.
const FULL: Compiling = Compiling {
    values: usize::MAX,
    bytes: usize::MAX,
    reference_steps: 5_000_000,
    pattern_size: MAX_PATTERN_SIZE,
};
/// About a millisecond.
const BRIEF: Compiling =
    Compiling { values: 1_000, bytes: 16 * 1024, reference_steps: 20_000, pattern_size: 2_000 };
/// Some milliseconds: all of GitHub's schemas.
const SMALL: Compiling =
    Compiling { values: 10_000, bytes: SMALL_BYTES, reference_steps: 200_000, pattern_size: 10_000 };

/// The work that judging may take: of all payloads of one request or object together.
///
/// # Guarantees
/// - Payloads that are judged in the same order with the same effort get the same verdicts in every process.
/// - With [`Effort::full`], judging takes less than a second of a processor, however many payloads there are. Reading them
///   is not counted.
/// - With [`Effort::brief`], judging takes about a millisecond, and so does compiling a schema. What comes of it is valid
///   unless [`Effort::is_exceeded`].
#[derive(Debug)]
pub struct Effort {
    judging: Cell<u64>,
    finding: Cell<u64>,
    compiling: &'static Compiling,
    is_exceeded: Cell<bool>,
}

impl Effort {
    /// As much as the payloads of one request or object may take.
    #[must_use]
    pub fn full() -> Self {
        Self::new(MAX_STEPS, FEW_FINDING_STEPS + 2 * MAX_FINDING_STEPS, &FULL)
    }

    /// As much as may be done on a thread that others wait for.
    #[must_use]
    pub fn brief() -> Self {
        Self::new(BRIEF_STEPS, BRIEF_STEPS, &BRIEF)
    }

    /// As much as may be done where others wait for some milliseconds: enough for most schemas and payloads.
    #[must_use]
    pub fn small() -> Self {
        Self::new(SMALL_STEPS, SMALL_STEPS, &SMALL)
    }

    /// So many steps of finding out whether payloads match, and as many of what is wrong with them. For measurements and tests.
    #[must_use]
    pub fn of(steps: u64) -> Self {
        Self::new(steps, steps, &FULL)
    }

    fn new(judging: u64, finding: u64, compiling: &'static Compiling) -> Self {
        let (judging, finding) = (Cell::new(judging), Cell::new(finding));
        Self { judging, finding, compiling, is_exceeded: Cell::new(false) }
    }

    /// Whether a judgement was given up, or a schema was not compiled, since that would have taken more.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    /// Whether a schema of so many bytes may be read and compiled. If not, the effort is exceeded.
    #[must_use]
    pub fn allows_schema(&self, bytes: usize) -> bool {
        let is_allowed = bytes <= self.compiling.bytes;
        if !is_allowed {
            self.exceed();
        }
        is_allowed
    }

    /// Most values of a schema.
    pub(super) fn schema_values(&self) -> usize {
        self.compiling.values
    }

    /// Most steps of finding out how the parts of a schema refer to each other.
    pub(super) fn reference_steps(&self) -> usize {
        self.compiling.reference_steps
    }

    /// Largest programs of all patterns of a schema together, in ranges of characters.
    pub(super) fn pattern_size(&self) -> usize {
        self.compiling.pattern_size
    }

    pub(super) fn exceed(&self) {
        self.is_exceeded.set(true);
    }

    /// Whether it is less than all that may be done.
    pub(super) fn is_brief(&self) -> bool {
        self.compiling.values < usize::MAX
    }

    /// The steps that are left for finding out whether a payload matches.
    pub(super) fn judging(&self) -> u64 {
        self.judging.get()
    }

    pub(super) fn spend_judging(&self, steps: u64) {
        self.judging.set(self.judging.get().saturating_sub(steps));
    }

    /// The steps that are left for finding out what is wrong with a payload, at most so many.
    pub(super) fn finding(&self, most: u64) -> u64 {
        self.finding.get().min(most)
    }

    pub(super) fn spend_finding(&self, steps: u64) {
        self.finding.set(self.finding.get().saturating_sub(steps));
    }
}
