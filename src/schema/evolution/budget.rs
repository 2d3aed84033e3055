//! Counts the work of a comparison, so that it ends whatever the schemas are.

use std::{cell::Cell, rc::Rc};

/// How much work a comparison may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Some milliseconds. That is enough for most pairs of schemas, and it never changes a verdict: what takes more has
    /// none.
    Brief,
    /// As much as any pair may take.
    Full,
}

/// Most steps of one budget of a brief comparison.
const BRIEF_STEPS: u64 = 120_000;
/// Most steps of the validators that judge the payloads of one comparison, all together: references can make each judgement
/// expensive, and some comparisons try hundreds of payloads.
pub(super) const JUDGING_STEPS: u64 = 10_000_000;
/// The same of a brief one.
const BRIEF_JUDGING_STEPS: u64 = 500_000;
/// Most bytes that one comparison keeps at once: the programs of patterns of both versions, and what it knows of questions,
/// values, patterns, and cases that are not decided. The two schemas as nodes, and what a single operation needs, are bounded
/// apart.
const KEPT_BYTES: u64 = 20 * 1024 * 1024;
/// The same of a brief one.
const BRIEF_KEPT_BYTES: u64 = 4 * 1024 * 1024;

/// The budgets of one comparison.
#[derive(Clone, Debug)]
pub(super) struct Budgets {
    work: Work,
    is_exceeded: Rc<Cell<bool>>,
    /// The bytes that are left to all budgets together.
    bytes: Rc<Cell<u64>>,
}

impl Budgets {
    /// Returns the budgets of a comparison whose versions take so many bytes beside their text.
    pub fn of(work: Work, versions: u64) -> Self {
        let bytes = match work {
            Work::Brief => BRIEF_KEPT_BYTES,
            Work::Full => KEPT_BYTES,
        };
        Self { work, is_exceeded: Rc::default(), bytes: Rc::new(Cell::new(bytes.saturating_sub(versions))) }
    }

    /// Returns a budget of so many steps, of fewer where the work is to be brief.
    pub fn budget(&self, steps: u64) -> Budget {
        let steps = match self.work {
            Work::Brief => steps.min(BRIEF_STEPS),
            Work::Full => steps,
        };
        self.of_steps(steps)
    }

    fn of_steps(&self, steps: u64) -> Budget {
        let (is_any_exceeded, bytes) = (Rc::clone(&self.is_exceeded), Rc::clone(&self.bytes));
        Budget { is_any_exceeded, bytes, ..Budget::of(steps) }
    }

    /// Returns the budget of the validators.
    pub fn judging(&self) -> Budget {
        let steps = match self.work {
            Work::Brief => BRIEF_JUDGING_STEPS,
            Work::Full => JUDGING_STEPS,
        };
        self.of_steps(steps)
    }

    /// Whether a brief comparison was given up in some part, so that its verdict does not count.
    pub fn are_too_small(&self) -> bool {
        self.work == Work::Brief && self.is_exceeded.get()
    }
}

/// Steps that are left.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    left: u64,
    is_exceeded: bool,
    /// Whether any budget of the same comparison was exceeded.
    is_any_exceeded: Rc<Cell<bool>>,
    /// The bytes that are left to all budgets of the same comparison.
    bytes: Rc<Cell<u64>>,
}

impl Budget {
    pub fn of(steps: u64) -> Self {
        let bytes = Rc::new(Cell::new(KEPT_BYTES));
        Self { all: steps, left: steps, is_exceeded: false, is_any_exceeded: Rc::default(), bytes }
    }

    /// Uses up steps. False when fewer are left: then none is left for what follows, either.
    pub fn spend(&mut self, steps: u64) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) if !self.is_exceeded => {
                self.left = left;
                true
            }
            _ => self.exceed(),
        }
    }

    /// Takes up bytes. False when fewer are left: then no step is left for what follows, either.
    pub fn keep(&mut self, bytes: u64) -> bool {
        match self.bytes.get().checked_sub(bytes) {
            Some(left) if !self.is_exceeded => {
                self.bytes.set(left);
                true
            }
            _ => self.exceed(),
        }
    }

    /// Gives back bytes that were taken up.
    pub fn give_back(&mut self, bytes: u64) {
        self.bytes.set((self.bytes.get() + bytes).min(KEPT_BYTES));
    }

    fn exceed(&mut self) -> bool {
        self.left = 0;
        self.is_exceeded = true;
        self.is_any_exceeded.set(true);
        false
    }

    /// The steps that were used up.
    pub fn spent(&self) -> u64 {
        self.all - self.left
    }

    /// Whether more steps were asked for than there were.
    pub fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }

    /// The steps that are left.
    pub fn left(&self) -> u64 {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_of_one_comparison_share_bytes() {
        let budgets = Budgets::of(Work::Brief, 7);
        let [mut one, mut other] = [budgets.budget(10), budgets.judging()];

        assert!(one.keep(BRIEF_KEPT_BYTES - 7 - 1));
        assert!(other.keep(1) && !other.is_exceeded());
        other.give_back(5);
        assert!(one.keep(5));
        assert!(!budgets.are_too_small());
        assert!(!one.keep(1) && one.is_exceeded() && one.left() == 0);
        assert!(budgets.are_too_small());
    }
}
