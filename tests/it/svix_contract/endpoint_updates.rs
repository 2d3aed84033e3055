use serde_json::{Value, json};

use super::{Svix, contract};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The path of the endpoints of an application, and of one of them that has everything set.
async fn full(svix: &Svix) -> (String, String) {
    let path = svix.endpoints().await;
    let event_type = svix.event_type("a").await;
    let body = json!({
        "url": "https://a.example/hook", "uid": "mine", "description": "text", "disabled": true,
        "eventTypes": [event_type], "channels": ["c"], "throttleRate": 5, "metadata": {"k": "v"}, "secret": SECRET,
    });
    let made = svix.post(&path, body).await.expect(201);
    let one = format!("{path}{}/", made["id"].as_str().unwrap());
    (path, one)
}

#[tokio::test]
async fn an_endpoint_put_replaces_the_whole_and_enables() {
    contract(async |svix| {
        let (_, one) = full(svix).await;
        let replaced = svix.put(&one, json!({"url": "https://b.example/"})).await.expect(200);
        assert_eq!(replaced["url"], "https://b.example/");
        assert_eq!(replaced["disabled"], false);
        assert_eq!(replaced["description"], "");
        assert_eq!(replaced["metadata"], json!({}));
        for field in ["eventTypes", "channels", "throttleRate"] {
            assert_eq!(replaced[field], Value::Null, "{field}");
        }
    })
    .await;
}

