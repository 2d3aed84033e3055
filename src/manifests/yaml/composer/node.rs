//! Values with their positions, and objects while they are read.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::{
    document::{Positions, YamlErrorKind},
    mark::Mark,
    rules::Rules,
};

/// A value, with the positions of it and its parts.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) positions: Positions,
    /// Approximately its size in memory.
    pub(super) weight: usize,
}

/// An object while it is read.
#[derive(Default)]
pub(super) struct Object {
    map: Map<String, Value>,
    parts: HashMap<String, Part>,
    order: Vec<String>,
    weight: usize,
}

/// The position of an entry, and whether a merge key brought it.
struct Part {
    positions: Positions,
    is_merged: bool,
}

impl Object {
    /// Adds an entry. It overrides a merged one.
    pub(super) fn insert(&mut self, key: String, node: Node) -> Result<(), YamlErrorKind> {
        match self.parts.get(&key) {
            Some(Part { positions, is_merged: false }) => {
                let first_line = Some(positions.mark.line);
                return Err(YamlErrorKind::DuplicateKey { key, first_line });
            }
            Some(Part { is_merged: true, .. }) => {}
            None => self.order.push(key.clone()),
        }
        self.weight += 48 + key.len() + node.weight;
        self.parts.insert(key.clone(), Part { positions: node.positions, is_merged: false });
        self.map.insert(key, node.value);
        Ok(())
    }

    /// Adds the entries of a merged object.
    pub(super) fn merge(&mut self, source: Node, rules: Rules) -> Result<(), YamlErrorKind> {
        let Value::Object(entries) = source.value else { return Ok(()) };
        let mut positions_of: HashMap<String, Positions> = source.positions.parts.into_iter().collect();
        for (key, value) in entries {
            match self.parts.get(&key) {
                Some(Part { is_merged: false, .. }) if rules == Rules::Kubectl => {
                    return Err(YamlErrorKind::MergeOverrides(key));
                }
                Some(Part { is_merged: false, .. }) => continue,
                Some(Part { is_merged: true, .. }) => {}
                None => self.order.push(key.clone()),
            }
            let mut positions = positions_of.remove(&key).unwrap_or_default();
            positions.mark = source.positions.mark;
            self.weight += 48 + key.len();
            self.parts.insert(key.clone(), Part { positions, is_merged: true });
            self.map.insert(key, value);
        }
        self.weight += source.weight;
        Ok(())
    }

    pub(super) fn into_node(mut self, mark: Mark) -> Node {
        let parts = self
            .order
            .into_iter()
            .filter_map(|key| self.parts.remove(&key).map(|part| (key, part.positions)))
            .collect();
        let positions = Positions { mark, parts };
        Node { value: Value::Object(self.map), positions, weight: self.weight + 32 }
    }
}
