#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::interchange::{Change, EventType, Example, Import};

fn import(document: &Value) -> Import {
    read("openapi.json", document, NameSource::Key).unwrap()
}

fn document(version: &str, webhooks: Value, schemas: Value) -> Value {
    let section = if version.starts_with("3.0") { "x-webhooks" } else { "webhooks" };
    json!({"openapi": version, section: webhooks, "components": {"schemas": schemas}})
}

fn webhook(schema: Value) -> Value {
    json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}})
}

fn schema_of(document: &Value) -> Value {
    let import = import(document);
    assert_eq!(import.notes, []);
    import.event_types[0].schema.clone().unwrap()
}

#[test]
fn a_webhook_with_all_that_an_event_type_has() {
    let operation = json!({
        "operationId": "orderPlaced",
        "summary": "An order",
        "description": "An order was placed.",
        "deprecated": true,
        "x-svix-group-name": "order",
        "x-svix-feature-flags": ["beta", "beta", "early"],
        "requestBody": {"content": {"application/json; charset=utf-8": {
            "schema": {"type": "object", "required": ["id"]},
            "examples": {"small": {"value": {"id": 1}}, "wrong": {"value": {}}},
        }}},
    });
    let webhooks = json!({"order.placed": {"post": operation}});

    let import = import(&document("3.1.0", webhooks, json!({})));

    let expected = EventType {
        name: "order.placed".to_owned(),
        description: Some("An order was placed.".to_owned()),
        group_name: Some("order".to_owned()),
        feature_flags: vec!["beta".to_owned(), "early".to_owned()],
        deprecated: true,
        schema: Some(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["id"],
        })),
        examples: vec![Example { name: "small".to_owned(), value: json!({"id": 1}) }],
    };
    assert_eq!(import.event_types, [expected]);
    assert!(matches!(import.notes.as_slice(), [note] if matches!(note.change, Change::Example(_))));
}

#[test]
fn a_schema_brings_what_it_references() {
    let schemas = json!({
        "Order": {"type": "object", "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
            "total": {"$ref": "#/components/schemas/Line/properties/price"},
            "parent": {"$ref": "#/components/schemas/Order"},
        }},
        "Line": {"properties": {"price": {"type": "number"}, "next": {"$ref": "#/components/schemas/Line"}}},
        "Unused": {"type": "string"},
    });
    let reference = json!({"$ref": "#/components/schemas/Order"});

    let schema = schema_of(&document("3.1.0", json!({"order.placed": webhook(reference)}), schemas));

    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            "total": {"$ref": "#/$defs/Line/properties/price"},
            "parent": {"$ref": "#"},
        },
        "$defs": {"Line": {"properties": {"price": {"type": "number"}, "next": {"$ref": "#/$defs/Line"}}}},
    });
    assert_eq!(schema, expected);
}

#[test]
fn version_3_0_becomes_draft_7() {
    let schemas = json!({
        "User": {"type": "object", "properties": {"name": {"type": "string", "nullable": true}}},
        "Order": {"type": "object", "properties": {
            "buyer": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/User"}]},
            "total": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
            "name": {"$ref": "#/components/schemas/User/properties/name"},
        }, "discriminator": {"propertyName": "x", "mapping": {"a": "#/components/schemas/User"}}},
    });
    let reference = json!({"$ref": "#/components/schemas/Order"});

    let schema = schema_of(&document("3.0.3", json!({"order.placed": webhook(reference)}), schemas));

    let expected = json!({
        "type": "object",
        "properties": {
            "buyer": {"anyOf": [{"type": "null"}, {"allOf": [{"$ref": "#/definitions/User"}]}]},
            "total": {"type": "number", "exclusiveMinimum": 0},
            "name": {"$ref": "#/definitions/name"},
        },
        "definitions": {
            "User": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}},
            "name": {"type": ["string", "null"]},
        },
    });
    assert_eq!(schema, expected);
}

#[test]
fn names_of_definitions_do_not_collide() {
    let schemas = json!({"Order": {
        "properties": {"a": {"$ref": "#/components/schemas/Item"}, "b": {"$ref": "#/components/responses/Item"}},
        "$defs": {"Item": {"type": "string"}},
    }, "Item": {"type": "integer"}});
    let reference = json!({"$ref": "#/components/schemas/Order"});
    let mut document = document("3.1.0", json!({"order.placed": webhook(reference)}), schemas);
    document["components"]["responses"] = json!({"Item": {"type": "boolean"}});

    let schema = schema_of(&document);

    let definitions =
        json!({"Item": {"type": "string"}, "Item_2": {"type": "integer"}, "Item_3": {"type": "boolean"}});
    assert_eq!(schema["$defs"], definitions);
    assert_eq!(
        schema["properties"],
        json!({"a": {"$ref": "#/$defs/Item_2"}, "b": {"$ref": "#/$defs/Item_3"}})
    );
}

