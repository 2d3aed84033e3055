//! Manages the webhook's certificates in Kubernetes: the Secret that contains them, and the CA bundle in the webhook
//! configuration.
//!
//! Every replica watches the Secret and serves with its certificate. The holder of a Lease writes: it carries out the steps
//! of [`plan()`]. Each write names the resource version that was read.

mod ca_bundle;
mod error;
mod registration;
mod secret;

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::certificates::{CertificateBundle, Policy, ServingCertificate, Step, apply_step, plan},
    telemetry::{AdmissionMetrics, Gate},
};

use super::{
    lease::{LeaderElection, LeaseConfig, LeaseError, Term},
    watch::{ObjectState, WatchLog, watch_object},
};

use ca_bundle::{CaBundlePublisher, Published};
use error::CertificateError;
use registration::{ConfigurationState, Registration};
use secret::SecretStore;

/// Delay after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// Maximum delay: clocks jump, and a watch may miss a change.
const MAX_DELAY: Duration = Duration::from_secs(600);

/// Where the certificates are, and their lifetimes.
#[derive(Clone, Debug)]
pub struct CertificateConfig {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the ValidatingWebhookConfiguration whose CA bundle is managed; `None` if another program manages it.
    pub configuration: Option<String>,
    /// DNS names or IP addresses at which the API server calls the webhook.
    pub names: Vec<String>,
    /// Lifetimes and delays.
    pub policy: Policy,
    /// The Lease whose holder writes.
    pub lease: LeaseConfig,
}

/// Watches the Secret and sets `serving` to its certificate, until `stop`. While it holds the Lease, it also writes the
/// Secret and the CA bundle. `registered` becomes ready when the API server trusts the serving certificate; see
/// [`Registration`].
///
/// # Errors
/// When the durations of the Lease contradict each other. Other errors are logged and retried.
pub async fn keep_certificates(
    client: Client,
    config: CertificateConfig,
    serving: ServingCertificate,
    metrics: AdmissionMetrics,
    registered: Gate,
    stop: CancellationToken,
) -> Result<(), LeaseError> {
    let election = LeaderElection::new(client.clone(), config.lease.clone())?;
    let manager = CertificateManager {
        secret: SecretStore::new(client.clone(), &config.namespace, &config.secret),
        ca_bundle: CaBundlePublisher::new(client, config.configuration.as_deref()),
        registration: Registration::new(serving.clone(), registered),
        config,
        serving,
        metrics,
        changed: Notify::new(),
        last_usable: Mutex::default(),
    };
    let lead = async {
        while !stop.is_cancelled() {
            let Some(leadership) = stop.run_until_cancelled(election.acquire()).await else { return };
            let term = leadership.term();
            if stop.run_until_cancelled(manager.lead(&term)).await.is_some() {
                continue;
            }
            if let Err(error) = leadership.release().await {
                tracing::warn!(%error, "cannot release the Lease; it expires by itself");
            }
        }
    };
    let watch = async { tokio::join!(manager.watch_secret(), manager.watch_configuration()) };
    let watch = stop.run_until_cancelled(watch);
    tokio::join!(watch, lead);
    Ok(())
}

/// Manages the certificates of this process.
struct CertificateManager {
    secret: SecretStore,
    ca_bundle: CaBundlePublisher,
    registration: Registration,
    config: CertificateConfig,
    serving: ServingCertificate,
    metrics: AdmissionMetrics,
    /// The Secret or the webhook configuration changed.
    changed: Notify,
    /// The last usable contents of the Secret, whose authorities stay trusted when the Secret is deleted.
    last_usable: Mutex<Option<CertificateBundle>>,
}

impl CertificateManager {
    async fn watch_secret(&self) {
        let log = WatchLog::new("Secret", Some(&self.config.namespace));
        watch_object(self.secret.api.clone(), &self.secret.name, log, |state| match state {
            ObjectState::Exists(secret) => {
                self.serve_with(&secret::parse(&secret));
                self.changed.notify_one();
            }
            ObjectState::Missing => self.changed.notify_one(),
            ObjectState::Forbidden => {}
        })
        .await;
    }

