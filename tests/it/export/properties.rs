//! Any environment, exported and applied to an empty one, comes out equal in what manifests can say; and is adopted as it is.
//!
//! `PROPTEST_CASES=20 cargo test --test it export::properties` looks longer.

use std::{collections::BTreeMap, fmt::Debug};

use proptest::{collection::vec, option, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use svix_operator::embedded::{EndpointState, EventTypeState};

use super::{Environment, OWNER};

/// Names as Svix accepts them.
fn name() -> impl Strategy<Value = String> {
    "(ep|app)?[a-zA-Z0-9_.-]{1,12}".prop_filter("a name", |name| {
        name != "." && name != ".." && !name.starts_with("ep_") && !name.starts_with("app_")
    })
}

/// Texts that YAML could read as something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "yes",
            "NO",
            "~",
            "null",
            "1e3",
            "0x1f",
            "-",
            "- a",
            "a: b",
            "#",
            "{}",
            "|",
            "2001-01-01",
            " a ",
            "a\n\nb\n",
            "<<"
        ])
        .prop_map(ToOwned::to_owned),
        "[a-z:#'\"\\\\ \n\t\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}é\u{1f600}]{0,30}",
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        Just(json!(null)),
    ];
    (text(), text(), number).prop_map(|(key, title, number)| {
        json!({"type": "object", "title": title, "properties": {key: {"enum": [number, title]}}, "examples": [{}]})
    })
}

fn event_types() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let event_type = (
        name(),
        text(),
        option::of(schema()),
        option::of(schema()),
        any::<bool>(),
        option::of("[a-zA-Z0-9_.-]{1,9}"),
    );
    vec(event_type, 3..25).prop_map(|all| {
        let body = |(name, description, first, second, deprecated, flag): (String, _, Option<Value>, Option<Value>, _, _)| {
            let mut schemas = serde_json::Map::new();
            schemas.extend(first.map(|schema| ("1".to_owned(), schema)));
            schemas.extend(second.map(|schema| ("2".to_owned(), schema)));
            let schemas = if schemas.is_empty() { Value::Null } else { Value::Object(schemas) };
            (name.clone(), json!({"name": name, "description": description, "schemas": schemas, "deprecated": deprecated, "featureFlag": flag}))
        };
        all.into_iter().map(body).collect()
    })
}

/// Uid, address, description, and channels with their texts.
type First = (Option<String>, &'static str, String, Vec<(String, Option<String>)>);
/// Rate, whether disabled, metadata and headers.
type Second = (Option<u16>, bool, BTreeMap<String, String>, BTreeMap<String, String>);

/// Endpoints of one application, apart from their event types.
fn endpoints() -> impl Strategy<Value = Vec<(Value, BTreeMap<String, String>)>> {
    let uuid = |text: &str| uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, text.as_bytes()).to_string();
    let channel = prop_oneof![
        "[a-z]{1,5}".prop_map(|plain| (plain, None)),
        text().prop_map(move |text| (uuid(&text), Some(text))),
        text().prop_map(move |text| (uuid(&text), None)),
    ];
    let address = prop::sample::select(vec![
        "https://a.example/é x",
        "http://b.example:8080/",
        "https://u:p@a.example/",
        "https://a.example/?token=x&y",
    ]);
    let headers = prop::collection::btree_map("X-[A-Za-z~.]{1,6}", "[!-~]{1,12}", 0..3);
    let endpoint = (
        (option::of(name()), address, text(), vec(channel, 0..4)),
        (option::of(1_u16..), any::<bool>(), prop::collection::btree_map(text(), text(), 0..4), headers),
    );
    vec(endpoint, 0..8).prop_map(|all| {
        let body = |(first, (throttle, disabled, mut metadata, headers)): (First, Second)| {
            let (uid, url, description, channels) = first;
            metadata.retain(|key, _| !key.starts_with("svix-operator.dev/"));
            for (channel, text) in &channels {
                metadata.extend(text.clone().map(|text| (channel.clone(), text)));
            }
            let channels: Vec<_> = channels.into_iter().map(|(channel, _)| channel).collect();
            let channels = if channels.is_empty() { Value::Null } else { json!(channels) };
            let body = json!({
                "uid": uid, "url": url, "description": description, "channels": channels,
                "throttleRate": throttle, "disabled": disabled, "metadata": metadata,
            });
            (body, headers)
        };
        all.into_iter().map(body).collect()
    })
}

