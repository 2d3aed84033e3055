//! Whatever was written while credentials were about holds none of them.

use serde_json::Value;

use super::{fixtures::Fixtures, tokens::found_in};

/// Looks through the operator's log, its metrics, all Events, all objects and what kubectl shows of them.
pub async fn nowhere(fixtures: &Fixtures) {
    let mut leaks = Vec::new();
    let mut look = |place: &str, text: &str, spec: bool| {
        assert!(!text.is_empty(), "{place} is empty");
        leaks.extend(found_in(text, spec).into_iter().map(|found| format!("{place}: {found}")));
    };
    let operator = &fixtures.stage.operator;
    let log = operator.log_text();
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "the operator logs everything");
    look("the log", &log, false);
    look("/metrics", &operator.get("/metrics").await.unwrap(), false);

    for kind in ["svixconnections", "webhookeventtypes", "webhookendpoints", "events"] {
        let arguments = ["get", kind, "--all-namespaces", "--show-managed-fields", "-o", "json"];
        let text = fixtures.kubectl(&arguments).await;
        look(kind, &text, kind != "events");
        let list: Value = serde_json::from_str(&text).unwrap();
        for object in list["items"].as_array().unwrap() {
            let (name, metadata) = (&object["metadata"]["name"], &object["metadata"]["annotations"]);
            look(&format!("{kind} {name}"), &format!("{} {metadata}", object["status"]), false);
        }
        look(&format!("get {kind}"), &fixtures.kubectl(&["get", kind, "-A", "-o", "wide"]).await, false);
    }
    look("describe", &fixtures.kubectl(&["describe", "webhookeventtypes,webhookendpoints"]).await, true);
    // What a Secret says of itself, beside its data.
    let secrets = fixtures.kubectl(&["get", "secrets", "--all-namespaces", "-o", "json"]).await;
    let secrets: Value = serde_json::from_str(&secrets).unwrap();
    for secret in secrets["items"].as_array().unwrap() {
        look("a Secret's metadata", &secret["metadata"].to_string(), false);
    }
    assert!(leaks.is_empty(), "{} leaks, such as {:#?}", leaks.len(), &leaks[..leaks.len().min(10)]);
}
