//! The operations of Svix's API: which are forwarded, and what is done about those that can cause a delivery.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use svix_operator::gateway::{
    Scope, Surface,
    operations::{self, Effect},
};

use super::{Harness, Recorder, declared, schema};
use crate::support::{inbox::Inbox, svix_server, wait::eventually};

const PAGE: &str = include_str!("../../../docs/gateway.md");
const ALLOWING: &str = "--allow-event-type-writes";

/// An operation in a specification.
#[derive(Clone, Debug)]
struct Specified {
    method: &'static str,
    path: &'static str,
    request: &'static str,
    responses: Vec<&'static str>,
}

impl Specified {
    /// The path with `*` for each parameter.
    fn pattern(&self) -> String {
        let parts = self.path.split('/').map(|part| if part.starts_with('{') { "*" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    /// A path of this operation.
    fn example(&self) -> String {
        self.pattern().replace('*', "a.enforce")
    }

    fn effect(&self) -> Option<Effect> {
        let pattern = self.pattern();
        let found = operations::all(Surface::Cloud);
        let mut found = found.filter(|it| (it.method, it.path) == (self.method, pattern.as_str()));
        found.next().map(|it| it.effect)
    }
}

fn read(text: &'static str) -> Vec<Specified> {
    let line = |line: &'static str| {
        let parts: Vec<&str> = line.split(' ').collect();
        let [method, path, request, responses] = parts[..] else { panic!("{line}") };
        Specified { method, path, request, responses: responses.split(',').collect() }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

fn open_source() -> Vec<Specified> {
    read(include_str!("../data/svix-operations.txt"))
}

fn cloud() -> Vec<Specified> {
    read(include_str!("../data/svix-operations-cloud.txt"))
}

fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close");
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn they_are_those_of_the_specifications() {
    let names = |specified: &[Specified]| -> BTreeSet<String> {
        specified.iter().map(|it| format!("{} {}", it.method, it.pattern())).collect()
    };
    let ours = |surface| -> BTreeSet<String> {
        operations::all(surface).map(|it| format!("{} {}", it.method, it.path)).collect()
    };

    let both = [open_source(), cloud()].concat();

    assert_eq!(ours(Surface::OpenSource), names(&open_source()));
    assert_eq!(ours(Surface::Cloud), names(&both));
    for surface in [Surface::OpenSource, Surface::Cloud] {
        assert_eq!(ours(surface).len(), operations::all(surface).count(), "no operation is listed twice");
    }
}

/// What an operation takes and returns says what it can cause.
#[test]
fn those_with_messages_in_their_bodies_have_an_effect() {
    for it in [open_source(), cloud()].concat() {
        let effect = it.effect().unwrap();
        let by_request = match it.request {
            "MessageIn" | "MessageBroadcastIn" => Some(Effect::CreatesMessage),
            "CreateStreamEventsIn" => Some(Effect::CreatesEvents),
            "EventExampleIn" => Some(Effect::SendsExample),
            "EnvironmentIn" => Some(Effect::ChangesEventTypes),
            name if name.starts_with("EventType") => Some(Effect::ChangesEventTypes),
            _ => None,
        };
        if let Some(expected) = by_request {
            assert_eq!(effect, expected, "{it:?}");
        }
        let is_write = !matches!(it.method, "GET" | "HEAD");
        let by_response = |names: &[&str]| is_write && it.responses.iter().any(|name| names.contains(name));
        let delivers = ["MessageOut", "MessageAttemptOut", "MessageBroadcastOut", "RecoverOut", "ReplayOut"];
        if by_response(&delivers) {
            assert_ne!(effect, Effect::NoDelivery, "{it:?}");
        }
        let is_poller = it.path.contains("/poller/");
        let grants =
            ["AppPortalAccessOut", "ApiTokenOut", "CreateMcpTokenOut", "IntegrationKeyOut", "RotatedUrlOut"];
        if by_response(&grants) && !is_poller {
            assert_eq!(effect, Effect::GrantsAccess, "{it:?}");
        }
        if it.path.ends_with("/transformation") && is_write {
            assert_eq!(effect, Effect::TransformsPayloads, "{it:?}");
        }
        if it.path.starts_with("/api/v1/event-type/{event_type_name}") && it.path.ends_with('}') && is_write {
            assert_eq!(effect, Effect::ChangesEventTypes, "{it:?}");
        }
    }
}

#[test]
fn the_page_has_each_that_can_cause_a_delivery() {
    let rows = PAGE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect();
        let [operation, _, treatment] = cells[..] else { return None };
        let operation = operation.strip_suffix('`')?;
        operation.contains(" /").then(|| (operation.to_owned(), treatment.to_owned()))
    });
    let rows: Vec<(String, String)> = rows.collect();

    let expected: BTreeMap<String, String> = [open_source(), cloud()]
        .concat()
        .iter()
        .map(|it| (format!("{} {}", it.method, it.path), it.effect().unwrap()))
        .filter(|(_, effect)| *effect != Effect::NoDelivery)
        .map(|(operation, effect)| (operation, effect.treatment().to_owned()))
        .collect();

    assert_eq!(rows.iter().cloned().collect::<BTreeMap<_, _>>(), expected);
    assert_eq!(rows.len(), expected.len(), "no operation is in the page twice");
}

/// A message for `a.enforce` that violates its schema, in the form that an operation takes.
fn bad(effect: Effect) -> &'static str {
    match effect {
        Effect::CreatesEvents => r#"{"events": [{"eventType": "a.enforce", "payload": "{\"n\": \"x\"}"}]}"#,
        Effect::SendsExample => r#"{"eventType": "a.enforce"}"#,
        _ => r#"{"eventType": "a.enforce", "payload": {"n": "x"}}"#,
    }
}

#[tokio::test]
async fn each_is_treated_as_the_page_says() {
    let upstream = Recorder::responding(r#"{"schemas": {"1": {"examples": [{"n": "x"}]}}}"#);
    let address = upstream.start().await;
    let url = format!("http://{address}");
    let gateway = Harness::in_front_of(&url, upstream, |options| {
        options.scope.surface = Surface::Cloud;
    })
    .await;

    for it in [open_source(), cloud()].concat() {
        let effect = it.effect().unwrap();
        let path = it.example();
        let body = if matches!(it.method, "GET" | "HEAD") { "" } else { bad(effect) };
        let before = gateway.upstream.requests().len();

        let response = gateway.raw(&request(it.method, &path, body)).await;

        let received = gateway.upstream.requests().split_off(before);
        let lines: Vec<&str> = received.iter().map(|it| it.line.as_str()).collect();
        match effect {
            Effect::CreatesMessage | Effect::CreatesEvents => {
                assert_eq!((response.status, lines.len()), (422, 0), "{it:?} {response:?}");
            }
            Effect::SendsExample => {
                assert_eq!(response.status, 422, "{it:?} {response:?}");
                assert_eq!(lines, ["GET /api/v1/event-type/a.enforce"], "only the example is read");
            }
            Effect::ChangesEventTypes => {
                response.expect_code(403, "not_allowed");
                assert!(response.body.contains(ALLOWING) && lines.is_empty(), "{it:?} {response:?}");
            }
            Effect::NoDelivery
            | Effect::DeliversStored
            | Effect::TransformsPayloads
            | Effect::GrantsAccess => {
                assert_eq!(response.status, 200, "{it:?} {response:?}");
                assert_eq!(lines, [format!("{} {path}", it.method)], "{it:?}");
            }
        }
    }
}

/// A gateway in front of an embedded Svix with an endpoint, and what the endpoint receives.
struct WithReceiver {
    gateway: Harness,
    svix: svix_operator::embedded::EmbeddedSvix,
    inbox: Inbox,
}

impl WithReceiver {
    async fn new(change: impl FnOnce(&mut svix_operator::gateway::Options)) -> Self {
        let svix = svix_server::start().await;
        let gateway = Harness::in_front_of(&svix.url(), Recorder::default(), change).await;
        let this = Self { gateway, svix, inbox: Inbox::answering(200).await };
        this.on_svix("POST", "/app", json!({"name": "default", "uid": "default"})).await;
        for name in ["a.enforce", "a.warn", "a.audit", "a.none"] {
            this.set_example(name, json!({"n": 1})).await;
        }
        let endpoint = json!({"url": this.inbox.url(), "uid": "hook"});
        this.on_svix("POST", "/app/default/endpoint", endpoint).await;
        this
    }

    async fn call(&self, url: &str, method: &str, path: &str, body: Value) -> (u16, String, String) {
        let url = format!("{url}/api/v1{path}");
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let response = request.bearer_auth(self.svix.token()).json(&body).send().await.unwrap();
        let warning = response.headers().get("svix-operator-warning");
        let warning = warning.map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        (response.status().as_u16(), warning, response.text().await.unwrap())
    }

    async fn on_svix(&self, method: &str, path: &str, body: Value) {
        let (status, _, text) = self.call(&self.svix.url(), method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
    }

    async fn through_the_gateway(&self, method: &str, path: &str, body: Value) -> (u16, String, String) {
        self.call(&self.gateway.url(), method, path, body).await
    }

    async fn set_example(&self, name: &str, example: Value) {
        let schema = json!({"type": "object", "examples": [example]});
        let body = json!({"description": "", "schemas": {"1": schema}});
        self.on_svix("PUT", &format!("/event-type/{name}"), body).await;
    }

    async fn send_example(&self, name: &str) -> (u16, String, String) {
        let path = "/app/default/endpoint/hook/send-example";
        self.through_the_gateway("POST", path, json!({"eventType": name})).await
    }

    /// Waits until the endpoint has received exactly these bodies.
    async fn wait_for_bodies(&self, bodies: &[&str]) {
        eventually("the deliveries", super::PATIENCE, async || {
            let received = self.inbox.bodies();
            if received == bodies { Ok(()) } else { Err(format!("{received:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn an_example_is_delivered_only_if_it_matches() {
    let given = WithReceiver::new(|_| {}).await;
    given.set_example("a.warn", json!({"n": "warned"})).await;
    given.set_example("a.audit", json!({"n": "audited"})).await;
    given.set_example("a.enforce", json!({"n": "x"})).await;

    let (refused, _, reasons) = given.send_example("a.enforce").await;
    given.set_example("a.enforce", json!({"n": 1})).await;
    let accepted = given.send_example("a.enforce").await;
    given.wait_for_bodies(&[r#"{"n":1}"#]).await;
    let warned = given.send_example("a.warn").await;
    given.wait_for_bodies(&[r#"{"n":1}"#, r#"{"n":"warned"}"#]).await;
    let audited = given.send_example("a.audit").await;
    given.wait_for_bodies(&[r#"{"n":1}"#, r#"{"n":"warned"}"#, r#"{"n":"audited"}"#]).await;

    assert_eq!((refused, accepted.0, warned.0, audited.0), (422, 200, 200, 200));
    assert!(reasons.contains("example 0 in Svix") && reasons.contains("expected an integer"), "{reasons}");
    assert_eq!(warned.1, r#"a.warn: /n: found "warned", expected an integer"#);
    assert_eq!((accepted.1, audited.1), (String::new(), String::new()));
}

#[tokio::test]
async fn a_bad_example_cannot_be_written_and_then_sent() {
    let given = WithReceiver::new(|_| {}).await;
    let bad = json!({"description": "", "schemas": {"1": {"examples": [{"n": "x"}]}}});

    for (method, path) in
        [("PUT", "/event-type/a.enforce"), ("PATCH", "/event-type/a.enforce"), ("POST", "/event-type")]
    {
        let (status, _, text) = given.through_the_gateway(method, path, bad.clone()).await;
        assert_eq!(status, 403, "{method} {path}: {text}");
    }
    let (status, ..) = given.through_the_gateway("DELETE", "/event-type/a.enforce", json!({})).await;
    assert_eq!(status, 403);

    assert_eq!(given.send_example("a.enforce").await.0, 200);
    given.wait_for_bodies(&[r#"{"n":1}"#]).await;
}

#[tokio::test]
async fn where_event_types_may_be_written_no_example_is_sent() {
    let given = WithReceiver::new(|options| options.allow_event_type_writes = true).await;
    let body = json!({"description": "written", "schemas": {"1": {"examples": [{"n": "x"}]}}});

    let written = given.through_the_gateway("PUT", "/event-type/a.enforce", body).await;
    let sent = given.send_example("a.enforce").await;

    assert_eq!((written.0, sent.0), (200, 403), "{sent:?}");
    assert!(sent.2.contains(ALLOWING), "{sent:?}");
    let messages = given.svix.snapshot().applications["default"].messages.len();
    assert_eq!(messages, 0);
}

#[tokio::test]
async fn an_example_that_svix_cannot_send_is_its_own_to_report() {
    let given = WithReceiver::new(|_| {}).await;
    let missing =
        given.gateway.catalogue.put("default", "a.missing", declared(&schema(), Default::default()));
    missing.unwrap();
    given.on_svix("PUT", "/event-type/a.enforce", json!({"description": ""})).await;

    let unknown = given.send_example("a.missing").await;
    let undeclared = given.send_example("a.none").await;
    let without = given.send_example("a.enforce").await;
    let ping = given.send_example("svix.ping").await;
    let no_name = given.send_example("a/../b").await;

    assert_eq!((unknown.0, undeclared.0, without.0, ping.0, no_name.0), (404, 422, 422, 422, 404));
    assert!(undeclared.2.contains("not declared") && ping.2.contains("not declared"), "{undeclared:?}");
    assert!(without.2.contains("has no examples"), "{without:?}");
    assert_eq!(given.svix.snapshot().applications["default"].messages.len(), 0);
}

#[tokio::test]
async fn an_example_is_read_with_the_token_of_the_caller() {
    let upstream = Recorder::responding(r#"{"schemas": {"1": {"examples": [{"n": 1}]}}}"#);
    let url = format!("http://{}", upstream.start().await);
    let gateway = Harness::in_front_of(&url, upstream, |_| {}).await;
    let path = "/api/v1/app/default/endpoint/hook/send-example";
    let headers =
        ["authorization: Bearer caller", "accept-encoding: gzip", "idempotency-key: k", "cookie: c"];

    let response = gateway.post(path, &headers, r#"{"eventType": "a.enforce"}"#).await;

    assert_eq!(response.status, 200, "{response:?}");
    let [read, sent] = &gateway.upstream.requests()[..] else { panic!("two requests") };
    assert_eq!(
        (read.line.as_str(), sent.line.as_str()),
        ("GET /api/v1/event-type/a.enforce", "POST /api/v1/app/default/endpoint/hook/send-example",)
    );
    assert_eq!(read.headers["authorization"], "Bearer caller");
    for name in ["accept-encoding", "idempotency-key", "cookie"] {
        assert!(!read.headers.contains_key(name) && sent.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn only_the_surface_that_is_asked_for_is_forwarded() {
    let narrow = Harness::new().await;
    let wide = Harness::with(|options| {
        options.scope = Scope { surface: Surface::Cloud, only_sending: false };
    })
    .await;
    let bulk = request("POST", "/api/v1/app/a/msg/bulk-expunge", "{}");
    let events = r#"{"events": [{"eventType": "a.enforce", "payload": "{\"n\": 1}"}]}"#;
    let events = request("POST", "/api/v1/stream/s/events", events);

    for bytes in [&bulk, &events] {
        narrow.raw(bytes).await.expect_code(404, "not_found");
        assert_eq!(wide.raw(bytes).await.status, 202);
    }

    assert!(narrow.upstream.requests().is_empty());
    assert_eq!(wide.upstream.requests().len(), 2);
}
