//! Mistakes in JSON: their places, and what is said.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn said(text: &str) -> String {
    find(text, None).map(|mistake| mistake.to_string()).unwrap_or_default()
}

#[test]
fn mistakes_have_a_place_and_a_way_out() {
    for (text, expected) in [
        ("", "1:1: not valid JSON: found no value, expected one"),
        ("{", "1:2: not valid JSON: found the end of the text, expected } for the { at 1:1"),
        (
            "{\n \"a\": [1,\n 2\n",
            "4:1: not valid JSON: found the end of the text, expected ] for the [ at 2:7",
        ),
        ("{\"a\"", "1:5: not valid JSON: found the end of the text, expected } for the { at 1:1"),
        ("{\"a\": 1,\n}", "1:8: not valid JSON: found a comma before }, expected commas only between parts"),
        ("[1,]", "1:3: not valid JSON: found a comma before ]"),
        ("[1 2]", "1:4: not valid JSON: found a number, expected a comma or ]"),
        ("{\"a\": 1\n\"b\": 2}", "2:1: not valid JSON: found a text, expected a comma or }"),
        ("{\"a\": [1}", "1:9: not valid JSON: found }, expected a comma or ]"),
        ("{a: 1}", "1:2: not valid JSON: found a word without quotes, expected a key in double quotes"),
        (
            "{'a': 1}",
            "1:2: not valid JSON: found a single quote, which begins no text in JSON, expected a key",
        ),
        ("{\"a\" 1}", "1:6: not valid JSON: found a number, expected a colon"),
        ("{\"a\": }", "1:7: not valid JSON: found }, expected a value"),
        ("{\"a\": True}", "1:7: not valid JSON: found a word without quotes, expected a value"),
        ("{\"a\": NaN}", "1:7: not valid JSON: found a word without quotes, expected a value"),
        ("{\"a\": 'x'}", "1:7: not valid JSON: found a single quote"),
        ("{ // c\n}", "1:3: not valid JSON: found a comment, which JSON does not have"),
        ("{} {}", "1:4: not valid JSON: found { behind the end of the value, expected one value"),
        ("[01]", "1:2: not valid JSON: found a number that JSON does not have"),
        ("[.5]", "1:2: not valid JSON: found a number that JSON does not have"),
        ("[1.]", "1:2: not valid JSON: found a number that JSON does not have"),
        ("[+1]", "1:2: not valid JSON: found a number that JSON does not have"),
        ("[1e400]", "1:2: not valid JSON: found a number beyond the range of a 64-bit float"),
        (
            "[\"a\tb\"]",
            "1:4: not valid JSON: found the character U+0009 in a text, expected an escape: write \\t",
        ),
        (
            "[\"a\nb\"]",
            "1:4: not valid JSON: found the character U+000A in a text, expected an escape: write \\n",
        ),
        (
            "{\"a\": \"x,\n \"b\": 1}",
            "1:7: not valid JSON: found \", which begins a text, and no \" that ends it",
        ),
        ("[\"a", "1:2: not valid JSON: found \", which begins a text, and no \" that ends it"),
        ("[\"C:\\dir\"]", "1:5: not valid JSON: found a backslash that begins no escape of JSON"),
        ("[\"\\u00g0\"]", "1:3: not valid JSON: found \\u without four hexadecimal digits"),
        ("[\"\\ud800\"]", "1:3: not valid JSON: found an escape of a surrogate without the other half"),
        ("[\"é\" x]", "1:6: not valid JSON: found a word without quotes, expected a comma or ]"),
        ("}", "1:1: not valid JSON: found }, expected a value"),
    ] {
        assert!(said(text).starts_with(expected), "{text:?}: {}", said(text));
    }
}

#[test]
fn nesting_is_counted_as_serde_json_does() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

    let found = find(&nested(128), Some(128)).unwrap();

    assert_eq!((found.column, found.kind), (128, JsonMistakeKind::TooDeep(128)));
    assert_eq!(find(&nested(127), Some(128)), None);
    assert!(serde_json::from_str::<serde_json::Value>(&nested(127)).is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(&nested(128)).is_err());
}

#[test]
fn no_value_is_shown() {
    for text in
        ["{\"a\": hunter2}", "[\"hunter2", "[\"hunter2\\x\"]", "{\"a\": \"x\" \"hunter2\"}", "[0hunter2]"]
    {
        assert!(!said(text).contains("hunter2"), "{}", said(text));
    }
}

proptest! {
    #[test]
    fn the_same_texts_are_refused_as_by_serde_json(
        text in r#"([\[\]{},: 0-9.eE+\-"\\ua-f/\n\t]|true|null|"a"|"a":|\\ud83d\\ude00|\{"a":|\[1,){0,12}"#
    ) {
        let read = serde_json::from_str::<serde_json::Value>(&text);

        prop_assert_eq!(find(&text, Some(128)).is_none(), read.is_ok(), "{:?}: {:?}", said(&text), read);
    }
}
