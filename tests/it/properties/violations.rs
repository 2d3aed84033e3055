//! Violations of schemas.

use super::*;

/// Something like a schema: the keywords that a validator knows, with values that may or may not fit them.
fn schema_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({})),
        Just(json!(null)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("#")),
        Just(json!("#/definitions/a")),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/definitions/a"})),
        Just(json!({"$ref": "#/allOf/0"})),
        Just(json!({"$dynamicRef": "#a"})),
        "[a-c\\[\\](){}*+?\\\\0-9]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let keyword = prop_oneof![
            Just("properties"), Just("patternProperties"), Just("additionalProperties"), Just("items"),
            Just("allOf"), Just("anyOf"), Just("oneOf"), Just("not"), Just("if"), Just("then"), Just("else"),
            Just("definitions"), Just("$defs"), Just("$ref"), Just("$id"), Just("$schema"), Just("$anchor"),
            Just("$dynamicRef"), Just("$dynamicAnchor"), Just("$recursiveRef"), Just("required"), Just("enum"),
            Just("const"), Just("type"), Just("format"), Just("pattern"), Just("minLength"), Just("multipleOf"),
            Just("uniqueItems"), Just("contains"), Just("propertyNames"), Just("dependencies"),
            Just("dependentSchemas"), Just("prefixItems"), Just("unevaluatedProperties"), Just("a"), Just("b"),
        ];
        prop_oneof![
            4 => collection::btree_map(keyword.prop_map(str::to_owned), inner.clone(), 0..4).prop_map(|map| json!(map)),
            1 => collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn payload_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            collection::btree_map("[ab/~\u{1}]{1,2}", inner.clone(), 0..4).prop_map(|map| json!(map)),
            collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn violations_are_short_and_their_pointers_resolve(
        schema in schema_like(), payload in payload_like(), formats in any::<bool>(),
    ) {
        match Compiled::new(&schema, formats) {
            Err(error) => prop_assert!(error.to_string().len() < 2000, "{}", error),
            Ok(compiled) => {
                let (violations, _) = compiled.violations(&payload);
                prop_assert!(violations.len() <= 10);
                for violation in violations {
                    prop_assert!(violation.message.len() < 1000, "{}", violation);
                    prop_assert!(payload.pointer(&violation.pointer).is_some(), "{}", violation);
                }
            }
        }
    }
}
