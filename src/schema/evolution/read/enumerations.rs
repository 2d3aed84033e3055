//! Enumerations in their shortest form: `oneOf` and `anyOf` of constants, as tools write them to describe each value, are one
//! list of values.

use std::{cmp::Ordering, rc::Rc};

use crate::schema::evolution::{
    constants::{Constants, compare},
    model::{KeyId, Keyword, Model, NodeId, Type},
};

/// The values of a node that is an enumeration and nothing else.
fn values(node: NodeId, model: &Model) -> Option<Rc<Constants>> {
    match model.keys(node) {
        [key] => match model.keyword(*key) {
            Keyword::Enum(values) => Some(Rc::clone(values)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the keyword for nodes one of which must match.
pub(super) fn any_of(mut nodes: Vec<NodeId>, model: &mut Model) -> KeyId {
    let lists: Vec<_> = nodes.iter().filter_map(|node| values(*node, model)).collect();
    if lists.len() > 1 {
        nodes.retain(|node| values(*node, model).is_none());
        let all = Constants::of(lists.iter().flat_map(|values| values.iter().cloned()));
        let all = Keyword::Enum(Rc::new(all));
        if nodes.is_empty() {
            return model.key(all);
        }
        nodes.push(model.node_of(all));
        nodes.sort_unstable();
    }
    model.key(Keyword::AnyOf(nodes))
}

/// Returns the keyword for nodes of which at most one may match; `None` where that is always so.
pub(super) fn at_most_one(nodes: Vec<NodeId>, model: &mut Model) -> Option<KeyId> {
    let lists: Option<Vec<_>> = nodes.iter().map(|node| values(*node, model)).collect();
    let Some(lists) = lists else { return Some(model.key(Keyword::AtMostOne(nodes))) };
    let mut all: Vec<_> = lists.iter().flat_map(|values| values.iter()).collect();
    all.sort_by(|a, b| compare(a, b));
    let pairs = all.windows(2).filter(|pair| compare(pair[0], pair[1]) == Ordering::Equal);
    let twice = Constants::of(pairs.map(|pair| pair[0].clone()));
    if twice.is_empty() {
        return None;
    }
    let twice = model.node_of(Keyword::Enum(Rc::new(twice)));
    Some(model.key(Keyword::Not(twice)))
}

/// Leaves only the values of the types that are permitted in an enumeration, and the types out.
pub(super) fn of_types(mut keys: Vec<KeyId>, model: &mut Model) -> Vec<KeyId> {
    let mut permitted = None;
    let mut list = None;
    for key in &keys {
        match model.keyword(*key) {
            // Whether 1.0 is an integer depends on more than the value.
            Keyword::Types(types) if !types.integer => permitted = Some((*key, *types)),
            Keyword::Enum(values) => list = Some((*key, Rc::clone(values))),
            _ => {}
        }
    }
    let (Some((types_key, types)), Some((key, values))) = (permitted, list) else { return keys };
    let left = values.filtered(|value| types.has(Type::of(value)));
    keys.retain(|other| *other != key && *other != types_key);
    keys.push(if left.is_empty() {
        model.key(Keyword::Never)
    } else {
        model.key(Keyword::Enum(Rc::new(left)))
    });
    keys
}
