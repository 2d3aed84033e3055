//! Values of each format, in each draft.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::schema::{Compiled, draft::DRAFTS};

/// For each format, values that it has and others that it has not.
fn table() -> Vec<(&'static str, Value, Value)> {
    let longest = format!("{}@example.com", "a".repeat(64));
    let too_long = format!("{}@example.com", "a".repeat(65));
    let long_label = format!("{}.com", "a".repeat(64));
    vec![
        (
            "date-time",
            json!(["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.5+01:00", "1990-12-31T23:59:60Z"]),
            json!([
                "2026-01-31 12:00:00Z",
                "2026-01-31T12:00:00",
                "2026-02-30T12:00:00Z",
                "2026-01-31T12:00:00+01"
            ]),
        ),
        (
            "date",
            json!(["2026-01-31", "2024-02-29"]),
            json!(["2026-02-29", "2026-1-1", "20260131", "2026-01-31Z"]),
        ),
        (
            "time",
            json!(["12:00:00Z", "12:00:00-08:00", "15:59:60-08:00"]),
            json!(["12:00:00", "24:00:00Z", "12:00Z"]),
        ),
        (
            "duration",
            json!(["P1Y2M3DT4H5M6S", "PT36H", "P1W", "P0D", "P1MT1M"]),
            json!([
                "P",
                "PT",
                "P1",
                "1D",
                "P1DT",
                "P1Y2D",
                "PT1H2S",
                "P1Y2W",
                "P1D1D",
                "P1.5D",
                "-P1D",
                "P1H",
                "PT1D",
                "P\u{9e7}Y"
            ]),
        ),
        (
            "email",
            json!([
                "joe@example.com",
                "joe@localhost",
                "joe+tag@example.com",
                "\"joe bloggs\"@example.com",
                "joe@[127.0.0.1]",
                "joe@[IPv6:::1]",
                longest
            ]),
            json!([
                "joe <joe@example.com>",
                "<joe@example.com>",
                "\"joe\" <joe@example.com>",
                "joe",
                "joe@",
                "@example.com",
                ".joe@example.com",
                "jo..e@example.com",
                "joe @example.com",
                "joe@example..com",
                "joe@exa_mple.com",
                "j\u{f6}e@example.com",
                "joe@ex\u{e4}mple.com",
                "joe@example.com,amy@example.com",
                "mailto:joe@example.com",
                "joe@[300.0.0.1]",
                "joe@example.com\n",
                too_long
            ]),
        ),
        (
            "idn-email",
            json!(["j\u{f6}e@ex\u{e4}mple.com", "joe@example.com"]),
            json!(["j\u{f6}e <j\u{f6}e@example.com>", "joe", "@"]),
        ),
        (
            "hostname",
            json!(["example.com", "localhost", "EXAMPLE.com", "1.2", "xn--nw2a.xn--j6w193g"]),
            json!([
                "",
                "-a.com",
                "a-.com",
                "a..b",
                "ex_ample.com",
                "ex\u{e4}mple.com",
                "a.com:80",
                "*.example.com",
                long_label
            ]),
        ),
        (
            "idn-hostname",
            json!(["ex\u{e4}mple.de", "example.com", "l\u{b7}l"]),
            json!(["-a.com", "a..b", "", "a\u{b7}l"]),
        ),
        (
            "ipv4",
            json!(["127.0.0.1", "255.255.255.255"]),
            json!(["256.0.0.1", "1.2.3", "01.2.3.4", "1.2.3.4/24", " 1.2.3.4"]),
        ),
        (
            "ipv6",
            json!(["::", "::1", "1:2:3:4:5:6:1.2.3.4"]),
            json!(["1::2::3", "[::1]", "fe80::1%eth0", "12345::", "::1/64", "1.2.3.4"]),
        ),
        (
            "uri",
            json!([
                "https://example.com/a?b=c#d",
                "urn:isbn:0451450523",
                "mailto:joe@example.com",
                "http://[::1]/"
            ]),
            json!([
                "",
                "rel",
                "/abs",
                "//example.com",
                "http://exa mple.com",
                "http://a/\u{e9}",
                "http://a/%zz",
                "http://a/<b>",
                "http://a:x"
            ]),
        ),
        (
            "uri-reference",
            json!(["", "rel", "/abs", "//a", "#f", "?q", "http://a"]),
            json!(["a b", "\\\\a", "%zz", "\u{e9}", "1a:b"]),
        ),
        (
            "iri",
            json!(["http://ex\u{e4}mple.com/\u{e9}", "http://example.com"]),
            json!(["/abs", "\u{e9}", "http://a b", ""]),
        ),
        (
            "iri-reference",
            json!(["\u{e9}", "/abs", "", "http://ex\u{e4}mple.com"]),
            json!(["a b", "\\\\a", "#\\"]),
        ),
        (
            "uri-template",
            json!(["http://a/{term:1}/{term}", "", "{?a,b*}", "{+a}", "%20"]),
            json!(["{", "}", "{}", "{a b}", "{a:0}", "{a:10000}", "a b", "%zz"]),
        ),
        (
            "uuid",
            json!(["2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2EB8AA08-AA98-11EA-B4AA-73B441D16380"]),
            json!([
                "",
                "urn:uuid:2eb8aa08-aa98-11ea-b4aa-73b441d16380",
                "2eb8aa08aa9811eab4aa73b441d16380",
                "2eb8aa08-aa98-11ea-b4aa-73b441d1638g",
                "2eb8-aa08-aa98-11ea-b4aa73b44-1d16380",
                "{2eb8aa08-aa98-11ea-b4aa-73b441d16380}"
            ]),
        ),
        ("json-pointer", json!(["", "/", "/a/b~0~1", "//"]), json!(["a", "#/a", "/~", "/~2"])),
        (
            "relative-json-pointer",
            json!(["0", "1/a", "0#", "10/"]),
            json!(["", "/a", "01", "-1/a", "1#a", "0##", "1/~2"]),
        ),
        ("regex", json!(["^a+$", "(?=a)b", r"(a)\1", r"\-"]), json!(["(", "[a-", r"^\S(|(.|\n)*\S)\Z"])),
        (
            "url",
            json!(["https://example.com/x?y#z", "ftp://example.com", "http://localhost"]),
            json!(["mailto:joe@example.com", "example.com", "http://", "urn:a:b", ""]),
        ),
        (
            "iso-time",
            json!(["12:00:00", "12:00:00Z", "12:00:00.5+01:00", "23:59:60"]),
            json!(["25:00:00", "12:00", "22:59:60Z", ""]),
        ),
        (
            "iso-date-time",
            json!(["2026-01-31 12:00:00", "2026-01-31T12:00:00Z"]),
            json!(["2026-13-31T12:00:00", "2026-01-31", "2026-01-31T"]),
        ),
        (
            "json-pointer-uri-fragment",
            json!(["#", "#/a", "#/a%20b", "#/~0"]),
            json!(["", "/a", "#a", "#/a b", "#/~2"]),
        ),
        ("byte", json!(["", "YQ==", "YWJj", "YR=="]), json!(["YQ", "Y===", "_-==", "YW Jj", "not base64!"])),
        (
            "int32",
            json!([0, -2_147_483_648i64, 2_147_483_647, 1.0, 1e3]),
            json!([2_147_483_648i64, -2_147_483_649i64, 1.5, 1e300]),
        ),
        (
            "int64",
            json!([0, i64::MAX, i64::MIN, 1e18]),
            json!([1.5, 9_223_372_036_854_775_808u64, 1e19, -1e300]),
        ),
        ("float", json!([1.5, 1e300, "x"]), json!([])),
        ("double", json!([1.5, "x"]), json!([])),
        ("password", json!(["x"]), json!([])),
        ("binary", json!(["x"]), json!([])),
    ]
}

