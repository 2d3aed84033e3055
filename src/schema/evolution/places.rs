//! The rules that refuse a payload, and what the other side says at the same place.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::{
    model::{Keyword, Type},
    read::{RawId, Read},
    rules::{member_rule, names, rule},
    solve::{Obstacle, Solver},
    verdict::{Change, Obstruction, Side},
};
use crate::schema::pointer::push_part;

/// Most changes that are reported.
const MAX_CHANGES: usize = 10;

/// A keyword that refuses, and the part of the payload that it refuses.
struct Refusal {
    raw: RawId,
    keywords: &'static [&'static str],
    payload: Vec<String>,
}

/// Returns the rules of one side that refuse a payload, each with that of the other side.
pub(super) fn changes(
    read: &Read,
    solver: &mut Solver<'_>,
    schemas: [&Value; 2],
    refused_by: Side,
    payload: &Value,
) -> Vec<Change> {
    let (own, other) = match refused_by {
        Side::Old => (0, 1),
        Side::New => (1, 0),
    };
    let mut refusals = Vec::new();
    let mut explanation = Explanation { read, solver, refusals: &mut refusals, depth: 0 };
    explanation.node(read.roots[own], payload, &mut Vec::new());
    let mut changes = BTreeSet::new();
    for refusal in refusals.into_iter().take(MAX_CHANGES) {
        let there = nodes_at(read, solver, read.roots[other], payload, &refusal.payload);
        let refusing = rule(read, schemas[own], refusal.raw, refusal.keywords);
        let opposite = there.iter().find_map(|raw| rule(read, schemas[other], *raw, refusal.keywords));
        let opposite = opposite.or_else(|| {
            // Where the other side has no rule of the kind, the one that names the place says most.
            let (last, parents) = refusal.payload.split_last()?;
            let around = nodes_at(read, solver, read.roots[other], payload, parents);
            around.iter().find_map(|raw| member_rule(read, schemas[other], *raw, last))
        });
        let (old, new) = if own == 0 { (refusing, opposite) } else { (opposite, refusing) };
        let mut place = String::new();
        refusal.payload.iter().for_each(|part| push_part(&mut place, part));
        changes.insert(Change { payload: place, old, new });
    }
    changes.into_iter().collect()
}

/// Returns the places of what kept the solver from a decision.
pub(super) fn obstructions(read: &Read, solver: &Solver<'_>) -> Vec<Obstruction> {
    let mut found = BTreeSet::new();
    if solver.obstacles.contains(&Obstacle::Steps) {
        found.insert(Obstruction::Steps);
    }
    for (raw, node) in read.nodes.iter().enumerate() {
        for key in solver.model.keys(*node) {
            if !solver.obstacles.contains(&Obstacle::Keyword(*key)) {
                continue;
            }
            let side = if raw < read.roots[1] { Side::Old } else { Side::New };
            let mut pointer = read.raw[raw].pointer.to_string();
            if let Keyword::Other { keyword, .. } = solver.model.keyword(*key) {
                push_part(&mut pointer, keyword);
            }
            found.insert(Obstruction::Keyword { side, pointer });
            if found.len() > MAX_CHANGES {
                found.pop_last();
            }
        }
    }
    found.into_iter().take(MAX_CHANGES).collect()
}

struct Explanation<'e, 'm> {
    read: &'e Read,
    solver: &'e mut Solver<'m>,
    refusals: &'e mut Vec<Refusal>,
    depth: usize,
}

impl Explanation<'_, '_> {
    fn refuses(&mut self, raw: RawId, value: &Value) -> bool {
        self.solver.meets(&[(self.read.nodes[raw], true)], value) == Some(false)
    }

    fn node(&mut self, raw: RawId, value: &Value, path: &mut Vec<String>) {
        if self.depth > 100 || self.refusals.len() >= MAX_CHANGES {
            return;
        }
        self.depth += 1;
        let read = self.read;
        for keyword in &read.raw[raw].keywords {
            if keyword.concerns(Type::of(value)) {
                self.keyword(raw, keyword, value, path);
            }
        }
        self.depth -= 1;
    }

