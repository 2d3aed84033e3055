//! Delivery: one signed POST per endpoint, again by the retry schedule while it fails, every attempt recorded.
//!
//! What is sent and where is read when it is sent, so a retry goes to the URL, with the headers and secrets, that
//! the endpoint has by then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::ids;
use super::secrets::Secret;
use super::state::{Attempt, Endpoint, Server, Shared, Store, now};
use super::tried::{Tried, root_cause};

const AGENT: &str = "Svix-Webhooks/1.100.0";
/// How much of an answer is kept, in bytes.
const RESPONSE_MAX: usize = 20_000;

/// One message on its way to one endpoint.
#[derive(Debug)]
pub(super) struct Job {
    application: String,
    endpoint: String,
    message: String,
    manual: bool,
    /// How many times it was tried.
    tried: usize,
}

impl Job {
    fn new(application: &str, endpoint: &str, message: &str, manual: bool) -> Self {
        let (application, endpoint, message) = (application.into(), endpoint.into(), message.into());
        Self { application, endpoint, message, manual, tried: 0 }
    }

    pub(super) fn scheduled(application: &str, endpoint: &str, message: &str) -> Self {
        Self::new(application, endpoint, message, false)
    }

    /// Asked for by hand: it is tried once, whatever the endpoint subscribes to.
    pub(super) fn manual(application: &str, endpoint: &str, message: &str) -> Self {
        Self::new(application, endpoint, message, true)
    }
}

/// Delivers in the background, until the server stops.
pub(super) fn start(svix: &Shared, jobs: Vec<Job>) {
    for job in jobs {
        let (svix, tasks) = (Arc::clone(svix), &svix.tasks);
        let task = async move {
            let stop = svix.stop.clone();
            stop.run_until_cancelled(deliver(&svix, job)).await;
        };
        tasks.spawn(task);
    }
}

async fn deliver(svix: &Server, mut job: Job) {
    loop {
        let Ok(permit) = svix.sending.acquire().await else { return };
        let Some(request) = Request::prepare(&svix.store(), &job) else { return };
        let outcome = request.send(svix).await;
        drop(permit);
        let wait = record(svix, &job, request, outcome);
        let Some(wait) = wait else { return };
        job.tried += 1;
        tokio::time::sleep(wait).await;
    }
}

struct Request {
    url: String,
    headers: Vec<(String, String)>,
    secrets: Vec<Secret>,
    payload: Arc<str>,
    message: String,
}

struct Outcome {
    status: u16,
    response: String,
    error: Option<String>,
    duration: Duration,
    at: jiff::Timestamp,
}

impl Request {
    /// What to send, or nothing when the endpoint, the message or the reason to send it are gone.
    fn prepare(store: &Store, job: &Job) -> Option<Self> {
        let app = store.applications.get(&job.application)?;
        let endpoint = app.endpoints.get(&job.endpoint)?;
        let message = app.messages.get(&job.message)?;
        let due = if job.manual {
            !endpoint.disabled
        } else {
            // A retry that something else has settled meanwhile, such as a resend, is dropped.
            let settled = || {
                let latest = message.attempts.values().rev().find(|attempt| attempt.endpoint == endpoint.id);
                latest.is_some_and(|attempt| attempt.next.is_none())
            };
            let takes = endpoint.takes(&message.event_type, message.channels.as_ref());
            takes && !(job.tried > 0 && settled())
        };
        if !due {
            return None;
        }
        Some(Self {
            url: endpoint.url.clone(),
            headers: endpoint.headers.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            secrets: endpoint.signing_secrets(),
            payload: Arc::clone(message.payload()?),
            message: message.id.clone(),
        })
    }

    fn headers(&self, seconds: i64) -> HeaderMap {
        let sign = |secret: &Secret| secret.sign(&self.message, seconds, &self.payload);
        let signatures: Vec<String> = self.secrets.iter().filter_map(sign).collect();
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let signing = [
            ("svix-id", self.message.clone()),
            ("svix-timestamp", seconds.to_string()),
            ("svix-signature", signatures.join(" ")),
        ];
        let own = self.headers.iter().map(|(key, value)| (key.as_str(), value.clone()));
        for (key, value) in signing.into_iter().chain(own) {
            if let (Ok(key), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
                headers.insert(key, value);
            }
        }
        headers
    }

    async fn answer(&self, svix: &Server, seconds: i64) -> reqwest::Result<reqwest::Response> {
        let post = svix.http()?.post(&self.url).headers(self.headers(seconds));
        post.body(self.payload.to_string()).timeout(svix.delivery.timeout).send().await
    }

    async fn send(&self, svix: &Server) -> Outcome {
        let (at, started) = (now(), Instant::now());
        let (status, response, error) = match self.answer(svix, at.as_second()).await {
            Ok(answer) => (answer.status().as_u16(), read(answer).await, None),
            Err(error) if error.is_timeout() => {
                let why = format!("no answer within {} s", svix.delivery.timeout.as_secs_f32());
                (0, error.to_string(), Some(why))
            }
            Err(error) => (0, error.to_string(), Some(root_cause(&error))),
        };
        Outcome { status, response, error, duration: started.elapsed(), at }
    }
}

async fn read(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if bytes.len() < RESPONSE_MAX => bytes.extend_from_slice(&chunk),
            Ok(Some(_)) | Ok(None) => break,
            Err(error) => return format!("Error reading response body: {error}"),
        }
    }
    bytes.truncate(RESPONSE_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes the attempt down, and says how long to wait for the next one if there is one.
fn record(svix: &Server, job: &Job, request: Request, outcome: Outcome) -> Option<Duration> {
    let succeeded = (200..300).contains(&outcome.status);
    let retry = !succeeded && !job.manual;
    let wait = svix.delivery.retry_schedule.get(job.tried).copied().filter(|_| retry);
    let attempt = Arc::new(Attempt {
        id: ids::new(ids::ATTEMPT, outcome.at),
        message: job.message.clone(),
        endpoint: job.endpoint.clone(),
        url: request.url,
        response: outcome.response,
        response_status: outcome.status,
        error: outcome.error,
        duration_ms: i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX),
        succeeded,
        manual: job.manual,
        next: wait.and_then(|wait| now().checked_add(wait).ok()),
        created_at: outcome.at,
    });
    let mut store = svix.store();
    let app = store.applications.get_mut(&job.application)?;
    let message = app.messages.get_mut(&job.message)?;
    message.attempts.insert(attempt.id.clone(), Arc::clone(&attempt));
    let tried = svix.listener.get().zip(app.messages.get(&job.message));
    let tried = tried.map(|(listener, message)| (listener, Tried::of(app, message, &attempt)));
    let endpoint = app.endpoints.get_mut(&job.endpoint)?;
    endpoint.attempts.insert(attempt.id.clone(), attempt);
    if succeeded {
        endpoint.failing_since = None;
    } else if retry && wait.is_none() {
        endpoint.gave_up(svix.delivery.disable_after);
    }
    drop(store);
    if let Some((listener, tried)) = tried {
        listener(tried);
    }
    wait
}

impl Endpoint {
    /// A message was given up on. An endpoint that has been failing for long enough is disabled.
    fn gave_up(&mut self, disable_after: Duration) {
        let at = now();
        match self.failing_since {
            None => self.failing_since = Some(at),
            Some(since) if at.duration_since(since).unsigned_abs() > disable_after => {
                self.disabled = true;
                self.updated_at = super::state::moved(self.updated_at);
            }
            Some(_) => {}
        }
    }
}
