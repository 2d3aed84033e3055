//! The signed request of one attempt, and its outcome.
//!
//! The request is built when it is sent, so a retry uses the URL, headers and secrets that the endpoint has then.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use crate::embedded::delivery::job::Job;
use crate::embedded::delivery::sender::Sender;
use crate::embedded::options::HeaderNames;
use crate::embedded::store::clock::now;
use crate::embedded::store::secret::Secret;
use crate::embedded::store::state::Store;

const AGENT: &str = "Svix-Webhooks/1.100.0";
/// How much of a response is kept, in bytes.
const RESPONSE_MAX: usize = 20_000;

pub(super) struct Request {
    pub(super) url: String,
    headers: Vec<(String, String)>,
    secrets: Vec<Secret>,
    payload: Arc<str>,
    message: String,
}

pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) response: String,
    pub(super) error: Option<String>,
    pub(super) duration: Duration,
    pub(super) at: jiff::Timestamp,
}

impl Request {
    /// Builds the request of a job; `None` when the endpoint or the message no longer exists, or when there is no
    /// reason left to send it.
    pub(super) fn prepare(store: &Store, job: &Job) -> Option<Self> {
        let app = store.applications.get(&job.application)?;
        let endpoint = app.endpoints.get(&job.endpoint)?;
        let message = app.messages.get(&job.message)?;
        let due = if job.manual {
            !endpoint.settings.disabled
        } else {
            // A retry is dropped when another attempt, such as a resend, has ended the message here meanwhile.
            let settled = || {
                let latest = message.attempts.values().rev().find(|attempt| attempt.endpoint == endpoint.id);
                latest.is_some_and(|attempt| attempt.next.is_none())
            };
            let receives = endpoint.receives(&message.event_type, message.channels.as_ref());
            receives && !(job.attempts > 0 && settled())
        };
        if !due {
            return None;
        }
        Some(Self {
            url: endpoint.settings.url.clone(),
            headers: endpoint.headers.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            secrets: endpoint.signing_secrets(),
            payload: Arc::clone(message.payload()?),
            message: message.id.clone(),
        })
    }

    fn headers(&self, names: HeaderNames, seconds: i64) -> HeaderMap {
        let sign = |secret: &Secret| secret.sign(&self.message, seconds, &self.payload);
        let signatures: Vec<String> = self.secrets.iter().filter_map(sign).collect();
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let [id, timestamp, signature] = match names {
            HeaderNames::Svix => ["svix-id", "svix-timestamp", "svix-signature"],
            HeaderNames::StandardWebhooks => ["webhook-id", "webhook-timestamp", "webhook-signature"],
        };
        let signing =
            [(id, self.message.clone()), (timestamp, seconds.to_string()), (signature, signatures.join(" "))];
        let own = self.headers.iter().map(|(key, value)| (key.as_str(), value.clone()));
        for (key, value) in signing.into_iter().chain(own) {
            if let (Ok(key), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
                headers.insert(key, value);
            }
        }
        headers
    }

    async fn post(&self, sender: &Sender, seconds: i64) -> reqwest::Result<reqwest::Response> {
        let post =
            sender.client()?.post(&self.url).headers(self.headers(sender.options.header_names, seconds));
        post.body(self.payload.to_string()).timeout(sender.options.timeout).send().await
    }

    pub(super) async fn send(&self, sender: &Sender) -> Outcome {
        let (at, started) = (now(), Instant::now());
        let (status, response, error) = match self.post(sender, at.as_second()).await {
            Ok(response) => (response.status().as_u16(), read_body(response).await, None),
            Err(error) if error.is_timeout() => {
                let why = format!("no answer within {} s", sender.options.timeout.as_secs_f32());
                (0, "request timed out".to_owned(), Some(why))
            }
            // The cause in the words of the real server, which are few; `dev` shows more.
            Err(error) => {
                let cause = error.source().map_or_else(String::new, ToString::to_string);
                (0, format!("error making request: {cause}"), Some(root_cause(&error)))
            }
        };
        Outcome { status, response, error, duration: started.elapsed(), at }
    }
}

async fn read_body(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() < RESPONSE_MAX => bytes.extend_from_slice(&chunk),
            Ok(Some(_)) | Ok(None) => break,
            Err(error) => return format!("Error reading response body: {error}"),
        }
    }
    bytes.truncate(RESPONSE_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the innermost message of an error: the outer ones name the URL, which may be a credential.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
