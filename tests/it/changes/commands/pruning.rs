//! `apply --prune`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_ours_is_pruned() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.write(
        "m/other.yaml",
        &format!(
            "{}---\n{}",
            ENDPOINT.replace("name: orders", "name: gone"),
            EVENT_TYPE.replace("order.placed", "order.gone")
        ),
    );
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    fs::remove_file(folder.path().join("m/other.yaml")).unwrap();
    let endpoint = serde_json::json!({"url": "https://by.hand.example.org", "uid": "by-hand"});
    let url = format!("{}/api/v1/app/default/endpoint", svix.url());
    reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&endpoint).send().await.unwrap();

    let foreign = folder.on(&svix, &["diff", "m", "--show-foreign"]).await;
    let kept = folder.on(&svix, &["apply", "m", "--yes"]).await;
    let pruned =
        folder.on(&svix, &["apply", "m", "--yes", "--prune", "--prune-event-types", "order.*"]).await;

    let expected = "\
not declared: endpoint by-hand of application default
not declared: endpoint prod.shop.gone of application default, marked as prod/shop/gone
not declared: event type order.gone
no differences (2 compared)
";
    assert_eq!((code(&foreign), out(&foreign).as_str()), (0, expected), "{}", error(&foreign));
    assert_eq!((code(&kept), out(&kept).as_str()), (0, "no differences (2 compared)\n"));
    assert_eq!(code(&pruned), 0, "{}", error(&pruned));
    let left = svix.snapshot();
    let endpoints: Vec<_> = left.applications["default"].endpoints.keys().collect();
    assert_eq!(endpoints, ["by-hand", "prod.shop.orders"]);
    assert!(left.event_types["order.gone"].archived && !left.event_types["order.placed"].archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_where_it_could_be_declared() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    let prune = ["apply", "m", "--yes", "--prune"];
    let other = CONNECTION.replace("name: default", "name: other");

    folder.write("m/other.yaml", &other);
    let shared = folder.on(&svix, &prune).await;
    fs::remove_file(folder.path().join("m/other.yaml")).unwrap();
    let adopting = "namespace: shop, annotations: {svix-operator.dev/adopt-id: ep_1}}";
    folder.write("m/endpoint.yaml", &ENDPOINT.replace("namespace: shop}", adopting));
    let by_id = folder.on(&svix, &prune).await;

    assert_eq!((code(&shared), code(&by_id)), (2, 2), "{} {}", error(&shared), error(&by_id));
    assert!(error(&shared).contains("have the same ownerId"), "{}", error(&shared));
    assert!(error(&by_id).contains("adopt-id"), "{}", error(&by_id));
    assert_eq!(svix.snapshot().applications["default"].endpoints.len(), 1);
}
