//! The difference of two JSON values, by place: what was added, removed and changed. In JSON Schema, the order of `required`,
//! `enum` and `type` means nothing, so they are compared as sets.

use serde_json::Value;

use crate::api::JsonPointer;

/// A place that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The place.
    pub pointer: JsonPointer,
    /// The value before; `None`: there was none.
    pub before: Option<Value>,
    /// The value after; `None`: there is none.
    pub after: Option<Value>,
}

/// Returns the places where two values differ, in the order of the document.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&JsonPointer::ROOT, None, before, after, &mut found);
    found
}

fn compare(
    pointer: &JsonPointer,
    key: Option<&str>,
    before: &Value,
    after: &Value,
    found: &mut Vec<Difference>,
) {
    match (before, after) {
        (one, other) if one == other => {}
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            let mut keys: Vec<_> = keys.collect();
            keys.sort();
            for key in keys {
                let place = pointer.child(key);
                match (before.get(key), after.get(key)) {
                    (Some(before), Some(after)) => compare(&place, Some(key), before, after, found),
                    (before, after) => {
                        found.push(Difference {
                            pointer: place,
                            before: before.cloned(),
                            after: after.cloned(),
                        });
                    }
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if matches!(key, Some("required" | "enum" | "type")) => {
            sets(pointer, before, after, found);
        }
        (Value::Array(before), Value::Array(after)) => lists(pointer, before, after, found),
        (before, after) => found.push(Difference {
            pointer: pointer.clone(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn sets(pointer: &JsonPointer, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let removed = before.iter().filter(|item| !after.contains(item));
    found.extend(removed.map(|item| Difference {
        pointer: pointer.clone(),
        before: Some(item.clone()),
        after: None,
    }));
    let added = after.iter().filter(|item| !before.contains(item));
    found.extend(added.map(|item| Difference {
        pointer: pointer.clone(),
        before: None,
        after: Some(item.clone()),
    }));
}

/// Aligns two lists by their equal items; what is replaced in one place is compared.
fn lists(pointer: &JsonPointer, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let [before_texts, after_texts] =
        [before, after].map(|items| items.iter().map(Value::to_string).collect::<Vec<_>>());
    for operation in similar::capture_diff_slices(similar::Algorithm::Myers, &before_texts, &after_texts) {
        let (_, old, new) = operation.as_tag_tuple();
        if operation.tag() == similar::DiffTag::Equal {
            continue;
        }
        let common = old.len().min(new.len());
        for (old, new) in old.clone().zip(new.clone()) {
            if let (Some(before), Some(after)) = (before.get(old), after.get(new)) {
                compare(&pointer.index(new), None, before, after, found);
            }
        }
        for index in old.skip(common) {
            found.push(Difference {
                pointer: pointer.index(index),
                before: before.get(index).cloned(),
                after: None,
            });
        }
        for index in new.skip(common) {
            found.push(Difference {
                pointer: pointer.index(index),
                before: None,
                after: after.get(index).cloned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn places(before: Value, after: Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let differences = differences(&before, &after).into_iter();
        differences.map(|it| (it.pointer.as_str().to_owned(), it.before, it.after)).collect()
    }

    #[test]
    fn places_by_pointer() {
        let before = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": true}});
        let after = json!({"type": "object", "properties": {"a": {"type": "integer"}, "c": {}}});

        let expected = [
            ("/properties/a/type".to_owned(), Some(json!("string")), Some(json!("integer"))),
            ("/properties/b".to_owned(), Some(json!(true)), None),
            ("/properties/c".to_owned(), None, Some(json!({}))),
        ];
        assert_eq!(places(before, after), expected);
    }

    #[test]
    fn the_order_of_sets_means_nothing() {
        let before = json!({"required": ["a", "b"], "type": ["string", "null"]});
        let after = json!({"required": ["b", "c", "a"], "type": ["null", "string"]});

        assert_eq!(places(before, after), [("/required".to_owned(), None, Some(json!("c")))]);
    }

    #[test]
    fn lists_are_aligned() {
        let before = json!({"anyOf": [{"const": 1}, {"const": 2}, {"const": 3}]});
        let after = json!({"anyOf": [{"const": 2}, {"const": 4}]});

        let expected = [
            ("/anyOf/0".to_owned(), Some(json!({"const": 1})), None),
            ("/anyOf/1/const".to_owned(), Some(json!(3)), Some(json!(4))),
        ];
        assert_eq!(places(before, after), expected);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from), "[ab]".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab/~]|required", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_values_have_no_differences(value in value()) {
            prop_assert_eq!(differences(&value, &value), []);
        }

        #[test]
        fn both_directions_are_mirrored(one in value(), other in value()) {
            prop_assert_eq!(differences(&one, &other).is_empty(), differences(&other, &one).is_empty());
        }
    }
}
