//! The calls to Svix. This is the only module that uses the `svix` crate: its models make the bodies, while requests go
//! through reqwest, since the transport of the SDK drops Retry-After and accepts no private CA. No call is repeated here:
//! the engine decides that.

mod applications;
mod endpoints;
mod event_types;
mod history;
mod history_wire;
mod messages;
mod paging;
mod replay;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;

use super::{
    budget::Budget,
    errors::{Error, ErrorKind},
    health::Health,
};
use crate::{
    api::JsonPointer,
    pem::{self, PemMistake},
    plan::endpoint::{InvalidUrl, normal_url},
    telemetry::Metrics,
};

use paging::{PageSizes, page, too_long};

pub use history::{MessageFilter, Position};
pub use history_wire::{Attempt, DeliveryState, Destination, StoredMessage};
pub use replay::ReplayTask;
pub use wire::{Application, EventTypeDocument, EventTypeText, SendMessage};

/// The most bytes of a response that are read: servers accept bodies of a few megabytes.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The most bytes of the response that are read of an error.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The configuration of a client.
#[derive(Clone, Debug)]
pub struct ClientOptions<'a> {
    /// The address of the server; `None`: that of the token's region.
    pub server_url: Option<&'a str>,
    /// The token.
    pub token: &'a str,
    /// PEM certificates to trust in addition to the system's.
    pub ca_bundle: Option<&'a str>,
    /// How long a call may take, from connecting to the last byte.
    pub timeout: Duration,
}

/// Why a client cannot be made from a connection.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConnection {
    /// The address is not an http or https URL.
    #[error("/spec/serverUrl: {0}")]
    ServerUrl(#[source] InvalidUrl),
    /// The CA bundle has no certificates that can be used.
    #[error("/spec/caBundle: {0}")]
    CaBundle(#[from] PemMistake),
    /// The token cannot be sent in a header.
    #[error(
        "the token contains characters that an HTTP header cannot have; check the Secret for line breaks"
    )]
    Token(#[source] header::InvalidHeaderValue),
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {}", root_cause(.0))]
    Client(#[source] reqwest::Error),
}

impl InvalidConnection {
    /// The field of the connection that is wrong, if it is one field.
    #[must_use]
    pub fn field(&self) -> Option<JsonPointer> {
        match self {
            Self::ServerUrl(_) => Some("/spec/serverUrl".into()),
            Self::CaBundle(_) => Some("/spec/caBundle".into()),
            Self::Token(_) | Self::Client(_) => None,
        }
    }
}

/// One page of a listing.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The iterator of the next page; `None`: this was the last one.
    pub next: Option<String>,
}

/// A client of one Svix server, with one token and one rate limit. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base: String,
    /// Changes with the Secret; the next call uses it.
    authorization: RwLock<header::HeaderValue>,
    budget: Arc<Budget>,
    health: Health,
    metrics: Metrics,
    page_sizes: PageSizes,
}

