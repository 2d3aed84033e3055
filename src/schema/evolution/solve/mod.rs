//! Whether some value matches some nodes and does not match others: a value, a proof that there is none, or neither.
//!
//! For each type of JSON, the nodes are taken apart into facts about values of that type; what has alternatives waits. The
//! facts alone are solved first: where they have no solution, the alternatives need not be tried. A solution is evaluated,
//! and only alternatives that it violates are divided into cases. The values of members and elements are questions of the
//! same kind.
//!
//! "No value" rests on proofs only. What is not modelled, and what exceeds a bound, is left out of the facts, which only
//! permits more; a solution that may violate what was left out counts as a guess.
//!
//! A question that comes up again while it is being answered has no solution there: a value of least depth does not
//! contain another value for the same question.

mod array;
mod automata;
mod bounds;
mod branch;
mod facts;
mod number;
mod object;
mod string;

use std::{collections::HashMap, rc::Rc};

use serde_json::Value;

use super::{
    evaluate::{Checks, Evaluation},
    model::{KeyId, Model, NodeId, Type},
};

/// A node that must match, or must not.
pub(super) type Goal = (NodeId, bool);

/// Most steps of one question and all that follow from it.
const MAX_STEPS: u64 = 400_000;
/// Deepest nesting of questions and cases.
const MAX_DEPTH: usize = 120;

/// What is known about the values for some goals.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// There is none.
    Empty,
    /// This one.
    Value(Rc<Value>),
    /// Not known; perhaps this one.
    Unknown(Option<Rc<Value>>),
}

impl Outcome {
    fn value(value: impl Into<Value>) -> Self {
        Self::Value(Rc::new(value.into()))
    }

    /// The value or the guess.
    pub fn any_value(&self) -> Option<&Rc<Value>> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown(guess) => guess.as_ref(),
            Self::Empty => None,
        }
    }
}

/// Why something was not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Obstacle {
    /// The steps were used up.
    Steps,
    /// A keyword that is not modelled, or not exactly.
    Keyword(KeyId),
}

/// Answers questions about a model.
pub(super) struct Solver<'m> {
    pub model: &'m mut Model,
    pub checks: Checks,
    /// The steps that are left.
    steps: u64,
    depth: usize,
    known: HashMap<Question, Outcome>,
    /// The questions that are being answered, each with its depth.
    open: HashMap<Question, usize>,
    /// The least depth of an open question that came up again.
    reopened: usize,
    /// What was in the way.
    pub obstacles: std::collections::BTreeSet<Obstacle>,
}

/// Types, as bits, and sorted goals.
type Question = (u8, Vec<Goal>);

const ALL_TYPES: u8 = 63;

impl<'m> Solver<'m> {
    pub fn new(model: &'m mut Model) -> Self {
        Self {
            model,
            checks: Checks::default(),
            steps: MAX_STEPS,
            depth: 0,
            known: HashMap::new(),
            open: HashMap::new(),
            reopened: usize::MAX,
            obstacles: std::collections::BTreeSet::new(),
        }
    }

    /// Allows a further question as many steps as the first one had.
    pub fn refill(&mut self) {
        self.steps = MAX_STEPS;
        self.obstacles.clear();
        self.known.retain(|_, outcome| !matches!(outcome, Outcome::Unknown(_)));
    }

    /// Returns a value of any type for some goals.
    pub fn solve(&mut self, goals: &[Goal]) -> Outcome {
        self.ask(ALL_TYPES, goals)
    }

    /// Returns text for some goals.
    fn solve_text(&mut self, goals: &[Goal]) -> Outcome {
        self.ask(Type::String as u8, goals)
    }

    fn ask(&mut self, types: u8, goals: &[Goal]) -> Outcome {
        let mut goals = goals.to_vec();
        goals.sort_unstable();
        goals.dedup();
        // Sorted, a goal and its opposite are neighbours.
        if goals.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Outcome::Empty;
        }
        let question = (types, goals);
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        if let Some(depth) = self.open.get(&question) {
            self.reopened = self.reopened.min(*depth);
            return Outcome::Empty;
        }
        if !self.step() || self.depth >= MAX_DEPTH {
            self.obstacles.insert(Obstacle::Steps);
            return Outcome::Unknown(None);
        }
        let depth = self.depth;
        self.depth += 1;
        self.open.insert(question.clone(), depth);
        let reopened = std::mem::replace(&mut self.reopened, usize::MAX);
        let mut outcome = Outcome::Empty;
        for kind in Type::ALL.into_iter().filter(|kind| types & *kind as u8 != 0) {
            match self.solve_type(kind, &question.1) {
                Outcome::Empty => {}
                Outcome::Value(value) => {
                    outcome = Outcome::Value(value);
                    break;
                }
                unknown => {
                    if outcome.any_value().is_none() {
                        outcome = unknown;
                    }
                }
            }
        }
        self.open.remove(&question);
        self.depth = depth;
        // An answer that rests on an open question further up is not one for everywhere.
        let rests_on_another = self.reopened < depth;
        self.reopened = reopened.min(if rests_on_another { self.reopened } else { usize::MAX });
        if matches!(outcome, Outcome::Value(_)) || !rests_on_another {
            self.known.insert(question, outcome.clone());
        }
        outcome
    }

    /// Uses up a step; false when none is left.
    fn step(&mut self) -> bool {
        self.use_steps(1)
    }

    fn use_steps(&mut self, count: u64) -> bool {
        match self.steps.checked_sub(count) {
            Some(rest) => {
                self.steps = rest;
                true
            }
            None => {
                self.steps = 0;
                self.obstacles.insert(Obstacle::Steps);
                false
            }
        }
    }

    /// Whether a value meets all goals; `None` where that is not known.
    pub fn meets(&mut self, goals: &[Goal], value: &Value) -> Option<bool> {
        let mut result = Some(true);
        for (node, must_match) in goals {
            match self.evaluation().node(*node, value) {
                Some(matches) if matches != *must_match => return Some(false),
                Some(_) => {}
                None => result = None,
            }
        }
        result
    }

    fn evaluation(&mut self) -> Evaluation<'_> {
        Evaluation { model: self.model, checks: &mut self.checks }
    }
}
