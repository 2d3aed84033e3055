//! Counts the work of a comparison, so that it ends whatever the schemas are.

/// Steps that are left.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    left: u64,
    is_exceeded: bool,
}

impl Budget {
    pub fn of(steps: u64) -> Self {
        Self { all: steps, left: steps, is_exceeded: false }
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
                false
            }
        }
    }

    /// The steps that were used up.
    pub fn spent(&self) -> u64 {
        self.all - self.left
    }
}
