//! The Svix server behind the gateway: forwards requests to it over a pool of connections.

mod error;
mod tls;

use std::{sync::Arc, time::Duration};

use hyper::{
    Request, Response, StatusCode, Uri, Version,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT, VIA},
    http::{
        request,
        uri::{Authority, PathAndQuery, Scheme},
    },
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
use rustls::ClientConfig;

use super::{body::Body, headers};

use tls::client_config;

pub use error::InvalidUpstream;
pub(super) use error::UpstreamError;

/// Maximum number of gateways that a request may pass; more mean a forwarding loop.
const MAX_HOPS: usize = 8;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; Svix Cloud closes them after a minute.
const IDLE: Duration = Duration::from_secs(30);

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
        let tls = Arc::new(client_config(ca_bundle)?);
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
        Ok(self.forwarded(self.send(Request::from_parts(parts, body)).await?))
    }

    /// Returns the response of the server as it is forwarded to the caller. Its body follows as it arrives.
    pub(super) fn forwarded(&self, response: Response<Incoming>) -> Response<Body> {
        let (mut parts, incoming) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(headers::WARNING);
        parts.version = Version::HTTP_11;
        Response::from_parts(parts, Body::stream(incoming, u64::MAX, self.timeout))
    }

    /// Reads a path with the credentials of a request, and returns the response when its headers have arrived.
    pub(super) async fn get(
        &self,
        path: &str,
        asked: &HeaderMap,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if headers::hops(asked) >= MAX_HOPS {
            return Err(UpstreamError::Loop);
        }
        let uri =
            PathAndQuery::try_from(path).ok().and_then(|path| self.uri(&path)).ok_or(UpstreamError::Path)?;
        let mut request = Request::new(Body::full(Bytes::new()));
        *request.uri_mut() = uri;
        // No other headers: a content coding that the caller accepts would have to be decoded here.
        for name in [AUTHORIZATION, USER_AGENT, VIA] {
            for value in asked.get_all(&name) {
                request.headers_mut().append(name.clone(), value.clone());
            }
        }
        headers::to_upstream(request.headers_mut(), &self.host);
        self.send(request).await
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

/// Returns an address for an error message: without what precedes an `@`.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}…@{}", &url[..start + 3], &url[at + 1..]),
        _ => url.to_owned(),
    }
}
