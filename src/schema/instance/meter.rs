//! Counts the steps of one judgement.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde_json::Value;

use super::matching::Matching;
use crate::schema::size;

/// Bytes of text that are read in one step.
const BYTES_PER_STEP: usize = 64;

/// Returns the steps that reading a text takes.
#[inline]
pub(super) fn reading(bytes: usize) -> u64 {
    (bytes / BYTES_PER_STEP) as u64
}

/// What a schema does with text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::schema) struct Weights {
    /// Sixteenths of a step for each byte of a text that is checked for a format or an encoding.
    pub text: u64,
    /// Steps for each byte of a name that is matched with a pattern.
    pub name: u64,
    /// The largest part of the schema that an error copies, in bytes.
    pub copied: u64,
    /// Whether errors may be within others, of alternatives, which have copies of the values that they are about.
    pub copies_values: bool,
}

impl Weights {
    #[inline]
    pub(super) fn of_text(self, bytes: usize) -> u64 {
        1 + (bytes as u64 * self.text) / 16
    }

    #[inline]
    pub(super) fn of_name(self, bytes: usize) -> u64 {
        if self.name == 0 { 0 } else { (bytes as u64 + 1).saturating_mul(self.name) }
    }
}

/// The steps that finding one error takes, each of which is some hundred bytes.
const STEPS_OF_ERROR: u64 = 200;
/// Bytes that an error copies in one step.
const BYTES_COPIED_PER_STEP: u64 = 4;
/// Steps for each member and element while errors are found: they may list it.
const STEPS_OF_LISTED: u64 = 25;

/// Steps for making ready to match a pattern, and how many patterns of a schema are made ready for nothing.
const STEPS_OF_PATTERN: u64 = 50_000;
const PATTERNS_FOR_FREE: usize = 64;

/// Unwinds a validator whose steps are used up. It is caught in [`Meter::run`], and is no panic: nothing is reported.
struct UsedUp;

/// The steps that are left for a judgement.
pub(in crate::schema) struct Meter {
    left: Cell<i64>,
    budget: i64,
    weights: Weights,
    /// What an error copies besides the value that it is about: its place in the payload, at most so many bytes.
    place: u64,
    /// Whether errors are found, which may list members and elements, and copy the names of members.
    is_finding: bool,
    /// The address of the value at which the steps were used up.
    stopped: OnceCell<usize>,
    /// The digits of numbers that a float rounds, by the address of the value.
    digits: HashMap<usize, Box<str>>,
    /// What was spent on each pattern.
    matching: RefCell<Vec<Matching>>,
}

impl Meter {
    /// A meter for so many steps.
    pub fn new(budget: u64, weights: Weights) -> Self {
        let budget = i64::try_from(budget).unwrap_or(i64::MAX);
        Self {
            left: Cell::new(budget),
            budget,
            weights,
            place: 0,
            is_finding: false,
            stopped: OnceCell::new(),
            digits: HashMap::new(),
            matching: RefCell::default(),
        }
    }

    /// The meter for finding errors in the same payload. `longest`: the length of the longest JSON Pointer in the payload, which
    /// each error has a copy of.
    pub fn finding(self, budget: u64, longest: usize) -> Self {
        let place = longest as u64;
        Self { digits: self.digits, place, is_finding: true, ..Self::new(budget, self.weights) }
    }

    /// The steps for an element.
    #[inline]
    pub(super) fn of_element(&self) -> u64 {
        if self.is_finding { STEPS_OF_LISTED } else { 1 }
    }

    /// The steps for a member.
    #[inline]
    pub(super) fn of_member(&self, name: &str) -> u64 {
        let copied = if self.is_finding { name.len() as u64 / BYTES_COPIED_PER_STEP } else { 0 };
        self.of_element() + copied + reading(name.len())
    }

    /// The steps for an error about a value.
    pub(super) fn of_error(&self, value: &Value) -> u64 {
        let copied = match value {
            Value::Object(_) | Value::Array(_) if !self.weights.copies_values => 0,
            value => size::memory(value) as u64,
        };
        STEPS_OF_ERROR + (copied + self.weights.copied + self.place) / BYTES_COPIED_PER_STEP
    }

    /// Has a number of the payload be judged by its digits.
    pub fn with_digits(mut self, number: &Value, digits: &str) -> Self {
        self.digits.insert(std::ptr::from_ref(number) as usize, digits.into());
        self
    }

    #[inline]
    pub(super) fn charge(&self, at: &Value, steps: u64) -> bool {
        let left = self.left.get().saturating_sub_unsigned(steps);
        self.left.set(left);
        if left >= 0 {
            return true;
        }
        self.stop(at);
        false
    }

    /// Ends the judgement. Going on with an answer that does not count could still take long: a validator that finds an error
    /// in each of many places copies the schema for each.
    #[cold]
    fn stop(&self, at: &Value) {
        if self.stopped.set(std::ptr::from_ref(at) as usize).is_ok() {
            std::panic::resume_unwind(Box::new(UsedUp));
        }
    }

    /// Runs a validator until it ends or the steps are used up. `None`: they are.
    pub fn run<T>(&self, validate: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(validate)) {
            Ok(found) => Some(found).filter(|_| self.stopped().is_none()),
            Err(payload) if payload.is::<UsedUp>() => None,
            // A defect, which is reported where validations are begun.
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    /// The address of the value at which the steps were used up, if they were.
    pub fn stopped(&self) -> Option<usize> {
        self.stopped.get().copied()
    }

    /// How many steps were taken.
    pub fn spent(&self) -> u64 {
        self.budget.saturating_sub(self.left.get().max(0)).unsigned_abs()
    }

    /// The steps for making ready to match a pattern, which has tables of its own: none for the first patterns of a schema.
    pub fn of_pattern(&self, pattern: usize) -> u64 {
        let is_known = self.matching.borrow().get(pattern).is_some_and(|matching| matching.is_used);
        if is_known || pattern < PATTERNS_FOR_FREE { 0 } else { STEPS_OF_PATTERN }
    }

    /// Works with what was spent on a pattern.
    pub fn matching<T>(&self, pattern: usize, with: impl FnOnce(&mut Matching) -> T) -> T {
        let mut all = self.matching.borrow_mut();
        if all.len() <= pattern {
            all.resize_with(pattern + 1, Matching::default);
        }
        all[pattern].is_used = true;
        with(&mut all[pattern])
    }

    #[inline]
    pub(super) fn weights(&self) -> Weights {
        self.weights
    }

    #[inline]
    pub fn digits(&self, number: &Value) -> Option<&str> {
        if self.digits.is_empty() {
            return None;
        }
        self.digits.get(&(std::ptr::from_ref(number) as usize)).map(AsRef::as_ref)
    }
}
