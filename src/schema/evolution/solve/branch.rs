//! One case of a question about values of one type: facts, and alternatives that wait.

use std::{collections::HashMap, rc::Rc};

use super::facts::{Facts, SomeMember};
use crate::schema::evolution::model::{Goal, KeyId, NodeId, Type};

/// One assertion.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Node(NodeId, bool),
    Key(KeyId, bool),
    Integer(bool),
    Has(String, Option<Goal>),
    Lacks(String),
    SomeMember(SomeMember),
    At(usize, Goal),
    From(usize, Goal),
    AtMost(NodeId, u64),
    AtLeast(NodeId, u64),
    /// Another choice.
    OneOf(Vec<Vec<Step>>),
}

/// Alternatives, each of several steps.
#[derive(Clone)]
pub(super) struct Choice {
    pub alternatives: Vec<Rc<[Step]>>,
    /// What is asserted by the choice, for evaluation.
    pub asserts: Option<Asserted>,
}

#[derive(Clone, Copy)]
pub(super) enum Asserted {
    Node(NodeId, bool),
    Key(KeyId, bool),
}

/// A branch of the search.
#[derive(Clone)]
pub(super) struct Branch {
    pub kind: Type,
    pub facts: Facts,
    pub choices: Vec<Rc<Choice>>,
    pub nodes: HashMap<NodeId, bool>,
    pub keys: HashMap<KeyId, bool>,
    /// What is not in the facts, or not exactly.
    pub inexact: Vec<KeyId>,
}

/// Bytes of an entry of a branch.
const ENTRY_BYTES: u64 = 64;

impl Choice {
    /// The bytes that it takes, about.
    pub fn bytes(&self) -> u64 {
        self.alternatives.iter().map(|steps| 32 + steps.iter().map(Step::bytes).sum::<u64>()).sum()
    }
}

impl Step {
    fn bytes(&self) -> u64 {
        let inner = match self {
            Self::Has(name, _) | Self::Lacks(name) => 16 + name.len() as u64,
            Self::OneOf(all) => all.iter().map(|steps| 24 + steps.iter().map(Self::bytes).sum::<u64>()).sum(),
            _ => 0,
        };
        size_of::<Self>() as u64 + inner
    }
}

/// The steps of a branch contradict each other.
pub(super) struct Contradiction;

impl Branch {
    pub fn of(kind: Type) -> Self {
        Self {
            kind,
            facts: Facts::default(),
            choices: Vec::new(),
            nodes: HashMap::new(),
            keys: HashMap::new(),
            inexact: Vec::new(),
        }
    }

    /// The work that a copy is.
    pub fn weight(&self) -> u64 {
        let object = &self.facts.object;
        let array = &self.facts.array;
        let facts =
            self.facts.excluded.len() + object.present.len() + object.absent.len() + object.some.len();
        let elements = array.items.len() + array.at.len() + array.from.len();
        let limits = array.at_least.len() + array.at_most.len();
        let texts = self.facts.patterns.len() + self.facts.facets.len();
        let numbers = self.facts.number.not_divisors.len();
        (facts
            + elements
            + limits
            + texts
            + numbers
            + self.inexact.len()
            + self.choices.len()
            + self.nodes.len()
            + self.keys.len()) as u64
            / 2
    }

    /// The bytes that a copy takes, about.
    pub fn bytes(&self) -> u64 {
        let object = &self.facts.object;
        let present = object.present.iter().map(|(name, goals)| name.len() + goals.len() * size_of::<Goal>());
        let names = present.chain(object.absent.iter().map(String::len)).sum::<usize>();
        ENTRY_BYTES * (8 + 2 * self.weight()) + names as u64
    }

    /// Adds alternatives, one of which must be met.
    pub fn choose(
        &mut self,
        alternatives: Vec<Vec<Step>>,
        asserts: Option<Asserted>,
    ) -> Result<(), Contradiction> {
        if alternatives.is_empty() {
            return Err(Contradiction);
        }
        let alternatives = alternatives.into_iter().map(Into::into).collect();
        self.choices.push(Rc::new(Choice { alternatives, asserts }));
        Ok(())
    }
}
