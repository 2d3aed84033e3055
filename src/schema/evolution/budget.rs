//! Counts the work of a comparison, so that it ends whatever the schemas are.

use std::{cell::Cell, rc::Rc};

/// How much work a comparison may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A few milliseconds. That is enough for most pairs of schemas, and it never changes a verdict: what takes more has
    /// none.
    Brief,
    /// As much as any pair may take.
    Full,
}

/// Most steps of one budget of a brief comparison.
const BRIEF_STEPS: u64 = 60_000;
/// Most steps of the validators that judge the payloads of one comparison, all together: references can make each judgement
/// expensive, and some comparisons try hundreds of payloads.
pub(super) const JUDGING_STEPS: u64 = 10_000_000;
/// The same of a brief one.
const BRIEF_JUDGING_STEPS: u64 = 500_000;

/// The budgets of one comparison.
#[derive(Clone, Debug)]
pub(super) struct Budgets {
    work: Work,
    is_exceeded: Rc<Cell<bool>>,
}

impl Budgets {
    pub fn of(work: Work) -> Self {
        Self { work, is_exceeded: Rc::default() }
    }

    /// Returns a budget of so many steps, of fewer where the work is to be brief.
    pub fn budget(&self, steps: u64) -> Budget {
        let steps = match self.work {
            Work::Brief => steps.min(BRIEF_STEPS),
            Work::Full => steps,
        };
        Budget { is_any_exceeded: Rc::clone(&self.is_exceeded), ..Budget::of(steps) }
    }

    /// Returns the budget of the validators.
    pub fn judging(&self) -> Budget {
        let steps = match self.work {
            Work::Brief => BRIEF_JUDGING_STEPS,
            Work::Full => JUDGING_STEPS,
        };
        Budget { is_any_exceeded: Rc::clone(&self.is_exceeded), ..Budget::of(steps) }
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
}

impl Budget {
    pub fn of(steps: u64) -> Self {
        Self { all: steps, left: steps, is_exceeded: false, is_any_exceeded: Rc::default() }
    }

    /// Uses up steps. False when fewer are left: then none is left for what follows, either.
    pub fn spend(&mut self, steps: u64) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) if !self.is_exceeded => {
                self.left = left;
                true
            }
            _ => {
                self.left = 0;
                self.is_exceeded = true;
                self.is_any_exceeded.set(true);
                false
            }
        }
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