/// Makes an environment. Returns it with the number of its endpoints.
async fn generate(runner: &mut TestRunner) -> (Environment, usize) {
    let mut generate = |strategy: BoxedStrategy<Value>| strategy.new_tree(runner).unwrap().current();
    let types = generate(event_types().prop_map(|types| json!(types)).boxed());
    let types = types.as_object().unwrap();
    let environment = Environment::new().await;
    for body in types.values() {
        environment.post("/event-type", body.clone()).await;
    }
    let applications = generate(vec(name(), 1..5).prop_map(|names| json!(names)).boxed());
    let mut count = 0;
    let mut names: Vec<_> = applications.as_array().unwrap().clone();
    names.sort_by_key(ToString::to_string);
    names.dedup();
    let mut subscribed = types.keys().cycle();
    for app in names.iter().map(|name| name.as_str().unwrap()).filter(|name| !name.starts_with("msg_")) {
        environment.post("/app", json!({"name": app, "uid": app})).await;
        let all = generate(endpoints().prop_map(|all| json!(all)).boxed());
        let mut uids = Vec::new();
        for endpoint in all.as_array().unwrap() {
            let (mut body, headers) = (endpoint[0].clone(), &endpoint[1]);
            if body["uid"].is_string() && uids.contains(&body["uid"]) {
                continue;
            }
            uids.push(body["uid"].clone());
            count += 1;
            // What is compared by its address has one of its own.
            body["url"] = json!(format!("{}&n={count}", body["url"].as_str().unwrap()));
            body["eventTypes"] = json!(subscribed.by_ref().take(1 + count % 2).collect::<Vec<_>>());
            let created = environment.post(&format!("/app/{app}/endpoint"), body).await;
            let path = format!("/app/{app}/endpoint/{}/headers", created["id"].as_str().unwrap());
            environment.call("PUT", &path, &json!({"headers": headers})).await;
        }
    }
    (environment, count)
}

/// What manifests can say of an endpoint; its uid only where it had one.
fn expressible(mut endpoint: EndpointState) -> EndpointState {
    endpoint.metadata.remove(OWNER);
    EndpointState { id: String::new(), uid: None, times: None, old_secrets: 0, ..endpoint }
}

fn by_url(environment: &Environment) -> BTreeMap<(String, String), EndpointState> {
    let snapshot = environment.svix.snapshot();
    let applications = snapshot.applications.into_iter();
    let endpoints = applications
        .flat_map(|(app, state)| state.endpoints.into_values().map(move |endpoint| (app.clone(), endpoint)));
    endpoints.map(|(app, endpoint)| ((app, endpoint.url.clone()), expressible(endpoint))).collect()
}

/// What manifests can say of event types.
fn event_types_of(environment: &Environment) -> BTreeMap<String, EventTypeState> {
    let types = environment.svix.snapshot().event_types.into_iter();
    types
        .map(|(name, mut state)| {
            let first = state.schemas.take().and_then(|mut schemas| schemas.remove("1"));
            state.schemas = first.map(|schema| BTreeMap::from([("1".to_owned(), schema)]));
            (name, EventTypeState { times: None, ..state })
        })
        .collect()
}

/// Compares entry by entry: an environment is too large for a message.
fn assert_equal<K: Ord + Debug, V: PartialEq + Debug>(found: &BTreeMap<K, V>, expected: &BTreeMap<K, V>) {
    for (key, expected) in expected {
        assert_eq!(found.get(key), Some(expected), "{key:?}");
    }
    assert_eq!(found.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_environment_is_copied_and_adopted() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_usize);
    let mut runner = TestRunner::default();
    for case in 0..cases {
        // Given any environment, and an empty one
        let (original, count) = generate(&mut runner).await;
        let copy = Environment::new().await;
        let parent = tempfile::tempdir().unwrap();
        let (portable, bound) = (parent.path().join("portable"), parent.path().join("bound"));
        let layout = ["file", "object", "application"][case % 3];

        // When it is exported and applied to the empty one
        original.exported(&portable, &["--with-secrets", "--portable", "--layout", layout]);
        let printed = original.exported(&bound, &["--with-secrets", "--layout", layout]);
        copy.applied(&portable);

        // Then both are equal,
        assert_equal(&event_types_of(&copy), &event_types_of(&original));
        assert_equal(&by_url(&copy), &by_url(&original));

        // and what is applied to the original is adopted.
        let before = (event_types_of(&original), by_url(&original));
        let (code, summary) = original.diff(&bound);
        assert_eq!(code, Some(0), "{summary}");
        let writes = original.applied(&bound);
        assert_eq!(writes.len(), count, "{writes:?} {printed}");
        assert!(writes.iter().all(|write| write.starts_with("endpoint.patch ")), "{writes:?}");
        assert_eq!((event_types_of(&original), by_url(&original)), before);
    }
}
