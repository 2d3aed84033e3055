//! The faults that the embedded Svix injects, and its other features that a real server does not have.

use std::time::{Duration, Instant};

use crate::support::svix_server;
use serde_json::{Value, json};
use svix_operator::embedded::{DeliveryOptions, EmbeddedSvix, FaultPlan, Options};

struct Given {
    svix: EmbeddedSvix,
    http: reqwest::Client,
}

impl Given {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let svix = svix_server::start_with(options).await;
        Self { svix, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn create(&self, name: &str) -> reqwest::Result<reqwest::Response> {
        self.post("/event-type/", json!({"name": name, "description": "d"})).await
    }

    async fn post(&self, path: &str, body: Value) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/api/v1{path}", self.svix.url());
        self.http.post(url).bearer_auth(self.svix.token()).json(&body).send().await
    }

    fn has(&self, name: &str) -> bool {
        self.svix.snapshot().event_types.contains_key(name)
    }
}

fn always(plan: FaultPlan) -> FaultPlan {
    FaultPlan { only: Some(vec!["event-type.create".to_owned()]), ..plan }
}

#[tokio::test]
async fn a_connection_dropped_before_leaves_no_effect() {
    let given = Given::new().await;
    given.svix.faults().set(always(FaultPlan { drop_before: 1.0, ..FaultPlan::default() }));
    let error = given.create("a").await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert!(!given.has("a"));
}

#[tokio::test]
async fn a_connection_dropped_after_leaves_the_effect() {
    let given = Given::new().await;
    given.svix.faults().set(always(FaultPlan { drop_after: 1.0, ..FaultPlan::default() }));
    given.create("a").await.unwrap_err();
    assert!(given.has("a"));
    given.svix.faults().clear();
    assert_eq!(given.create("a").await.unwrap().status(), 409);
    let statuses: Vec<u16> = given.svix.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [0, 409]);
}

#[tokio::test]
async fn a_throttled_request_says_when_to_come_back() {
    let given = Given::new().await;
    given.svix.faults().set(FaultPlan { throttled: 1.0, retry_after: 3..=5, ..FaultPlan::default() });
    let answer = given.create("a").await.unwrap();
    assert_eq!(answer.status(), 429);
    let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3..=5).contains(&seconds), "{seconds}");
    assert!(!given.has("a"));
}

#[tokio::test]
async fn an_internal_error_is_an_empty_object() {
    let given = Given::new().await;
    given.svix.faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
    let answer = given.create("a").await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.text().await.unwrap(), "{}");
    assert!(!given.has("a"));
}

#[tokio::test]
async fn latency_is_waited_for() {
    let given = Given::new().await;
    let plan = FaultPlan {
        latency: Duration::from_millis(30),
        slow: 1.0,
        slow_for: Duration::from_millis(30),
        ..FaultPlan::default()
    };
    given.svix.faults().set(plan);
    let started = Instant::now();
    assert_eq!(given.create("a").await.unwrap().status(), 201);
    assert!(started.elapsed() >= Duration::from_millis(60), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_keeps_its_data_while_it_is_down() {
    let given = Given::new().await;
    given.create("a").await.unwrap();
    given.svix.faults().down(true);
    given.create("b").await.unwrap_err();
    given.svix.faults().down(false);
    assert_eq!(given.create("b").await.unwrap().status(), 201);
    assert!(given.has("a"));
}

#[tokio::test]
async fn calls_are_recorded_with_their_operation() {
    let given = Given::new().await;
    given.create("a").await.unwrap();
    given.create("a").await.unwrap();
    let calls = given.svix.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].operation, calls[0].status), ("event-type.create", 201));
    assert_eq!((calls[1].path.as_str(), calls[1].status), ("/api/v1/event-type/", 409));
    assert!(calls[0].is_write());
    given.svix.clear_calls();
    assert!(given.svix.calls().is_empty());
}

#[tokio::test]
async fn a_snapshot_is_equal_while_nothing_is_written() {
    let given = Given::new().await;
    given.create("a").await.unwrap();
    let before = given.svix.snapshot();
    given.create("a").await.unwrap();
    assert_eq!(before, given.svix.snapshot());
    let other = Given::new().await;
    other.create("a").await.unwrap();
    assert_ne!(before, other.svix.snapshot());
    assert_eq!(before.content(), other.svix.snapshot().content());
}

#[tokio::test]
async fn an_endpoint_that_fails_for_too_long_is_disabled() {
    let delivery =
        DeliveryOptions { retry_schedule: vec![], disable_after: Duration::ZERO, ..Default::default() };
    let given = Given::with(Options { delivery, ..Options::default() }).await;
    given.post("/app/", json!({"name": "a", "uid": "a"})).await.unwrap();
    // A port that nobody listens on.
    let nobody = crate::support::ports::free_address();
    given.post("/app/a/endpoint/", json!({"url": format!("http://{nobody}/"), "uid": "e"})).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !given.svix.snapshot().endpoint("a", "e").unwrap().disabled {
        assert!(Instant::now() < deadline, "it is never disabled");
        given.post("/app/a/msg/", json!({"eventType": "a.b", "payload": {}})).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn shutting_down_closes_the_port() {
    let given = Given::new().await;
    given.create("a").await.unwrap();
    let address = given.svix.url().trim_start_matches("http://").to_owned();
    given.svix.shutdown().await;
    tokio::net::TcpStream::connect(address).await.unwrap_err();
}
