//! The calls to Svix that this project makes. The only module that names the `svix` crate: its models make
//! the bodies, while requests go through reqwest, since the SDK's transport drops Retry-After and takes no
//! private CA. No call is retried here: the engine decides that.

mod endpoints;
mod event_types;
mod messages;
mod wire;

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

use super::{
    budget::Budget,
    errors::{Error, ErrorKind},
};
use crate::telemetry::Metrics;

pub use wire::{EventTypeDocument, SendMessage};

/// Svix's own limit on a page.
const PAGE: &str = "250";
/// The same as a number.
const PAGE_ITEMS: usize = 250;
/// Most of an answer that is read, in bytes: a page of 250 event types with the largest schemas, and a whole
/// message of an error.
const MAX_BODY: usize = 256 * 1024 * 1024;
const MAX_ERROR_BODY: usize = 64 * 1024;

/// How a client is made.
#[derive(Clone, Debug)]
pub struct ClientOptions<'a> {
    /// Address of the server; `None`: from the token's region.
    pub server_url: Option<&'a str>,
    /// The token.
    pub token: &'a str,
    /// PEM certificates to trust beside the system's.
    pub ca_bundle: Option<&'a str>,
    /// How long a call may take, from connecting to the last byte.
    pub timeout: Duration,
}

/// A connection that cannot be used as it is written.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConnection {
    /// The address is no URL.
    #[error("/spec/serverUrl: not an http or https URL: {0}")]
    ServerUrl(String),
    /// The CA bundle holds no certificates.
    #[error("/spec/caBundle: expected PEM certificates: {0}")]
    CaBundle(String),
    /// The token cannot be sent in a header.
    #[error("the token holds characters that no HTTP header can carry; check the Secret for line breaks")]
    Token,
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
}

/// One page of a listing.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<String>,
}

/// Speaks to one Svix server with one token and one budget. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base: String,
    /// Changes when the Secret does; the next call uses it.
    authorization: RwLock<header::HeaderValue>,
    budget: Arc<Budget>,
    metrics: Metrics,
}

impl Client {
    /// Makes a client. Nothing is sent yet. Proxies are taken from the environment, as curl does.
    pub fn new(
        options: &ClientOptions<'_>,
        budget: Arc<Budget>,
        metrics: Metrics,
    ) -> Result<Self, InvalidConnection> {
        let base = match options.server_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => region_url(options.token).to_owned(),
        };
        Url::parse(&base)
            .map_err(|error| error.to_string())
            .and_then(|url| match url.scheme() {
                "http" | "https" => Ok(()),
                scheme => Err(format!("found scheme {scheme:?}")),
            })
            .map_err(InvalidConnection::ServerUrl)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("svix-operator/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(5)))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .tls_backend_rustls();
        if let Some(pem) = options.ca_bundle {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| InvalidConnection::CaBundle(root_cause(&error)))?;
            if certificates.is_empty() {
                return Err(InvalidConnection::CaBundle("found none".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(|error| match options.ca_bundle {
            // Certificates are only looked into here.
            Some(_) => InvalidConnection::CaBundle(root_cause(&error)),
            None => InvalidConnection::Client(root_cause(&error)),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                base,
                authorization: RwLock::new(authorization(options.token)?),
                budget,
                metrics,
            }),
        })
    }

    /// The server's address.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.inner.base
    }

    /// Uses another token from the next call on.
    pub fn set_token(&self, token: &str) -> Result<(), InvalidConnection> {
        let value = authorization(token)?;
        *self.inner.authorization.write().unwrap_or_else(std::sync::PoisonError::into_inner) = value;
        Ok(())
    }

    /// Hands the token to something that is keyed with it.
    pub fn with_token<T>(&self, with: impl FnOnce(&[u8]) -> T) -> T {
        let authorization =
            self.inner.authorization.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        with(authorization.as_bytes())
    }

