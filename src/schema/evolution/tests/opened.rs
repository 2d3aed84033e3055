//! Opens the closed objects of a schema by rewriting its text, as `ConsumerSafe` describes it: what the model does, done in
//! another way.

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Opened,
    Negated,
}

/// Returns the schema with its closed objects opened. `None`: it has keywords that this does not rewrite.
pub fn opened(schema: &Value) -> Option<Value> {
    let text = schema.to_string();
    if text.contains("\"unevaluated") || text.contains("\"#\"") {
        return None;
    }
    // Beside a `$ref`, older drafts ignore everything.
    let is_newest = schema.get("$schema").is_some();
    let mut root = rewritten(schema, Mode::Opened, is_newest);
    if let (Value::Object(root), Some(Value::Object(definitions))) = (&mut root, schema.get("$defs")) {
        let mut all = Map::new();
        for (name, definition) in definitions {
            all.insert(name.clone(), definition.clone());
            all.insert(format!("{name}-opened"), rewritten(definition, Mode::Opened, is_newest));
            all.insert(format!("{name}-negated"), rewritten(definition, Mode::Negated, is_newest));
        }
        root.insert("$defs".to_owned(), all.into());
    }
    Some(root)
}

fn rewritten(schema: &Value, mode: Mode, is_newest: bool) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let each = |items: &Value| match items {
        Value::Array(items) => items.iter().map(|item| rewritten(item, mode, is_newest)).collect(),
        one => rewritten(one, mode, is_newest),
    };
    let members = |entries: &Value| match entries {
        Value::Object(entries) => entries
            .iter()
            .map(|(name, inner)| (name.clone(), rewritten(inner, mode, is_newest)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    };
    let mut out = Map::new();
    let mut all = Vec::new();
    for (keyword, value) in map {
        let value = match (keyword.as_str(), mode) {
            ("additionalProperties", Mode::Opened) if *value == json!(false) => json!(true),
            ("$ref", Mode::Opened) => json!(format!("{}-opened", value.as_str().unwrap())),
            ("$ref", Mode::Negated) => json!(format!("{}-negated", value.as_str().unwrap())),
            (
                "allOf"
                | "anyOf"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "additionalProperties"
                | "then"
                | "else",
                _,
            ) => each(value),
            ("properties" | "patternProperties" | "dependencies" | "dependentSchemas", _) => members(value),
            ("contains", Mode::Opened) if !map.contains_key("maxContains") => each(value),
            ("not", Mode::Opened) => rewritten(value, Mode::Negated, is_newest),
            ("not", Mode::Negated) => rewritten(value, Mode::Opened, is_newest),
            ("oneOf", Mode::Opened) => {
                all.push(json!({"anyOf": each(value)}));
                let items = value.as_array().unwrap();
                for (index, item) in items.iter().enumerate() {
                    all.extend(items[..index].iter().map(|other| json!({"not": {"allOf": [item, other]}})));
                }
                continue;
            }
            _ => value.clone(),
        };
        out.insert(keyword.clone(), value);
    }
    if !all.is_empty() {
        all.extend(out.remove("allOf").map(|known| json!({"allOf": known})));
        if is_newest || !out.contains_key("$ref") {
            out.insert("allOf".to_owned(), all.into());
        }
    }
    out.into()
}
