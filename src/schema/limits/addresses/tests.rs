#![allow(clippy::unwrap_used)]
use jsonschema::uri;
use serde_json::json;

use super::*;
use crate::schema::{Compiled, draft::DRAFTS, draft7};

fn keyed(schemas: impl Iterator<Item = Value>) -> Value {
    schemas.enumerate().map(|(i, schema)| (format!("d{i}"), schema)).collect()
}

/// Schemas in which so many parts have an address that is relative to an `$id`, which is text of about so many bytes.
fn relative(bytes: usize, n: usize) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let long = "p".repeat(bytes);
    let bases = [
        ("long", format!("http://x/{long}/r")),
        ("segments", format!("http://x/{}r", "p/".repeat(bytes / 2))),
        ("relative", format!("{long}/r")),
        ("encoded", format!("http://x/{}/r", "%7e".repeat(bytes / 3))),
        ("urn", format!("urn:x:{long}")),
    ];
    for (name, base) in &bases {
        for draft in DRAFTS {
            let id = if draft == DRAFTS[0] { "id" } else { "$id" };
            let parts = |part: &dyn Fn(usize) -> Value| json!({"$schema": draft, id: base, "definitions": keyed((0..n).map(part)), "items": {"$ref": "#x"}});
            let mut add = |what: &str, schema| all.push((format!("{name}, {what}, {draft}"), schema));
            add("identifiers", parts(&|i| json!({id: format!("a{i}")})));
            add("other identifiers", parts(&|i| json!({"$id": format!("a{i}"), "id": format!("b{i}")})));
            add("steps up", parts(&|i| json!({id: format!("../../../a{i}")})));
            add("names", parts(&|i| json!({id: format!("#a{i}")})));
            add(
                "anchors",
                parts(&|i| json!({"$anchor": format!("a{i}"), "$dynamicAnchor": format!("b{i}")})),
            );
            add("references", parts(&|i| json!({"$ref": format!("x{i}")})));
            add("pointers", parts(&|_| json!({"$ref": "#/definitions/d0"})));
            add("dynamic references", parts(&|_| json!({"$dynamicRef": "#a", "$recursiveRef": "#"})));
            add("limits", parts(&|_| json!({"minLength": 1, "maxLength": 2})));
            add(
                "unknown",
                json!({"$schema": draft, id: base, "x": keyed((0..n).map(|i| json!({id: format!("a{i}")})))}),
            );
        }
    }
    all
}

#[test]
fn repeated_identifiers_are_refused_where_they_are() {
    for (name, schema) in relative(20_000, 400) {
        let mut refused = None;

        let memory = allocation_counter::measure(|| refused = Compiled::new(&schema, true).err());

        let refused = refused.unwrap().violation();
        let id = if name.ends_with(DRAFTS[0]) { "/id" } else { "/$id" };
        assert_eq!(refused.pointer, id, "{name}");
        let expected = "all addresses in the schema take more than 3145728 bytes, expected fewer";
        assert!(refused.message.contains(expected) && refused.message.len() < 400, "{name}: {refused:?}");
        // The text of the schema is one of them.
        assert!(memory.bytes_max < 1024 * 1024, "{name}: {memory:?}");
    }
}

#[test]
fn nested_identifiers_count_as_long_as_they_become() {
    let leaves = keyed((0..2_000).map(|i| json!({"$id": format!("a{i}")})));
    let schema = (0..20)
        .fold(json!({"$defs": leaves}), |inner, _| json!({"$id": "q".repeat(500) + "/", "not": inner}));

    let refused = Compiled::new(&schema, true).unwrap_err().violation();

    // All are as long, and the first is the one to begin with.
    assert_eq!(refused.pointer, "/$id", "{refused:?}");
    assert!(refused.message.starts_with("found \"qqq"), "{refused:?}");
}

#[test]
fn schemas_within_the_bound_take_little_memory() {
    // An address of 30,000 bytes may be there 104 times. Some parts have one, some two or three.
    let sizes = [100, 50, 33].map(|n| relative(30_000, n));
    for index in 0..sizes[0].len() {
        let (name, schema) =
            sizes.iter().map(|all| &all[index]).find(|(_, schema)| check(schema).is_ok()).unwrap();
        // Svix reads each as Draft 7.
        if !name.ends_with(DRAFTS[2]) && !name.ends_with(DRAFTS[4]) {
            continue;
        }

        let memory = allocation_counter::measure(|| {
            drop(Compiled::new(schema, true));
            drop(draft7::check(schema));
        });

        assert!(memory.bytes_max < 40 * 1024 * 1024, "{name}: {memory:?}");
    }
}

#[test]
fn addresses_are_no_longer_than_they_are_counted() {
    let texts = [
        "",
        "a",
        "./a",
        "../a",
        "../../../../a",
        "a/",
        "/",
        "//",
        "//a",
        "/.//a",
        ".//a",
        "?x",
        "#x",
        "a:",
        "a:b",
        "./a:b",
        "%7e",
        "%2F%61",
        "%E4%B8%AD",
        "http://x",
        "HTTP://X:80/%7Ea/../b",
        "http://[::ffff:1.2.3.4]/",
        "http://[0:0::1]/",
        "http://a@x:/",
        "urn:x:y",
        "json-schema:///",
        "file:/a",
        "file:///a/../b",
        "a/b/../../../c",
        "..",
        ".",
        "//x/..",
    ];
    for base in texts.iter().filter_map(|text| uri::from_str(text).ok()) {
        for text in texts {
            let Ok(address) = uri::resolve_against(&base.borrow(), text) else { continue };

            let counted = if is_absolute(text) { text.len() } else { base.as_str().len() + text.len() };
            // Two characters mark a path that would else begin as an authority, or no longer as the base does.
            assert!(address.as_str().len() <= counted + 3, "{base} {text}: {address}");
        }
    }
}

#[test]
fn schemas_of_the_largest_size_have_room() {
    // 10,000 parts, each with an identifier of 60 bytes or a reference, within one of 150 bytes.
    let base = format!("https://schemas.example.org/{}/", "a".repeat(120));
    let parts = (0..4_990).map(|i| match i % 2 {
        0 => {
            json!({"$id": format!("https://schemas.example.org/shop/orders/v{i:04}.schema.json"), "not": {}})
        }
        _ => json!({"$ref": "#/definitions/d0", "not": {"$ref": "other.schema.json"}}),
    });
    let schema = json!({"$id": base, "definitions": keyed(parts)});

    assert_eq!(check(&schema), Ok(true));
}

#[test]
fn absolute_identifiers_do_not_add_up() {
    let id = |level: usize| format!("https://x.example/{level}{}", "b".repeat(10_000));
    let nested = |id: &dyn Fn(usize) -> String| {
        (0..30).fold(
            json!({"items": vec![json!({}); 200]}),
            |inner, level| json!({"$id": id(level), "not": inner}),
        )
    };

    assert_eq!(check(&nested(&id)), Ok(true));
    assert!(check(&nested(&|level| id(level).replace("https://", "https:"))).is_ok());
    assert!(check(&nested(&|level| id(level).replace("https://", "./"))).is_err());
}
