//! What is known of formats without their check: examples, which are parts of others, and a pattern that all their values
//! match.

/// A pattern of a format.
pub(super) struct Shape {
    /// All values of the format match it.
    pub pattern: &'static str,
    /// All texts that match it are values of the format.
    pub is_exact: bool,
}

/// Returns the pattern that the values of a format match, in the syntax of the `regex` crate.
pub(super) fn shape(format: &str) -> Option<Shape> {
    let (pattern, is_exact) = match format {
        "uuid" => (r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", true),
        "json-pointer" => (r"^(?:/(?:[^~]|~[01])*)?$", true),
        "relative-json-pointer" => (r"^(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~]|~[01])*)?)$", true),
        "byte" => (r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", true),
        "date" => (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", false),
        "time" => (r"^[0-9]{2}:[0-9]{2}:[0-9]{2}", false),
        "date-time" => (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}", false),
        "duration" => (r"^P", false),
        "ipv4" => (r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$", false),
        "ipv6" => (r"^[0-9A-Fa-f:.]{2,45}$", false),
        "email" | "idn-email" => (r".@.", false),
        "uri" => (r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]*$", false),
        "iri" => (r"^[A-Za-z][A-Za-z0-9+.-]*:", false),
        "hostname" => (r"^[!-~]{1,255}$", false),
        _ => return None,
    };
    Some(Shape { pattern, is_exact })
}

/// Whether each value of a format is one of another, by the standards that define both.
pub(super) fn is_part_of(inner: &str, outer: &str) -> bool {
    matches!(
        (inner, outer),
        ("email", "idn-email")
            | ("uri", "iri" | "uri-reference" | "iri-reference")
            | ("iri" | "uri-reference", "iri-reference")
    )
}

/// Returns values of a format, short ones first.
pub(super) fn examples(format: &str) -> &'static [&'static str] {
    match format {
        "date-time" | "iso-date-time" => &["2000-01-01T00:00:00Z", "2024-02-29T23:59:59.5+01:00"],
        "date" => &["2000-01-01", "2024-02-29"],
        "time" | "iso-time" => &["00:00:00Z", "23:59:59.5+01:00"],
        "duration" => &["P1D", "PT1H", "P1Y2M3DT4H5M6S"],
        "email" => &["a@example.org", "a@b.co", "first.last+tag@mail.example.org"],
        "idn-email" => &["é@example.org", "a@example.org", "실례@실례.테스트"],
        "hostname" => &["a", "example.org", "a-b.example.org"],
        "idn-hostname" => &["é", "example.org", "a", "실례.테스트"],
        "ipv4" => &["127.0.0.1", "0.0.0.0", "255.255.255.255"],
        "ipv6" => &["::1", "::", "2001:db8::1"],
        "uri" | "url" => &["https://example.org/", "http://a.b", "ftp://example.org/a"],
        "uri-reference" => &["a", "#a", "/a/b", "https://example.org/"],
        "iri" => &["https://example.org/é", "https://example.org/"],
        "iri-reference" => &["é", "a", "https://example.org/é"],
        "uri-template" => &["a", "{a}", "https://example.org/{a}"],
        "uuid" => &["00000000-0000-0000-0000-000000000000", "2f5b7f1e-4a51-4a7e-9b6f-9c1d3f1f5a3c"],
        "json-pointer" => &["", "/a", "/a/b~1c"],
        "relative-json-pointer" => &["0", "1/a", "0#"],
        "regex" => &["a", "^a$", "[a-z]+"],
        "json-pointer-uri-fragment" => &["#", "#/a"],
        "byte" => &["", "YQ==", "AAAA"],
        _ => &[],
    }
}

/// Texts that most formats refuse, each for another reason.
pub(super) const ODD: [&str; 12] =
    ["x", "", " ", "0", "a b", "{", "[", "%", "\u{7c0}", "https://example.org/é", "e30=", "~2"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use regex_automata::meta::Regex;
    use serde_json::json;

    use super::*;
    use crate::schema::{Compiled, formats::FORMATS};

    #[test]
    fn the_examples_are_values_and_match_the_shape() {
        for format in FORMATS.iter().map(|format| format.name) {
            let schema =
                json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "format": format });
            let compiled = Compiled::new(&schema, true).unwrap();
            let shape = shape(format).map(|shape| (Regex::new(shape.pattern).unwrap(), shape.is_exact));
            let all = FORMATS.iter().flat_map(|other| examples(other.name)).chain(&ODD);
            for text in all {
                let is_value = compiled.violations(&json!(text)).0.is_empty();
                assert!(is_value || !examples(format).contains(text), "{text:?} is no {format}");
                if let Some((regex, is_exact)) = &shape {
                    let matches = regex.is_match(text.as_bytes());
                    assert!(matches || !is_value, "{text:?} is a {format}, but does not match its shape");
                    assert!(
                        !matches || !is_exact || is_value,
                        "{text:?} is no {format}, but matches its shape"
                    );
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_format_is_one() {
        let formats: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        for outer in &formats {
            let compiled = Compiled::new(&json!({ "format": outer }), true).unwrap();
            for inner in formats.iter().filter(|inner| is_part_of(inner, outer)) {
                for text in examples(inner) {
                    assert!(
                        compiled.violations(&json!(text)).0.is_empty(),
                        "{text:?} of {inner} is no {outer}"
                    );
                }
            }
        }
    }
}
