//! The certificate of new connections. Replacing it does not affect open connections.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::Pair;

/// The certificate of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServingCertificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pair: ArcSwapOption<Pair>,
    is_set: watch::Sender<bool>,
}

impl Default for ServingCertificate {
    fn default() -> Self {
        Self(Arc::new(Inner { pair: ArcSwapOption::empty(), is_set: watch::Sender::new(false) }))
    }
}

impl ServingCertificate {
    /// Sets the certificate of new connections. Returns whether it differs from the previous one.
    pub fn replace(&self, pair: Pair) -> bool {
        if self.0.pair.load().as_ref().is_some_and(|present| present.has_same_certificate(&pair)) {
            return false;
        }
        self.0.pair.store(Some(Arc::new(pair)));
        self.0.is_set.send_replace(true);
        true
    }

    /// Returns whether there is a certificate and each of these CA bundles trusts it.
    pub fn is_trusted_by(&self, bundles: &[Vec<u8>]) -> bool {
        let pair = self.0.pair.load();
        pair.as_ref().is_some_and(|pair| bundles.iter().all(|bundle| pair.is_trusted_by(bundle)))
    }

    /// Waits until there is a certificate; until then, TLS handshakes fail.
    pub async fn wait(&self) {
        // The sender lives as long as this handle.
        let _ = self.0.is_set.subscribe().wait_for(|is_set| *is_set).await;
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.pair.load().as_ref().map(|pair| pair.certified.clone())
    }
}
