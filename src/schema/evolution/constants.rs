//! Constant values, compared as JSON Schema does (1 and 1.0 are one number), and sets of them.

use std::{
    cmp::Ordering,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Number, Value};

use super::{decimal::Decimal, types::Type};

/// A set of values, in order. Each number is in its one spelling.
#[derive(Clone, Debug)]
pub(super) struct Constants {
    values: Vec<Value>,
    hash: u64,
}

impl Constants {
    pub fn of(values: impl IntoIterator<Item = Value>) -> Self {
        let mut values: Vec<Value> = values.into_iter().map(normal).collect();
        values.sort_by(compare);
        values.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
        Self::sorted(values)
    }

    fn sorted(values: Vec<Value>) -> Self {
        let mut hasher = DefaultHasher::new();
        values.iter().for_each(|value| value.hash(&mut hasher));
        Self { hash: hasher.finish(), values }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.values.iter()
    }

    /// The values of one type.
    pub fn of_type(&self, kind: Type) -> &[Value] {
        let from = self.values.partition_point(|value| rank(value) < kind as u8);
        let to = self.values.partition_point(|value| rank(value) <= kind as u8);
        &self.values[from..to]
    }

    pub fn contains(&self, value: &Value) -> bool {
        self.values.binary_search_by(|other| compare(other, value)).is_ok()
    }

    /// The values for which `keep` is true.
    pub fn filtered(&self, keep: impl Fn(&Value) -> bool) -> Self {
        Self::sorted(self.values.iter().filter(|value| keep(value)).cloned().collect())
    }

    /// Steps that a look-up takes.
    pub fn depth(&self) -> u64 {
        u64::from(self.values.len().checked_ilog2().unwrap_or(0)) / 4 + 1
    }
}

impl PartialEq for Constants {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.values == other.values
    }
}

impl Eq for Constants {}

impl Hash for Constants {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

fn rank(value: &Value) -> u8 {
    Type::of(value) as u8
}

/// The order of values; equal are those that JSON Schema calls equal.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| compare(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (Value::Object(a), Value::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.iter().zip(b);
            let orders = pairs.map(|(a, b)| a.0.cmp(b.0).then_with(|| compare(a.1, b.1)));
            orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    match (whole(a), whole(b), a.as_f64(), b.as_f64()) {
        (Some(a), Some(b), ..) => a.cmp(&b),
        (None, None, Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        // A float beside a whole number: digit by digit.
        _ => Decimal::of(a).cmp(&Decimal::of(b)),
    }
}

fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            Decimal::of(&number).and_then(|number| number.to_json()).unwrap_or(Value::Number(number))
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        other => other,
    }
}

/// Whether all values differ from each other.
pub(super) fn are_unique(values: &[Value]) -> bool {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_by(|a, b| compare(a, b));
    sorted.windows(2).all(|pair| compare(pair[0], pair[1]).is_ne())
}

/// The work that a value is to copy or to compare.
pub(super) fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + text.len() as u64 / 16,
        Value::Array(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Value::Object(members) => {
            1 + members.iter().map(|(key, value)| key.len() as u64 / 32 + weight(value)).sum::<u64>()
        }
        _ => 1,
    }
}

/// The bytes that a value takes, about.
pub(super) fn bytes(value: &Value) -> u64 {
    let inner = match value {
        Value::String(text) => 16 + text.len() as u64,
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| 56 + key.len() as u64 + bytes(value)).sum::<u64>()
        }
        _ => 0,
    };
    32 + inner
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_are_one() {
        let all = Constants::of([
            json!(1),
            json!(1.0),
            json!([1.0, {"b": 2, "a": 1}]),
            json!([1, {"a": 1.0, "b": 2}]),
        ]);

        assert_eq!(all.len(), 2);
        assert!(all.contains(&json!(1.0)) && all.contains(&json!([1, {"a": 1, "b": 2.0}])));
        assert!(!all.contains(&json!("1")) && !all.contains(&json!(2)));
    }

    #[test]
    fn numbers_beyond_2_to_the_53_are_told_apart() {
        let all = Constants::of([json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)]);

        assert_eq!(all.len(), 2);
        assert!(all.contains(&json!(9_007_199_254_740_992.0)));
        assert!(!all.contains(&json!(9_007_199_254_740_994.0)));
    }

    #[test]
    fn values_are_found_by_type() {
        let all = Constants::of([json!("a"), json!(2), json!(null), json!("b"), json!([]), json!({})]);

        assert_eq!(all.of_type(Type::String), [json!("a"), json!("b")]);
        assert_eq!(all.of_type(Type::Number), [json!(2)]);
        assert!(all.of_type(Type::Boolean).is_empty());
    }
}
