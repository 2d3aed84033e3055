//! The gateway in front of the Svix server of `dev`, and the catalogue that the folder feeds.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ChannelEncoding, DEFAULT_CONNECTION, SvixConnectionSpec},
    catalogue::Catalogue,
    gateway::{self, Gateway, Scope, Surface},
    manifests::{CatalogueSource, Interrupted, Loaded},
    telemetry::Metrics,
};

use super::{error::DevError, lines::Lines, traffic};

pub(super) struct GatewayFront {
    gateway: Gateway,
    source: CatalogueSource,
    encoding_tx: watch::Sender<ChannelEncoding>,
}

impl GatewayFront {
    /// Starts the gateway. A line for each message is added to `lines`.
    pub(super) async fn start(
        listen: SocketAddr,
        svix_url: &str,
        surface: Surface,
        lines: Option<Arc<Lines>>,
        shutdown: &CancellationToken,
    ) -> Result<Self, DevError> {
        let catalogue = Catalogue::default();
        let (encoding_tx, channel_encoding) = watch::channel(ChannelEncoding::default());
        let options = gateway::Options {
            listen,
            channel_encoding,
            local_only: true,
            scope: Scope { surface, ..Scope::default() },
            undeclared_advice: " in the folder",
            listener: lines
                .map(|lines| gateway::Listener::new(move |message| traffic::add_message(&lines, &message))),
            limits: gateway::Limits { grace: Duration::from_secs(2), ..gateway::Limits::default() },
            ..gateway::Options::new(svix_url)
        };
        let gateway = Gateway::start(options, catalogue.clone(), Metrics::default(), shutdown.clone())
            .await
            .map_err(DevError::Gateway)?;
        Ok(Self { gateway, source: CatalogueSource::new(catalogue), encoding_tx })
    }

    /// Updates the catalogue with the content of the folder. Its problems are in the rows of the objects, too.
    pub(super) fn update(&mut self, loaded: &Loaded, stop: &CancellationToken) -> Result<(), Interrupted> {
        self.source.update_until(loaded, stop)?;
        let encoding = self.connection().map(SvixConnectionSpec::channel_encoding);
        self.encoding_tx.send_replace(encoding.unwrap_or_default());
        Ok(())
    }

    /// The connection of the messages, if the folder declares it.
    pub(super) fn connection(&self) -> Option<&SvixConnectionSpec> {
        self.source.connection(DEFAULT_CONNECTION)
    }

    pub(super) fn url(&self) -> String {
        self.gateway.url()
    }

    /// Waits until the gateway has ended, after the shutdown token was cancelled.
    pub(super) async fn stopped(self) {
        self.gateway.stopped().await;
    }
}
