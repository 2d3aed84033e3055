//! The certificate that new connections get. It is swapped while connections go on.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::Pair;

/// The certificate of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServingCertificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pair: ArcSwapOption<Pair>,
    there: watch::Sender<bool>,
}

impl Default for ServingCertificate {
    fn default() -> Self {
        Self(Arc::new(Inner { pair: ArcSwapOption::empty(), there: watch::Sender::new(false) }))
    }
}

impl ServingCertificate {
    /// Serves with another certificate from now on. Answers whether it is another one.
    pub fn replace(&self, pair: Pair) -> bool {
        if self.0.pair.load().as_ref().is_some_and(|present| present.same(&pair)) {
            return false;
        }
        self.0.pair.store(Some(Arc::new(pair)));
        self.0.there.send_replace(true);
        true
    }

    /// Whether there is a certificate, and each of these bundles of authorities trusts it.
    pub fn is_trusted_by(&self, bundles: &[Vec<u8>]) -> bool {
        let pair = self.0.pair.load();
        pair.as_ref().is_some_and(|pair| bundles.iter().all(|bundle| pair.is_trusted_by(bundle)))
    }

    /// Waits until there is a certificate; before, no connection comes about.
    pub async fn wait(&self) {
        // The sender lives as long as this handle.
        let _ = self.0.there.subscribe().wait_for(|there| *there).await;
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.pair.load().as_ref().map(|pair| pair.certified.clone())
    }
}
