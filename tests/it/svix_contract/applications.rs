use serde_json::{Value, json};

use super::contract;

#[tokio::test]
async fn an_application_is_found_by_its_uid_and_by_its_id() {
    contract(async |svix| {
        let uid = svix.app().await;
        let by_uid = svix.get(&format!("/app/{uid}/")).await.expect(200);
        let id = by_uid["id"].as_str().unwrap();
        assert!(id.starts_with("app_") && id.len() == 31, "{id}");
        assert_eq!(by_uid["uid"], json!(uid));
        assert_eq!(by_uid["metadata"], json!({}));
        assert_eq!(by_uid["throttleRate"], Value::Null);
        assert_eq!(svix.get(&format!("/app/{id}/")).await.expect(200), by_uid);
    })
    .await;
}

#[tokio::test]
async fn an_application_uid_that_is_taken_is_a_conflict() {
    contract(async |svix| {
        let uid = svix.app().await;
        svix.post("/app/", json!({"name": "other", "uid": uid})).await.expect_error(409, "conflict");
    })
    .await;
}

#[tokio::test]
async fn get_if_exists_gives_back_the_application_that_is_there() {
    contract(async |svix| {
        let uid = svix.app().await;
        let there = svix.get(&format!("/app/{uid}/")).await.expect(200);
        let again = svix.post("/app/?get_if_exists=true", json!({"name": "other", "uid": uid})).await;
        assert_eq!(again.expect(200), there);
        let new = svix.name("new");
        svix.forget(format!("/app/{new}/"));
        svix.post("/app/?get_if_exists=true", json!({"name": "new", "uid": new})).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn an_application_put_replaces_the_whole() {
    contract(async |svix| {
        let uid = svix.app().await;
        let made = svix.get(&format!("/app/{uid}/")).await.expect(200);
        let id = made["id"].as_str().unwrap();
        svix.forget(format!("/app/{id}/"));
        let replaced = svix.put(&format!("/app/{uid}/"), json!({"name": "new"})).await.expect(200);
        assert_eq!(replaced["id"], made["id"]);
        assert!(replaced.get("uid").is_none(), "{replaced}");
        svix.get(&format!("/app/{uid}/")).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn an_application_patch_changes_named_fields_only() {
    contract(async |svix| {
        let uid = svix.app().await;
        let path = format!("/app/{uid}/");
        let patched = svix.patch(&path, json!({"metadata": {"a": "b"}, "throttleRate": 7})).await.expect(200);
        assert_eq!(patched["name"], "given");
        assert_eq!(patched["uid"], json!(uid));
        assert_eq!(patched["metadata"], json!({"a": "b"}));
        assert_eq!(patched["throttleRate"], 7);
        let patched = svix.patch(&path, json!({"name": "other", "throttleRate": null})).await.expect(200);
        assert_eq!(patched["name"], "other");
        assert_eq!(patched["metadata"], json!({"a": "b"}));
        assert_eq!(patched["throttleRate"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_application_is_gone_and_its_uid_is_free() {
    contract(async |svix| {
        let uid = svix.app().await;
        let path = format!("/app/{uid}/");
        let old = svix.get(&path).await.expect(200)["id"].clone();
        svix.delete(&path).await.expect(204);
        svix.get(&path).await.expect_error(404, "not_found");
        svix.delete(&path).await.expect_error(404, "not_found");
        svix.get(&format!("/app/{uid}/endpoint/")).await.expect_error(404, "not_found");
        let new = svix.post("/app/", json!({"name": "new", "uid": uid})).await.expect(201);
        assert_ne!(new["id"], old);
    })
    .await;
}

#[tokio::test]
async fn an_application_needs_a_name_and_a_uid_that_is_no_id() {
    contract(async |svix| {
        let create = async |body| svix.post("/app/", body).await;
        create(json!({"name": ""})).await.expect_invalid("body.name");
        create(json!({"name": "n", "uid": "app_x"})).await.expect_invalid("body.uid.__all__");
        create(json!({"name": "n", "uid": "a b"})).await.expect_invalid("body.uid.__all__");
        create(json!({"name": "n", "throttleRate": 0})).await.expect_invalid("body.throttle_rate");
    })
    .await;
}
