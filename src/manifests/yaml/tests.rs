//! Reading YAML: what kubectl reads, positions, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn one(text: &str) -> Value {
    documents(text).next().unwrap().unwrap().value
}

fn refusal(text: &str) -> String {
    let refused = documents(text).find_map(Result::err);
    refused.unwrap_or_else(|| panic!("{text:?} is read")).to_string()
}

#[test]
fn anchors_aliases_tags_and_merge_keys() {
    let text = "base: &base {a: 1, b: [x]}\nmerged: {<<: *base, b: 2}\nalias: *base\nboth: {<<: [{b: 2}, {b: 3}]}\n\
                quoted: {\"<<\": 1}\ntagged: [!!str 12, ! 12, !!float 1, !foo bar, !!binary aGVsbG8=]\n";
    assert_eq!(
        one(text),
        json!({
            "base": {"a": 1, "b": ["x"]}, "merged": {"a": 1, "b": 2}, "alias": {"a": 1, "b": ["x"]},
            "both": {"b": 2}, "quoted": {"<<": 1}, "tagged": ["12", "12", 1, "bar", "hello"],
        })
    );
}

#[test]
fn what_would_be_lost_is_refused_with_its_line() {
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3\n", "3:1: the key \"a\" is given twice, first on line 1: keep one of them"),
        ("on: 1\nyes: 2\n", "2:1: the key \"true\" is given twice, first on line 1: keep one of them"),
        (
            "b: 1\n<<: {b: 2}\n",
            "2:5: << brings \"b\" again, which stands before it: write << first, what follows it overrides it",
        ),
        ("<<: 1\n", "1:5: << takes an object, or a list of objects"),
        ("a: -.inf\n", "1:4: -.inf is not a number that JSON has: write a number, or put the text in quotes"),
        ("~: 1\n", "1:1: a key must be text, found null: put it in quotes if it is a name"),
        ("[a]: 1\n", "1:1: a key must be text, found a list or an object"),
        (
            "a: 1\n%b\n",
            "2:1: not valid YAML: a line that begins with % stands only before ---: indent it, or put it in quotes",
        ),
        ("%YAML 1.1\n---\na: 1\n", "1:1: a directive, which kubectl does not read: remove the line"),
        (
            "a: 1\n--- {b: 1}\n",
            "2:4: text behind ---, which kubectl does not read: write it on the next line",
        ),
        ("a: 1\n---b\n", "2:4: text behind ---, which kubectl does not read: write it on the next line"),
        ("a: 1\n...\nb: 2\n", "3:1: kubectl reads nothing behind ...: separate documents with ---"),
        (
            "a: \"\\/\"\n",
            "1:4: found the escape \\/, which kubectl refuses here: write / without the backslash",
        ),
        (
            "a: 1\nb: x\u{2028}y\n",
            "2:5: found the character U+2028, which kubectl refuses or takes for a line break: write it as an escape in \
             double quotes, such as \"\\u2028\"",
        ),
        ("a:\n-\tb\n", "2:3: found a tab in the indentation: indent with spaces"),
        ("\ta: 1\n", "1:1: found a tab in the indentation: indent with spaces"),
        ("{a\nb: 1}\n", "1:2: a key of several lines, which kubectl refuses: write it on one line"),
        ("a:\n  - \t\n", "2:6: found a tab in the indentation: indent with spaces"),
        ("a:\n  b: c # d\n   \t\n", "3:1: found a tab in the indentation: indent with spaces"),
        ("---#\na: 1\n", "1:4: text behind ---, which kubectl does not read: write it on the next line"),
        ("...\n", "1:1: ... ends a document that has no content: remove the line"),
        ("a: &x [*x]\n", "1:8: an alias inside its own anchor"),
        ("a: !!int no\n", "1:4: a text tagged !!int that is no int"),
        (
            "{\"a\": \"\\ud83d\\ude00\", \"b\": 1,\n \"b\": 1}",
            "2:8: the key \"b\" is given twice: keep one of them",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

/// Texts that people get wrong, the place that is named, and the beginning of what is said.
const MISTAKES: [(&str, &str); 69] = [
    ("x: 1\na: b: c\n", "2:5: not valid YAML: found \": \" in a value: put the value in quotes"),
    ("time: 12:30: x\n", "1:12: not valid YAML: found \": \" in a value"),
    ("- a: b: c\n", "1:7: not valid YAML: found \": \" in a value"),
    ("a: 1\n b: 2\n", "2:3: not valid YAML: found a key in the lines of the value before it"),
    ("a b\nc: d\n", "2:2: not valid YAML: found a key in the lines of the value before it"),
    ("a:b\nc: d\n", "2:2: not valid YAML: found a key in the lines of the value before it"),
    ("a: b\nc\nd: e\n", "2:1: not valid YAML: found a line without \": \", expected a key"),
    ("a: |\n b\nc\n\n# d\n", "3:1: not valid YAML: found a line without \": \", expected a key"),
    ("a:\n  b: 1\n c: 2\n", "3:2: not valid YAML: found an indentation that no line before it has"),
    ("a: |\n    b\n  c\n", "3:3: not valid YAML: found an indentation that no line before it has"),
    ("a: 1\n- b\n", "2:3: not valid YAML: found a list item, expected a key"),
    ("a:\n  - b\n - c\n", "3:2: not valid YAML: found a list item, expected a key"),
    ("- a\nb: 1\n", "2:1: not valid YAML: found a line that is no item of the list before it"),
    ("- a: 1\n b: 2\n", "2:2: not valid YAML: found a line that is no item of the list before it"),
    ("a: - b\n", "1:4: not valid YAML: found - on the line of a key"),
    ("a: [- b]\n", "1:5: not valid YAML: found - in a list in []"),
    ("a: [-, b]\n", "1:5: not valid YAML: found - in a list in []"),
    ("a: @b\n", "1:4: not valid YAML: found @ at the beginning of a value: put the value in quotes"),
    ("a: `b\n", "1:4: not valid YAML: found ` at the beginning of a value"),
    ("a: %b\n", "1:4: not valid YAML: found % at the beginning of a value"),
    ("a: ? b\n", "1:4: not valid YAML: found ? at the beginning of a value"),
    ("a: *.example.org\n", "1:4: not valid YAML: found an alias whose anchor is not defined before it"),
    ("a: *x\nb: &x 1\n", "1:4: not valid YAML: found an alias whose anchor is not defined before it"),
    ("<<: *x\n", "1:5: not valid YAML: found an alias whose anchor is not defined before it"),
    ("a: {b: |c}\n", "1:8: not valid YAML: found | at the beginning of a value"),
    ("a: {b: https://x/?y}\n", "1:8: not valid YAML: found ? in a text within [] or {}"),
    ("a: &x.y b\n", "1:4: not valid YAML: found a name behind & or *"),
    ("a: {b\n  : 1}\n", "1:5: a key of several lines, which kubectl refuses: write it on one line"),
    ("a: 1\n\t\nb: 2\n", "2:1: found a tab in the indentation: indent with spaces"),
    ("a: [b\n\t, c]\n", "2:1: not valid YAML: found a tab in the indentation within [] or {}"),
    ("a: {b:, c: 1}\n", "1:5: not valid YAML: found : right before a comma"),
    ("a: * b\n", "1:4: not valid YAML: found * without a name"),
    ("a: & b\n", "1:4: not valid YAML: found & without a name"),
    ("a: \"x\nb: 1\n", "1:4: not valid YAML: found \", which begins a text, and no \" that ends it"),
    ("a: 'x\nb: 1\n", "1:4: not valid YAML: found ', which begins a text, and no ' that ends it"),
    ("a: \"x\nb: \"y\"\n", "1:4: not valid YAML: found \", which begins a text, and no \" that ends it"),
    ("a: \"x\n", "1:4: not valid YAML: found \", which begins a text, and no \" that ends it"),
    ("a: [\"b]\n", "1:5: not valid YAML: found \", which begins a text, and no \" that ends it"),
    ("a: 'it's'\n", "1:8: not valid YAML: found text behind the quote that ends a value"),
    ("a: \"b\" \"c\"\n", "1:8: not valid YAML: found text behind the quote that ends a value"),
    ("\"a\": \"b\",\n\"c\": \"d\"\n", "1:9: not valid YAML: found a comma behind a value"),
    ("a: \"C:\\dir\"\n", "1:4: not valid YAML: found a backslash that begins no escape"),
    ("a: \"\\xg\"\n", "1:4: not valid YAML: found an escape whose digits are no character"),
    ("a: \"\\ud800\"\n", "1:4: not valid YAML: found an escape whose digits are no character"),
    (
        "a: [1, 2\n",
        "2:1: not valid YAML: found no end of the list that begins with [ at 1:4: close it with ]",
    ),
    ("x: 1\na: {b: 1\n", "3:1: not valid YAML: found no end of the object that begins with { at 2:4"),
    ("a: [1, [2]\n# c\n", "3:1: not valid YAML: found no end of the list that begins with [ at 1:4"),
    ("a: [1, 2\nb: 3\n", "2:2: not valid YAML: found neither a comma nor the end of the list that begins"),
    ("a: [1, 2}\n", "1:9: not valid YAML: found neither a comma nor the end of the list that begins with ["),
    ("a: {b: 1 c: 2}\n", "1:11: not valid YAML: found neither a comma nor the end of the object"),
    ("a: [1, 2]]\n", "1:10: not valid YAML: found ], which closes nothing"),
    ("a: }\n", "1:4: not valid YAML: found }, which closes nothing"),
    ("a: {,}\n", "1:5: not valid YAML: found no value"),
    ("a: ,b\n", "1:4: not valid YAML: found no value"),
    ("a: |x\n b\n", "1:4: not valid YAML: found text behind | or >"),
    ("a: >0\n b\n", "1:4: not valid YAML: found text behind | or >"),
    ("a: b # c\n  d\n", "1:6: not valid YAML: found a comment between the lines of a value"),
    ("a: !b!c d\n", "1:4: not valid YAML: found a tag that cannot be read"),
    ("a: !<x\n", "1:4: not valid YAML: found a tag that cannot be read"),
    (" a: 1\nb: 2\n", "2:1: not valid YAML: found more behind the end of the document's value"),
    ("a: x\n\u{feff}b: 1\n", "2:1: not valid YAML: found a byte order mark inside a document"),
    ("a:\n\tb: 1\n", "2:1: found a tab in the indentation: indent with spaces"),
    ("a:\n  b: 1\n\tc: 2\n", "3:1: found a tab in the indentation: indent with spaces"),
    ("a: |\n\tb\n", "2:1: found a tab in the indentation: indent with spaces"),
    ("a: {{ .Values.x }}\n", "1:5: found {{, as in a template: render it first"),
    ("a: {% if x %}\n", "1:5: not valid YAML: found % at the beginning of a value"),
    ("a: 1\na: 2\n", "2:1: the key \"a\" is given twice, first on line 1: keep one of them"),
    ("---\nx: 1\n---\na: [1\n", "5:1: not valid YAML: found no end of the list that begins with [ at 4:4"),
    ("a:\n  'b'\n  'c': d\n", "3:3: not valid YAML: found an indentation that no line before it has"),
];

#[test]
fn mistakes_are_named_with_their_place_and_a_way_out() {
    let others: Vec<_> = MISTAKES
        .into_iter()
        .map(|(text, expected)| (text, refusal(text), expected))
        .filter(|(_, found, expected)| !found.starts_with(expected))
        .collect();

    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn no_word_of_the_parser_is_shown() {
    for (text, _) in MISTAKES {
        let found = refusal(text);
        for word in
            ["scanning", "parsing", "scalar", "flow", "mapping", "sequence", "context", "indicator", "token"]
        {
            assert!(!found.contains(word), "{text:?}: {found}");
        }
    }
}

#[test]
fn a_syntax_error_shows_no_value() {
    for text in
        ["a: hunter2: x\n", "a: *hunter2\n", "a: \"hunter2\n", "a: @hunter2\n", "a: 'hunter2'hunter2\n"]
    {
        assert!(!refusal(text).contains("hunter2"), "{}", refusal(text));
    }
}

#[test]
fn lines_within_brackets_and_quotes_need_no_indentation() {
    for (text, expected) in [
        ("a: [b,\nc, d\n]\ne: 1\n", json!({"a": ["b", "c", "d"], "e": 1})),
        ("s:\n  a: {b: 1,\nc: {d: 2,\n  e: 3\n}}\n", json!({"s": {"a": {"b": 1, "c": {"d": 2, "e": 3}}}})),
        ("a: {\n\tb: [1,\n\t\t2]\n}\n", json!({"a": {"b": [1, 2]}})),
        ("s:\n    a: [\n\tb,\n \tc]\n", json!({"s": {"a": ["b", "c"]}})),
        ("a: \"b\nc \\\" d\n\ne\"\n", json!({"a": "b c \" d\ne"})),
        ("a: 'b\nit''s\n\tc'\n", json!({"a": "b it's c"})),
        ("a: [\"b\nc\",\nd]\n", json!({"a": ["b c", "d"]})),
        ("a: [b]#c\nd: {e: 1}# f\n", json!({"a": ["b"], "d": {"e": 1}})),
        ("a: {?\tb: c}\n", json!({"a": {"b": "c"}})),
        ("a:\t\n  {b: c}\n", json!({"a": {"b": "c"}})),
        ("a: \"it\\'s\"\n", json!({"a": "it's"})),
        ("a: # b\n|\n  c\n  d\n", json!({"a": "c\nd\n"})),
    ] {
        assert_eq!(one(text), expected, "{text:?}");
    }
}

#[test]
fn positions_are_those_of_the_file_also_where_a_line_was_indented() {
    let document = documents("s:\n  a: {b: 1,\nc: 2, d: 3}\n").next().unwrap().unwrap();

    assert_eq!(document.locate(&"/s/a/c".into()), Mark { line: 3, column: 1 });
    assert_eq!(document.locate(&"/s/a/d".into()), Mark { line: 3, column: 7 });
}

#[test]
fn yaml_1_2_is_read_by_its_own_rules() {
    let text = "%YAML 1.2\n---\nyes: on\n200: {<<: &x {a: 1, b: 2}, a: 3}\nb: {a: 3, <<: *x}\nc:\t017\nd: \"\\/\"\ne: 1.0\n\
                f: !!binary aGk=\ng: x\u{2028}y\n...\n";

    let document = standard(text).unwrap();

    assert_eq!(
        document.value,
        json!({
            "yes": "on", "200": {"a": 3, "b": 2}, "b": {"a": 3, "b": 2}, "c": "017", "d": "/", "e": 1.0,
            "f": "aGk=", "g": "x\u{2028}y",
        })
    );
    assert_eq!(document.locate(&"/b/a".into()), Mark { line: 5, column: 5 });
    assert!(document.ambiguous.is_empty());
}

#[test]
fn json_is_a_part_of_yaml_1_2() {
    for (text, expected) in [
        ("\u{feff}{\"a\": \"\\ud83d\\ude00\"}", json!({"a": "😀"})),
        ("{\n\t\"a\":\t[18446744073709551615, 1.0]\n}", json!({"a": [u64::MAX, 1.0]})),
        ("{\"\\ud83d\\ude00\": 18446744073709551615}", json!({"😀": u64::MAX})),
        ("", json!(null)),
        ("# nothing\n", json!(null)),
    ] {
        assert_eq!(standard(text).unwrap().value, expected, "{text:?}");
    }
    let two = standard("{\"a\": 1}\n{\"a\": 2}\n").unwrap_err().to_string();
    assert_eq!(
        two,
        "2:1: not valid JSON: found { behind the end of the value, expected one value: remove what follows it"
    );
}

#[test]
fn mistakes_in_yaml_1_2_are_in_the_same_words() {
    for (text, _) in MISTAKES {
        if let Err(error) = standard(text) {
            let said = error.to_string();

            assert!(!said.contains("kubectl") || said.contains("helm template"), "{text:?}: {said}");
        }
    }
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = "# first\n---\na: 1\n--- # comment\nb: [\n---\n\n---\n{c: 3}\n---\nd: 4\n...\n";
    let all: Vec<_> = documents(text).map(|document| document.map(|document| document.value)).collect();
    assert_eq!(all.len(), 4);
    assert_eq!(all[0].as_ref().unwrap(), &json!({"a": 1}));
    assert!(all[1].is_err());
    assert_eq!(all[2].as_ref().unwrap(), &json!({"c": 3}));
    assert_eq!(all[3].as_ref().unwrap(), &json!({"d": 4}));
    assert_eq!(documents("# nothing\n---\n").count(), 0);
}

#[test]
fn places_are_those_of_the_keys() {
    let text = "---\na: 1\n---\nspec:\n  list:\n  - x\n  - y/z: 1\n";
    let document = documents(text).nth(1).unwrap().unwrap();
    for (pointer, line, column) in [
        ("", 4, 1),
        ("/spec", 4, 1),
        ("/spec/list/0", 6, 5),
        ("/spec/list/1/y~1z", 7, 5),
        ("/spec/nothing", 4, 1),
    ] {
        assert_eq!(document.locate(&pointer.into()), Mark { line, column }, "{pointer}");
    }
}

#[test]
fn words_that_kubectl_reads_as_booleans_are_found() {
    let document = documents("a: [no, 'no', maybe]\nb: {y: 1}\n").next().unwrap().unwrap();
    assert_eq!(document.value, json!({"a": [false, "no", "maybe"], "b": {"true": 1}}));
    let found: Vec<_> = document
        .ambiguous
        .iter()
        .map(|word| (word.text.as_str(), word.pointer.as_str(), word.is_key))
        .collect();
    assert_eq!(found, [("no", "/a/0", false), ("y", "/b", true)]);
}

#[test]
fn json_that_is_no_yaml_is_read_too() {
    let long = "k".repeat(2000);
    assert_eq!(one(&format!("{{\"{long}\": \"\\ud83d\\ude00\"}}")), json!({long: "😀"}));
    assert_eq!(one("{\n\t\"a\":\t[1,\n\t2]\n}"), json!({"a": [1, 2]}));
    let two: Vec<_> = documents("{\"a\": 1}\n{\"a\": 2}\n").map(|document| document.unwrap().value).collect();
    assert_eq!(two, [json!({"a": 1}), json!({"a": 2})]);
}

#[test]
fn marks_and_old_line_ends_are_read() {
    assert_eq!(one("\u{feff}a: 1\n"), json!({"a": 1}));
    assert_eq!(one("---\n\u{feff}a: 1\n"), json!({"a": 1}));
    assert_eq!(one("a: 1\rb:\r- 2\r"), json!({"a": 1, "b": [2]}));
    assert_eq!(one("{\"a\": \"\\/ \u{2028}\"}"), json!({"a": "/ \u{2028}"}));
}

#[test]
fn tabs_behind_a_colon_are_read() {
    assert_eq!(
        one("a:\tb\nc: {d: \t1,\te:\t2}\nf: \"x:\ty\"\n"),
        json!({"a": "b", "c": {"d": 1, "e": 2}, "f": "x:\ty"})
    );
    assert_eq!(one("a: |\n  b:\tc\nd:\te\n"), json!({"a": "b:\tc\n", "d": "e"}));
}

#[test]
fn bombs_and_towers_are_refused() {
    let mut bomb = "a: &a [xxxxxxxxxxxxxxxxxxxxxxxxx]\n".to_owned();
    for pair in ('a'..='k').collect::<Vec<_>>().windows(2) {
        let (from, to) = (pair[0], pair[1]);
        bomb += &format!(
            "{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]\n"
        );
    }
    assert!(refusal(&bomb).contains("aliases make this document too large"), "{}", refusal(&bomb));
    assert!(refusal(&"[".repeat(5000)).contains("nested more than 100 levels deep"));
    assert!(refusal(&"- ".repeat(5000)).contains("nested more than 100 levels deep"));
    let spaced = (0..2000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n");
    assert!(refusal(&spaced).contains("nested more than 100 levels deep"));
}

/// Numbers as the API server keeps them; everything else as it is.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => {
            number.as_f64().and_then(scalar::normal).map_or(Value::Null, Value::Number)
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        other => other,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(yes|no|on|~|null|1e3|0x1|<<|- a|a: b|# c|\\t x|---)".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_reads_back_equal(value in any_json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            // kubectl takes only what begins with a bracket for JSON, and JSON has characters that YAML has not.
            if !text.starts_with(['{', '[']) && characters::refused(&text).is_some() {
                prop_assert!(documents(&text).any(|read| read.is_err()), "{text:?}");
                continue;
            }
            let read: Vec<_> = documents(&text).collect::<Result<_, _>>().map_err(|e| TestCaseError::fail(format!("{e} in {text:?}")))?;
            match read.as_slice() {
                [] => prop_assert!(value.is_null()),
                [document] => prop_assert_eq!(&document.value, &normal(value.clone())),
                more => prop_assert!(false, "{} documents", more.len()),
            }
        }
    }

    #[test]
    fn block_yaml_reads_back_equal(value in any_json()) {
        let text = serde_yaml::to_string(&normal(value.clone())).unwrap();
        // serde_yaml writes for YAML 1.2: words such as `yes`, and the key of a merge, stay without quotes.
        if !["yes", "no", "on", "<<"].iter().any(|word| text.contains(word)) && !value.is_null() {
            let read = documents(&text).next();
            // serde_yaml writes characters that kubectl refuses, or takes for a line break.
            match characters::refused(&text) {
                Some(_) => prop_assert!(read.is_some_and(|read| read.is_err()), "{text}"),
                None => prop_assert!(read.is_some_and(|read| read.is_ok()), "{text}"),
            }
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = documents(&String::from_utf8_lossy(&bytes)).count();
    }

    #[test]
    fn nothing_that_looks_like_yaml_panics(text in "([\\[\\]{}:,\\-?&*!|>'\"%@`#~<a0\\\\ \n\t.]|---\n|&a |\\*a|<<: |!!|\\.\\.\\.\n|\u{85}|\u{2028}|\r){0,60}") {
        let _ = documents(&text).count();
    }
}

#[test]
fn a_document_is_not_read_to_its_end_once_it_is_given_up() {
    let text = format!("a:\n{}", "- [1, 2]\n".repeat(10_000));
    let stop = CancellationToken::new();
    let read = |stop: &CancellationToken| documents_until(&text, Some(stop)).next().unwrap();
    assert!(read(&stop).is_ok());

    stop.cancel();

    assert_eq!(read(&stop).unwrap_err().kind, YamlErrorKind::Interrupted);
}

#[test]
fn a_megabyte_of_brackets_in_one_line_is_read() {
    for item in ["{\"\":0}", "{\"é\":0}", "[a, 'b']"] {
        let text = format!("a: [{}]\n", vec![item; 100_000].join(", "));

        let document = documents(&text).next().unwrap().unwrap();

        assert_eq!(document.value["a"].as_array().map(Vec::len), Some(100_000), "{item}");
    }
}

#[test]
fn many_texts_in_one_line_are_read_once_each() {
    let texts = |text: &str, last: &str| format!("a: [{}{last}]", vec![text; 100_000].join(", "));

    // Where a slash is escaped, or a tab is, each text is read again; not what stands before and behind it.
    let escaped = documents(&texts(r#""b""#, r#", "\/""#)).next().unwrap().unwrap_err();
    let tab = format!("{} # \t\n{}", texts("b", ""), "\n".repeat(100_000));
    let with_tab = documents(&tab).next().unwrap().unwrap();

    assert_eq!((escaped.kind, escaped.mark.column), (YamlErrorKind::EscapedSlash, 500_005));
    assert_eq!(with_tab.value["a"].as_array().map(Vec::len), Some(100_000));
}

#[test]
fn an_escaped_slash_is_found_in_its_own_text_only() {
    for (text, is_refused) in [
        (r#"a: "é\/b""#, true),
        (r#"a: ["é", "b\/", "c"]"#, true),
        ("a: \"b\n  c\\/d\"", true),
        (r#"a: "é\\/b""#, false),
        (r#"{'\/': "é", b: '\/'}"#, false),
    ] {
        let read = documents(text).next().unwrap();

        let kind = read.as_ref().err().map(|error| &error.kind);
        assert_eq!(kind == Some(&YamlErrorKind::EscapedSlash), is_refused, "{text}: {read:?}");
    }
}
