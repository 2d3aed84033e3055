//! JSON text as Svix returned it: whether YAML keeps it, and a form of it that people can read.
//!
//! No tree is built of the text, because one would round numbers.

/// Whether a text does not survive as YAML in a manifest: it has a number other than a whole one of 64 bits, or a `null`, which
/// a client-side `kubectl apply` removes.
#[must_use]
pub fn needs_text(json: &str) -> bool {
    let mut tokens = Tokens(json);
    tokens.any(|token| match token.as_bytes().first() {
        Some(b'n') => true,
        Some(b'-' | b'0'..=b'9') => token == "-0" || token.parse::<i64>().is_err(),
        _ => false,
    })
}

/// Returns a text with a line for each member and item. Numbers stay as they are written.
#[must_use]
pub fn pretty(json: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut tokens = Tokens(json).peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                out.push_str(token);
                if let Some(end) = tokens.next_if(|next| matches!(*next, "}" | "]")) {
                    out.push_str(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push_str(token);
            }
            "," => {
                out.push(',');
                line(&mut out, depth);
            }
            ":" => out.push_str(": "),
            // In a string, characters that YAML's readers disagree about are escaped as JSON allows.
            other => other.chars().for_each(|character| push(&mut out, character)),
        }
    }
    out
}

fn push(out: &mut String, character: char) {
    match character {
        '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        }
        other => out.push(other),
    }
}

/// The tokens of JSON text, without white space.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let end = match text.as_bytes().first()? {
            b'"' => string_end(text),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => text.find(|character: char| "{}[],:\" \t\n\r".contains(character)).unwrap_or(text.len()),
        };
        let (token, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        Some(token)
    }
}

/// The end of the string that a text begins with.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_yaml_would_change_needs_text() {
        for json in [
            r#"{"a":null}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":9223372036854775808}"#,
            r#"{"a":-9223372036854775809}"#,
            r#"{"a":[-0]}"#,
            r#"{"enum":[true,[{"b":0.1}]]}"#,
        ] {
            assert!(needs_text(json), "{json}");
        }
        for json in [
            r#"{"a":9223372036854775807,"b":-1,"c":true}"#,
            r#"{"a":"null 1.5","1.5":"\"null","b\\":"\\"}"#,
            "{}",
        ] {
            assert!(!needs_text(json), "{json}");
        }
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        let json = r#"{"a":[1.10,{}],"b":{"c":123456789012345678901234567890,"d":[]},"e":"x\":{,\u2028"}"#;
        let expected = "{\n  \"a\": [\n    1.10,\n    {}\n  ],\n  \"b\": {\n    \"c\": 123456789012345678901234567890,\n    \
                        \"d\": []\n  },\n  \"e\": \"x\\\":{,\\u2028\"\n}";
        assert_eq!(pretty(json), expected);
        assert_eq!(pretty("{\"a\":\"\u{2028}\u{85}\"}"), "{\n  \"a\": \"\\u2028\\u0085\"\n}");
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(text in r#"\{(("[ab\u{2028}]"|"é\\n\\""|"\\\\"):(-?[1-9][0-9]{0,3}(\.[0-9]{1,3})?|null|"\u{85}"|\[(1,)*2\]|\{\}),){0,6}"z":0\}"#) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();

            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&pretty(&text)).unwrap(), value);
        }
    }
}