    fn keyword(&mut self, raw: RawId, keyword: &Keyword, value: &Value, path: &mut Vec<String>) {
        let in_model = keyword.map(|node| self.read.nodes[node]);
        let node = self.solver.model.node_of(in_model);
        if self.solver.meets(&[(node, true)], value) != Some(false) {
            return;
        }
        match (keyword, value) {
            (Keyword::AllOf(nodes), _) => self.each(nodes, value, path),
            (Keyword::AnyOf(nodes), _) if nodes.len() == 1 => self.each(nodes, value, path),
            (Keyword::If { then, otherwise, .. }, _) => {
                let nodes: Vec<_> = [*then, *otherwise].into_iter().flatten().collect();
                let refusing: Vec<_> = nodes.into_iter().filter(|node| self.refuses(*node, value)).collect();
                self.each(&refusing, value, path);
            }
            (Keyword::Dependent { node, .. }, _) => self.node(*node, value, path),
            (Keyword::Items { prefix, rest }, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(node) = prefix.get(index).or(rest.as_ref()) {
                        self.inner(*node, item, index.to_string(), raw, &["items", "additionalItems"], path);
                    }
                }
            }
            (Keyword::Properties(members), Value::Object(map)) => {
                for (name, member) in map {
                    let mut nodes: Vec<RawId> = members.named.get(name).copied().into_iter().collect();
                    for (pattern, node) in &members.patterns {
                        if self.solver.matches(*pattern, name) == Some(true) {
                            nodes.push(*node);
                        }
                    }
                    if nodes.is_empty() {
                        nodes.extend(members.additional);
                    }
                    for node in nodes {
                        self.inner(
                            node,
                            member,
                            name.clone(),
                            raw,
                            &["additionalProperties", "unevaluatedProperties"],
                            path,
                        );
                    }
                }
            }
            _ => self.refusals.push(Refusal { raw, keywords: names(keyword), payload: path.clone() }),
        }
    }

    fn each(&mut self, nodes: &[RawId], value: &Value, path: &mut Vec<String>) {
        for node in nodes {
            if self.refuses(*node, value) {
                self.node(*node, value, path);
            }
        }
    }

    /// A member or an element. One that is refused whatever it is counts as refused by the keyword around it.
    fn inner(
        &mut self,
        node: RawId,
        value: &Value,
        part: String,
        around: RawId,
        closing: &'static [&'static str],
        path: &mut Vec<String>,
    ) {
        if self.refusals.len() >= MAX_CHANGES || !self.refuses(node, value) {
            return;
        }
        path.push(part);
        if self.read.raw[node].keywords == [Keyword::Never] {
            self.refusals.push(Refusal { raw: around, keywords: closing, payload: path.clone() });
        } else {
            self.node(node, value, path);
        }
        path.pop();
    }
}

/// The raw nodes that a part of a payload is matched with.
fn nodes_at(
    read: &Read,
    solver: &mut Solver<'_>,
    root: RawId,
    payload: &Value,
    path: &[String],
) -> Vec<RawId> {
    let mut nodes = vec![root];
    let mut seen = HashSet::from([root]);
    let mut value = payload;
    let mut path = path.iter();
    loop {
        let mut index = 0;
        while let Some(node) = nodes.get(index).copied() {
            for keyword in &read.raw[node].keywords {
                let inner: Vec<RawId> = match keyword {
                    Keyword::AllOf(inner) => inner.clone(),
                    Keyword::AnyOf(inner) => inner
                        .iter()
                        .copied()
                        .filter(|node| solver.meets(&[(read.nodes[*node], true)], value) == Some(true))
                        .collect(),
                    Keyword::If { then, otherwise, .. } => {
                        [*then, *otherwise].into_iter().flatten().collect()
                    }
                    _ => Vec::new(),
                };
                inner.into_iter().for_each(|node| {
                    if seen.insert(node) {
                        nodes.push(node);
                    }
                });
            }
            index += 1;
        }
        let Some(part) = path.next() else { return nodes };
        let mut below = Vec::new();
        for keyword in nodes.iter().flat_map(|node| &read.raw[*node].keywords) {
            match (keyword, value) {
                (Keyword::Properties(members), Value::Object(_)) => {
                    let named = members.named.get(part).copied();
                    below.extend(named.or(members.additional));
                }
                (Keyword::Items { prefix, rest }, Value::Array(_)) => {
                    let index = part.parse::<usize>().unwrap_or(usize::MAX);
                    below.extend(prefix.get(index).copied().or(*rest));
                }
                _ => {}
            }
        }
        let next = match value {
            Value::Object(map) => map.get(part),
            Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        let Some(next) = next else { return Vec::new() };
        value = next;
        seen = below.iter().copied().collect();
        nodes = below;
    }
}
