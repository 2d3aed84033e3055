//! Has a `const` that is a long number be compared by its digits.
//!
//! jsonschema compares a `const` that is a number with the 64-bit number of the payload, to which `9007199254740993.0` is
//! 9007199254740992. The values of an `enum` it compares with what the payload says is equal (`instance`), as decimals.

use jsonschema::Draft;
use serde_json::{Map, Number, Value};

use crate::schema::decimal::{Decimal, MAX_EXACT};

/// Writes a `const` that is a long number as the only value of `enum`, or none where `enum` does not permit it.
pub(super) fn compare_by_digits(draft: Draft, rewritten: &mut Map<String, Value>) {
    let Some(Value::Number(number)) = rewritten.get("const") else { return };
    let is_short = number.as_f64().is_some_and(|float| float.abs() < MAX_EXACT);
    // Draft 4 knows no `const`.
    if is_short || draft < Draft::Draft6 {
        return;
    }
    let is_permitted = match rewritten.get("enum") {
        Some(Value::Array(values)) => values.iter().any(|value| is_number(value, number)),
        _ => true,
    };
    let only = rewritten.remove("const").filter(|_| is_permitted);
    rewritten.insert("enum".to_owned(), only.into_iter().collect());
}

fn is_number(value: &Value, number: &Number) -> bool {
    let decimal = |number: &Number| Decimal::parse(&number.to_string());
    matches!(value, Value::Number(other) if decimal(other) == decimal(number))
}
