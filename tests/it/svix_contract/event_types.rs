use serde_json::{Value, json};

use super::contract;

fn schemas() -> Value {
    json!({"1": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}})
}

#[tokio::test]
async fn an_event_type_that_was_created_reads_back() {
    contract(async |svix| {
        let name = svix.name("a");
        let body = json!({"name": name, "description": "text", "schemas": schemas(), "deprecated": true});
        let created = svix.post("/event-type/", body).await.expect(201);
        assert_eq!(created["name"], json!(name));
        assert_eq!(created["description"], "text");
        assert_eq!(created["schemas"], schemas());
        assert_eq!(created["archived"], false);
        assert_eq!(created["deprecated"], true);
        assert_eq!(created["featureFlag"], Value::Null);
        assert!(created["createdAt"].is_string() && created["updatedAt"].is_string());
        assert_eq!(svix.get(&format!("/event-type/{name}/")).await.expect(200), created);
    })
    .await;
}

#[tokio::test]
async fn creating_an_event_type_that_exists_is_a_conflict() {
    contract(async |svix| {
        let name = svix.event_type("a").await;
        let again = svix.post("/event-type/", json!({"name": name, "description": "other"})).await;
        again.expect_error(409, "event_type_exists");
        assert_eq!(svix.get(&format!("/event-type/{name}/")).await.expect(200)["description"], "given");
    })
    .await;
}

#[tokio::test]
async fn an_event_type_put_creates_or_replaces() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        svix.put(&path, json!({"description": "one"})).await.expect(201);
        let replaced = svix.put(&path, json!({"description": "two"})).await.expect(200);
        assert_eq!(replaced["description"], "two");
    })
    .await;
}

#[tokio::test]
async fn put_of_an_event_type_without_schemas_wipes_them() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        svix.put(&path, json!({"description": "d", "schemas": schemas()})).await.expect(201);
        let replaced = svix.put(&path, json!({"description": "d"})).await.expect(200);
        assert_eq!(replaced["schemas"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn put_of_an_event_type_without_archived_unarchives_it() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        svix.delete(&path).await.expect(204);
        let replaced = svix.put(&path, json!({"description": "d"})).await.expect(200);
        assert_eq!(replaced["archived"], false);
    })
    .await;
}

