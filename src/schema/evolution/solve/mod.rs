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

mod alphabet;
mod array;
mod assert;
mod automata;
mod bounds;
mod branch;
mod candidates;
mod elements;
mod facts;
mod library;
mod names;
mod number;
mod object;
mod search;
mod settle;
mod string;
mod texts;

use std::{collections::HashMap, rc::Rc};

use serde_json::Value;

use super::{
    budget::{Budget, Budgets},
    constants::{Constants, bytes, weight},
    evaluate::{Checks, Evaluation},
    model::{Goal, KeyId, Keyword, Model, NodeId, PatternId, Type},
};

/// Most steps of one question and all that follow from it. A step is an operation on something small: an assertion of a
/// node, the evaluation of one keyword, the transition of an automaton, a copy of a scalar.
const MAX_STEPS: u64 = 3_000_000;
/// The steps of a question or a case, beside those of what it asserts.
const CASE_STEPS: u64 = 10;
/// Bytes of a question beside its goals, and of other small entries.
const QUESTION_BYTES: u64 = 160;
/// Most values that are judged by the validators one by one.
const MAX_FINITE: usize = 200;
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

    /// What is known when some cases are left open.
    fn or_unknown(self) -> Self {
        match self {
            Self::Empty => Self::Unknown(None),
            known => known,
        }
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
    pub budget: Budget,
    budgets: Budgets,
    /// The automata of patterns.
    automata: library::Library,
    depth: usize,
    known: HashMap<Question, Outcome>,
    /// The bytes that what is known takes, with its values.
    known_bytes: u64,
    /// The bytes that the open questions and cases take. They are given back when these are answered.
    open_bytes: u64,
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
    pub fn new(model: &'m mut Model, budgets: &Budgets) -> Self {
        Self {
            model,
            checks: Checks::default(),
            budget: budgets.budget(MAX_STEPS),
            budgets: budgets.clone(),
            automata: library::Library::default(),
            depth: 0,
            known: HashMap::new(),
            known_bytes: 0,
            open_bytes: 0,
            open: HashMap::new(),
            reopened: usize::MAX,
            obstacles: std::collections::BTreeSet::new(),
        }
    }

    /// Allows a further question as many steps as the first one had.
    pub fn refill(&mut self) {
        let is_exceeded = self.budget.is_exceeded();
        self.budget = self.budgets.budget(MAX_STEPS);
        self.obstacles.clear();
        if is_exceeded {
            self.known = HashMap::new();
            self.automata = library::Library::default();
            let bytes = std::mem::take(&mut self.known_bytes);
            self.budget.give_back(bytes);
        }
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
        if !self.spend(goals.len() as u64 / 2) {
            return Outcome::Unknown(None);
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
        let (depth, open_bytes) = (self.depth, self.open_bytes);
        let question_bytes = QUESTION_BYTES + size_of::<Goal>() as u64 * question.1.len() as u64;
        if !self.open_bytes(2 * question_bytes) {
            return Outcome::Unknown(None);
        }
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
        self.close_bytes(open_bytes);
        // An answer that rests on an open question further up is not one for everywhere.
        let rests_on_another = self.reopened < depth;
        self.reopened = reopened.min(if rests_on_another { self.reopened } else { usize::MAX });
        let is_for_everywhere = matches!(outcome, Outcome::Value(_)) || !rests_on_another;
        if is_for_everywhere && self.keep(question_bytes) {
            self.known.insert(question, outcome.clone());
        }
        outcome
    }

    /// Uses up the steps of a case; false when none is left.
    fn step(&mut self) -> bool {
        self.spend(CASE_STEPS)
    }

    /// Uses up steps; false when none is left.
    fn spend(&mut self, steps: u64) -> bool {
        let is_left = self.budget.spend(steps);
        self.noted(is_left)
    }

    /// Notes where the budget is used up.
    fn noted(&mut self, is_left: bool) -> bool {
        if !is_left {
            self.obstacles.insert(Obstacle::Steps);
        }
        is_left
    }

    /// Takes up bytes for what is known from now on; false when too few are left.
    fn keep(&mut self, bytes: u64) -> bool {
        let is_left = self.budget.keep(bytes);
        self.known_bytes += if is_left { bytes } else { 0 };
        self.noted(is_left)
    }

    /// Takes up bytes until the question or case is answered; false when too few are left.
    fn open_bytes(&mut self, bytes: u64) -> bool {
        let is_left = self.budget.keep(bytes);
        self.open_bytes += if is_left { bytes } else { 0 };
        self.noted(is_left)
    }

    /// Gives back the bytes of open questions and cases down to those that were taken up before.
    fn close_bytes(&mut self, before: u64) {
        self.budget.give_back(self.open_bytes - before);
        self.open_bytes = before;
    }

    /// Copies a value; `None` where that takes too much.
    fn copy(&mut self, value: &Value) -> Option<Value> {
        (self.spend(weight(value)) && self.keep(bytes(value))).then(|| value.clone())
    }

    /// The node that permits some values only. It remains in the model; `None` where that takes too much.
    fn node_of_values(&mut self, values: &Rc<Constants>) -> Option<NodeId> {
        let before = self.model.len();
        let node = self.model.node_of(Keyword::Enum(Rc::clone(values)));
        let is_new = self.model.len() > before;
        let all = || values.iter().map(bytes).sum::<u64>();
        // It is not given back, since the model cannot lose it.
        let is_kept = !is_new || self.budget.keep(QUESTION_BYTES + all());
        self.noted(is_kept).then_some(node)
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

    /// The only values that a node can match, if these are few.
    pub fn finite(&self, node: NodeId) -> Option<Rc<Constants>> {
        let keywords = self.model.keys(node).iter().map(|key| self.model.keyword(*key));
        let lists = keywords.filter_map(|keyword| match keyword {
            Keyword::Enum(values) => Some(values),
            _ => None,
        });
        let shortest = lists.min_by_key(|values| values.len())?;
        let is_usable = shortest.len() <= MAX_FINITE && !self.model.has_spelling;
        is_usable.then(|| Rc::clone(shortest))
    }

    /// Whether text matches a pattern; `None` where that is not known.
    pub fn matches(&mut self, pattern: PatternId, text: &str) -> Option<bool> {
        self.evaluation().matches(pattern, text)
    }

    fn evaluation(&mut self) -> Evaluation<'_> {
        Evaluation::new(self.model, &mut self.checks, &mut self.budget)
    }
}
