//! Who receives the events of an event type that is archived, removed, or given a schema that breaks receivers.

use std::fs;

use serde_json::{Value, json};
use svix_operator::{
    changes::base::{Undeclared, compare},
    embedded::EmbeddedSvix,
    manifests::SourceMap,
};
use tokio_util::sync::CancellationToken;

use crate::support::svix_server;

use super::{
    commands::{CONNECTION, ENDPOINT, EVENT_TYPE, Folder, code, error, out},
    load,
};

/// Creates an endpoint in Svix that no manifest declares.
async fn by_hand(svix: &EmbeddedSvix, uid: &str, details: Value) {
    let mut endpoint = json!({"url": "https://by.hand.example.org", "uid": uid});
    endpoint.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
    let url = format!("{}/api/v1/app/default/endpoint", svix.url());
    let request = reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&endpoint);
    request.send().await.unwrap().error_for_status().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaking_change_names_declared_ones_and_others_in_svix() {
    // Given an endpoint that is declared, and others of which two receive the events
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    let other = json!({"name": "order.paid", "description": ""});
    let url = format!("{}/api/v1/event-type", svix.url());
    reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&other).send().await.unwrap();
    by_hand(&svix, "everything", json!({})).await;
    by_hand(&svix, "subscribed", json!({"filterTypes": ["order.placed"]})).await;
    by_hand(&svix, "elsewhere", json!({"filterTypes": ["order.paid"]})).await;
    by_hand(&svix, "disabled", json!({"disabled": true})).await;
    folder.write("m/event-type.yaml", &EVENT_TYPE.replace("type: string", "type: [string, integer]"));

    // When it is compared
    let text = folder.on(&svix, &["diff", "m"]).await;
    let markdown = folder.on(&svix, &["diff", "m", "-o", "markdown"]).await;
    let as_json = folder.on(&svix, &["diff", "m", "-o", "json"]).await;

    // Then all that receive the events are named.
    let names =
        "endpoint everything of application default, endpoint subscribed of application default, shop/orders";
    let line = format!("3 endpoints receive its events: {names}");
    assert!(out(&text).contains(&format!("\n  {line}\n")), "{}{}", out(&text), error(&text));
    assert!(out(&markdown).contains(&format!("\n# {line}\n")), "{}", out(&markdown));
    let changes: Value = serde_json::from_str(&out(&as_json)).unwrap();
    let changes = changes["changes"].as_array().unwrap();
    let change = changes.iter().find(|change| change["kind"] == "WebhookEventType").unwrap();
    assert_eq!(change["receivers"]["count"], 3);
    assert_eq!(change["receivers"]["endpoints"].as_array().unwrap().len(), 3);
    let endpoint = changes.iter().find(|change| change["kind"] == "WebhookEndpoint").unwrap();
    assert_eq!(endpoint["receivers"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_breaks_nobody_lists_no_endpoints() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/event-type.yaml", &EVENT_TYPE.replace("An order was placed.", "Another text."));
    svix.clear_calls();

    let diff = folder.on(&svix, &["diff", "m"]).await;

    assert!(!out(&diff).contains("its events"), "{}", out(&diff));
    // The application is listed once, by the comparison itself.
    let listed = svix.calls().iter().filter(|call| call.operation == "endpoint.list").count();
    assert_eq!(listed, 1, "{:?}", svix.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_names_those_who_stay() {
    // Given two event types that no manifest declares any more, one of which an endpoint still receives
    let (svix, folder) = (svix_server::start().await, Folder::new());
    let others = ["order.gone", "order.quiet"].map(|name| EVENT_TYPE.replace("order.placed", name));
    let pruned = ENDPOINT.replace("name: orders", "name: gone").replace("order.placed", "order.gone");
    folder.write("m/other.yaml", &format!("{}---\n{}---\n{pruned}", others[0], others[1]));
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    by_hand(&svix, "subscribed", json!({"filterTypes": ["order.gone"]})).await;
    fs::remove_file(folder.path().join("m/other.yaml")).unwrap();

    // When they are pruned
    let arguments = ["apply", "m", "--yes", "--prune", "--prune-event-types", "order.*"];
    let applied = folder.on(&svix, &arguments).await;

    // Then the endpoint that is not deleted is named.
    assert_eq!(code(&applied), 0, "{}", error(&applied));
    let text = out(&applied);
    let expected = "1 endpoint receives its events: endpoint subscribed of application default";
    assert_eq!((text.matches(expected).count(), text.matches("its events").count()), (1, 1), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn against_a_folder_those_who_stay_are_named() {
    let folder = Folder::new();
    let other = ENDPOINT.replace("name: orders", "name: leaving");
    folder.write("base/all.yaml", &format!("{EVENT_TYPE}---\n{ENDPOINT}---\n{other}"));
    folder
        .write("base/connection.yaml", &fs::read_to_string(folder.path().join("m/connection.yaml")).unwrap());
    fs::remove_file(folder.path().join("m/event-type.yaml")).unwrap();

    let diff = folder.run(&["diff", "m", "--against", "base"]).await;

    let text = out(&diff);
    assert!(text.contains("archive WebhookEventType shop/order.placed"), "{text}{}", error(&diff));
    assert!(text.contains("  1 endpoint receives its events: shop/orders\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_manifests_declare_counts_where_it_stays() {
    // Given a base with an endpoint that the manifests do not declare, as in a cluster
    let elsewhere = ENDPOINT.replace("name: orders", "name: elsewhere");
    let base = format!("{CONNECTION}---\n{EVENT_TYPE}---\n{ENDPOINT}---\n{elsewhere}");
    let wider = EVENT_TYPE.replace("type: string", "type: [string, integer]");
    let manifests = format!("{CONNECTION}---\n{wider}---\n{ENDPOINT}");
    for (undeclared, expected) in
        [(Undeclared::Kept, &["shop/elsewhere", "shop/orders"][..]), (Undeclared::Deleted, &["shop/orders"])]
    {
        let (base, loaded) = (load(&base), load(&manifests));
        let sources = SourceMap::new(&loaded);
        let shutdown = CancellationToken::new();

        // When they are compared
        let changes = compare(base, loaded, ("default", undeclared), &sources, &shutdown).await.unwrap();

        // Then it receives the events if it stays.
        let change = changes.changes.iter().find(|change| change.name == "order.placed").unwrap();
        assert_eq!(change.receivers.as_ref().unwrap().endpoints, expected, "{undeclared:?}");
    }
}