#[tokio::test]
async fn put_of_an_event_type_wants_a_description() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        svix.put(&path, json!({})).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn an_event_type_patch_changes_named_fields_only() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        svix.put(&path, json!({"description": "d", "schemas": schemas(), "featureFlag": "f"}))
            .await
            .expect(201);
        let patched = svix.patch(&path, json!({"description": "e"})).await.expect(200);
        assert_eq!(patched["description"], "e");
        assert_eq!(patched["schemas"], schemas());
        assert_eq!(patched["featureFlag"], "f");
        let cleared = svix.patch(&path, json!({"schemas": null, "featureFlag": null})).await.expect(200);
        assert_eq!(cleared["description"], "e");
        assert_eq!(cleared["schemas"], Value::Null);
        assert_eq!(cleared["featureFlag"], Value::Null);
        svix.patch(&path, json!({"description": null})).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn patch_of_an_event_type_that_is_not_there_is_not_found() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        svix.patch(&path, json!({"description": "e"})).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn an_event_type_patch_always_moves_updated_at() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        let before = svix.get(&path).await.expect(200);
        let after = svix.patch(&path, json!({})).await.expect(200);
        assert_ne!(before["updatedAt"], after["updatedAt"]);
        assert_eq!(before["createdAt"], after["createdAt"]);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_event_type_is_archived_and_readable() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        svix.delete(&path).await.expect(204);
        let archived = svix.get(&path).await.expect(200);
        assert_eq!(archived["archived"], true);
        assert_eq!(archived["description"], "given");
        svix.delete(&path).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn expunging_an_event_type_removes_it() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        svix.delete(&format!("{path}?expunge=true")).await.expect(204);
        svix.get(&path).await.expect_error(404, "not_found");
        svix.delete(&path).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn a_post_unarchives_and_replaces_the_content() {
    contract(async |svix| {
        let name = svix.name("a");
        let path = format!("/event-type/{name}/");
        svix.put(&path, json!({"description": "old", "schemas": schemas()})).await.expect(201);
        svix.delete(&path).await.expect(204);
        let revived =
            svix.post("/event-type/", json!({"name": name, "description": "new"})).await.expect(201);
        assert_eq!(revived["archived"], false);
        assert_eq!(revived["description"], "new");
        assert_eq!(revived["schemas"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn event_type_names_may_lack_dots_or_repeat_them() {
    contract(async |svix| {
        for what in ["nodot", "a..b", "A-Z_0.9"] {
            svix.event_type(what).await;
        }
    })
    .await;
}

#[tokio::test]
async fn event_type_names_have_their_limits() {
    contract(async |svix| {
        let create =
            async |name: String| svix.post("/event-type/", json!({"name": name, "description": ""})).await;
        let longest = svix.name(&"x".repeat(256 - svix.name("").len()));
        create(longest.clone()).await.expect(201);
        for name in [format!("{longest}x"), String::new(), svix.name("a b"), svix.name("a/b"), svix.name("é")]
        {
            create(name).await.expect_invalid("body.name.__all__");
        }
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_not_draft_7_is_refused() {
    contract(async |svix| {
        // `exclusiveMinimum: true` was right in Draft 4.
        let wrong =
            [json!({"type": "objec"}), json!({"minimum": 1, "exclusiveMinimum": true}), json!("text")];
        for schema in wrong {
            let name = svix.name("a");
            let body = json!({"name": name, "description": "d", "schemas": {"1": schema}});
            svix.post("/event-type/", body.clone()).await.expect_invalid("body.schemas");
            svix.put(&format!("/event-type/{name}/"), body).await.expect_invalid("body.schemas");
            svix.get(&format!("/event-type/{name}/")).await.expect(404);
        }
    })
    .await;
}

#[tokio::test]
async fn schemas_are_a_map_by_version_and_every_version_is_kept() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        let versions = json!({"1": {"type": "object"}, "2": true, "other": {"title": "t"}});
        let created = svix.put(&path, json!({"description": "d", "schemas": versions})).await.expect(201);
        assert_eq!(created["schemas"], versions);
        assert_eq!(svix.get(&path).await.expect(200)["schemas"], versions);
    })
    .await;
}

#[tokio::test]
async fn numbers_in_a_schema_keep_their_digits() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        let body =
            r#"{"description":"d","schemas":{"1":{"maximum":12345678901234567890123,"minimum":0.10}}}"#;
        svix.send(reqwest::Method::PUT, &path, Some(body.to_owned())).await.expect(201);
        let text = svix.get(&path).await.text;
        assert!(text.contains("12345678901234567890123") && text.contains("0.10"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn unknown_event_type_fields_are_dropped_silently() {
    contract(async |svix| {
        let name = svix.name("a");
        let body = json!({
            "name": name, "description": "d", "groupName": "g", "featureFlags": ["f"], "nonsense": 1,
        });
        let created = svix.post("/event-type/", body).await.expect(201);
        assert!(created.get("groupName").is_none() && created.get("nonsense").is_none(), "{created}");
        assert!(created.get("featureFlags").is_none() && created["featureFlag"].is_null(), "{created}");
    })
    .await;
}

#[tokio::test]
async fn a_feature_flag_is_kept_and_must_be_a_name() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        let created = svix.put(&path, json!({"description": "d", "featureFlag": "a-flag"})).await.expect(201);
        assert_eq!(created["featureFlag"], "a-flag");
        let wrong = svix.put(&path, json!({"description": "d", "featureFlag": "a flag"})).await;
        wrong.expect_invalid("body.featureFlag");
    })
    .await;
}

#[tokio::test]
async fn event_types_are_listed_in_ascending_order() {
    contract(async |svix| {
        let mut made = Vec::new();
        for what in ["b", "c", "a", "B"] {
            made.push(svix.event_type(what).await);
        }
        made.sort();
        for order in ["ascending", "descending"] {
            let all = svix.all(&format!("/event-type/?limit=250&order={order}")).await;
            let names = all.iter().filter_map(|it| it["name"].as_str());
            let mine: Vec<&str> = names.filter(|name| name.starts_with(&svix.prefix)).collect();
            assert_eq!(mine, made, "{order}");
        }
    })
    .await;
}

#[tokio::test]
async fn archived_event_types_are_listed_when_asked() {
    contract(async |svix| {
        let (live, archived) = (svix.name("live"), svix.event_type("archived").await);
        svix.put(&format!("/event-type/{live}/"), json!({"description": "d", "schemas": schemas()}))
            .await
            .expect(201);
        svix.delete(&format!("/event-type/{archived}/")).await.expect(204);
        let find = async |query: &str, name: &str| {
            let all = svix.all(&format!("/event-type/?limit=250{query}")).await;
            all.into_iter().find(|it| it["name"] == json!(name))
        };
        assert_eq!(find("", &archived).await, None);
        assert_eq!(find("&include_archived=true", &archived).await.unwrap()["archived"], true);
        assert_eq!(find("", &live).await.unwrap()["schemas"], Value::Null);
        assert_eq!(find("&with_content=false", &live).await.unwrap()["schemas"], Value::Null);
        assert_eq!(find("&with_content=true", &live).await.unwrap()["schemas"], schemas());
    })
    .await;
}

#[tokio::test]
async fn put_does_not_check_the_name_of_an_event_type() {
    contract(async |svix| {
        let name = svix.name("a b");
        let made = svix.put(&format!("/event-type/{name}/"), json!({"description": "d"})).await.expect(201);
        assert_eq!(made["name"], json!(name));
    })
    .await;
}

#[tokio::test]
async fn a_reference_to_another_document_is_never_stored() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        // Port 9 of this machine: nobody is there. A real server may fail rather than refuse.
        for wrong in [json!({"$ref": "http://127.0.0.1:9/a.json"}), json!({"$ref": "#/definitions/missing"})]
        {
            let body = json!({"description": "d", "schemas": {"1": wrong}}).to_string();
            let answer = svix.request(reqwest::Method::PUT, &path, Some(body)).send().await;
            assert!(answer.is_err() || answer.is_ok_and(|it| !it.status().is_success()));
            svix.get(&path).await.expect(404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_description_has_no_control_characters() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        svix.put(&path, json!({"description": "a\u{1}"})).await.expect_invalid("body.description");
        svix.put(&path, json!({"description": "a\nb\tc"})).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_nul_in_a_schema_is_an_internal_error() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        let body = json!({"description": "d", "schemas": {"1": {"const": "\0"}}});
        assert_eq!(svix.put(&path, body).await.expect(500), json!({}));
        svix.get(&path).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_schema_is_read_as_draft_7_whatever_it_names() {
    contract(async |svix| {
        let (draft4, draft2020) =
            ("http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2020-12/schema");
        for (schema, status) in [
            (json!({"$schema": draft4, "maximum": 5, "exclusiveMaximum": true}), 422),
            (json!({"$schema": draft4, "examples": {}}), 422),
            (json!({"$schema": draft2020, "$ref": "#a", "$defs": {"a": {"$anchor": "a"}}}), 422),
            // Unknown to Draft 7, so it may be anything.
            (json!({"$schema": draft2020, "prefixItems": 5, "$defs": {"a": {"type": "none"}}}), 201),
            (json!({"$schema": draft2020, "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}), 201),
        ] {
            let name = svix.name(&format!("a{}", uuid::Uuid::new_v4().simple()));
            let body = json!({"name": name, "description": "d", "schemas": {"1": schema}});
            let answer = svix.post("/event-type/", body).await;
            assert_eq!(answer.status, status, "{schema}: {answer:?}");
            if status == 422 {
                answer.expect_invalid("body.schemas");
            }
        }
    })
    .await;
}
