//! The certificates of the webhook in Kubernetes: the Secret that contains them, and the bundle in the webhook
//! configuration.
//!
//! Every replica watches the Secret and serves the certificate in it. The leader of a Lease writes: it carries out the steps
//! of [`certificates::plan`](plan()). Each write is bound to the version that was read.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::ValidatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::certificates::{
        Held, IssueError, Policy, SecretData, ServingCertificate, Step, carried_out, plan,
    },
    telemetry::{AdmissionMetrics, Gate},
};

use super::{
    errors::describe,
    lease::{LeaderElection, LeaseConfig, LeaseError, Term},
    manager::MANAGER,
    watch::{ObjectState, WatchLog, watch_object},
};

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// The longest pause: clocks jump, and a watch may miss a change.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The objects in Kubernetes, and the lifetimes of certificates.
#[derive(Clone, Debug)]
pub struct CertificateConfig {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the ValidatingWebhookConfiguration whose bundle is maintained here; `None`: somebody else maintains it.
    pub configuration: Option<String>,
    /// DNS names or IP addresses under which the API server calls the webhook.
    pub names: Vec<String>,
    /// The lifetimes of certificates.
    pub policy: Policy,
    /// The Lease whose leader writes.
    pub lease: LeaseConfig,
}

/// Why a step failed. It is logged and tried again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("{action}: {}", describe(source))]
    Kubernetes { action: &'static str, source: Box<kube::Error> },
    #[error(transparent)]
    Issue(#[from] IssueError),
}

fn during(action: &'static str) -> impl FnOnce(kube::Error) -> StepError {
    move |source| StepError::Kubernetes { action, source: Box::new(source) }
}

/// Watches the Secret and, while this process leads, maintains it and the bundle, until `stop` is cancelled. `serving`
/// receives the certificate in the Secret. `registered` becomes ready when the API server can trust it; see
/// [`Registration`].
///
/// # Errors
/// The times of the lease contradict each other. Nothing else ends it.
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
        last_bundle: Mutex::default(),
    };
    let lead = async {
        while !stop.is_cancelled() {
            let Some(leadership) = stop.run_until_cancelled(election.acquire()).await else { return };
            let term = leadership.term();
            if stop.run_until_cancelled(keeper.lead(&term)).await.is_some() {
                continue;
            }
            if let Err(error) = leadership.release().await {
                tracing::warn!(%error, "cannot release the lease; it expires by itself");
            }
        }
    };
    let watch = async { tokio::join!(keeper.watch_secret(), keeper.watch_configuration()) };
    let watch = stop.run_until_cancelled(watch);
    tokio::join!(watch, lead);
    Ok(())
}

/// What is known of the webhook configuration. Until it trusts the certificate that is served, the API server refuses every
/// create, so the Pod is not ready: a rollout that has finished works.
#[derive(Debug, Default)]
enum Registration {
    /// Not read yet.
    #[default]
    Unknown,
    /// There is no configuration, or this process may not read it. Then it may not write it either, and somebody else
    /// maintains the bundle, perhaps correctly. A Pod that is never ready has every create refused for certain, so the Pod
    /// does not wait; the log says that the permission is missing.
    Unmanaged,
    /// The bundles of its webhooks.
    Bundles(Vec<Vec<u8>>),
    /// It trusted the certificate once. A bundle that somebody resets is restored within moments; taking the Pod out of
    /// service for that would stop its gateway, too.
    Trusted,
}

struct Keeper {
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
    config: CertificateConfig,
    serving: ServingCertificate,
    metrics: AdmissionMetrics,
    /// Ready when the webhook configuration trusts the certificate that is served.
    registered: Gate,
    registration: Mutex<Registration>,
    /// The Secret or the webhook configuration changed.
    changed: Notify,
    /// The last contents of the Secret, which stay trusted when the Secret is deleted.
    last_bundle: Mutex<Option<Held>>,
}

/// The Secret as it was read.
struct Stored {
    secret: Option<Secret>,
    contents: Held,
}

/// The bundle in the configuration, and since when it is there.
type Published = Option<(String, Timestamp)>;

impl Keeper {
    async fn watch_secret(&self) {
        let log = WatchLog::new("Secret", Some(&self.config.namespace));
        watch_object(self.secrets.clone(), &self.config.secret, log, |state| match state {
            ObjectState::Exists(secret) => {
                self.serve(&Held::read(&data_of(&secret)));
                self.changed.notify_one();
            }
            ObjectState::Missing => self.changed.notify_one(),
            ObjectState::Forbidden => {}
        })
        .await;
    }

    async fn watch_configuration(&self) {
        let Some(name) = &self.config.configuration else {
            return self.set_registration(Registration::Unmanaged);
        };
        let log = WatchLog::new("ValidatingWebhookConfiguration", None);
        watch_object(self.configurations.clone(), name, log, |state| match state {
            ObjectState::Exists(found) => {
                let bundle = |given: Option<ByteString>| given.map(|given| given.0).unwrap_or_default();
                let webhooks = found.webhooks.into_iter().flatten();
                let bundles = webhooks.map(|webhook| bundle(webhook.client_config.ca_bundle)).collect();
                self.set_registration(Registration::Bundles(bundles));
                self.changed.notify_one();
            }
            ObjectState::Missing => {
                self.set_registration(Registration::Unmanaged);
                self.changed.notify_one();
            }
            ObjectState::Forbidden => self.set_registration(Registration::Unmanaged),
        })
        .await;
    }

    /// Records what is known of the webhook configuration.
    fn set_registration(&self, now: Registration) {
        let mut known = self.registration.lock();
        if !matches!(*known, Registration::Trusted) {
            *known = now;
        }
        drop(known);
        self.update_gate();
    }