    /// Makes an application of this uid, or finds the one that is there.
    pub async fn create_application(&self, uid: &str) -> Result<(), Error> {
        let request = self
            .request(Method::POST, &["app"])
            .query(&[("get_if_exists", "true")])
            .json(&json!({"uid": uid, "name": uid}));
        self.send("application.create", request).await.map(drop)
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = format!("{}/api/v1", self.inner.base);
        for segment in path {
            url.push('/');
            // Names, uids and ids are of an alphabet that a path takes as it is (plan::ids).
            url.push_str(segment);
        }
        let authorization =
            self.inner.authorization.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        self.inner.http.request(method, url).header(header::AUTHORIZATION, authorization)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, Error> {
        let (status, body) = self.send(operation, request).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // The message of serde_json may quote a value, so only its place is told.
            let message = format!("unexpected JSON at line {} column {}", error.line(), error.column());
            Error { operation, kind: ErrorKind::Answer { status: status.as_u16(), message } }
        })
    }

    async fn send(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let waited = self.inner.budget.acquire().await;
        self.inner.metrics.budget_waited(waited);
        let begun = Instant::now();
        let outcome = async {
            let response = request.send().await?;
            let status = response.status();
            let retry_after = retry_after(response.headers());
            let most = if status.is_success() { MAX_BODY } else { MAX_ERROR_BODY };
            Ok::<_, reqwest::Error>((status, retry_after, body(response, most).await?))
        }
        .await;
        let result = match outcome {
            Err(error) => Err(ErrorKind::Transport(root_cause(&error.without_url()))),
            Ok((status, _, Body::Whole(body))) if status.is_success() => Ok((status, body)),
            Ok((status, _, Body::Beginning(_))) if status.is_success() => Err(ErrorKind::Answer {
                status: status.as_u16(),
                message: format!("more than {MAX_BODY} bytes; is this address a Svix server?"),
            }),
            Ok((status, retry_after, Body::Whole(body) | Body::Beginning(body))) => {
                Err(ErrorKind::from_answer(status.as_u16(), retry_after, &body))
            }
        };
        let result = result.map_err(|kind| Error { operation, kind });
        if let Err(Error { kind: ErrorKind::Throttled { retry_after }, .. }) = &result {
            self.inner.budget.pause(*retry_after);
        }
        let label = result.as_ref().map_or_else(Error::label, |_| "ok");
        self.inner.metrics.svix_call(operation, label, begun.elapsed());
        result
    }
}

/// The body of an answer.
enum Body {
    Whole(Vec<u8>),
    /// It has more than was asked for.
    Beginning(Vec<u8>),
}

/// Reads a body, but no more of it than so many bytes.
async fn body(mut response: reqwest::Response, most: usize) -> reqwest::Result<Body> {
    let mut read = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = most - read.len();
        if chunk.len() > room {
            read.extend_from_slice(&chunk[..room]);
            return Ok(Body::Beginning(read));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(Body::Whole(read))
}

/// The server of the region that a token names in its last part, as Svix's libraries choose it.
fn region_url(token: &str) -> &'static str {
    match token.rsplit('.').next() {
        Some("us") => "https://api.us.svix.com",
        Some("eu") => "https://api.eu.svix.com",
        Some("in") => "https://api.in.svix.com",
        Some("ca") => "https://api.ca.svix.com",
        Some("au") => "https://api.au.svix.com",
        _ => "https://api.svix.com",
    }
}

fn authorization(token: &str) -> Result<header::HeaderValue, InvalidConnection> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| InvalidConnection::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

/// The innermost message of an error: reqwest's own ones only say that something went wrong.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match cause.to_string() {
        // rustls' word for an answer that is no TLS at all.
        text if text.contains("InvalidContentType") => {
            "no TLS is spoken at this address; perhaps it is http:// instead of https://".to_owned()
        }
        text => text,
    }
}

fn page<T, U>(list: wire::List<T>, convert: impl Fn(T) -> U) -> Page<U> {
    // `done` says that it was the last page; the iterator is set on that one, too.
    let next = if list.done { None } else { list.iterator };
    Page { items: list.data.into_iter().map(convert).collect(), next }
}

/// Not found is an answer.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error { kind: ErrorKind::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Not found is as good as deleted.
fn gone<T>(result: Result<T, Error>) -> Result<(), Error> {
    found(result).map(drop)
}
