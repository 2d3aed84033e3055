use serde_json::{Value, json};

use super::{Svix, contract};

/// The path of the headers of an endpoint.
async fn headers(svix: &Svix) -> String {
    let path = svix.endpoints().await;
    svix.post(&path, json!({"url": "https://a.example/", "uid": "mine"})).await.expect(201);
    format!("{path}mine/headers/")
}

#[tokio::test]
async fn writing_headers_returns_no_body_and_keeps_case() {
    contract(async |svix| {
        let path = headers(svix).await;
        let answer = svix.put(&path, json!({"headers": {"X-Team": "a", "x-other": "b"}})).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        let read = svix.get(&path).await.expect(200);
        assert_eq!(read, json!({"headers": {"X-Team": "a", "x-other": "b"}, "sensitive": []}));
    })
    .await;
}

#[tokio::test]
async fn put_replaces_all_headers_and_patch_only_those_it_names() {
    contract(async |svix| {
        let path = headers(svix).await;
        svix.put(&path, json!({"headers": {"X-A": "1", "X-B": "2"}})).await.expect(204);
        svix.patch(&path, json!({"headers": {"X-B": "3", "X-C": "4"}})).await.expect(204);
        let read = svix.get(&path).await.expect(200);
        assert_eq!(read["headers"], json!({"X-A": "1", "X-B": "3", "X-C": "4"}));
        svix.patch(&path, json!({"headers": {"X-A": null}})).await.expect(204);
        assert_eq!(svix.get(&path).await.expect(200)["headers"], json!({"X-B": "3", "X-C": "4"}));
        svix.put(&path, json!({"headers": {"X-D": "5"}})).await.expect(204);
        assert_eq!(svix.get(&path).await.expect(200)["headers"], json!({"X-D": "5"}));
        svix.put(&path, json!({"headers": {}})).await.expect(204);
        assert_eq!(svix.get(&path).await.expect(200)["headers"], json!({}));
    })
    .await;
}

#[tokio::test]
async fn sensitive_headers_read_back_as_names_only() {
    contract(async |svix| {
        let path = headers(svix).await;
        let sensitive = ["Authorization", "x-api-key", "X-Auth-Token", "WWW-Authenticate"];
        let all: serde_json::Map<String, Value> =
            sensitive.iter().map(|&name| (name.to_owned(), json!("s3cret"))).collect();
        svix.put(&path, json!({"headers": all})).await.expect(204);
        let answer = svix.get(&path).await;
        assert!(!answer.text.contains("s3cret"), "{}", answer.text);
        let read = answer.expect(200);
        assert_eq!(read["headers"], json!({}));
        let mut names: Vec<&str> =
            read["sensitive"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["Authorization", "WWW-Authenticate", "X-Auth-Token", "x-api-key"]);
    })
    .await;
}

#[tokio::test]
async fn header_names_that_delivery_needs_for_itself_are_refused() {
    contract(async |svix| {
        let path = headers(svix).await;
        for name in [
            "Content-Type",
            "content-length",
            "User-Agent",
            "Transfer-Encoding",
            "Upgrade",
            "Proxy-Authorization",
            "proxy-authenticate",
            "X-Amz-Date",
            "x-google-x",
            "x-goog-a",
            "x-gfe-a",
            "x-azure-ref",
            "x-fd-a",
            "X-Svix-A",
            "svix-id",
            "not a name",
            "",
        ] {
            svix.put(&path, json!({"headers": {name: "v"}})).await.expect_invalid("body.headers");
            svix.patch(&path, json!({"headers": {name: "v"}})).await.expect_invalid("body.headers.__all__");
        }
        assert_eq!(svix.get(&path).await.expect(200)["headers"], json!({}));
    })
    .await;
}

#[tokio::test]
async fn header_values_have_their_limits() {
    contract(async |svix| {
        let path = headers(svix).await;
        svix.put(&path, json!({"headers": {"X-A": "v".repeat(4096)}})).await.expect(204);
        svix.put(&path, json!({"headers": {"X-A": "v".repeat(4097)}})).await.expect_invalid("body.headers");
        svix.put(&path, json!({"headers": {"X-A": "a\nb"}})).await.expect_invalid("body.headers");
    })
    .await;
}
