//! The Svix server behind the gateway: a pool of connections to it, and what can go wrong with one.

use std::{error::Error as _, sync::Arc, time::Duration};

use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::HeaderValue,
    http::uri::{Authority, PathAndQuery, Scheme},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::{
        legacy::{
            Client,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;

use crate::telemetry::Outcome;

use super::{
    body::{Body, BodyError},
    judge::Refusal,
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept that nothing is sent over; Svix Cloud closes after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// A Svix server that cannot be spoken to as it is given.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpstream {
    /// No http or https URL, or one with a query.
    #[error(
        "the Svix server's address: found {0:?}, expected an http or https URL such as https://api.eu.svix.com"
    )]
    Url(String),
    /// No certificates.
    #[error("the CA bundle: expected PEM certificates: {0}")]
    CaBundle(String),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// The server.
pub(super) struct Upstream {
    pool: Pool,
    scheme: Scheme,
    authority: Authority,
    /// In front of every path; mostly empty.
    prefix: String,
    /// What `Host` says.
    pub(super) host: HeaderValue,
    timeout: Duration,
}

type Connector<C> = Client<HttpsConnector<C>, Body>;

enum Pool {
    Direct(Connector<HttpConnector>),
    /// Through the proxy that the environment names.
    Tunnelled(Connector<Tunnel<HttpConnector>>),
}

impl Upstream {
    pub(super) fn new(
        url: &str,
        ca_bundle: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, InvalidUpstream> {
        let invalid = || InvalidUpstream::Url(without_credentials(url));
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| invalid())?;
        let parts = uri.clone().into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(invalid()) };
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !known || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(invalid());
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| invalid())?;
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let tls = Arc::new(tls(ca_bundle)?);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let pool = match Matcher::from_env().intercept(&uri) {
            None => Pool::Direct(client(tcp, tls)),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
                if let Some(authorization) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                Pool::Tunnelled(client(tunnel, tls))
            }
        };
        Ok(Self { pool, scheme, authority, prefix, host, timeout })
    }

    /// The address of a path there.
    pub(super) fn uri(&self, path_and_query: &PathAndQuery) -> Option<Uri> {
        let path = if self.prefix.is_empty() {
            path_and_query.clone()
        } else {
            PathAndQuery::try_from(format!("{}{path_and_query}", self.prefix)).ok()?
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .ok()
    }

    /// Sends a request, and waits for the headers of the answer. Nothing is sent twice, and no redirect is
    /// followed.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Refusal> {
        let answer = async {
            match &self.pool {
                Pool::Direct(client) => client.request(request).await,
                Pool::Tunnelled(client) => client.request(request).await,
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(response)) if response.status() != StatusCode::SWITCHING_PROTOCOLS => Ok(response),
            Ok(Ok(_)) => Err(failed("it wants to speak another protocol")),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(Refusal::code(
                Outcome::UpstreamFailed,
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                format!(
                    "Svix has not answered within {} s; it may have taken the request all the same.",
                    self.timeout.as_secs_f32()
                ),
            )),
        }
    }
}

fn client<C>(connector: C, tls: Arc<ClientConfig>) -> Connector<C>
where
    HttpsConnector<C>: hyper_util::client::legacy::connect::Connect + Clone,
    hyper_rustls::HttpsConnector<C>: Send + Sync + 'static,
{
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(ClientConfig::clone(&tls))
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .set_host(false)
        .build(connector)
}

fn tls(ca_bundle: Option<&str>) -> Result<ClientConfig, InvalidUpstream> {
    let failed = |error: rustls::Error| InvalidUpstream::Tls(error.to_string());
    let bundle = |error: String| InvalidUpstream::CaBundle(error);
    let mut roots = Vec::new();
    if let Some(pem) = ca_bundle {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.push(certificate.map_err(|error| bundle(error.to_string()))?);
        }
        if roots.is_empty() {
            return Err(bundle("found none".to_owned()));
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Verifier::new_with_extra_roots(roots, provider.clone()).map_err(|error| match ca_bundle {
            Some(_) => bundle(error.to_string()),
            None => failed(error),
        })?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Why Svix has not answered; what was wrong with the caller's own body is told as such.
fn refusal(error: &hyper_util::client::legacy::Error) -> Refusal {
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.downcast_ref() {
            Some(BodyError::TooLarge) => return Refusal::too_large(super::MAX_BODY),
            Some(BodyError::TooSlow) => return slow_body(),
            _ => source = cause.source(),
        }
    }
    failed(if error.is_connect() { "cannot connect to it" } else { "the connection broke" })
}

/// The caller's body does not come.
pub(super) fn slow_body() -> Refusal {
    let detail = "The body of the request did not come in time.";
    Refusal::code(Outcome::Refused, StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
}

fn failed(why: &str) -> Refusal {
    Refusal::code(
        Outcome::UpstreamFailed,
        StatusCode::BAD_GATEWAY,
        "upstream_failed",
        format!("Svix has not answered: {why}."),
    )
}

/// An address for a message: nothing before an `@`.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}…@{}", &url[..start + 3], &url[at + 1..]),
        _ => url.to_owned(),
    }
}
