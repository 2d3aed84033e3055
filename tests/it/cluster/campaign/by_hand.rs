//! Edits in Svix that somebody with the token makes, at random, each a request that Svix takes.

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use super::pair::{COMMON, OPTIONAL, Pair};

/// More would meet the limit of ten old keys, which is reached by design.
const MOST_ROTATIONS: usize = 2;

/// Makes one edit of what a pair declares, and notes which fields are nobody's of us since then.
pub async fn edit(pair: &mut Pair, svix: &EmbeddedSvix, namespace: &str) {
    let event_type = format!("/event-type/{}", pair.event_type_name());
    let snapshot = svix.snapshot();
    // By its id: a uid may have been taken away by an edit before.
    let application = snapshot.applications.get(pair.application());
    let uid = pair.uid(namespace);
    let held = application.and_then(|application| {
        let mark = format!("test/{namespace}/{}", pair.name());
        let mut all = application.endpoints.values();
        all.find(|endpoint| {
            endpoint.uid.as_deref() == Some(&uid) || endpoint.metadata.values().any(|value| *value == mark)
        })
    });
    let id = held.map_or(&uid, |held| &held.id);
    let endpoint = format!("/app/{}/endpoint/{id}", pair.application());
    let (method, path, body) = match pair.random_index(11) {
        0 => {
            touch(pair, 0, &["description", "schemas"]);
            let schemas = json!({"1": {"title": "by hand"}, "2": {"title": "of others"}});
            let flag = pair.pick(&[Some("by-hand"), None]);
            (
                "PATCH",
                event_type,
                json!({
                    "description": pair.text(), "deprecated": pair.chance(0.5), "featureFlag": flag, "schemas": schemas,
                }),
            )
        }
        1 => {
            touch(pair, 0, &["description", "schemas"]);
            ("PUT", event_type, json!({"description": pair.text()}))
        }
        2 => {
            touch(pair, 0, &["description", "schemas"]);
            ("DELETE", event_type, Value::Null)
        }
        3 => {
            touch(pair, 0, &["description", "schemas"]);
            ("DELETE", format!("{event_type}?expunge=true"), Value::Null)
        }
        4 => {
            touch(pair, 1, &OPTIONAL);
            let mut metadata = json!({"by hand": pair.text()});
            if pair.chance(0.5) {
                metadata["svix-operator.dev/owner"] = json!(format!("test/{namespace}/{}", pair.name()));
            }
            let channels = pair.pick(&[Some(["by-hand"]), None]);
            (
                "PATCH",
                endpoint,
                json!({
                    "url": "https://by-hand.example.org/", "description": pair.text(), "channels": channels,
                    "throttleRate": pair.pick(&[Some(3), None]), "metadata": metadata,
                }),
            )
        }
        5 => {
            touch(pair, 1, &["disabled"]);
            ("PATCH", endpoint, json!({"disabled": pair.chance(0.5), "eventTypes": [COMMON[0]]}))
        }
        6 => {
            // Without a uid, and without metadata: nobody would know whose it is, but for its id in status.
            touch(pair, 1, &OPTIONAL);
            ("PUT", endpoint, json!({"url": "https://by-hand.example.org/", "eventTypes": [COMMON[1]]}))
        }
        7 => {
            touch(pair, 1, &OPTIONAL);
            ("DELETE", endpoint, Value::Null)
        }
        8 => {
            touch(pair, 1, &["headers"]);
            let headers = json!({"X-By-Hand": pair.tokens.hidden(), "Authorization": pair.tokens.hidden()});
            ("PUT", format!("{endpoint}/headers"), json!({"headers": headers}))
        }
        9 => {
            touch(pair, 1, &["headers"]);
            let headers = json!({"x-team": pair.tokens.hidden(), "Authorization": null, "X-Api-Key": null});
            ("PATCH", format!("{endpoint}/headers"), json!({"headers": headers}))
        }
        _ if pair.rotations < MOST_ROTATIONS => {
            pair.rotations += 1;
            let body = if pair.chance(0.5) { json!({"key": pair.tokens.signing_key()}) } else { json!({}) };
            ("POST", format!("{endpoint}/secret/rotate"), body)
        }
        _ => return,
    };
    let answer = request(svix, method, &path, &body).await;
    pair.chain.push(json!({"by hand": [method, path, body, answer]}));
}

/// Makes a request, which Svix takes, unless what it is about is being moved or made again.
async fn request(svix: &EmbeddedSvix, method: &str, path: &str, body: &Value) -> u16 {
    let request = reqwest::Client::new()
        .request(method.parse().unwrap(), format!("{}/api/v1{path}", svix.url()))
        .bearer_auth(svix.token());
    let request = if body.is_null() { request } else { request.json(body) };
    let status = request.send().await.unwrap().status();
    assert!(status.is_success() || status == 404, "{method} {path} {body}: {status}");
    status.as_u16()
}

fn touch(pair: &mut Pair, which: usize, fields: &[&'static str]) {
    pair.touched[which].extend(fields);
}