#[test]
fn identifiers_within_the_document_are_followed() {
    let schemas = json!({
        "Order": {"properties": {"money": {"$ref": "https://schemas.example.org/money"}, "at": {"$ref": "#when"}}},
        "Money": {"$id": "https://schemas.example.org/money", "properties": {"unit": {"$ref": "#/$defs/unit"}},
            "$defs": {"unit": {"type": "string"}}},
        "When": {"$anchor": "when", "type": "string"},
    });
    let reference = json!({"$ref": "#/components/schemas/Order"});

    let schema = schema_of(&document("3.1.0", json!({"order.placed": webhook(reference)}), schemas));

    let definitions = json!({
        "Money": {"properties": {"unit": {"$ref": "#/$defs/Money/$defs/unit"}}, "$defs": {"unit": {"type": "string"}}},
        "When": {"type": "string"},
    });
    assert_eq!(schema["$defs"], definitions);
}

#[test]
fn callbacks_are_events_once() {
    let callback = json!({"{$request.body#/url}": webhook(json!({"type": "object"}))});
    let operation = json!({"callbacks": {"job.done": callback}});
    let document = json!({
        "openapi": "3.0.3",
        "paths": {"/jobs": {"post": operation}, "/jobs/{id}": {"put": {"callbacks": {"job.done": {"$ref": "#/components/callbacks/done"}}}}},
        "components": {"callbacks": {"done": callback}},
    });

    let import = import(&document);

    assert_eq!(import.event_types.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["job.done"]);
    assert_eq!(import.notes, []);
}

#[test]
fn different_events_of_one_name_are_reported() {
    let mut document = document("3.1.0", json!({"job.done": webhook(json!({"type": "object"}))}), json!({}));
    document["x-webhooks"] = json!({"job.done": webhook(json!({"type": "array"}))});

    let import = import(&document);

    assert_eq!(import.event_types.len(), 1);
    assert_eq!(
        import.notes[0].to_string(),
        "openapi.json: /x-webhooks/job.done/post: left out: an event type job.done with another content is declared at \
         /webhooks/job.done/post; give one of them another name"
    );
}

#[test]
fn references_out_of_the_document_are_reported() {
    for reference in ["other.yaml#/Order", "https://example.org/order", "#/components/schemas/None", "#none"]
    {
        let webhooks = json!({"order.placed": webhook(json!({"properties": {"a": {"$ref": reference}}}))});

        let import = import(&document("3.1.0", webhooks, json!({})));

        let place = "/webhooks/order.placed/post/requestBody/content/application~1json/schema/properties/a";
        assert!(
            import.notes[0].to_string().contains(&format!("{place}: left out: the reference {reference:?}")),
            "{:?}",
            import.notes
        );
        assert_eq!((import.event_types.len(), import.left_out()), (0, 1));
    }
}

/// The notes of a document, without the name of the file.
fn notes(document: &Value) -> Vec<String> {
    let notes = import(document).notes;
    notes.iter().map(|note| note.to_string().trim_start_matches("openapi.json: ").to_owned()).collect()
}

#[test]
fn an_event_of_another_type_is_reported() {
    let operation = "expected an operation: an object";
    for (webhooks, expected) in [
        (json!({"a": {"post": 5}}), format!("/webhooks/a/post: left out: found 5, {operation}")),
        (json!({"a": {"post": null}}), format!("/webhooks/a/post: left out: found null, {operation}")),
        (json!({"a": {"post": []}}), format!("/webhooks/a/post: left out: found a list, {operation}")),
        (json!({"a": {"put": "x"}}), format!("/webhooks/a/put: left out: found \"x\", {operation}")),
        (json!({"a": true}), "/webhooks/a: left out: found true, expected an object".to_owned()),
        (json!({"a": null}), "/webhooks/a: left out: found null, expected an object".to_owned()),
        (
            json!({"a": {"POST": {}}}),
            "/webhooks/a: left out: found no operation, expected one such as post".to_owned(),
        ),
        (
            json!({"a": {"$ref": 5}}),
            "/webhooks/a/$ref: left out: found 5, expected a reference: text".to_owned(),
        ),
        (json!([]), "/webhooks: left out: found a list, expected an object".to_owned()),
    ] {
        let document = document("3.1.0", webhooks, json!({}));

        assert_eq!(notes(&document), [expected], "{document}");
        assert_eq!((import(&document).event_types, import(&document).left_out()), (Vec::new(), 1));
    }
}

