//! How a server stores JSON: schemas in a database of its own form of numbers, payloads as they are sent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Svix, contract};

/// An event type whose schemas keep the text of their numbers.
#[derive(Deserialize)]
struct EventType {
    schemas: BTreeMap<String, Schema>,
}

#[derive(Deserialize)]
struct Schema {
    examples: Vec<Box<RawValue>>,
}

/// Numbers as they are sent, and as they come back.
const NUMBERS: [(&str, &str); 8] = [
    ("1e16", "10000000000000000"),
    ("9.223372036854776E18", "9223372036854776000"),
    ("1E-7", "0.0000001"),
    ("-0.0", "0.0"),
    ("1.50", "1.50"),
    ("-12.5e-3", "-0.0125"),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
    ("1.5e+3", "1500"),
];

fn numbers(text: &str) -> Vec<String> {
    let event_type: EventType = serde_json::from_str(text).unwrap();
    event_type.schemas["1"].examples.iter().map(|number| number.get().to_owned()).collect()
}

async fn write(svix: &Svix, method: reqwest::Method, path: &str, body: &str) -> String {
    let answer = svix.send(method, path, Some(body.to_owned())).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.text
}

#[tokio::test]
async fn schema_numbers_come_back_without_an_exponent() {
    contract(async |svix| {
        let name = svix.name("a");
        let path = format!("/event-type/{name}/");
        let sent = NUMBERS.map(|(sent, _)| sent).join(",");
        let stored = NUMBERS.map(|(_, stored)| stored.to_owned());
        let rest = format!(r#""description": "d", "schemas": {{"1": {{"examples": [{sent}]}}}}"#);

        let body = format!(r#"{{"name": "{name}", {rest}}}"#);
        let created = write(svix, reqwest::Method::POST, "/event-type/", &body).await;
        let patched = write(svix, reqwest::Method::PATCH, &path, &format!("{{{rest}}}")).await;
        let replaced = write(svix, reqwest::Method::PUT, &path, &format!("{{{rest}}}")).await;

        for text in [created, patched, replaced, svix.get(&path).await.text] {
            assert_eq!(numbers(&text), stored, "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_repeated_keys_in_a_schema_the_last_one_counts() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.name("a"));
        let body =
            r#"{"description": "d", "schemas": {"1": {"title": "one", "type": "object", "title": "two"}}}"#;
        let created = write(svix, reqwest::Method::PUT, &path, body).await;
        let created: serde_json::Value = serde_json::from_str(&created).unwrap();
        assert_eq!(created["schemas"], json!({"1": {"title": "two", "type": "object"}}));
    })
    .await;
}

#[tokio::test]
async fn a_schema_with_nul_can_never_be_stored() {
    contract(async |svix| {
        let path = format!("/event-type/{}/", svix.event_type("a").await);
        for schema in [r#"{"title": "\u0000"}"#, r#"{"\u0000": 1}"#, r#"{"examples": [{"a": ["x\u0000"]}]}"#]
        {
            let body = format!(r#"{{"description": "d", "schemas": {{"1": {schema}}}}}"#);
            for method in [reqwest::Method::PUT, reqwest::Method::PATCH] {
                let answer = svix.send(method, &path, Some(body.clone())).await;
                assert_eq!((answer.status, answer.text.as_str()), (500, "{}"), "{schema}");
            }
        }
        let uid = svix.name("app");
        svix.forget(format!("/app/{uid}/"));
        let metadata = json!({"name": "n", "uid": uid, "metadata": {"a": "\u{0}"}});
        let answer = svix.post("/app/", metadata).await;
        assert_eq!((answer.status, answer.text.as_str()), (500, "{}"));
    })
    .await;
}

#[tokio::test]
async fn a_payload_comes_back_byte_for_byte() {
    contract(async |svix| {
        #[derive(Deserialize)]
        struct Message {
            payload: Box<RawValue>,
        }
        let app = svix.app().await;
        let payload = r#"{"n":[1e16,-0.0,1E-7,1.50,123456789012345678901234567890],"nul":"\u0000"}"#;
        let body = format!(r#"{{"eventType": "a.b", "eventId": "{app}-event", "payload": {payload}}}"#);
        let path = format!("/app/{app}/msg/");
        assert_eq!(svix.send(reqwest::Method::POST, &path, Some(body)).await.status, 202);
        let read = svix.get(&format!("{path}{app}-event/")).await;
        let message: Message = serde_json::from_str(&read.text).unwrap();
        assert_eq!(message.payload.get(), payload);
    })
    .await;
}
