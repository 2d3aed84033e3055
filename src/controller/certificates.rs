//! Manages the webhook's certificates in Kubernetes: the Secret that contains them, and the CA bundle in the webhook
//! configuration.
//!
//! Every replica watches the Secret and serves with its certificate. The holder of a Lease writes: it carries out the steps
//! of [`plan()`]. Each write names the resource version that was read.

use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::ValidatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt as _, watcher},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::certificates::{
        CertificateBundle, IssueError, Policy, SecretData, ServingCertificate, Step, apply_step, plan,
    },
    telemetry::{AdmissionMetrics, Gate},
};

use super::{
    MANAGER,
    errors::{WatchLog, describe, is_forbidden},
    lease::{LeaderElection, LeaseConfig, LeaseError, Term},
};

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

/// Why the certificates cannot be managed at the moment. It is logged and retried.
#[derive(Debug, thiserror::Error)]
enum CertificateError {
    #[error("{action}: {}", describe(source))]
    Kubernetes { action: &'static str, source: Box<kube::Error> },
    #[error(transparent)]
    Issue(#[from] IssueError),
}

fn failed(action: &'static str) -> impl FnOnce(kube::Error) -> CertificateError {
    move |source| CertificateError::Kubernetes { action, source: Box::new(source) }
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
    let keeper = Keeper {
        secrets: Api::namespaced(client.clone(), &config.namespace),
        configurations: Api::all(client),
        config,
        serving,
        metrics,
        registered,
        registration: Mutex::default(),
        changed: Notify::new(),
        last_usable: Mutex::default(),
    };
    let lead = async {
        while !stop.is_cancelled() {
            let Some(leadership) = stop.run_until_cancelled(election.acquire()).await else { return };
            let term = leadership.term();
            if stop.run_until_cancelled(keeper.lead(&term)).await.is_some() {
                continue;
            }
            if let Err(error) = leadership.release().await {
                tracing::warn!(%error, "cannot release the Lease; it expires by itself");
            }
        }
    };
    let follow = async { tokio::join!(keeper.follow_secret(), keeper.follow_configuration()) };
    let follow = stop.run_until_cancelled(follow);
    tokio::join!(follow, lead);
    Ok(())
}

/// What is known of the webhook configuration. Until its CA bundles trust the serving certificate, the API server rejects
/// every create, so the pod is not ready: a finished rollout is one that works.
#[derive(Debug, Default)]
enum Registration {
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

struct Keeper {
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
    config: CertificateConfig,
    serving: ServingCertificate,
    metrics: AdmissionMetrics,
    /// Ready when the webhook configuration trusts the serving certificate.
    registered: Gate,
    registration: Mutex<Registration>,
    /// The Secret or the webhook configuration changed.
    changed: Notify,
    /// The last usable contents of the Secret, whose authorities stay trusted when the Secret is deleted.
    last_usable: Mutex<Option<CertificateBundle>>,
}

/// The Secret as it was read.
struct Stored {
    secret: Option<Secret>,
    bundle: CertificateBundle,
}

/// The CA bundle in the webhook configuration, and since when it is there.
type Published = Option<(String, Timestamp)>;

impl Keeper {
    async fn follow_secret(&self) {
        let stream = watcher::watch_object(self.secrets.clone(), &self.config.secret).default_backoff();
        pin_mut!(stream);
        let mut log = WatchLog::of("Secret", Some(&self.config.namespace));
        while let Some(item) = stream.next().await {
            if item.is_ok() {
                log.works();
            }
            match item {
                Ok(Some(secret)) => {
                    self.serve_with(&CertificateBundle::parse(&data_of(&secret)));
                    self.changed.notify_one();
                }
                Ok(None) => self.changed.notify_one(),
                Err(error) => log.failed(&error),
            }
        }
    }

    async fn follow_configuration(&self) {
        let Some(name) = &self.config.configuration else {
            return self.set_registration(Registration::NotOurs);
        };
        let stream = watcher::watch_object(self.configurations.clone(), name).default_backoff();
        pin_mut!(stream);
        let mut log = WatchLog::of("ValidatingWebhookConfiguration", None);
        while let Some(item) = stream.next().await {
            match item {
                Ok(found) => {
                    log.works();
                    self.set_registration(found.map_or(Registration::NotOurs, |found| {
                        let webhooks = found.webhooks.into_iter().flatten();
                        let ca_bundles = webhooks.map(|webhook| {
                            webhook.client_config.ca_bundle.map(|bundle| bundle.0).unwrap_or_default()
                        });
                        Registration::CaBundles(ca_bundles.collect())
                    }));
                    self.changed.notify_one();
                }
                Err(error) => {
                    if is_forbidden(&error) {
                        self.set_registration(Registration::NotOurs);
                    }
                    log.failed(&error);
                }
            }
        }
    }

    /// Records what is known of the webhook configuration.
    fn set_registration(&self, registration: Registration) {
        let mut known = self.registration.lock();
        if !matches!(*known, Registration::Trusted) {
            *known = registration;
        }
        drop(known);
        self.update_readiness();
    }

    /// Compares the webhook configuration with the serving certificate, and sets the readiness.
    fn update_readiness(&self) {
        let mut known = self.registration.lock();
        if matches!(&*known, Registration::CaBundles(bundles) if self.serving.is_trusted_by(bundles)) {
            *known = Registration::Trusted;
        }
        self.registered.set(matches!(*known, Registration::NotOurs | Registration::Trusted));
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
        self.update_readiness();
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
        let stored = self.read().await?;
        let ca_bundle = stored.bundle.ca_bundle();
        // An authority that is published already can renew certificates even if publishing fails now.
        let publishing = match !ca_bundle.is_empty() && term.is_valid() {
            true => self.publish(&ca_bundle, published).await,
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
            self.publish(&next.ca_bundle(), published).await?;
            tokio::time::sleep(policy.settle).await;
        }
        if term.is_valid() {
            self.write(stored.secret, &next).await?;
            tracing::info!(?step, secret = self.config.secret, "certificates updated");
        }
        publishing?;
        Ok(Duration::ZERO)
    }

    async fn read(&self) -> Result<Stored, CertificateError> {
        let secret = self
            .secrets
            .get_opt(&self.config.secret)
            .await
            .map_err(failed("cannot read the certificates' Secret"))?;
        let bundle =
            secret.as_ref().map(|secret| CertificateBundle::parse(&data_of(secret))).unwrap_or_default();
        Ok(Stored { secret, bundle })
    }

    async fn write(
        &self,
        secret: Option<Secret>,
        bundle: &CertificateBundle,
    ) -> Result<(), CertificateError> {
        let data = bundle.to_data().into_iter().map(|(key, value)| (key, ByteString(value))).collect();
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = match secret {
            Some(secret) => {
                let secret = Secret { data: Some(data), ..secret };
                self.secrets.replace(&self.config.secret, &parameters, &secret).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.config.secret.clone()), ..ObjectMeta::default() };
                let type_ = Some("kubernetes.io/tls".to_owned());
                self.secrets
                    .create(&parameters, &Secret { metadata, data: Some(data), type_, ..Secret::default() })
                    .await
            }
        };
        match written {
            Ok(_) => Ok(()),
            // Another process wrote first; the next reconciliation reads its data.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(failed("cannot write the certificates' Secret")(error)),
        }
    }

    /// Writes the CA bundle into the webhook configuration if it is not there, and records since when it is there.
    async fn publish(&self, ca_bundle: &str, published: &mut Published) -> Result<(), CertificateError> {
        let Some(name) = &self.config.configuration else {
            // Another program writes the bundle at an unknown time; it counts as published from now on.
            if published.as_ref().is_none_or(|(known, _)| known != ca_bundle) {
                *published = Some((ca_bundle.to_owned(), Timestamp::now()));
            }
            return Ok(());
        };
        let Some(found) = self
            .configurations
            .get_opt(name)
            .await
            .map_err(failed("cannot read the webhook configuration"))?
        else {
            *published = None;
            tracing::debug!(configuration = name, "the webhook configuration does not exist yet");
            return Ok(());
        };
        let webhooks = found.webhooks.unwrap_or_default();
        let differs = |current: &Option<ByteString>| {
            current.as_ref().is_none_or(|current| current.0 != ca_bundle.as_bytes())
        };
        let outdated: Vec<_> = webhooks
            .iter()
            .filter(|webhook| differs(&webhook.client_config.ca_bundle))
            .map(|webhook| {
                let ca_bundle = ByteString(ca_bundle.as_bytes().to_vec());
                json!({"name": webhook.name, "clientConfig": {"caBundle": ca_bundle}})
            })
            .collect();
        if !outdated.is_empty() {
            *published = None;
            let parameters =
                PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            // A strategic merge patch merges webhooks by name: no other field changes.
            let patch = Patch::Strategic(json!({"webhooks": outdated}));
            self.configurations
                .patch(name, &parameters, &patch)
                .await
                .map_err(failed("cannot write the CA bundle into the webhook configuration"))?;
            tracing::info!(configuration = name, "CA bundle written");
        }
        if published.as_ref().is_none_or(|(known, _)| known != ca_bundle) {
            *published = Some((ca_bundle.to_owned(), Timestamp::now()));
        }
        Ok(())
    }
}

fn data_of(secret: &Secret) -> SecretData {
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}