#[test]
fn an_invalid_operation_hides_no_other() {
    let webhooks = json!({"a": {"post": 5, "put": {}}, "b": webhook(json!({}))});

    let import = import(&document("3.1.0", webhooks, json!({})));

    let names: Vec<_> = import.event_types.iter().map(|event_type| event_type.name.as_str()).collect();
    assert_eq!((names, import.left_out()), (vec!["a", "b"], 1));
}

#[test]
fn callbacks_of_another_type_are_reported() {
    let in_paths = |paths: Value| json!({"openapi": "3.1.0", "paths": paths});
    let callbacks = |callbacks: Value| in_paths(json!({"/orders": {"post": {"callbacks": callbacks}}}));
    let at = "/paths/~1orders/post";
    for (document, expected) in [
        (in_paths(json!(5)), "/paths: left out: found 5, expected an object".to_owned()),
        (
            in_paths(json!({"/orders": []})),
            "/paths/~1orders: left out: found a list, expected an object".to_owned(),
        ),
        (
            in_paths(json!({"/orders": {"post": 5}})),
            format!("{at}: left out: found 5, expected an operation: an object"),
        ),
        (callbacks(json!([])), format!("{at}/callbacks: left out: found a list, expected an object")),
        (callbacks(json!({"a": 5})), format!("{at}/callbacks/a: left out: found 5, expected an object")),
        (
            callbacks(json!({"a": {"{$url}": {"post": 5}}})),
            format!("{at}/callbacks/a/{{$url}}/post: left out: found 5, expected an operation: an object"),
        ),
    ] {
        assert_eq!(notes(&document), [expected], "{document}");
    }
    // YAML without a value is null.
    for document in
        [in_paths(json!(null)), in_paths(json!({"/orders": {"get": null}})), callbacks(json!(null))]
    {
        assert_eq!(notes(&document), Vec::<String>::new(), "{document}");
    }
}

#[test]
fn a_body_of_another_type_is_reported() {
    let at = "/webhooks/a/post/requestBody";
    for (body, expected) in [
        (json!(5), format!("{at}: left out: found 5, expected an object")),
        (json!({"content": []}), format!("{at}/content: left out: found a list, expected an object")),
        (
            json!({"content": {"application/json": "x"}}),
            format!("{at}/content/application~1json: left out: found \"x\", expected an object"),
        ),
    ] {
        let document = document("3.1.0", json!({"a": {"post": {"requestBody": body}}}), json!({}));

        assert_eq!((notes(&document), import(&document).left_out()), (vec![expected], 1), "{document}");
    }
    let without = document("3.1.0", json!({"a": {"post": {"requestBody": null}}}), json!({}));
    assert_eq!(notes(&without), ["/webhooks/a/post: it has no requestBody, so the event type has no schema"]);
}

#[test]
fn a_field_of_another_type_is_left_out() {
    let examples = json!({"requestBody": {"content": {"application/json": {"schema": {}, "examples": []}}}});
    let examples_at = "/webhooks/a/post/requestBody/content/application~1json/examples";
    for (operation, expected) in [
        (
            json!({"description": 5}),
            "/webhooks/a/post/description: left out: found 5, expected text".to_owned(),
        ),
        (
            json!({"summary": {}}),
            "/webhooks/a/post/summary: left out: found an object, expected text".to_owned(),
        ),
        (
            json!({"operationId": []}),
            "/webhooks/a/post/operationId: left out: found a list, expected text".to_owned(),
        ),
        (
            json!({"deprecated": "yes"}),
            "/webhooks/a/post/deprecated: left out: found \"yes\", expected true or false".to_owned(),
        ),
        (
            examples,
            format!(
                "{examples_at}: this example is left out: found a list, expected an object with examples by name"
            ),
        ),
    ] {
        let document = document("3.1.0", json!({"a": {"post": operation}}), json!({}));

        assert!(notes(&document).contains(&expected), "{document}: {:?}", notes(&document));
        assert_eq!((import(&document).event_types.len(), import(&document).left_out()), (1, 0));
    }
    let item = json!({"a": {"description": 5, "post": {}}});
    let found = notes(&document("3.1.0", item, json!({})));
    assert!(
        found.contains(&"/webhooks/a/description: left out: found 5, expected text".to_owned()),
        "{found:?}"
    );
}

