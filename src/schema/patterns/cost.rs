//! What the patterns of a schema cost: in memory, by the size of the programs that they become, and in time, by the
//! states that each byte of text may meet.
//!
//! The regex engine is linear in the text, but a pattern such as `a[ab]{5000}c` has five thousand states, all of which
//! a hostile text keeps busy, and `\p{L}{100}` becomes a program of megabytes.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::schema::error::InvalidSchema;

/// Longest translation of one pattern, in bytes.
const MAX_LENGTH: usize = 1024 * 1024;

/// What one pattern costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// The size of its program.
    size: usize,
    /// The states that one character may meet.
    states: usize,
}

impl Cost {
    /// Adds what a translated pattern costs and returns that, or says that the patterns up to it take too much
    /// memory. `max_size`: the largest programs of all patterns together, in ranges of characters.
    pub fn add(&mut self, translation: &str, pointer: &str, max_size: usize) -> Result<Self, InvalidSchema> {
        let mut own = Self::default();
        // Reading a long one would take much memory by itself.
        if translation.len() <= MAX_LENGTH {
            own = cost(translation);
            *self = self.plus(own);
        }
        if self.size > max_size || translation.len() > MAX_LENGTH {
            return Err(too_large(pointer));
        }
        Ok(own)
    }

    /// The states that one character may meet.
    pub fn states(self) -> usize {
        self.states
    }

    /// The memory that the program takes, in bytes, about, as measured with patterns of many kinds.
    pub fn memory(self) -> usize {
        const PROGRAM: usize = 12 * 1024;
        const RANGE: usize = 64;
        PROGRAM.saturating_add(self.size.saturating_mul(RANGE))
    }

    fn plus(self, other: Self) -> Self {
        Self { size: self.size.saturating_add(other.size), states: self.states.saturating_add(other.states) }
    }

    fn times(self, factor: usize) -> Self {
        Self { size: self.size.saturating_mul(factor), states: self.states.saturating_mul(factor) }
    }
}

/// The error of the pattern at which all of them take too much memory.
pub(super) fn too_large(pointer: &str) -> InvalidSchema {
    InvalidSchema::Limit {
        pointer: pointer.to_owned(),
        message: "the patterns up to this one become too large; repeat less, name fewer characters than \\p{…} does, or use \
                  fewer different patterns"
            .to_owned(),
    }
}

/// The states that one character may meet, of a pattern that compiles.
pub(super) fn states(translation: &str) -> usize {
    cost(translation).states
}

fn cost(translation: &str) -> Cost {
    // What does not parse will not compile either, and says so there.
    regex_syntax::parse(translation).map(|hir| of(&hir)).unwrap_or_default()
}

/// The nesting of a pattern is bounded by its parser.
fn of(hir: &Hir) -> Cost {
    match hir.kind() {
        HirKind::Empty => Cost::default(),
        HirKind::Look(_) => Cost { size: 1, states: 1 },
        HirKind::Literal(literal) => Cost { size: literal.0.len(), states: literal.0.len() },
        HirKind::Class(class) => {
            // A range of characters beyond ASCII becomes several ranges of bytes.
            let size = match class {
                Class::Unicode(class) if class.is_ascii() => class.ranges().len(),
                Class::Unicode(class) => class.ranges().len().saturating_mul(4),
                Class::Bytes(class) => class.ranges().len(),
            };
            Cost { size, states: 1 }
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            of(&repetition.sub).times(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(of).fold(Cost::default(), Cost::plus)
        }
    }
}
