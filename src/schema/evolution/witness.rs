//! A payload that one side permits and the other refuses: confirmed by both validators, and made small.

use serde_json::Value;

use super::{constants::weight, model::NodeId, solve::Solver, version::Version};

/// Most payloads that are tried while one is made small.
const MAX_TRIES: usize = 300;
/// Most steps of these payloads: each is copied, and judged by two validators.
const MAX_STEPS: u64 = 200_000;

/// A search for a payload.
pub(super) struct Search<'s, 'm, 'v> {
    pub solver: &'s mut Solver<'m>,
    /// The side that permits the payload.
    pub permits: &'v Version<'v>,
    /// The side that refuses it as it is written.
    pub refuses: &'v Version<'v>,
    /// The same side with its closed objects opened, if it is compared so.
    pub opened: Option<NodeId>,
}

/// A part of a payload, by the positions of members and elements from the root.
type Path = Vec<usize>;

/// A way to make one part of a payload smaller.
enum Edit {
    Remove(Path),
    Replace(Path, Value),
}

impl Search<'_, '_, '_> {
    /// Whether a payload is what is searched for.
    pub fn is_witness(&mut self, payload: &Value) -> bool {
        self.permits.permits(payload)
            && !self.refuses.permits(payload)
            && self.opened.is_none_or(|opened| self.solver.meets(&[(opened, false)], payload) == Some(true))
    }

    /// Makes a payload small, part by part.
    pub fn shrink(&mut self, mut payload: Value) -> Value {
        let mut tries = 0;
        let mut steps = 0;
        loop {
            let mut edits = Vec::new();
            list(&payload, &mut Vec::new(), &mut edits);
            let size = weight(&payload);
            let found = edits.iter().find_map(|edit| {
                tries += 1;
                steps += size;
                if tries > MAX_TRIES || steps > MAX_STEPS {
                    return None;
                }
                let mut smaller = payload.clone();
                edit.apply(&mut smaller);
                self.is_witness(&smaller).then_some(smaller)
            });
            match found {
                Some(found) => payload = found,
                None => return payload,
            }
        }
    }
}

impl Edit {
    fn apply(&self, payload: &mut Value) {
        match self {
            Self::Replace(path, value) => {
                if let Some(part) = path.iter().try_fold(payload, |part, position| child(part, *position)) {
                    part.clone_from(value);
                }
            }
            Self::Remove(path) => {
                let Some((last, parents)) = path.split_last() else { return };
                match parents.iter().try_fold(payload, |part, position| child(part, *position)) {
                    Some(Value::Array(items)) => drop(items.remove(*last)),
                    Some(Value::Object(map)) => {
                        if let Some(name) = map.keys().nth(*last).cloned() {
                            map.remove(&name);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn child(value: &mut Value, position: usize) -> Option<&mut Value> {
    match value {
        Value::Array(items) => items.get_mut(position),
        Value::Object(map) => map.values_mut().nth(position),
        _ => None,
    }
}

/// Adds the ways to make a value smaller in one part.
fn list(value: &Value, path: &mut Path, edits: &mut Vec<Edit>) {
    let mut replace = |with: Value| edits.push(Edit::Replace(path.clone(), with));
    let children: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        Value::String(text) if !text.is_empty() => {
            replace("".into());
            if text.chars().nth(1).is_some() {
                replace(text.chars().take(1).collect::<String>().into());
            }
            return;
        }
        Value::Number(number) if number.as_i64() != Some(0) => return replace(0.into()),
        _ => return,
    };
    for position in 0..children.len() {
        edits.push(Edit::Remove([path.as_slice(), &[position]].concat()));
    }
    for (position, child) in children.into_iter().enumerate() {
        // More than that are never tried.
        if edits.len() > MAX_TRIES {
            return;
        }
        path.push(position);
        list(child, path, edits);
        path.pop();
    }
}
