//! Makes raw nodes that assert the same one node of the model.
//!
//! Nodes that are on no cycle of references are compared from the leaves up. Those that are on one, or lead to one, are
//! divided into classes, again and again, until no class has nodes that differ (the way in which automata are minimised).

use std::collections::{HashMap, HashSet};

use super::{enumerations, raw::Raw};
use crate::schema::evolution::{
    budget::{Budget, Budgets},
    model::{Keyword, Members, Model, NodeId},
};

/// Most keywords that nodes take over from the nodes of their `allOf`.
const MAX_TAKEN: u64 = 1_000_000;
/// Most keywords that are compared to divide nodes on cycles into classes.
const MAX_COMPARED: u64 = 1_000_000;

/// Returns the node of the model that each raw node is.
pub(super) fn intern(raw: &[Raw], model: &mut Model, budgets: &Budgets) -> Vec<NodeId> {
    let mut nodes: Vec<Option<NodeId>> = vec![None; raw.len()];
    let mut taken = budgets.budget(MAX_TAKEN);
    let children = |node: usize| {
        let mut children = Vec::new();
        raw[node].keywords.iter().for_each(|keyword| keyword.each_node(|child| children.push(child)));
        children
    };
    let parents = {
        let mut parents: Vec<Vec<usize>> = vec![Vec::new(); raw.len()];
        (0..raw.len())
            .for_each(|node| children(node).into_iter().for_each(|child| parents[child].push(node)));
        parents
    };
    // Leaves first: a node is ready when all that it refers to is.
    let mut waiting: Vec<usize> = (0..raw.len()).map(|node| children(node).len()).collect();
    let mut ready: Vec<usize> = (0..raw.len()).filter(|node| waiting[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        let keywords = raw[node].keywords.iter().map(|it| it.map(|child| nodes[child].unwrap_or_default()));
        let keywords: Vec<_> = keywords.collect();
        nodes[node] = Some(add(keywords, model, &mut taken));
        for parent in &parents[node] {
            waiting[*parent] -= 1;
            if waiting[*parent] == 0 {
                ready.push(*parent);
            }
        }
    }
    let cyclic: Vec<usize> = (0..raw.len()).filter(|node| nodes[*node].is_none()).collect();
    if !cyclic.is_empty() {
        let classes = classes(raw, &cyclic, &nodes, budgets);
        let mut made: HashMap<usize, NodeId> = HashMap::new();
        for node in &cyclic {
            nodes[*node] = Some(*made.entry(classes[node]).or_insert_with(|| model.reserve()));
        }
        let mut filled = HashSet::new();
        for node in &cyclic {
            let id = nodes[*node].unwrap_or_default();
            if filled.insert(id) {
                let keywords =
                    raw[*node].keywords.iter().map(|it| it.map(|child| nodes[child].unwrap_or_default()));
                let keys = keywords.filter_map(simple).map(|keyword| model.key(keyword)).collect();
                model.fill(id, keys);
            }
        }
    }
    nodes.into_iter().map(Option::unwrap_or_default).collect()
}

/// The node of keywords whose nodes are of the model.
fn add(keywords: Vec<Keyword>, model: &mut Model, taken: &mut Budget) -> NodeId {
    let mut keys = Vec::new();
    for keyword in keywords.into_iter().filter_map(simple) {
        match keyword {
            // What all of several nodes assert, this one asserts itself.
            Keyword::AllOf(nodes) if can_take(&nodes, model, taken) => {
                nodes.iter().for_each(|node| keys.extend_from_slice(model.keys(*node)));
            }
            Keyword::AnyOf(nodes) if nodes.len() == 1 && can_take(&nodes, model, taken) => {
                keys.extend_from_slice(model.keys(nodes[0]))
            }
            // Whatever the others are, one that matches everything matches.
            Keyword::AnyOf(nodes) if nodes.iter().any(|node| model.keys(*node).is_empty()) => {}
            Keyword::AnyOf(nodes) => keys.push(enumerations::any_of(nodes, model)),
            Keyword::AtMostOne(nodes) => keys.extend(enumerations::at_most_one(nodes, model)),
            Keyword::Properties(mut members) => {
                let is_all = |node: &NodeId| model.keys(*node).is_empty();
                members.additional = members.additional.filter(|node| !is_all(node));
                if members.additional.is_none() {
                    members.named.retain(|_, node| !is_all(node));
                    members.patterns.retain(|(_, node)| !is_all(node));
                }
                if members != Members::default() {
                    keys.push(model.key(Keyword::Properties(members)));
                }
            }
            Keyword::Items { mut prefix, rest } => {
                let is_all = |node: &NodeId| model.keys(*node).is_empty();
                let rest = rest.filter(|node| !is_all(node));
                while prefix
                    .last()
                    .is_some_and(|last| Some(*last) == rest || (rest.is_none() && is_all(last)))
                {
                    prefix.pop();
                }
                if !prefix.is_empty() || rest.is_some() {
                    keys.push(model.key(Keyword::Items { prefix, rest }));
                }
            }
            Keyword::PropertyNames(node) | Keyword::Dependent { node, .. } if model.keys(node).is_empty() => {
            }
            keyword => keys.push(model.key(keyword)),
        }
    }
    let keys = enumerations::of_types(keys, model);
    let never = model.key(Keyword::Never);
    if keys.contains(&never) { model.node(vec![never]) } else { model.node(keys) }
}

fn can_take(nodes: &[NodeId], model: &Model, taken: &mut Budget) -> bool {
    taken.spend(nodes.iter().map(|node| model.keys(*node).len() as u64).sum())
}

/// A keyword with its lists sorted; `None` where it asserts nothing.
fn simple(keyword: Keyword) -> Option<Keyword> {
    match keyword {
        Keyword::AnyOf(mut nodes) => {
            nodes.sort_unstable();
            nodes.dedup();
            Some(Keyword::AnyOf(nodes))
        }
        // Sorted, but not without repetitions: a branch that is there twice never matches once.
        Keyword::AtMostOne(mut nodes) => {
            nodes.sort_unstable();
            (nodes.len() > 1).then_some(Keyword::AtMostOne(nodes))
        }
        Keyword::AllOf(mut nodes) => {
            nodes.sort_unstable();
            nodes.dedup();
            (!nodes.is_empty()).then_some(Keyword::AllOf(nodes))
        }
        keyword => Some(keyword),
    }
}

/// Divides nodes on cycles into classes that assert the same.
fn classes(
    raw: &[Raw],
    cyclic: &[usize],
    nodes: &[Option<NodeId>],
    budgets: &Budgets,
) -> HashMap<usize, usize> {
    // A node of the model is named by its index, a class by an index beyond all of them.
    let beyond = nodes.iter().flatten().max().map_or(0, |most| most + 1);
    let mut classes: HashMap<usize, usize> = cyclic.iter().map(|node| (*node, beyond)).collect();
    let mut count = 1;
    let mut compared = budgets.budget(MAX_COMPARED);
    let size: u64 = cyclic.iter().flat_map(|node| &raw[*node].keywords).map(weight).sum();
    loop {
        // Where that is too much work, each node is one of its own: then only what is the same on both sides is not seen.
        if !compared.spend(size + cyclic.len() as u64) {
            return cyclic.iter().enumerate().map(|(index, node)| (*node, beyond + index)).collect();
        }
        let mut found: HashMap<(usize, Vec<Keyword>), usize> = HashMap::new();
        let mut next = HashMap::new();
        for node in cyclic {
            let name = |child: usize| nodes[child].unwrap_or_else(|| classes[&child]);
            let keywords = raw[*node].keywords.iter().map(|keyword| keyword.map(name)).filter_map(simple);
            let key = (classes[node], keywords.collect());
            let size = found.len();
            next.insert(*node, beyond + *found.entry(key).or_insert(size));
        }
        let size = found.len();
        classes = next;
        if size == count {
            return classes;
        }
        count = size;
    }
}

/// The work that a copy of a keyword is.
fn weight(keyword: &Keyword) -> u64 {
    let mut count = 1;
    keyword.each_node(|_| count += 1);
    count
}
