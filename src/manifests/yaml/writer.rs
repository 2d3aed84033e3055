//! Writes YAML that every reader reads as the same value: kubectl (YAML 1.1), and those of YAML 1.2.
//!
//! `serde_yaml` writes for YAML 1.2: `yes`, `on` and the key `<<` stay without quotes, and kubectl reads something else. Here
//! a text has no quotes only where it looks like a word or a path.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Returns a value as a YAML document, without `---`.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => object(&mut out, members, 0, false),
        Value::Array(items) if !items.is_empty() => array(&mut out, items, 0),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// The members of an object, each on lines of its own. `follows`: the first stands behind something on its line.
fn object(out: &mut String, members: &Map<String, Value>, depth: usize, follows: bool) {
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 || !follows {
            indent(out, depth);
        }
        line(out, key);
        out.push(':');
        match value {
            Value::Object(members) if !members.is_empty() => {
                out.push('\n');
                object(out, members, depth + 1, false);
            }
            // As kubectl writes lists: the dashes are not indented.
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                array(out, items, depth);
            }
            other => {
                out.push(' ');
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn array(out: &mut String, items: &[Value], depth: usize) {
    for item in items {
        indent(out, depth);
        out.push('-');
        match item {
            Value::Object(members) if !members.is_empty() => {
                out.push(' ');
                object(out, members, depth + 1, true);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                array(out, items, depth + 1);
            }
            other => {
                out.push(' ');
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn scalar(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) if is_block(text) => block(out, text, depth),
        Value::String(text) => line(out, text),
        // A float without a dot is no number in YAML 1.1.
        Value::Number(number) if number.is_f64() => out.push_str(&float(&number.to_string())),
        // JSON, which is YAML.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A float as both versions of YAML read it: `1e+30` is `1.0e+30`.
fn float(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return text.to_owned() };
    let dot = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
    format!("{mantissa}{dot}e{sign}{exponent}")
}

/// Words that a version of YAML reads as something other than text.
const WORDS: [&str; 13] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "nil"];

/// A text on one line.
fn line(out: &mut String, text: &str) {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_./$-".contains(&byte);
    let is_plain = text.len() <= 200
        && text.bytes().all(inner)
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let is_sentence = || {
        let inner = |character: char| character.is_ascii_alphanumeric() || " _./,;()$-".contains(character);
        text.len() <= 2000
            && text.contains(' ')
            && text.chars().all(inner)
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && !text.ends_with(' ')
    };
    if is_plain || is_sentence() {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Line breaks and marks that readers disagree about, and what is not printable in YAML.
            character if is_escaped(character) => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units);
                if units.len() == 1 {
                    let _ = write!(out, "\\u{:04x}", u32::from(character));
                } else {
                    let _ = write!(out, "\\U{:08x}", u32::from(character));
                }
            }
            character => out.push(character),
        }
    }
    out.push('"');
}

fn is_escaped(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// Whether a text is written as a block: it has several lines, and a block keeps it as it is.
fn is_block(text: &str) -> bool {
    let is_kept = |character: char| character == '\n' || !is_escaped(character);
    let inner = text.strip_suffix('\n').unwrap_or(text);
    inner.contains('\n')
        && !inner.starts_with([' ', '\n'])
        && !inner.ends_with('\n')
        && text.chars().all(is_kept)
        && text.lines().all(|line| !line.ends_with(' ') && line.len() <= 4000)
}

fn block(out: &mut String, text: &str, depth: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::manifests::yaml::documents;

    fn read(text: &str) -> Value {
        let documents: Vec<_> = documents(text).collect::<Result<_, _>>().unwrap();
        assert_eq!(documents.len(), 1, "{text}");
        documents.into_iter().next().unwrap().value
    }

    #[test]
    fn as_kubectl_writes_lists_and_objects() {
        let value = json!({"kind": "List", "items": [{"a": 1, "b": ["x", []]}, {}], "text": "one\n two\n"});

        let written = write(&value);

        assert_eq!(
            written,
            "items:\n- a: 1\n  b:\n  - x\n  - []\n- {}\nkind: List\ntext: |\n  one\n   two\n"
        );
        assert_eq!(read(&written), value);
    }

    #[test]
    fn words_that_are_not_text_have_quotes() {
        let words = [
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "null",
            "~",
            "",
            "<<",
            "=",
            "1",
            "0x1f",
            "1_000",
            ".nan",
            "1:30",
            "a: b",
            "# c",
            "a #b",
            "- a",
            "2001-01-01",
            "é",
            "\u{85}",
            "\u{2028}",
            "tab\there",
            "trailing ",
            "e1",
        ];
        let value = json!({"list": words, "keys": {"yes": 1, "<<": 2, "1": 3, "": 4, "~": 5}});

        let written = write(&value);

        assert_eq!(read(&written), value);
        assert_eq!(serde_yaml::from_str::<Value>(&written).unwrap(), value);
    }

    #[test]
    fn numbers() {
        let value = json!([0, -1, 1.5, 1e30, -2.5e-9, i64::MIN, u64::MAX, 1.0, 1e16]);

        let written = write(&value);

        // kubectl reads `1.0` as 1, which is the same number.
        let numbers = |value: &Value| {
            value.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&read(&written)), numbers(&value), "{written}");
        assert_eq!(serde_yaml::from_str::<Value>(&written).unwrap(), value, "{written}");
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[ \\n#:|>a-c\"'-]{0,12}", "[a-z]{1,3}( [a-z]{1,3}){0,3}\\n?"]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_as_it_was(value in value().prop_filter("empty documents are left out", |it| !it.is_null())) {
            prop_assert_eq!(read(&write(&value)), value);
        }
    }
}