    /// Opens the gate when the configuration trusts the certificate that is served.
    fn update_gate(&self) {
        let mut known = self.registration.lock();
        if matches!(&*known, Registration::Bundles(bundles) if self.serving.is_trusted_by(bundles)) {
            *known = Registration::Trusted;
        }
        self.registered.set(matches!(*known, Registration::Unmanaged | Registration::Trusted));
    }

    /// Serves the certificate in the Secret.
    fn serve(&self, contents: &Held) {
        let Some(pair) = contents.pair() else {
            self.metrics.certificate_reloaded(false);
            tracing::warn!(secret = self.config.secret, "the Secret contains no certificate with its key");
            return;
        };
        *self.last_bundle.lock() = Some(contents.clone());
        self.metrics.certificate_end("serving", pair.validity.not_after.as_second());
        if let Some(end) = contents.authority_end() {
            self.metrics.certificate_end("ca", end.as_second());
        }
        let not_after = pair.validity.not_after;
        if self.serving.replace(pair) {
            self.metrics.certificate_reloaded(true);
            tracing::info!(secret = self.config.secret, %not_after, "serving another certificate");
        }
        self.update_gate();
    }

    /// Maintains the Secret and the bundle until the term is lost.
    async fn lead(&self, term: &Term) {
        let mut published = None;
        while term.is_valid() {
            let pause = match self.step(term, &mut published).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "cannot maintain the certificates; it is tried again");
                    RETRY
                }
            };
            tokio::select! {
                _ = term.lost() => {}
                () = tokio::time::sleep(pause.min(LONGEST_PAUSE)) => {}
                // The pause after a failure is not cut short.
                () = self.changed.notified(), if pause != RETRY => {}
            }
        }
    }

    /// Reads everything and carries out at most one step. Returns the pause until the next one.
    async fn step(&self, term: &Term, published: &mut Published) -> Result<Duration, StepError> {
        let stored = self.read().await?;
        let bundle = stored.contents.bundle();
        // A certificate of an authority that is published is renewed even when nothing can be published now.
        let publishing = match !bundle.is_empty() && term.is_valid() {
            true => self.publish(&bundle, published).await,
            false => Ok(()),
        };
        let CertificateConfig { names, policy, .. } = &self.config;
        let now = Timestamp::now();
        let since = published.as_ref().map(|(_, since)| *since);
        let step = plan(&stored.contents.state(names, since), policy, now);
        if let Step::Wait(until) = step {
            publishing?;
            let seconds = until.duration_since(now).as_millis().max(50);
            return Ok(Duration::from_millis(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        let base = match step {
            Step::Begin => {
                let last = self.last_bundle.lock().clone();
                stored.contents.clone().trusting(last.as_ref(), now)
            }
            _ => stored.contents.clone(),
        };
        let next = carried_out(step, &base, names, policy, now)?;
        if step == Step::Begin && !base.bundle().is_empty() {
            // Other replicas serve the previous certificate, so the new authority is published before it is used.
            self.publish(&next.bundle(), published).await?;
            tokio::time::sleep(policy.settle).await;
        }
        if term.is_valid() {
            self.write(stored.secret, &next).await?;
            tracing::info!(?step, secret = self.config.secret, "certificates written");
        }
        publishing?;
        Ok(Duration::ZERO)
    }

    async fn read(&self) -> Result<Stored, StepError> {
        let secret = self
            .secrets
            .get_opt(&self.config.secret)
            .await
            .map_err(during("reading the certificates' Secret"))?;
        let contents = secret.as_ref().map(|secret| Held::read(&data_of(secret))).unwrap_or_default();
        Ok(Stored { secret, contents })
    }

    async fn write(&self, secret: Option<Secret>, contents: &Held) -> Result<(), StepError> {
        let data = contents.data().into_iter().map(|(key, value)| (key, ByteString(value))).collect();
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
            // Somebody else was faster; the next step reads what there is now.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(during("writing the certificates' Secret")(error)),
        }
    }

    /// Writes the bundle into the configuration unless it is there, and records since when it is.
    async fn publish(&self, bundle: &str, published: &mut Published) -> Result<(), StepError> {
        let Some(name) = &self.config.configuration else {
            // It is unknown when somebody else writes it, so the time since now has to be enough.
            if published.as_ref().is_none_or(|(known, _)| known != bundle) {
                *published = Some((bundle.to_owned(), Timestamp::now()));
            }
            return Ok(());
        };
        let Some(found) =
            self.configurations.get_opt(name).await.map_err(during("reading the webhook configuration"))?
        else {
            *published = None;
            tracing::debug!(configuration = name, "the webhook configuration does not exist yet");
            return Ok(());
        };
        let webhooks = found.webhooks.unwrap_or_default();
        let differs =
            |given: &Option<ByteString>| given.as_ref().is_none_or(|given| given.0 != bundle.as_bytes());
        let wrong: Vec<_> = webhooks
            .iter()
            .filter(|webhook| differs(&webhook.client_config.ca_bundle))
            .map(|webhook| {
                let bundle = ByteString(bundle.as_bytes().to_vec());
                json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}})
            })
            .collect();
        if !wrong.is_empty() {
            *published = None;
            let parameters =
                PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            // Webhooks are merged by their names, so nothing else changes.
            let patch = Patch::Strategic(json!({"webhooks": wrong}));
            self.configurations
                .patch(name, &parameters, &patch)
                .await
                .map_err(during("writing the bundle into the webhook configuration"))?;
            tracing::info!(configuration = name, "wrote the bundle of authorities");
        }
        if published.as_ref().is_none_or(|(known, _)| known != bundle) {
            *published = Some((bundle.to_owned(), Timestamp::now()));
        }
        Ok(())
    }
}

fn data_of(secret: &Secret) -> SecretData {
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}
