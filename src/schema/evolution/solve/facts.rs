//! What is known of a value of one type, with nothing left to choose.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::Value;

use super::bounds::NumberFacts;
use crate::schema::evolution::{
    constants::Constants,
    model::{FacetId, Goal, KeyId, NodeId, PatternId},
};

/// The facts of one branch. Those of other types than the branch's are empty.
#[derive(Clone, Default)]
pub(super) struct Facts {
    /// The value is one of these.
    pub values: Option<Rc<Constants>>,
    /// The value is in none of these.
    pub excluded: Vec<Rc<Constants>>,
    pub number: NumberFacts,
    /// The bounds of a text's length, an array's or an object's size.
    pub size: Size,
    pub patterns: BTreeMap<PatternId, bool>,
    pub facets: BTreeMap<FacetId, bool>,
    pub array: ArrayFacts,
    pub object: ObjectFacts,
}

impl Facts {
    pub fn is_excluded(&self, value: &Value) -> bool {
        self.excluded.iter().any(|values| values.contains(value))
    }

    /// The steps that a look-up among the excluded values takes.
    pub fn look_up(&self) -> u64 {
        self.excluded.iter().map(|values| values.depth()).sum()
    }
}

/// Bounds of a size.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub min: u64,
    pub max: Option<u64>,
}

impl Size {
    pub fn at_least(&mut self, min: u64) {
        self.min = self.min.max(min);
    }

    pub fn at_most(&mut self, max: u64) {
        self.max = Some(self.max.map_or(max, |known| known.min(max)));
    }

    pub fn is_empty(self) -> bool {
        self.max.is_some_and(|max| max < self.min)
    }

    pub fn permits(self, size: usize) -> bool {
        size as u64 >= self.min && self.max.is_none_or(|max| size as u64 <= max)
    }
}

/// The elements of an array.
#[derive(Clone, Default)]
pub(super) struct ArrayFacts {
    pub is_unique: bool,
    /// Two elements are equal.
    pub has_duplicate: bool,
    /// The `Items` that the elements match.
    pub items: Vec<KeyId>,
    /// Some elements match a node: at least so many.
    pub at_least: Vec<(NodeId, u64)>,
    /// At most so many elements match a node.
    pub at_most: Vec<(NodeId, u64)>,
    /// The element at an index exists and meets a goal.
    pub at: Vec<(usize, Goal)>,
    /// An element from an index on exists and meets a goal.
    pub from: Vec<(usize, Goal)>,
}

/// The members of an object.
#[derive(Clone, Default)]
pub(super) struct ObjectFacts {
    /// The `Properties` that the members match.
    pub members: Vec<KeyId>,
    /// Goals of each name.
    pub names: Vec<Goal>,
    /// Members that exist, and the goals of their values.
    pub present: BTreeMap<String, Vec<Goal>>,
    pub absent: BTreeSet<String>,
    /// Members that exist, of a name that is not known.
    pub some: Vec<SomeMember>,
}

/// A member whose name is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SomeMember {
    pub name: SomeName,
    /// A goal of its value.
    pub goal: Option<Goal>,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SomeName {
    /// It matches a pattern.
    Like(PatternId),
    /// It is none that a `Properties` names, by itself or by a pattern.
    Beyond(KeyId),
    /// It meets a goal.
    Meets(Goal),
}
