//! Whether values are equal, in JSON Schema's sense: numbers by value.

use serde_json::Value;

use super::{meter::reading, number::Number, value::Instance};

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
            let number = |number, value| Number { instance: left, number, digits: left.meter.digits(value) };
            number(a, left.value).equals(&number(b, right.value))
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