#[test]
fn every_format_is_enforced_in_every_draft() {
    for (format, valid, invalid) in table() {
        for draft in DRAFTS {
            let schema = json!({"$schema": draft, "format": format});
            let asserted = Compiled::new(&schema, true).unwrap();
            let annotated = Compiled::new(&schema, false).unwrap();
            for value in valid.as_array().unwrap() {
                assert_eq!(asserted.violations(value).0, [], "{draft} {format} {value}");
            }
            for value in invalid.as_array().unwrap() {
                let violations = asserted.violations(value).0;
                assert!(!violations.is_empty(), "{draft} {format} {value}");
                assert!(violations[0].message.contains(format), "{violations:?}");
                assert_eq!(annotated.violations(value).0, [], "{draft} {format} {value}");
            }
            // A format is of one type of values.
            let others =
                if format.starts_with("int") { json!(["x", null, []]) } else { json!([1, null, []]) };
            for value in others.as_array().unwrap() {
                assert_eq!(asserted.violations(value).0, [], "{draft} {format} {value}");
            }
        }
    }
}

#[test]
fn the_table_has_every_format() {
    let table = table();
    let missing: Vec<_> = FORMATS
        .iter()
        .filter(|format| !table.iter().any(|row| row.0 == format.name))
        .map(|it| it.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let docs = include_str!("../../../docs/schemas.md");
    let missing: Vec<_> =
        FORMATS.iter().filter(|it| !docs.contains(&format!("`{}`", it.name))).map(|it| it.name).collect();
    assert!(missing.is_empty(), "docs/schemas.md does not name {missing:?}");
}

#[test]
fn unknown_formats_are_not_enforced() {
    let compiled = Compiled::new(&json!({"format": "date_time"}), true).unwrap();
    assert_eq!(compiled.violations(&json!("x")).0, []);
}

#[test]
fn content_encoding_is_enforced_where_formats_are() {
    let base64 = json!({"contentEncoding": "base64"});
    let both = json!({"contentEncoding": "base64", "contentMediaType": "application/json"});
    let image = json!({"contentEncoding": "BASE64", "contentMediaType": "image/png"});
    let plain = json!({"contentEncoding": "7bit", "contentMediaType": "application/json"});
    let unknown = json!({"contentEncoding": "base46", "contentMediaType": "application/json"});
    for (schema, valid, invalid) in [
        (&base64, Some("YQ=="), Some("%")),
        (&both, Some("eyJhIjoxfQ=="), Some("YQ==")),
        (&both, None, Some("/w==")),
        (&image, Some("YQ=="), Some("%")),
        (&plain, Some("{}"), Some("{")),
        (&unknown, Some("{"), None),
        (&json!({"contentMediaType": "application/json"}), Some("[]"), Some("{")),
        (&json!({"contentMediaType": "text/plain"}), Some("{"), None),
        (&json!({"contentEncoding": "base16"}), Some("ff"), Some("xx")),
    ] {
        for (draft, is_asserted) in DRAFTS.iter().zip([false, true, true, false, false]) {
            let mut schema = schema.clone();
            schema["$schema"] = (*draft).into();
            for format_assertion in [true, false] {
                let compiled = Compiled::new(&schema, format_assertion).unwrap();
                for (text, is_valid) in [(valid, true), (invalid, !(is_asserted && format_assertion))] {
                    let Some(text) = text else { continue };
                    let violations = compiled.violations(&text.into()).0;
                    assert_eq!(
                        violations.is_empty(),
                        is_valid,
                        "{schema} {format_assertion} {text}: {violations:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_part_of_a_compound_document_has_formats() {
    let schema = json!({
        "properties": {"a": {"$ref": "old"}, "b": {"format": "uuid"}, "c": {"$ref": "http://json-schema.org/draft-07/schema#"}},
        "definitions": {"old": {
            "$id": "old", "$schema": "http://json-schema.org/draft-04/schema#", "id": "old", "format": "json-pointer",
        }},
    });
    let compiled = Compiled::new(&schema, true).unwrap();
    assert_eq!(compiled.violations(&json!({"a": "/a", "c": {"pattern": "a"}})).0, []);
    for payload in [json!({"a": "a"}), json!({"b": "b"}), json!({"c": {"pattern": "("}})] {
        assert_eq!(compiled.violations(&payload).0.len(), 1, "{payload}");
    }
}
