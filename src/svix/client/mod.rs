//! The calls to Svix that this project makes. The only module that names the `svix` crate: its models make
//! the bodies, while requests go through reqwest, since the SDK's transport drops Retry-After and takes no
//! private CA. No call is retried here: the engine decides that.

mod wire;

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::{
    budget::Budget,
    errors::{Error, ErrorKind},
};
use crate::{
    api::Statistics,
    plan::{endpoint, event, event_type, headers, secrets::Sensitive},
    telemetry::Metrics,
};

pub use wire::{EventTypeDocument, SendMessage};

/// Svix's own limit on a page.
const PAGE: &str = "250";
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

    /// One page of the event types, archived ones included, with their schemas.
    pub async fn list_event_types(&self, from: Option<&str>) -> Result<Page<event_type::Observed>, Error> {
        let list = self.event_type_page::<wire::ListedEventType>(from).await?;
        Ok(page(list, |listed| listed.0))
    }

    /// One page of the event types, archived ones included, with all versions of their schemas.
    pub async fn list_event_type_documents(
        &self,
        from: Option<&str>,
    ) -> Result<Page<EventTypeDocument>, Error> {
        let list = self.event_type_page::<wire::EventTypeOut>(from).await?;
        Ok(page(list, Into::into))
    }

    /// One page of the event types, as much of each as `T` keeps.
    async fn event_type_page<T: DeserializeOwned>(&self, from: Option<&str>) -> Result<wire::List<T>, Error> {
        let mut request = self.request(Method::GET, &["event-type"]).query(&[
            ("limit", PAGE),
            ("include_archived", "true"),
            ("with_content", "true"),
        ]);
        if let Some(from) = from {
            request = request.query(&[("iterator", from)]);
        }
        self.read("event-type.list", request).await
    }

    /// One event type; `None`: it is not there.
    pub async fn get_event_type(&self, name: &str) -> Result<Option<EventTypeDocument>, Error> {
        let request = self.request(Method::GET, &["event-type", name]);
        found(self.read::<wire::EventTypeOut>("event-type.get", request).await.map(Into::into))
    }

    /// Makes an event type.
    pub async fn create_event_type(&self, desired: &event_type::Desired) -> Result<EventTypeDocument, Error> {
        let request = self.request(Method::POST, &["event-type"]).json(&wire::event_type_in(desired));
        Ok(self.read::<wire::EventTypeOut>("event-type.create", request).await?.into())
    }

    /// Changes these fields of an event type, and unarchives it with `revive`. `held` are the schemas that it
    /// has now, so that other versions are kept.
    pub async fn patch_event_type(
        &self,
        desired: &event_type::Desired,
        fields: &[&str],
        revive: bool,
        held: Option<&Value>,
    ) -> Result<EventTypeDocument, Error> {
        let body = wire::event_type_patch(desired, fields, revive, held);
        let request = self.request(Method::PATCH, &["event-type", &desired.name]).json(&body);
        Ok(self.read::<wire::EventTypeOut>("event-type.patch", request).await?.into())
    }

    /// Archives an event type, or removes it for good. Gone already is success.
    pub async fn delete_event_type(&self, name: &str, expunge: bool) -> Result<(), Error> {
        let mut request = self.request(Method::DELETE, &["event-type", name]);
        if expunge {
            request = request.query(&[("expunge", "true")]);
        }
        gone(self.send("event-type.delete", request).await)
    }

    /// One page of an application's endpoints; `None`: the application is not there.
    pub async fn list_endpoints(
        &self,
        application: &str,
        from: Option<&str>,
    ) -> Result<Option<Page<endpoint::Observed>>, Error> {
        let mut request = self
            .request(Method::GET, &["app", application, "endpoint"])
            .query(&[("limit", PAGE), ("order", "ascending")]);
        if let Some(from) = from {
            request = request.query(&[("iterator", from)]);
        }
        let list = self.read::<wire::List<wire::EndpointOut>>("endpoint.list", request).await;
        found(list.map(|list| page(list, Into::into)))
    }

    /// One endpoint by id or uid; `None`: it or its application is not there.
    pub async fn get_endpoint(
        &self,
        application: &str,
        id: &str,
    ) -> Result<Option<endpoint::Observed>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id]);
        found(self.read::<wire::EndpointOut>("endpoint.get", request).await.map(Into::into))
    }

    /// Makes an endpoint.
    pub async fn create_endpoint(&self, desired: &endpoint::Desired) -> Result<endpoint::Observed, Error> {
        let request = self
            .request(Method::POST, &["app", &desired.application, "endpoint"])
            .json(&wire::endpoint_in(desired));
        Ok(self.read::<wire::EndpointOut>("endpoint.create", request).await?.into())
    }

    /// Changes these fields of an endpoint.
    pub async fn patch_endpoint(
        &self,
        application: &str,
        id: &str,
        change: &endpoint::Change,
    ) -> Result<endpoint::Observed, Error> {
        let request = self
            .request(Method::PATCH, &["app", application, "endpoint", id])
            .json(&wire::endpoint_patch(change));
        Ok(self.read::<wire::EndpointOut>("endpoint.patch", request).await?.into())
    }

    /// Deletes an endpoint. Gone already is success.
    pub async fn delete_endpoint(&self, application: &str, id: &str) -> Result<(), Error> {
        gone(
            self.send("endpoint.delete", self.request(Method::DELETE, &["app", application, "endpoint", id]))
                .await,
        )
    }

    /// The headers of an endpoint; `None`: it or its application is not there.
    pub async fn get_headers(&self, application: &str, id: &str) -> Result<Option<headers::Observed>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "headers"]);
        let out = self.read::<wire::HeadersOut>("endpoint.get-headers", request).await;
        found(out.map(Into::into))
    }

    /// Replaces the headers of an endpoint as a whole.
    pub async fn put_headers(
        &self,
        application: &str,
        id: &str,
        headers: &std::collections::BTreeMap<String, Sensitive>,
    ) -> Result<(), Error> {
        let headers: serde_json::Map<_, _> =
            headers.iter().map(|(name, value)| (name.clone(), value.expose().into())).collect();
        let request = self
            .request(Method::PUT, &["app", application, "endpoint", id, "headers"])
            .json(&json!({ "headers": headers }));
        self.send("endpoint.update-headers", request).await.map(drop)
    }

    /// The signing key of an endpoint; `None`: it or its application is not there.
    pub async fn get_signing_key(&self, application: &str, id: &str) -> Result<Option<Sensitive>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "secret"]);
        let out = self.read::<wire::SecretOut>("endpoint.get-secret", request).await;
        found(out.map(|out| Sensitive::new(out.key)))
    }

    /// Replaces the signing key of an endpoint; the one before stays valid for the grace.
    pub async fn rotate_signing_key(
        &self,
        application: &str,
        id: &str,
        key: &Sensitive,
        grace: Duration,
    ) -> Result<(), Error> {
        let request = self
            .request(Method::POST, &["app", application, "endpoint", id, "secret", "rotate"])
            .json(&json!({"key": key.expose(), "gracePeriodSeconds": grace.as_secs()}));
        self.send("endpoint.rotate-secret", request).await.map(drop)
    }

    /// What became of the messages of an endpoint in the last four weeks; `None`: it is not there.
    pub async fn statistics(&self, application: &str, id: &str) -> Result<Option<Statistics>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "stats"]);
        found(self.read::<wire::StatsOut>("endpoint.get-stats", request).await.map(Into::into))
    }

    /// Makes an application of this uid, or finds the one that is there.
    pub async fn create_application(&self, uid: &str) -> Result<(), Error> {
        let request = self
            .request(Method::POST, &["app"])
            .query(&[("get_if_exists", "true")])
            .json(&json!({"uid": uid, "name": uid}));
        self.send("application.create", request).await.map(drop)
    }

    /// Sends a message; answers its id. A second one with the same `event_id` is a conflict, whatever it says.
    pub async fn send_message(&self, application: &str, message: &SendMessage<'_>) -> Result<String, Error> {
        let operation = "message.create";
        let body = wire::message_in(message).map_err(|error| Error {
            operation,
            kind: ErrorKind::Refused { status: 0, detail: format!("the payload is not JSON: {error}") },
        })?;
        let request = self
            .request(Method::POST, &["app", application, "msg"])
            .query(&[("with_content", "false")])
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        Ok(self.read::<wire::MessageOut>(operation, request).await?.id)
    }

    /// One message by its id or event id; `None`: it or its application is not there.
    pub async fn get_message(&self, application: &str, id: &str) -> Result<Option<event::Message>, Error> {
        let request = self.request(Method::GET, &["app", application, "msg", id]);
        found(self.read::<wire::MessageOut>("message.get", request).await.map(Into::into))
    }

    /// How the deliveries of a message stand: one entry for each endpoint that was tried. `None`: the message or
    /// its application is not there.
    pub async fn deliveries(
        &self,
        application: &str,
        message: &str,
    ) -> Result<Option<Vec<event::Delivery>>, Error> {
        let mut deliveries = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let mut request = self
                .request(Method::GET, &["app", application, "msg", message, "endpoint"])
                .query(&[("limit", PAGE)]);
            if let Some(from) = &from {
                request = request.query(&[("iterator", from)]);
            }
            let operation = "message-attempt.list-attempted-destinations";
            let list = self.read::<wire::List<wire::MessageEndpointOut>>(operation, request).await;
            let Some(page) = found(list.map(|list| page(list, event::Delivery::from)))? else {
                return Ok(None);
            };
            deliveries.extend(page.items);
            from = page.next;
            if from.is_none() {
                return Ok(Some(deliveries));
            }
        }
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
    cause.to_string()
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
