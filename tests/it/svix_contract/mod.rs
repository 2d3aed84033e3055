//! What this project relies on of Svix, each promise a test.
//!
//! By default the tests run against the embedded Svix. With `SVIX_SERVER_URL` and `SVIX_TOKEN` set, the same
//! assertions run against that server. It may be in use: every test has names of its own, takes away what it made
//! even when it fails, and assumes nothing about what else is there.

mod applications;
mod delivery;
mod endpoint_updates;
mod endpoints;
mod errors;
mod event_types;
mod headers;
mod idempotency;
mod messages;
mod pagination;
mod receiver;
mod secrets;
mod stored_json;

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::svix_server;
use futures::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use svix_operator::embedded::{DeliveryOptions, EmbeddedSvix, HeaderNames, Options};

/// How long one test may take. A real server may need 30 s to notice a changed header.
const TEST_DEADLINE: Duration = Duration::from_secs(120);

/// A server to hold to its promises.
pub(crate) struct Svix {
    base: String,
    token: String,
    http: reqwest::Client,
    prefix: String,
    names: HeaderNames,
    /// What to DELETE at the end.
    made: Mutex<Vec<String>>,
    _embedded: Option<EmbeddedSvix>,
}

/// Runs a test against the server under test and cleans up after it, whatever became of it.
pub(crate) async fn contract(test: impl AsyncFnOnce(&Svix)) {
    run(Svix::start(real_header_names()).await, test).await;
}

/// The same against a server whose deliveries have these header names. A real server has one kind of them.
pub(crate) async fn contract_with(names: HeaderNames, test: impl AsyncFnOnce(&Svix)) {
    if std::env::var_os("SVIX_SERVER_URL").is_some() && names != real_header_names() {
        eprintln!("not checked: this server has other header names (SVIX_WHITELABEL_HEADERS)");
        return;
    }
    run(Svix::start(names).await, test).await;
}

/// The header names of the real server: `SVIX_WHITELABEL_HEADERS` here says the same as where the server runs.
fn real_header_names() -> HeaderNames {
    match std::env::var("SVIX_WHITELABEL_HEADERS").as_deref() {
        Ok("true") => HeaderNames::StandardWebhooks,
        _ => HeaderNames::Svix,
    }
}

async fn run(svix: Svix, test: impl AsyncFnOnce(&Svix)) {
    let run = tokio::time::timeout(TEST_DEADLINE, test(&svix));
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    svix.clean_up().await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("the test took longer than {TEST_DEADLINE:?}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Svix {
    async fn start(names: HeaderNames) -> Self {
        let (base, token, embedded) = match (std::env::var("SVIX_SERVER_URL"), std::env::var("SVIX_TOKEN")) {
            (Ok(url), Ok(token)) => (url.trim_end_matches('/').to_owned(), token, None),
            (Err(_), Err(_)) => {
                let mut options = short_waits();
                options.delivery.header_names = names;
                let embedded = svix_server::start_with(options).await;
                (embedded.url(), embedded.token().to_owned(), Some(embedded))
            }
            _ => panic!("SVIX_SERVER_URL and SVIX_TOKEN go together: only one of them is set"),
        };
        Self {
            base,
            token,
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap(),
            prefix: format!("contract-{}", uuid::Uuid::new_v4().simple()),
            names,
            made: Mutex::default(),
            _embedded: embedded,
        }
    }

    async fn clean_up(&self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap());
        for path in made {
            let answer = self.delete(&path).await;
            if !matches!(answer.status, 204 | 404) {
                eprintln!("could not take away {path}: {answer:?}");
            }
        }
    }

    /// A name nobody else has, for anything: an event type, a uid. As an event type it goes at the end.
    fn name(&self, what: &str) -> String {
        let name = format!("{}.{what}", self.prefix);
        self.forget(format!("/event-type/{name}/?expunge=true"));
        name
    }

    /// The name of a header that signs deliveries: of `id`, `timestamp` or `signature`.
    fn signing_header(&self, part: &str) -> String {
        match self.names {
            HeaderNames::Svix => format!("svix-{part}"),
            HeaderNames::StandardWebhooks => format!("webhook-{part}"),
        }
    }

    /// DELETEs this path at the end.
    fn forget(&self, path: String) {
        self.made.lock().unwrap().push(path);
    }

    /// An event type with a description and no schemas.
    async fn event_type(&self, what: &str) -> String {
        let name = self.name(what);
        self.post("/event-type/", json!({"name": name, "description": "given"})).await.expect(201);
        name
    }

    /// An application, by its uid.
    async fn app(&self) -> String {
        let uid = format!("{}-app", self.prefix);
        self.forget(format!("/app/{uid}/"));
        self.post("/app/", json!({"name": "given", "uid": uid})).await.expect(201);
        uid
    }

    /// An application and the path of its endpoints, `/app/{uid}/endpoint/`.
    async fn endpoints(&self) -> String {
        format!("/app/{}/endpoint/", self.app().await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// `path` is what follows `/api/v1`.
    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        self.answer(self.request(method, path, body)).await
    }

    fn request(&self, method: Method, path: &str, body: Option<String>) -> reqwest::RequestBuilder {
        let request =
            self.http.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token);
        match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request,
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, url) = (answer.status().as_u16(), answer.url().to_string());
        Answer { status, url, text: answer.text().await.unwrap() }
    }

    /// Everything on a list, page by page.
    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{cursor}")).await.expect(200);
            all.extend(page["data"].as_array().unwrap().iter().cloned());
            if page["done"] == json!(true) {
                return all;
            }
            let sign = if path.contains('?') { '&' } else { '?' };
            cursor = format!("{sign}iterator={}", page["iterator"].as_str().unwrap());
        }
    }
}

/// An embedded Svix that retries at once rather than in hours.
pub(crate) fn short_waits() -> Options {
    let retry_schedule = [20, 40, 3_600_000].map(Duration::from_millis).to_vec();
    Options { delivery: DeliveryOptions { retry_schedule, ..Default::default() }, ..Default::default() }
}

/// What the server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    url: String,
    text: String,
}

impl Answer {
    /// The body, if the status is this one.
    #[track_caller]
    fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.url, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// It is this error: `{"code", "detail"}`.
    #[track_caller]
    fn expect_error(&self, status: u16, code: &str) {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{}", self.text);
        assert!(body["detail"].is_string(), "{}", self.text);
    }

    /// It is a 422 that blames this place, given as `body.url`; the reason is given back.
    #[track_caller]
    fn expect_invalid(&self, place: &str) -> String {
        let body = self.expect(422);
        let problems = body["detail"].as_array().unwrap_or_else(|| panic!("{}", self.text));
        let place: Vec<&str> = place.split('.').collect();
        let found = problems.iter().find(|problem| problem["loc"] == json!(place));
        let found = found.unwrap_or_else(|| panic!("nothing blames {place:?}: {}", self.text));
        assert!(found["type"].as_str().unwrap().starts_with("value_error"), "{}", self.text);
        found["msg"].as_str().unwrap().to_owned()
    }

    /// It is a 422 whose first problem is of this kind.
    #[track_caller]
    fn expect_invalid_kind(&self, kind: &str) {
        assert_eq!(self.expect(422)["detail"][0]["type"], kind, "{}", self.text);
    }
}

/// Asks again until there is an answer, and fails when there is none in time.
async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