#[tokio::test]
async fn put_without_a_uid_erases_it() {
    contract(async |svix| {
        let (path, one) = full(svix).await;
        let replaced =
            svix.put(&format!("{path}mine/"), json!({"url": "https://b.example/"})).await.expect(200);
        assert_eq!(replaced["uid"], Value::Null);
        svix.get(&format!("{path}mine/")).await.expect_error(404, "not_found");
        assert_eq!(svix.get(&one).await.expect(200)["uid"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn the_uid_in_the_body_of_a_put_wins_over_that_in_the_path() {
    contract(async |svix| {
        let (path, _) = full(svix).await;
        let body = json!({"url": "https://b.example/", "uid": "other"});
        let replaced = svix.put(&format!("{path}mine/"), body).await.expect(200);
        assert_eq!(replaced["uid"], "other");
        svix.get(&format!("{path}mine/")).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn a_put_to_a_new_uid_creates_another_endpoint() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://b.example/"});
        let first = svix.put(&format!("{path}mine/"), body.clone()).await.expect(201);
        let second = svix.put(&format!("{path}mine/"), body).await.expect(201);
        assert_ne!(first["id"], second["id"]);
        assert_eq!(first["uid"], Value::Null);
        svix.get(&format!("{path}mine/")).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn a_put_with_the_uid_in_its_body_creates_once() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://b.example/", "uid": "mine"});
        let first = svix.put(&format!("{path}mine/"), body.clone()).await.expect(201);
        let second = svix.put(&format!("{path}mine/"), body).await.expect(200);
        assert_eq!(first["id"], second["id"]);
    })
    .await;
}

#[tokio::test]
async fn a_secret_in_a_put_is_ignored_on_create_and_on_update() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        let body = json!({"url": "https://b.example/", "uid": "mine", "secret": SECRET});
        svix.put(&format!("{path}mine/"), body.clone()).await.expect(201);
        let made_up = svix.get(&format!("{path}mine/secret/")).await.expect(200);
        assert_ne!(made_up["key"], SECRET);
        svix.put(&format!("{path}mine/"), body).await.expect(200);
        assert_eq!(svix.get(&format!("{path}mine/secret/")).await.expect(200), made_up);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_put_leaves_secret_and_headers() {
    contract(async |svix| {
        let (_, one) = full(svix).await;
        svix.put(&format!("{one}headers/"), json!({"headers": {"X-Team": "a"}})).await.expect(204);
        svix.put(&one, json!({"url": "https://b.example/", "headers": {"X-Team": "b"}})).await.expect(200);
        assert_eq!(svix.get(&format!("{one}secret/")).await.expect(200)["key"], SECRET);
        let headers = svix.get(&format!("{one}headers/")).await.expect(200);
        assert_eq!(headers["headers"], json!({"X-Team": "a"}));
    })
    .await;
}

#[tokio::test]
async fn patch_changes_the_fields_it_names_and_no_others() {
    contract(async |svix| {
        let (_, one) = full(svix).await;
        let mut before = svix.get(&one).await.expect(200);
        let mut after = svix.patch(&one, json!({"description": "new"})).await.expect(200);
        assert_eq!(after["description"], "new");
        for it in [&mut before, &mut after] {
            let it = it.as_object_mut().unwrap();
            it.remove("description");
            it.remove("updatedAt");
        }
        assert_eq!(before, after);
    })
    .await;
}

#[tokio::test]
async fn null_in_a_patch_clears_or_is_refused() {
    contract(async |svix| {
        let (_, one) = full(svix).await;
        let clear = json!({"uid": null, "eventTypes": null, "channels": null, "throttleRate": null});
        let cleared = svix.patch(&one, clear).await.expect(200);
        for field in ["uid", "eventTypes", "filterTypes", "channels", "throttleRate"] {
            assert_eq!(cleared[field], Value::Null, "{field}");
        }
        for field in ["url", "disabled", "description"] {
            svix.patch(&one, json!({field: null})).await.expect(422);
        }
        // Metadata has no null: it becomes empty.
        assert_eq!(svix.patch(&one, json!({"metadata": null})).await.expect(200)["metadata"], json!({}));
    })
    .await;
}

#[tokio::test]
async fn metadata_in_a_patch_is_replaced_as_a_whole() {
    contract(async |svix| {
        let (_, one) = full(svix).await;
        let patched = svix.patch(&one, json!({"metadata": {"other": "w"}})).await.expect(200);
        assert_eq!(patched["metadata"], json!({"other": "w"}));
    })
    .await;
}

#[tokio::test]
async fn patch_of_an_endpoint_that_is_not_there_is_not_found() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        svix.patch(&format!("{path}mine/"), json!({"disabled": true})).await.expect_error(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn unknown_endpoint_fields_are_dropped_silently() {
    contract(async |svix| {
        let (_, one) = full(svix).await;
        let before = svix.get(&one).await.expect(200);
        let patched =
            svix.patch(&one, json!({"nonsense": 1, "secret": "x", "headers": {"a": "b"}})).await.expect(200);
        assert_eq!(patched["uid"], before["uid"]);
        assert!(patched.get("nonsense").is_none(), "{patched}");
        assert_eq!(svix.get(&format!("{one}secret/")).await.expect(200)["key"], SECRET);
    })
    .await;
}

#[tokio::test]
async fn every_write_moves_updated_at_and_a_list_shows_it() {
    contract(async |svix| {
        let (path, one) = full(svix).await;
        let listed =
            async || svix.get(&path).await.expect(200)["data"][0]["updatedAt"].as_str().unwrap().to_owned();
        let mut last = listed().await;
        assert_eq!(svix.get(&one).await.expect(200)["updatedAt"], json!(last));
        let mut moved = async |what: &str| {
            let next = listed().await;
            assert!(next > last, "{what}: {last} -> {next}");
            last = next;
        };
        svix.put(&format!("{one}headers/"), json!({"headers": {"X-Team": "a"}})).await.expect(204);
        moved("writing headers").await;
        svix.patch(&format!("{one}headers/"), json!({"headers": {"X-Team": "b"}})).await.expect(204);
        moved("patching headers").await;
        svix.post(&format!("{one}secret/rotate/"), json!({})).await.expect(204);
        moved("rotating the secret").await;
        svix.patch(&one, json!({"description": "new"})).await.expect(200);
        moved("a patch").await;
        svix.patch(&one, json!({})).await.expect(200);
        moved("a patch without a difference").await;
        svix.get(&format!("{one}headers/")).await.expect(200);
        svix.get(&format!("{one}secret/")).await.expect(200);
        let unmoved = listed().await;
        assert_eq!(svix.get(&one).await.expect(200)["updatedAt"], json!(unmoved));
    })
    .await;
}
