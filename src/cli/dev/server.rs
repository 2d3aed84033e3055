//! The Svix server of `dev`: the embedded one, or the one that `--svix-url` names.

use std::net::SocketAddr;

use crate::{
    cli::svix_server::{self, check_url},
    embedded::{self, DeliveryOptions, EmbeddedSvix, HeaderNames},
    manifests::Server,
};

use super::error::DevError;

/// The Svix that objects are reconciled into.
pub(super) struct SvixServer {
    pub(super) url: String,
    pub(super) token: String,
    /// The environment variable that the token is from; `None`: that of the embedded server.
    token_variable: Option<&'static str>,
    /// `None`: a server that `--svix-url` names.
    pub(super) embedded: Option<EmbeddedSvix>,
}

impl SvixServer {
    /// Uses the server at `url`, or starts the embedded one, which listens at `listen`, has this token or a random one, and
    /// signs its deliveries in headers with these names.
    pub(super) async fn start(
        url: Option<&str>,
        listen: SocketAddr,
        token: Option<String>,
        header_names: HeaderNames,
    ) -> Result<Self, DevError> {
        let Some(url) = url else {
            let options = embedded::Options {
                listen,
                record_calls: false,
                delivery: DeliveryOptions { header_names, ..DeliveryOptions::default() },
                token,
            };
            let svix = EmbeddedSvix::start(options)
                .await
                .map_err(|source| DevError::EmbeddedSvix { address: listen, source })?;
            let token = svix.token().to_owned();
            return Ok(Self { url: svix.url(), token, token_variable: None, embedded: Some(svix) });
        };
        let token = svix_server::token().map_err(DevError::Server)?;
        check_url(url).map_err(DevError::Server)?;
        Ok(Self {
            url: url.to_owned(),
            token: token.value,
            token_variable: Some(token.variable),
            embedded: None,
        })
    }

    /// The server as the objects of the folder use it.
    pub(super) fn for_manifests(&self) -> Server<'_> {
        let is_embedded = self.embedded.is_some();
        Server {
            url: &self.url,
            token: &self.token,
            token_source: self.token_variable.map(|variable| match variable {
                svix_server::TOKEN => "the token in the environment variable SVIX_TOKEN",
                _ => "the token in the environment variable SVIX_AUTH_TOKEN",
            }),
            is_embedded,
        }
    }

    /// The token as a shell gets it from what is printed. That of a server outside is not printed.
    pub(super) fn printable_token(&self) -> String {
        self.token_variable.map_or_else(|| self.token.clone(), |variable| format!("${variable}"))
    }
}
