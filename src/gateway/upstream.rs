//! The Svix server behind the gateway: forwards requests to it over a pool of connections.

use std::{error::Error as _, sync::Arc, time::Duration};

use hyper::{
    Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::HeaderValue,
    http::{
        request,
        uri::{Authority, PathAndQuery, Scheme},
    },
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::{
        legacy::{
            Client, Error as ClientError,
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

use crate::telemetry::GatewayOutcome;

use super::{
    body::{Body, BodyError},
    headers,
    options::MAX_BODY,
    rejection::Rejection,
};

/// Maximum number of gateways that a request may pass; more mean a forwarding loop.
const MAX_HOPS: usize = 8;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; Svix Cloud closes them after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// Why a Svix server cannot be forwarded to as configured.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpstream {
    /// The address is not an http or https URL, or has a query or credentials.
    #[error(
        "the Svix server's address: found {0:?}, expected an http or https URL such as https://api.eu.svix.com"
    )]
    Url(String),
    /// The CA bundle is not usable.
    #[error("the CA bundle: expected PEM certificates: {0}")]
    CaBundle(#[from] InvalidCaBundle),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] rustls::Error),
}

/// What is wrong with a CA bundle.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCaBundle {
    /// The text is not PEM.
    #[error(transparent)]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// There are no certificates in it.
    #[error("found none")]
    Empty,
    /// A certificate cannot be a root.
    #[error(transparent)]
    Root(rustls::Error),
}

/// Why there is no response from Svix.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("the address of the Svix server leads back to this gateway")]
    Loop,
    #[error("the path of the request is not valid behind the address of the Svix server")]
    Path,
    #[error("the body of the request cannot be forwarded: {0}")]
    Body(RequestBodyError),
    #[error("cannot connect to Svix")]
    Connect(#[source] ClientError),
    #[error("the connection to Svix failed")]
    Connection(#[source] ClientError),
    #[error("Svix requested another protocol")]
    SwitchingProtocols,
    #[error("no response from Svix within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

/// Why the caller's body could not be forwarded.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum RequestBodyError {
    #[error("it is larger than the limit")]
    TooLarge,
    #[error("it did not arrive in time")]
    TooSlow,
}

impl From<ClientError> for UpstreamError {
    fn from(error: ClientError) -> Self {
        let mut source = error.source();
        while let Some(cause) = source {
            match cause.downcast_ref() {
                Some(BodyError::TooLarge) => return Self::Body(RequestBodyError::TooLarge),
                Some(BodyError::TooSlow) => return Self::Body(RequestBodyError::TooSlow),
                _ => source = cause.source(),
            }
        }
        if error.is_connect() { Self::Connect(error) } else { Self::Connection(error) }
    }
}

impl From<UpstreamError> for Rejection {
    fn from(error: UpstreamError) -> Self {
        let refused = |status, code, detail: &str| Self::code(GatewayOutcome::Refused, status, code, detail);
        let failed = |reason: &str| {
            let detail = format!("No response from Svix: {reason}.");
            Self::code(GatewayOutcome::UpstreamFailed, StatusCode::BAD_GATEWAY, "upstream_failed", detail)
        };
        match error {
            UpstreamError::Loop => refused(
                StatusCode::LOOP_DETECTED,
                "loop_detected",
                "Forwarding loop: the address of the Svix server leads back to this gateway.",
            ),
            UpstreamError::Path => {
                refused(StatusCode::BAD_REQUEST, "invalid_path", "The path cannot be forwarded.")
            }
            UpstreamError::Body(RequestBodyError::TooLarge) => Self::too_large(MAX_BODY),
            UpstreamError::Body(RequestBodyError::TooSlow) => Self::slow_body(),
            UpstreamError::Connect(_) => failed("the connection cannot be opened"),
            UpstreamError::Connection(_) => failed("the connection failed"),
            UpstreamError::SwitchingProtocols => failed("the server requested another protocol"),
            UpstreamError::Timeout(timeout) => Self::code(
                GatewayOutcome::UpstreamFailed,
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                format!(
                    "No response from Svix within {} s; it may have processed the request nevertheless.",
                    timeout.as_secs_f32()
                ),
            ),
        }
    }
}

/// The Svix server.
pub(super) struct Upstream {
    pool: Pool,
    scheme: Scheme,
    authority: Authority,
    /// Precedes every path; usually empty.
    prefix: String,
    /// Value of the `Host` header.
    host: HeaderValue,
    timeout: Duration,
}

type Connector<C> = Client<HttpsConnector<C>, Body>;

enum Pool {
    Direct(Connector<HttpConnector>),
    /// Through the proxy that environment variables name.
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

    /// Forwards a request, and returns the response when its headers have arrived; its body follows as it arrives. The
    /// request is sent once, and redirects are not followed.
    pub(super) async fn forward(
        &self,
        mut parts: request::Parts,
        body: Body,
    ) -> Result<Response<Body>, UpstreamError> {
        if headers::hops(&parts.headers) >= MAX_HOPS {
            return Err(UpstreamError::Loop);
        }
        let uri = parts.uri.path_and_query().and_then(|path| self.uri(path));
        parts.uri = uri.ok_or(UpstreamError::Path)?;
        parts.version = Version::HTTP_11;
        headers::to_upstream(&mut parts.headers, &self.host);
        let response = self.send(Request::from_parts(parts, body)).await?;
        let (mut parts, incoming) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(headers::WARNING);
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, Body::stream(incoming, u64::MAX, self.timeout)))
    }

    /// Returns the URI of a path on the server.
    fn uri(&self, path_and_query: &PathAndQuery) -> Option<Uri> {
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

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
        let response = async {
            match &self.pool {
                Pool::Direct(client) => client.request(request).await,
                Pool::Tunnelled(client) => client.request(request).await,
            }
        };
        let response = tokio::time::timeout(self.timeout, response)
            .await
            .map_err(|_| UpstreamError::Timeout(self.timeout))??;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::SwitchingProtocols);
        }
        Ok(response)
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
    let mut roots = Vec::new();
    if let Some(pem) = ca_bundle {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.push(certificate.map_err(InvalidCaBundle::Pem)?);
        }
        if roots.is_empty() {
            return Err(InvalidCaBundle::Empty.into());
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Verifier::new_with_extra_roots(roots, provider.clone()).map_err(|error| match ca_bundle {
            Some(_) => InvalidCaBundle::Root(error).into(),
            None => InvalidUpstream::Tls(error),
        })?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(InvalidUpstream::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Returns an address for an error message: without what precedes an `@`.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}…@{}", &url[..start + 3], &url[at + 1..]),
        _ => url.to_owned(),
    }
}
