//! A payload that one side permits and the other refuses: confirmed by both validators, and made small.

use serde_json::Value;

use super::{model::NodeId, solve::Solver, version::Version};

/// Most payloads that are tried while one is made small.
const MAX_TRIES: usize = 300;

/// A search for a payload.
pub(super) struct Search<'s, 'm, 'v> {
    pub solver: &'s mut Solver<'m>,
    /// The side that permits the payload.
    pub permits: &'v Version<'v>,
    /// The side that refuses it as it is written.
    pub refuses: &'v Version<'v>,
    /// The same side as it is compared, which may be opened.
    pub refusing: NodeId,
}

impl Search<'_, '_, '_> {
    /// Whether a payload is what is searched for.
    pub fn is_witness(&mut self, payload: &Value) -> bool {
        self.permits.permits(payload)
            && !self.refuses.permits(payload)
            && self.solver.meets(&[(self.refusing, false)], payload) != Some(false)
    }

    /// Makes a payload small, part by part.
    pub fn shrink(&mut self, mut payload: Value) -> Value {
        let mut tries = 0;
        loop {
            let mut smaller = Vec::new();
            candidates(&payload, &mut |candidate| smaller.push(candidate));
            let found = smaller.into_iter().find(|candidate| {
                tries += 1;
                tries <= MAX_TRIES && self.is_witness(candidate)
            });
            match found {
                Some(found) => payload = found,
                None => return payload,
            }
        }
    }
}

/// Calls `each` with payloads that are smaller in one part.
fn candidates(value: &Value, each: &mut dyn FnMut(Value)) {
    match value {
        Value::Object(map) => {
            for name in map.keys() {
                let mut smaller = map.clone();
                smaller.remove(name);
                each(Value::Object(smaller));
            }
            for (name, member) in map {
                candidates(member, &mut |inner| {
                    let mut smaller = map.clone();
                    smaller.insert(name.clone(), inner);
                    each(Value::Object(smaller));
                });
            }
        }
        Value::Array(items) => {
            for index in 0..items.len() {
                let mut smaller = items.clone();
                smaller.remove(index);
                each(Value::Array(smaller));
            }
            for (index, item) in items.iter().enumerate() {
                candidates(item, &mut |inner| {
                    let mut smaller = items.clone();
                    smaller[index] = inner;
                    each(Value::Array(smaller));
                });
            }
        }
        Value::String(text) if !text.is_empty() => {
            each("".into());
            if text.chars().count() > 1 {
                each(text.chars().take(1).collect::<String>().into());
            }
        }
        Value::Number(number) if number.as_i64() != Some(0) => each(0.into()),
        _ => {}
    }
}