impl Client {
    /// Returns a client, and sends nothing yet. Proxies are taken from the environment, as curl does.
    ///
    /// # Errors
    /// The options are invalid.
    pub fn new(
        options: &ClientOptions<'_>,
        budget: Arc<Budget>,
        metrics: Metrics,
    ) -> Result<Self, InvalidConnection> {
        let base = match options.server_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => region_url(options.token).to_owned(),
        };
        normal_url(&base).map_err(InvalidConnection::ServerUrl)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("svix-operator/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(5)))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .tls_backend_rustls();
        if let Some(text) = options.ca_bundle {
            let certificates = pem::authorities(text.as_bytes())?;
            let certificates =
                certificates.iter().map(|certificate| reqwest::Certificate::from_der(certificate));
            let certificates =
                certificates.collect::<Result<Vec<_>, _>>().map_err(InvalidConnection::Client)?;
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(InvalidConnection::Client)?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                base,
                authorization: RwLock::new(authorization(options.token)?),
                budget,
                health: Health::default(),
                metrics,
                page_sizes: PageSizes::default(),
            }),
        })
    }

    /// Returns the address of the server.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.inner.base
    }

    /// Returns whether its calls succeed.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Uses another token from the next call on.
    ///
    /// # Errors
    /// The token cannot be sent in a header.
    pub fn set_token(&self, token: &str) -> Result<(), InvalidConnection> {
        let value = authorization(token)?;
        *self.inner.authorization.write() = value;
        Ok(())
    }

    /// Calls a function with the token as a key.
    pub fn with_token<T>(&self, with: impl FnOnce(&[u8]) -> T) -> T {
        let authorization = self.inner.authorization.read();
        with(authorization.as_bytes())
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = format!("{}/api/v1", self.inner.base);
        for segment in path {
            url.push('/');
            // Names, uids and ids need no encoding in a path (plan::ids).
            url.push_str(segment);
        }
        let authorization = self.inner.authorization.read().clone();
        self.inner.http.request(method, url).header(header::AUTHORIZATION, authorization)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, Error> {
        let (status, body) = self.send(operation, request).await?;
        parse(operation, status, &body)
    }

    async fn send(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        match self.send_within(operation, request, MAX_BODY).await? {
            Received::Whole(status, body) => Ok((status, body)),
            Received::TooLong(status) => Err(too_long(operation, status)),
        }
    }

    /// Sends a request, and reads at most so many bytes of the response.
    async fn send_within(
        &self,
        operation: &'static str,
        request: RequestBuilder,
        most: usize,
    ) -> Result<Received, Error> {
        let waited = self.inner.budget.acquire().await;
        self.inner.metrics.budget_waited(waited);
        let begun = Instant::now();
        let outcome = async {
            let response = request.send().await?;
            let status = response.status();
            let retry_after = retry_after(response.headers());
            let most = if status.is_success() { most } else { MAX_ERROR_BODY };
            // A page that is too long is not read at all.
            let is_too_long = status.is_success()
                && response
                    .content_length()
                    .is_some_and(|length| length > u64::try_from(most).unwrap_or(u64::MAX));
            let body = if is_too_long { Body::Beginning(Vec::new()) } else { body(response, most).await? };
            Ok::<_, reqwest::Error>((status, retry_after, body))
        }
        .await;
        let result = match outcome {
            Err(error) => Err(ErrorKind::Transport(root_cause(&error.without_url()))),
            Ok((status, _, Body::Whole(body))) if status.is_success() => Ok(Received::Whole(status, body)),
            Ok((status, _, Body::Beginning(_))) if status.is_success() => Ok(Received::TooLong(status)),
            Ok((status, retry_after, Body::Whole(body) | Body::Beginning(body))) => {
                Err(ErrorKind::from_answer(status.as_u16(), retry_after, &body))
            }
        };
        self.inner.health.record(result.as_ref().err());
        let result = result.map_err(|kind| Error { operation, kind });
        if let Err(Error { kind: ErrorKind::Throttled { retry_after }, .. }) = &result {
            self.inner.budget.pause(*retry_after);
        }
        let label = result.as_ref().map_or_else(Error::label, |_| "ok");
        self.inner.metrics.svix_call(operation, label, begun.elapsed());
        result
    }
}

/// A response that is no error.
enum Received {
    Whole(StatusCode, Vec<u8>),
    /// It has more bytes than it may have.
    TooLong(StatusCode),
}

/// Parses the body of a response.
fn parse<T: DeserializeOwned>(operation: &'static str, status: StatusCode, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        // The message of serde_json may quote a value, so only the position is given.
        let message = format!("unexpected JSON at line {} column {}", error.line(), error.column());
        Error { operation, kind: ErrorKind::Answer { status: status.as_u16(), message } }
    })
}

/// The body of a response.
enum Body {
    Whole(Vec<u8>),
    /// It is longer than the limit.
    Beginning(Vec<u8>),
}

/// Reads the body of a response, up to a limit of bytes.
async fn body(mut response: reqwest::Response, most: usize) -> reqwest::Result<Body> {
    let length = response.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    let mut read = Vec::with_capacity(length.unwrap_or_default().min(most));
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

/// Returns the server of the region in the last part of a token, as Svix's libraries choose it.
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
        .map_err(InvalidConnection::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns the value of `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

/// Returns the innermost message of an error: those of reqwest only say that something failed.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    loop {
        if is_not_tls(cause) {
            return "no TLS is spoken at this address; perhaps it is http:// instead of https://".to_owned();
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return cause.to_string(),
        }
    }
}

/// Whether an error means that the server answered a TLS handshake with something that is not TLS.
fn is_not_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustls::{Error, InvalidMessage};
    // An I/O error does not name the error that it wraps as its source.
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => is_not_tls(wrapped),
        None => matches!(
            error.downcast_ref::<Error>(),
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType))
        ),
    }
}

/// Turns the error that something does not exist into `None`.
fn none_if_not_found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error { kind: ErrorKind::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Turns the error that something does not exist into success.
fn ok_if_not_found<T>(result: Result<T, Error>) -> Result<(), Error> {
    none_if_not_found(result).map(drop)
}
