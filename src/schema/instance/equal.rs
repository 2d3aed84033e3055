//! Whether values are equal, in JSON Schema's sense: numbers by value.

use jsonschema::json::cmp;
use serde_json::Value;

use super::{meter::reading, number::Number, value::Instance};
use crate::schema::decimal::Decimal;

/// Whether a value equals one of the schema.
pub(super) fn equals(instance: Instance<'_>, expected: &Value) -> bool {
    same(instance, Instance { value: expected, meter: instance.meter })
}

/// Whether two values are equal. Where the steps are used up, they are not.
pub(super) fn same(left: Instance<'_>, right: Instance<'_>) -> bool {
    if !left.charge(1) {
        return false;
    }
    match (left.value, right.value) {
        (Value::String(a), Value::String(b)) => a.len() == b.len() && left.charge(reading(a.len())) && a == b,
        (Value::Number(a), Value::Number(b)) => {
            let digits = (left.meter.digits(left.value), right.meter.digits(right.value));
            if digits == (None, None) {
                return cmp::equal(left.value, right.value);
            }
            let decimal = |number, digits| Number { instance: left, number, digits }.decimal();
            decimal(a, digits.0).is_some_and(|a: Decimal| Some(a) == decimal(b, digits.1))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(left.at(a), right.at(b)))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key_a, a), (key_b, b))| {
                    // Both are sorted by key.
                    key_a.len() == key_b.len()
                        && left.charge(reading(key_a.len()))
                        && key_a == key_b
                        && same(left.at(a), right.at(b))
                })
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => false,
    }
}
