//! What the table made with JavaScript does not show: errors, remarks, and the form of the translation.
#![allow(clippy::unwrap_used)]

use super::{error::Problem, pattern::Construct, *};

#[test]
fn the_form_of_simple_patterns_stays() {
    for pattern in ["^abc$", "^(a|b|c)$", "^[a-z]{2,10}-x$", r"^a\.b/c$", "^x-", "a+?b*", "(?:a)"] {
        assert_eq!(parse(pattern).unwrap().translation, pattern);
    }
}

#[test]
fn errors_say_where() {
    for (pattern, message) in [
        ("[a-", "a class that is not closed at character 1"),
        ("a(b", "a group that is not closed at character 2"),
        ("ab)", "a ) without a ( at character 3"),
        ("[z-a]", "a range whose end is before its beginning at character 2"),
        ("a**", "nothing to repeat at character 3"),
        ("^*", "nothing to repeat at character 2"),
        ("{2}", "nothing to repeat at character 1"),
        ("a{2,1}", "a repetition whose most is less than its least at character 2"),
        ("a{9999999999999999999999}", "a repetition of more than 1000000 times at character 2"),
        ("(?x)a", "a group of an unknown kind at character 1"),
        ("(?P<n>a)", "a group of an unknown kind at character 1"),
        ("(?<1>a)", "a name of a group that is not one, or that is taken at character 1"),
        ("(?<a>x)(?<a>y)", "a name of a group that is not one, or that is taken at character 8"),
        ("a\\", "a backslash with nothing behind it at character 2"),
        (r"é\u{110000}", "a code point beyond \\u{10FFFF} at character 2"),
        (r"\p{Greek}", "the unknown Unicode property \"Greek\" at character 1"),
        (r"\p{Script=greek}", "the unknown Unicode property \"Script=greek\" at character 1"),
        (r"(?<n>a)\k<m>", "a reference to a group that is not there at character 8"),
    ] {
        assert_eq!(parse(pattern).unwrap_err().to_string(), message, "{pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(parse(&deep).unwrap_err().problem, Problem::TooDeep);
}

#[test]
fn what_takes_more_than_linear_time_is_named() {
    for (pattern, construct, at) in [
        ("^(?=a)b", Construct::Lookahead, 2),
        ("(?!a)*", Construct::NegativeLookahead, 1),
        ("a(?<=b)", Construct::Lookbehind, 2),
        ("(?<!b)a(?=c)", Construct::NegativeLookbehind, 1),
        (r"(a)\1", Construct::BackReference, 4),
        (r"\2(a)(b)", Construct::BackReference, 1),
        (r"(?<n>a)\k<n>+", Construct::BackReference, 8),
        ("(?m:^a)", Construct::MultilineAnchor, 5),
    ] {
        assert_eq!(parse(pattern).unwrap().unsupported, Some(Unsupported { construct, at }), "{pattern}");
    }
    // No group has this number, and no anchor this flag.
    assert_eq!(parse(r"(?m:a)|(?s:.)|\1").unwrap().unsupported, None);
}

#[test]
fn what_is_probably_a_mistake_is_remarked() {
    let kinds =
        |pattern: &str| parse(pattern).unwrap().remarks.into_iter().map(|it| it.kind).collect::<Vec<_>>();
    assert_eq!(kinds(r"\Aa\z"), [RemarkKind::LetterEscape('A'), RemarkKind::LetterEscape('z')]);
    assert_eq!(kinds("a{,3}"), [RemarkKind::LiteralBraces("{,3}".to_owned())]);
    assert_eq!(kinds("a{1, 3}"), [RemarkKind::LiteralBraces("{1, 3}".to_owned())]);
    assert_eq!(kinds(r"\-\_\@\<{}]{a}[\-\]]\/"), []);
}

#[test]
fn flags_of_groups_are_heeded() {
    let is_match = |pattern: &str, text: &str| {
        regex_syntax::parse(&parse(pattern).unwrap().translation).unwrap();
        let schema = serde_json::json!({ "pattern": pattern });
        crate::schema::Compiled::new(&schema, true).unwrap().violations(&text.into()).0.is_empty()
    };
    assert!(is_match("^(?i:ab)c$", "aBc") && !is_match("^(?i:ab)c$", "abC"));
    assert!(is_match("^(?s:.)$", "\n") && !is_match("^(?s:a).$", "a\n"));
    assert!(is_match("^(?i:a(?-i:b))$", "Ab") && !is_match("^(?i:a(?-i:b))$", "AB"));
}

#[test]
fn long_texts_are_checked_in_linear_time() {
    for part in
        [r"\s", r"\p{L}", "(?<", "{", "[\\s]", r"\a", "{1", r"\u{0", "(a", "[", "\\1", "(?<n", "a|", "{1,"]
    {
        let text = part.repeat(1_000_000 / part.len());
        let _ = is_regex(&text);
    }
}

#[test]
fn the_regex_format_rejects_meaningless_escapes() {
    for text in ["", "a{", "]", r"\-", r"(?=a)b", r"(a)\1", r"\p{L}", r"\u{1F600}", "[^]", r"[\b]", r"\0"] {
        assert!(is_regex(text), "{text}");
    }
    for text in ["(", "[", "*", r"^\S(|(.|\n)*\S)\Z", r"\a", r"\p{Nonsense}", "a**", "(?P<n>a)"] {
        assert!(!is_regex(text), "{text}");
    }
}
