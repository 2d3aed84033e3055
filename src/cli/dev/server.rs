//! The Svix server of `dev`: the embedded one, or the one that `--svix-url` names.

use std::net::SocketAddr;

use crate::{
    cli::svix_server::{check_url, token},
    embedded::{self, DeliveryOptions, EmbeddedSvix, HeaderNames},
    manifests::Server,
};

use super::error::DevError;

/// The token of the embedded Svix: the same in each run, so that commands that were copied from the screen keep working.
const EMBEDDED_TOKEN: &str = "testsk_embedded";

/// The Svix that objects are reconciled into.
pub(super) struct SvixServer {
    pub(super) url: String,
    pub(super) token: String,
    /// `None`: a server that `--svix-url` names.
    pub(super) embedded: Option<EmbeddedSvix>,
}

impl SvixServer {
    /// Uses the server at `url`, or starts the embedded one, which listens at `listen` and signs its deliveries in headers
    /// with these names.
    pub(super) async fn start(
        url: Option<&str>,
        listen: SocketAddr,
        header_names: HeaderNames,
    ) -> Result<Self, DevError> {
        let Some(url) = url else {
            let options = embedded::Options {
                listen,
                record_calls: false,
                delivery: DeliveryOptions { header_names, ..DeliveryOptions::default() },
                token: Some(EMBEDDED_TOKEN.to_owned()),
            };
            let svix = EmbeddedSvix::start(options)
                .await
                .map_err(|source| DevError::EmbeddedSvix { address: listen, source })?;
            return Ok(Self { url: svix.url(), token: svix.token().to_owned(), embedded: Some(svix) });
        };
        let token = token().map_err(DevError::SvixUrl)?;
        check_url(url).map_err(DevError::SvixUrl)?;
        Ok(Self { url: url.to_owned(), token, embedded: None })
    }

    /// The server as the objects of the folder use it.
    pub(super) fn for_manifests(&self) -> Server<'_> {
        let is_embedded = self.embedded.is_some();
        Server {
            url: &self.url,
            token: &self.token,
            token_source: (!is_embedded).then_some("the token in the environment variable SVIX_TOKEN"),
            is_embedded,
        }
    }

    /// The token as a shell gets it from what is printed. That of a server outside is not printed.
    pub(super) fn printable_token(&self) -> &str {
        if self.embedded.is_some() { &self.token } else { "$SVIX_TOKEN" }
    }
}