    async fn watch_configuration(&self) {
        let Some(name) = &self.ca_bundle.name else {
            return self.registration.set(ConfigurationState::NotOurs);
        };
        let log = WatchLog::new("ValidatingWebhookConfiguration", None);
        watch_object(self.ca_bundle.api.clone(), name, log, |state| match state {
            ObjectState::Exists(found) => {
                let webhooks = found.webhooks.into_iter().flatten();
                let ca_bundles = webhooks.map(|webhook| {
                    webhook.client_config.ca_bundle.map(|bundle| bundle.0).unwrap_or_default()
                });
                self.registration.set(ConfigurationState::CaBundles(ca_bundles.collect()));
                self.changed.notify_one();
            }
            ObjectState::Missing => {
                self.registration.set(ConfigurationState::NotOurs);
                self.changed.notify_one();
            }
            ObjectState::Forbidden => self.registration.set(ConfigurationState::NotOurs),
        })
        .await;
    }

    /// Serves with the certificate of the Secret, if it is usable.
    fn serve_with(&self, bundle: &CertificateBundle) {
        let Some(pair) = bundle.pair() else {
            self.metrics.certificate_reloaded(false);
            tracing::warn!(secret = self.config.secret, "the Secret has no usable certificate and key");
            return;
        };
        *self.last_usable.lock() = Some(bundle.clone());
        self.metrics.certificate_end("serving", pair.validity.not_after.as_second());
        if let Some(expiry) = bundle.authority_expiry() {
            self.metrics.certificate_end("ca", expiry.as_second());
        }
        let not_after = pair.validity.not_after;
        if self.serving.replace(pair) {
            self.metrics.certificate_reloaded(true);
            tracing::info!(secret = self.config.secret, %not_after, "serving with a new certificate");
        }
        self.registration.update_readiness();
    }

    /// Manages the Secret and the CA bundle until the term is lost.
    async fn lead(&self, term: &Term) {
        let mut published = None;
        while term.is_valid() {
            let (delay, is_failure) = match self.reconcile(term, &mut published).await {
                Ok(delay) => (delay, false),
                Err(error) => {
                    tracing::warn!(%error, "cannot manage the certificates; retrying");
                    (RETRY, true)
                }
            };
            tokio::select! {
                _ = term.lost() => {}
                () = tokio::time::sleep(delay.min(MAX_DELAY)) => {}
                // Changes do not shorten the delay after a failure.
                () = self.changed.notified(), if !is_failure => {}
            }
        }
    }

    /// Carries out at most one step. Returns the delay until the next one.
    async fn reconcile(&self, term: &Term, published: &mut Published) -> Result<Duration, CertificateError> {
        let stored = self.secret.read().await?;
        let ca_bundle = stored.bundle.ca_bundle();
        // An authority that is published already can renew certificates even if publishing fails now.
        let publishing = match !ca_bundle.is_empty() && term.is_valid() {
            true => self.ca_bundle.publish(&ca_bundle, published).await,
            false => Ok(()),
        };
        let CertificateConfig { names, policy, .. } = &self.config;
        let now = Timestamp::now();
        let since = published.as_ref().map(|(_, since)| *since);
        let step = plan(&stored.bundle.state(names, since), policy, now);
        if let Step::Wait(until) = step {
            publishing?;
            let milliseconds = until.duration_since(now).as_millis().max(50);
            return Ok(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)));
        }
        let base = match step {
            Step::Begin => {
                let last = self.last_usable.lock().clone();
                stored.bundle.clone().with_trust_of(last.as_ref(), now)
            }
            _ => stored.bundle.clone(),
        };
        let next = apply_step(step, &base, names, policy, now)?;
        if step == Step::Begin && !base.ca_bundle().is_empty() {
            // Other replicas serve with the previous certificate; the new authority is published before it is used.
            self.ca_bundle.publish(&next.ca_bundle(), published).await?;
            tokio::time::sleep(policy.settle).await;
        }
        if term.is_valid() {
            self.secret.write(stored, &next).await?;
            tracing::info!(?step, secret = self.config.secret, "certificates updated");
        }
        publishing?;
        Ok(Duration::ZERO)
    }
}
