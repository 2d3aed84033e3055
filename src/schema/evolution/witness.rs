//! A payload that one side permits and the other refuses: confirmed by both validators, and made small.

use serde_json::Value;

use super::{budget::Budget, constants::weight, model::NodeId, solve::Solver, version::Version};

/// Most payloads that are tried while one is made small.
const MAX_TRIES: usize = 300;
/// Most steps of these payloads, each of which is copied. What the validators take is counted apart.
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
    /// The steps of the validators. Where they are used up, no further payload is one that is searched for.
    pub judging: Budget,
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
        self.is_permitted(self.permits, payload) == Some(true)
            && self.is_permitted(self.refuses, payload) == Some(false)
            && self.opened.is_none_or(|opened| self.solver.meets(&[(opened, false)], payload) == Some(true))
    }

    /// Whether a version permits a payload; `None` where the steps of the validators are used up.
    pub fn is_permitted(&mut self, version: &Version<'_>, payload: &Value) -> Option<bool> {
        version.permits_within(payload, &mut self.judging)
    }

    /// Makes a payload small, part by part, as far as that takes little.
    pub fn shrink(&mut self, mut payload: Value) -> Value {
        let mut tries = 0;
        let mut steps = 0;
        loop {
            let mut is_smaller = false;
            let mut edits = edits(&payload);
            let mut size = weight(&payload);
            let mut next = 0;
            while let Some(edit) = edits.get(next) {
                tries += 1;
                steps += size;
                if tries > MAX_TRIES || steps > MAX_STEPS || self.judging.is_exceeded() {
                    return payload;
                }
                let Some(undo) = edit.apply(&mut payload) else { return payload };
                if self.is_witness(&payload) {
                    is_smaller = true;
                    // The edits before this one are the same as before. Most of them fail again, so they wait for the next
                    // round.
                    edits = self::edits(&payload);
                    size = weight(&payload);
                } else {
                    undo.apply(&mut payload);
                    next += 1;
                }
            }
            if !is_smaller {
                return payload;
            }
        }
    }
}

/// What takes an edit back.
enum Undo<'e> {
    Element(&'e [usize], Value),
    Member(&'e [usize], String, Value),
    Replace(&'e [usize], Value),
}

impl Edit {
    /// Makes the edit; `None` where the payload has no such part.
    fn apply(&self, payload: &mut Value) -> Option<Undo<'_>> {
        match self {
            Self::Replace(path, value) => {
                Some(Undo::Replace(path, std::mem::replace(part(payload, path)?, value.clone())))
            }
            Self::Remove(path) => {
                let (last, parents) = path.split_last()?;
                match part(payload, parents)? {
                    Value::Array(items) => {
                        (*last < items.len()).then(|| Undo::Element(path, items.remove(*last)))
                    }
                    Value::Object(map) => {
                        let name = map.keys().nth(*last)?.clone();
                        let value = map.remove(&name)?;
                        Some(Undo::Member(parents, name, value))
                    }
                    _ => None,
                }
            }
        }
    }
}

impl Undo<'_> {
    fn apply(self, payload: &mut Value) {
        match self {
            Self::Replace(path, value) => {
                if let Some(part) = part(payload, path) {
                    *part = value;
                }
            }
            Self::Element(path, value) => {
                if let Some((last, parents)) = path.split_last()
                    && let Some(Value::Array(items)) = part(payload, parents)
                {
                    items.insert(*last, value);
                }
            }
            Self::Member(path, name, value) => {
                if let Some(Value::Object(map)) = part(payload, path) {
                    map.insert(name, value);
                }
            }
        }
    }
}

/// Returns the part of a payload at a path.
fn part<'p>(payload: &'p mut Value, path: &[usize]) -> Option<&'p mut Value> {
    path.iter().try_fold(payload, |part, position| child(part, *position))
}

fn child(value: &mut Value, position: usize) -> Option<&mut Value> {
    match value {
        Value::Array(items) => items.get_mut(position),
        Value::Object(map) => map.values_mut().nth(position),
        _ => None,
    }
}

/// Returns the ways to make a payload smaller in one part.
fn edits(payload: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    list(payload, &mut Vec::new(), &mut edits);
    edits
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
    // More than that are never tried.
    for position in (0..children.len()).take(MAX_TRIES + 1) {
        edits.push(Edit::Remove([path.as_slice(), &[position]].concat()));
    }
    for (position, child) in children.into_iter().enumerate() {
        if edits.len() > MAX_TRIES {
            return;
        }
        path.push(position);
        list(child, path, edits);
        path.pop();
    }
}
