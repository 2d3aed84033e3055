//! Whether the elements of an array all differ.
//!
//! By digests with a random key, each of which depends on the whole structure of an element: jsonschema's own leave out
//! where arrays begin and end, so that thousands of different elements have one digest and are compared one by one.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, Hash as _, Hasher, RandomState},
};

use serde_json::Value;

use super::{equal::same, meter::reading, number::Number, value::Instance};
use crate::schema::decimal::MAX_EXACT;

/// Steps for each value within an element.
const STEPS: u64 = 4;

/// Whether the elements all differ; also where the steps are used up.
pub(super) fn is_unique(array: Instance<'_>, items: &[Value]) -> bool {
    if let [] | [_] = items {
        return true;
    }
    if let [a, b] = items {
        return !same(array.at(a), array.at(b));
    }
    let keys = RandomState::new();
    let mut seen: HashMap<u64, usize> = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = array.at(item);
        if !item.charge(STEPS) {
            return true;
        }
        let mut hasher = keys.build_hasher();
        feed(item, &mut hasher);
        match seen.entry(hasher.finish()) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            // Two different elements never have one digest but by an accident that nobody can arrange.
            Entry::Occupied(entry) if same(array.at(&items[*entry.get()]), item) => return false,
            Entry::Occupied(_) => {}
        }
    }
    true
}

fn feed(item: Instance<'_>, hasher: &mut impl Hasher) {
    if !item.charge(STEPS) {
        return;
    }
    match item.value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(value) => hasher.write_u8(1 + u8::from(*value)),
        Value::Number(number) => {
            feed_number(&Number { instance: item, number, digits: item.meter.digits(item.value) }, hasher)
        }
        Value::String(text) => feed_text(item, text, hasher),
        Value::Array(items) => {
            hasher.write_u8(5);
            hasher.write_usize(items.len());
            items.iter().for_each(|inner| feed(item.at(inner), hasher));
        }
        Value::Object(members) => {
            hasher.write_u8(6);
            hasher.write_usize(members.len());
            for (key, inner) in members {
                feed_text(item, key, hasher);
                feed(item.at(inner), hasher);
            }
        }
    }
}

fn feed_text(item: Instance<'_>, text: &str, hasher: &mut impl Hasher) {
    if item.charge(4 * reading(text.len())) {
        hasher.write_u8(4);
        hasher.write_usize(text.len());
        hasher.write(text.as_bytes());
    }
}

/// Numbers that are equal are fed alike, however they are written: a whole one of few digits as an integer, any other
/// float by its bits, and what a float rounds by its digits.
fn feed_number(number: &Number<'_>, hasher: &mut impl Hasher) {
    hasher.write_u8(3);
    let float = number.number.as_f64().filter(|_| number.number.is_f64() && number.rounded().is_none());
    let integer = number.number.as_i64().map(i128::from).or(number.number.as_u64().map(i128::from));
    match (integer, float) {
        (Some(integer), _) => hasher.write_i128(integer),
        (None, Some(float)) if float.abs() < MAX_EXACT && float.fract() == 0.0 => {
            hasher.write_i128(whole(float));
        }
        (None, Some(float)) if float.abs() < MAX_EXACT => hasher.write_u64(float.to_bits()),
        (None, _) => {
            let Some(decimal) = number.decimal() else { return };
            match (decimal.to_i128(), float) {
                (Some(integer), _) => hasher.write_i128(integer),
                // No number that a float rounds is equal to one that it does not.
                (None, Some(float)) => hasher.write_u64(float.to_bits()),
                (None, None) => decimal.hash(hasher),
            }
        }
    }
}

/// A float that is whole and exact.
#[allow(clippy::cast_possible_truncation)]
fn whole(float: f64) -> i128 {
    float as i128
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::super::meter::{Meter, Weights};
    use super::*;

    fn unique(value: &Value) -> bool {
        let meter = Meter::new(1_000_000, Weights::default());
        is_unique(Instance { value, meter: &meter }, value.as_array().unwrap())
    }

    #[test]
    fn equal_elements_are_found_however_they_are_written() {
        for twice in [
            json!([1, 2, 1.0]),
            json!([0, 2, -0.0]),
            json!([{"a": 1, "b": [2]}, 3, {"b": [2.0], "a": 1}]),
            json!([1e18, "x", 1_000_000_000_000_000_000_i64]),
            json!([9_223_372_036_854_776_000_u64, 1, 9.223_372_036_854_776e18]),
            json!([-9_007_199_254_740_992_i64, 1, -9_007_199_254_740_992.0]),
            json!([[], {}, []]),
            json!(["a", "a"]),
            json!([1.5, null, 1.5]),
        ] {
            assert!(!unique(&twice), "{twice}");
        }
    }

    #[test]
    fn elements_that_differ_are_told_apart() {
        for all_differ in [
            json!([[[], []], [[[]]], [], [[]]]),
            // By their digits, of which a float has as many as it is written with.
            json!([9_223_372_036_854_775_808_u64, 1, 9.223_372_036_854_776e18]),
            json!([1, "1", true, [1], {"1": 1}, null, false, 0]),
            json!([{"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1}]),
            json!(["ab", "a", "b", ["a", "b"], ["ab"]]),
        ] {
            assert!(unique(&all_differ), "{all_differ}");
        }
    }
}