#[test]
fn references_in_a_circle_end() {
    let schemas = json!({"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}});
    let webhooks = json!({"order.placed": webhook(json!({"$ref": "#/components/schemas/A"}))});

    assert_eq!(import(&document("3.1.0", webhooks, schemas)).left_out(), 1);
    let circle = json!({"order.placed": {"$ref": "#/webhooks/order.placed"}});
    assert_eq!(import(&document("3.1.0", circle, json!({}))).left_out(), 1);
}

#[test]
fn data_is_not_taken_for_references() {
    let schema = json!({
        "const": {"$ref": "#/nowhere"},
        "properties": {"default": {"$ref": "#/components/schemas/A"}, "$ref": {"type": "string"}},
    });
    let webhooks = json!({"order.placed": webhook(schema)});

    let schema = schema_of(&document("3.1.0", webhooks, json!({"A": {"type": "string"}})));

    assert_eq!(schema["const"], json!({"$ref": "#/nowhere"}));
    let properties = json!({"default": {"$ref": "#/$defs/A"}, "$ref": {"type": "string"}});
    assert_eq!(schema["properties"], properties);
}

#[test]
fn documents_of_other_versions_are_refused() {
    for (document, expected) in [
        (json!({}), "/openapi: found nothing, expected an OpenAPI document of version 3.0 or 3.1"),
        (json!({"swagger": "2.0"}), "/openapi: found \"2.0\", expected version 3.0 or 3.1"),
        (json!({"openapi": "4.0.0"}), "/openapi: found 4.0.0, expected version 3.0 or 3.1"),
        (
            json!({"openapi": 3}),
            "/openapi: found the number 3, expected text such as \"3.1.0\": write it in quotes, with three parts",
        ),
        (
            json!({"openapi": "3.1.0", "jsonSchemaDialect": 5}),
            "/jsonSchemaDialect: found 5, expected a draft of JSON Schema, or the dialect of OpenAPI 3.1",
        ),
        (
            json!({"openapi": "3.1.0", "jsonSchemaDialect": "x"}),
            "/jsonSchemaDialect: found \"x\", expected a draft of JSON Schema, or the dialect of OpenAPI 3.1",
        ),
    ] {
        let error = read("x", &document, NameSource::Key).unwrap_err();

        assert_eq!(error.to_string(), expected);
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": ["integer", "null"], "minimum": 1.5, "enum": [1, {"$ref": "#/x"}]})),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/definitions/a"})),
        Just(json!({"$ref": "#/definitions/a%25b~1c/items"})),
        Just(json!({"$ref": "#/properties/p"})),
        Just(json!({"$ref": "#anchor"})),
        Just(
            json!({"$id": "https://example.org/inner", "$ref": "#/definitions/own", "definitions": {"own": true}})
        ),
        Just(json!({"$ref": "https://example.org/inner"})),
        Just(json!(true)),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let tree = leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"anyOf": all})),
            inner.clone().prop_map(|items| json!({"items": items, "description": "d"})),
            (inner.clone(), inner).prop_map(|(a, b)| json!({"properties": {"default": a, "$ref": b}})),
        ]
    });
    let drafts = prop_oneof![
        Just(None),
        Just(Some("http://json-schema.org/draft-07/schema#")),
        Just(Some("https://json-schema.org/draft/2020-12/schema"))
    ];
    (tree.clone(), tree, drafts, any::<bool>()).prop_map(|(property, definition, draft, has_id)| {
        let anchor = if draft.is_some_and(|uri| uri.contains("2020")) {
            json!({"$anchor": "anchor"})
        } else {
            json!({"$id": "#anchor"})
        };
        let mut schema = json!({
            "type": "object",
            "properties": {"p": property},
            "definitions": {"a": definition, "a%b/c": {"items": {"type": "string"}}, "anchor": anchor,
                "inner": {"$id": "https://example.org/inner", "type": "string"}},
        });
        if let Some(draft) = draft {
            schema["$schema"] = draft.into();
        }
        if has_id {
            schema["$id"] = "https://example.org/root".into();
        }
        schema
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(schemas in prop::collection::vec(prop::option::of(schema()), 1..4), deprecated: bool) {
        let event_types: Vec<_> = schemas.into_iter().enumerate().map(|(index, schema)| EventType {
            name: format!("group.event_{index}"),
            description: (index > 0).then(|| format!("Event {index}\n")),
            group_name: deprecated.then(|| "group".to_owned()),
            feature_flags: (0..index).map(|flag| format!("flag-{flag}")).collect(),
            deprecated,
            schema,
            examples: Vec::new(),
        }).collect();
        let info = Info { title: "t".to_owned(), version: "1".to_owned() };

        let document = write(&info, &event_types);
        let import = read("x", &document, NameSource::Key).unwrap();

        // A schema that cannot be used at all is left out; what is read is equal.
        for event_type in &import.event_types {
            let written = event_types.iter().find(|it| it.name == event_type.name);
            prop_assert_eq!(Some(event_type), written);
        }
        prop_assert_eq!(import.event_types.len() + import.left_out(), event_types.len(), "{:?}", import.notes);
    }
}
