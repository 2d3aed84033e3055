//! Whether the API server trusts the serving certificate, and the readiness that follows from it.

use parking_lot::Mutex;

use crate::{admission::certificates::ServingCertificate, telemetry::Gate};

/// What is known of the webhook configuration. Until its CA bundles trust the serving certificate, the API server rejects
/// every create, so the pod is not ready: a finished rollout is one that works.
#[derive(Debug, Default)]
pub enum ConfigurationState {
    /// Not read yet.
    #[default]
    Unknown,
    /// There is no configuration, or this process may not read it. A process that may not read it may not write it either,
    /// so another program manages the CA bundle. This does not affect readiness: with a pod that is never ready, every
    /// create would be rejected. The log reports the missing permission.
    NotOurs,
    /// The CA bundles of its webhooks.
    CaBundles(Vec<Vec<u8>>),
    /// It trusted the certificate once. A bundle that somebody resets is restored within moments; a pod that became
    /// unready meanwhile would take the gateway in it out of service, too.
    Trusted,
}

/// Compares the webhook configuration with the serving certificate.
pub struct Registration {
    state: Mutex<ConfigurationState>,
    serving: ServingCertificate,
    /// Ready when the webhook configuration trusts the serving certificate.
    gate: Gate,
}

impl Registration {
    /// Starts with an unknown configuration.
    pub fn new(serving: ServingCertificate, gate: Gate) -> Self {
        Self { state: Mutex::default(), serving, gate }
    }

    /// Records what is known of the webhook configuration.
    pub fn set(&self, state: ConfigurationState) {
        let mut known = self.state.lock();
        if !matches!(*known, ConfigurationState::Trusted) {
            *known = state;
        }
        drop(known);
        self.update_readiness();
    }

    /// Compares the webhook configuration with the serving certificate, and sets the readiness.
    pub fn update_readiness(&self) {
        let mut known = self.state.lock();
        if matches!(&*known, ConfigurationState::CaBundles(bundles) if self.serving.is_trusted_by(bundles)) {
            *known = ConfigurationState::Trusted;
        }
        self.gate.set(matches!(*known, ConfigurationState::NotOurs | ConfigurationState::Trusted));
    }
}
