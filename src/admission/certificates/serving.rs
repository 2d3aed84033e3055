//! The certificate that new connections get. It is swapped while connections go on.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::Pair;

/// The certificate of the server. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ServingCertificate(Arc<ArcSwapOption<Pair>>);

impl ServingCertificate {
    /// Serves with another certificate from now on. Answers whether it is another one.
    pub fn replace(&self, pair: Pair) -> bool {
        if self.0.load().as_ref().is_some_and(|present| present.same(&pair)) {
            return false;
        }
        self.0.store(Some(Arc::new(pair)));
        true
    }

    /// What is served with; `None`: there is none yet, and no connection comes about.
    #[must_use]
    pub fn present(&self) -> Option<Arc<Pair>> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|pair| pair.certified.clone())
    }
}
