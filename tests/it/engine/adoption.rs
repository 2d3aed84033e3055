//! What is in Svix already: taken when it is equal, or when that is asked for, and never overwritten without a word.

use serde_json::{Value, json};
use svix_operator::{
    embedded::FaultPlan,
    engine::{Object, ObjectKey},
};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{Manifest, connection, endpoint, event_type},
    wait::eventually,
};

mod by_id;
mod takeover;

const OWNER: &str = "svix-operator.dev/owner";

async fn fleet() -> Harness {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one")]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    harness
}

/// An endpoint that somebody made in Svix.
async fn edit_svix(harness: &Harness, extra: Value) -> String {
    let mut body = json!({"url": "https://hooks.example.org/hook", "eventTypes": ["a.one"], "uid": "theirs"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let made = harness.edit_svix("POST", "/app/default/endpoint", body).await;
    made["id"].as_str().unwrap().to_owned()
}

fn hook() -> Manifest {
    endpoint("hook", &["a.one"]).with("uid", "theirs")
}

fn published(harness: &Harness, key: &ObjectKey) -> Vec<String> {
    harness
        .all_published()
        .into_iter()
        .filter(|(of, _)| of == key)
        .map(|(_, note)| format!("{}: {}", note.reason, note.message))
        .collect()
}

/// A connection that allows everything.
fn lenient(connection: Manifest) -> Manifest {
    let all =
        json!({"namespaces": {}, "applications": ["*"], "eventTypes": ["*"], "maxAdoption": "Override"});
    connection.with("resyncInterval", "1s").with("access", json!([all]))
}

async fn lenient_fleet() -> Harness {
    let mut harness = fleet().await;
    let connection = lenient(connection(&harness.svix.url()));
    harness.declare([connection]);
    harness
}

#[tokio::test]
async fn an_equal_endpoint_is_adopted_with_one_write_the_mark() {
    let mut harness = fleet().await;
    edit_svix(&harness, json!({"metadata": {"team": "x"}, "description": "by hand"})).await;
    harness.svix.clear_calls();
    harness.declare([hook()]);
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes().len(), 1, "{:?}", harness.writes());
    let found = harness.svix.snapshot().endpoint("default", "theirs").unwrap().clone();
    assert_eq!(found.metadata[OWNER], "test/default/hook");
    assert_eq!((found.metadata["team"].as_str(), found.description.as_str()), ("x", "by hand"));
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
}

#[tokio::test]
async fn match_refuses_differences_and_adopts_equality() {
    let mut harness = fleet().await;
    edit_svix(&harness, json!({"description": "by hand"})).await;
    harness.declare([hook().with("description", "mine")]);
    let reported = harness.wait_for_reason(&hook().key(), "NotOurs").await;
    assert!(
        reported.message.contains(r#"description is "by hand" in Svix, declared "mine""#),
        "{}",
        reported.message
    );
    harness.declare([hook().with("description", "by hand")]);
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn overriding_says_what_it_overwrites() {
    let mut harness = lenient_fleet().await;
    edit_svix(&harness, json!({"description": "by hand"})).await;
    harness.declare([hook().with("description", "mine").with("adoption", "Override")]);
    harness.wait_until_in_sync().await;
    let found = harness.svix.snapshot().endpoint("default", "theirs").unwrap().clone();
    assert_eq!(found.description, "mine");
    let reported = published(&harness, &hook().key());
    assert!(
        reported
            .iter()
            .any(|note| note.starts_with("Adopted: ") && note.contains(r#"description is "by hand""#)),
        "{reported:?}"
    );
}

#[tokio::test]
async fn overriding_needs_to_be_allowed() {
    let mut harness = fleet().await;
    edit_svix(&harness, json!({})).await;
    harness.svix.clear_calls();
    harness.declare([hook().with("adoption", "Override")]);
    let reported = harness.wait_for_reason(&hook().key(), "NotPermitted").await;
    assert!(reported.message.contains("maxAdoption: Override"), "{}", reported.message);
    assert_eq!(harness.writes(), [""; 0]);
}

#[tokio::test]
async fn adoption_never_refuses_and_reveals_nothing() {
    let mut harness = fleet().await;
    edit_svix(&harness, json!({"description": "secret plans"})).await;
    harness.declare([hook().with("adoption", "Never")]);
    let reported = harness.wait_for_reason(&hook().key(), "NotOurs").await;
    assert!(!reported.message.contains("secret plans"), "{}", reported.message);
    let kind = json!({"name": "b.theirs", "description": "secret plans"});
    harness.edit_svix("POST", "/event-type", kind).await;
    harness.declare([event_type("b.theirs").with("adoption", "Never")]);
    let reported = harness.wait_for_reason(&event_type("b.theirs").key(), "NotOurs").await;
    assert!(!reported.message.contains("secret plans"), "{}", reported.message);
}

#[tokio::test]
async fn hidden_headers_and_keys_must_be_equal() {
    let mut harness = fleet().await;
    edit_svix(&harness, json!({})).await;
    let path = "/app/default/endpoint/theirs/headers";
    harness.edit_svix("PUT", path, json!({"headers": {"X-Team": "theirs"}})).await;
    harness.set_secret("s", "key", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let mine = |value: &str| hook().with("headers", json!([{"name": "X-Team", "value": value}]));
    harness.declare([mine("mine")]);
    let reported = harness.wait_for_reason(&hook().key(), "NotOurs").await;
    assert!(
        reported.message.contains("headers is x-team: another value (not shown) in Svix"),
        "{}",
        reported.message
    );
    let keyed = mine("theirs").with("signingSecret", json!({"fromSecret": {"name": "s", "key": "key"}}));
    harness.declare([keyed]);
    eventually("the key to be reported", PATIENCE, async || {
        let message = harness.ready(&hook().key())?.message;
        if message.contains("signingSecret is another key (not shown) in Svix") {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    assert_eq!(harness.svix.snapshot().endpoint("default", "theirs").unwrap().headers["X-Team"], "theirs");
    harness.svix.clear_calls();
    harness.declare([mine("theirs")]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    assert_eq!(harness.writes().len(), 1, "the mark and nothing else: {:?}", harness.writes());
}

#[tokio::test]
async fn an_event_type_is_overridden_where_that_is_allowed() {
    let mut harness = lenient_fleet().await;
    let schemas = json!({"1": {"title": "old"}, "2": {"title": "kept"}});
    harness
        .edit_svix(
            "POST",
            "/event-type",
            json!({"name": "b.theirs", "description": "old", "schemas": schemas}),
        )
        .await;
    harness.declare([event_type("b.theirs").with("description", "new").with("adoption", "Override")]);
    harness.wait_until_in_sync().await;
    let found = harness.svix.snapshot().event_types["b.theirs"].clone();
    assert_eq!(found.description, "new");
    assert_eq!(found.schemas.unwrap()["2"], json!({"title": "kept"}), "other versions are left alone");
    let reported = published(&harness, &event_type("b.theirs").key());
    assert!(
        reported.iter().any(|note| note.starts_with("Adopted: ") && note.contains(r#"description is "old""#)),
        "{reported:?}"
    );
}

#[tokio::test]
async fn a_rebuilt_cluster_adopts_its_own_without_a_write() {
    let mut harness = Harness::new().await;
    let declared = [
        event_type("a.one").with("description", "d"),
        endpoint("hook", &["a.one"])
            .with("channels", json!(["https://example.org/x"]))
            .with("headers", json!([{"name": "X-Team", "value": "a"}])),
        endpoint("plain", &["a.one"]).with("metadata", json!({"k": "v"})),
    ];
    harness.declare(declared.clone());
    harness.wait_until_in_sync().await;
    let before = harness.svix.snapshot();
    // Nothing of Kubernetes is left: no status, no annotation, other uids.
    harness.forget_everything().await;
    harness.svix.clear_calls();
    harness.declare(declared);
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes(), [""; 0]);
    assert_eq!(harness.svix.snapshot(), before);
}

#[tokio::test]
async fn swh_webhooks_is_adopted_with_one_write_each() {
    // Given what swh-webhooks 0.3.2 makes: an application, a uid and a header for each, a channel as a UUID
    let mut harness = Harness::with_connection(|connection| {
        connection.with("channelEncoding", "Always").with("resyncInterval", "1s")
    })
    .await;
    let uuid = |text: &str| uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, text.as_bytes()).to_string();
    let mut declared: Vec<Manifest> = Vec::new();
    for kind in ["origin.create", "origin.visit"] {
        let schema = json!({"type": "object"});
        harness
            .edit_svix(
                "POST",
                "/event-type",
                json!({"name": kind, "description": "d", "schemas": {"1": schema}}),
            )
            .await;
        harness.edit_svix("POST", "/app", json!({"name": kind, "uid": uuid(kind)})).await;
        declared.push(event_type(kind).with("description", "d").with("schema", schema));
        for channel in [None, Some("https://example.org/repo")] {
            let url = "https://hooks.example.org/swh";
            let uid = uuid(&format!("{kind}-{url}-{}", channel.unwrap_or("None")));
            let mut body = json!({"url": url, "uid": uid, "eventTypes": [kind]});
            if let Some(channel) = channel {
                body["channels"] = json!([uuid(channel)]);
                body["metadata"] = json!({uuid(channel): channel});
            }
            harness.edit_svix("POST", &format!("/app/{}/endpoint", uuid(kind)), body).await;
            let headers = json!({"headers": {"X-Swh-Event": kind}});
            harness.edit_svix("PUT", &format!("/app/{}/endpoint/{uid}/headers", uuid(kind)), headers).await;
            let name = format!("{kind}-{}", if channel.is_some() { "repo" } else { "all" });
            let hook = endpoint(&name, &[kind])
                .with("url", url)
                .with("application", uuid(kind))
                .with("uid", uid)
                .with("headers", json!([{"name": "X-Swh-Event", "value": kind}]));
            declared.push(match channel {
                Some(channel) => hook.with("channels", json!([channel])),
                None => hook,
            });
        }
    }
    // When it is declared
    harness.svix.clear_calls();
    harness.declare(declared);
    harness.wait_until_in_sync().await;
    // Then each endpoint got its mark, and nothing else was written.
    let writes = harness.writes();
    assert_eq!(writes.len(), 4, "{writes:?}");
    assert!(writes.iter().all(|write| write.starts_with("endpoint.patch")), "{writes:?}");
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
}

// --- two objects that declare one thing

#[tokio::test]
async fn repeated_drift_is_left_alone_for_a_while() {
    let mut harness = fleet().await;
    let kind = event_type("b.fought").with("description", "mine");
    harness.declare([kind.clone()]);
    harness.wait_until_in_sync().await;
    // Somebody else means it: whenever it is mended, it is changed back.
    let theirs = async || {
        harness.edit_svix("PATCH", "/event-type/b.fought", json!({"description": "theirs"})).await;
    };
    let mut mended = 0;
    loop {
        theirs().await;
        let done = eventually("it to be mended, or left", PATIENCE, async || {
            if harness.ready(&kind.key()).is_ok_and(|ready| ready.reason == "Contested") {
                return Some(true);
            }
            (harness.svix.snapshot().event_types["b.fought"].description == "mine").then_some(false)
        })
        .await;
        if done {
            break;
        }
        mended += 1;
        assert!(mended < 10, "it is a war");
        harness.wait_until_idle().await;
    }
    assert_eq!(mended, 5);
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
    // A person who looks can have it looked at again.
    harness.declare([kind.clone().annotated("svix-operator.dev/reconcile-at", "now")]);
    harness.wait_for_reason(&kind.key(), "InSync").await;
    let Some(Object::EventType(event_type)) = harness.object(&kind.key()) else { panic!() };
    assert_eq!(event_type.status.as_ref().unwrap().last_handled_reconcile_at.as_deref(), Some("now"));
}

#[tokio::test]
async fn differing_headers_or_keys_prevent_adoption() {
    // Given an endpoint that somebody made with a header and a key of theirs
    let mut harness = fleet().await;
    let id = edit_svix(&harness, json!({})).await;
    let headers = json!({"headers": {"X-Team": "hunter2"}});
    harness.edit_svix("PUT", &format!("/app/default/endpoint/{id}/headers"), headers).await;
    harness.set_secret("keys", "signing", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let before = harness.svix.snapshot();
    // When it is declared with others
    let declared = hook()
        .with("headers", json!([{"name": "X-Team", "value": "mine"}]))
        .with("signingSecret", json!({"fromSecret": {"name": "keys", "key": "signing"}}));
    harness.declare([declared]);
    // Then what differs is reported by name, and nothing is written.
    let reported = harness.wait_for_reason(&hook().key(), "NotOurs").await;
    assert!(
        reported.message.contains("x-team") && reported.message.contains("signingSecret"),
        "{}",
        reported.message
    );
    assert!(!reported.message.contains("hunter2"), "{}", reported.message);
    assert_eq!(harness.svix.snapshot(), before);
    // Declared as it is, it is taken.
    harness.declare([hook().with("headers", json!([{"name": "X-Team", "value": "hunter2"}]))]);
    harness.wait_until_in_sync().await;
}
