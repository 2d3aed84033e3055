//! The webhook's certificates in Kubernetes: the Secret that holds them, and the bundle in the webhook
//! configuration.
//!
//! Every replica follows the Secret and serves with what is in it. The one that holds a Lease writes: it carries out
//! what [`certificates::plan`](plan()) says. Each write is bound to the version that was read.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

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
    MANAGER,
    errors::{WatchLog, describe, is_forbidden},
    lease::{LeaderElection, LeaseConfig, LeaseError, Term},
};

/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// Longest rest: clocks jump, and a watch may be silent.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Where things are, and how long they last.
#[derive(Clone, Debug)]
pub struct CertificateConfig {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the ValidatingWebhookConfiguration whose bundle is kept; `None`: somebody else does that.
    pub configuration: Option<String>,
    /// DNS names or IP addresses under which the API server calls the webhook.
    pub names: Vec<String>,
    /// How long things last.
    pub policy: Policy,
    /// The Lease that says who writes.
    pub lease: LeaseConfig,
}

/// What goes wrong in a round; it is told, and tried again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{what}: {}", describe(source))]
    Kubernetes { what: &'static str, source: Box<kube::Error> },
    #[error(transparent)]
    Issue(#[from] IssueError),
}

fn at(what: &'static str) -> impl FnOnce(kube::Error) -> Trouble {
    move |source| Trouble::Kubernetes { what, source: Box::new(source) }
}

/// Follows the Secret, and keeps it and the bundle while it leads, until `stop`. `serving` gets what the Secret holds.
/// `registered` becomes ready when the API server can trust that; see [`Registration`].
///
/// # Errors
/// When the lease's times contradict each other; nothing else ends it.
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
        last: Mutex::default(),
    };
    let lead = async {
        while !stop.is_cancelled() {
            let Some(leadership) = stop.run_until_cancelled(election.acquire()).await else { return };
            let term = leadership.term();
            if stop.run_until_cancelled(keeper.lead(&term)).await.is_some() {
                continue;
            }
            if let Err(error) = leadership.release().await {
                tracing::warn!(%error, "cannot release the lease; it runs out by itself");
            }
        }
    };
    let follow = async { tokio::join!(keeper.follow_secret(), keeper.follow_configuration()) };
    let follow = stop.run_until_cancelled(follow);
    tokio::join!(follow, lead);
    Ok(())
}

/// What is known of the webhook configuration that is kept. Until it trusts the certificate that is served, every
/// create is refused, so the pod is not ready: a rollout that is done is one that works.
#[derive(Debug, Default)]
enum Registration {
    /// Not read yet.
    #[default]
    Unknown,
    /// The API server asks nobody, or this process may not see whom. Who may not read the configuration may not write it
    /// either, so somebody else keeps the bundle, and may have done so rightly. A pod that is never ready has every
    /// create refused for certain, so this does not hold it up; the log tells of the permission.
    NotOurs,
    /// The bundles of its webhooks.
    Holds(Vec<Vec<u8>>),
    /// It trusted the certificate once. A bundle that somebody resets is restored within moments; to take the pod out of
    /// service for that would stop the gateway in it, too.
    Trusted,
}

struct Keeper {
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
    config: CertificateConfig,
    serving: ServingCertificate,
    metrics: AdmissionMetrics,
    /// Ready when the webhook configuration trusts what is served.
    registered: Gate,
    registration: Mutex<Registration>,
    /// The Secret or the webhook configuration changed.
    changed: Notify,
    /// The last that the Secret held: what is trusted when the Secret is lost.
    last: Mutex<Option<Held>>,
}

/// The Secret as it was read.
struct Stored {
    secret: Option<Secret>,
    held: Held,
}

/// Since when which bundle is in the configuration.
type Published = Option<(String, Timestamp)>;

impl Keeper {
    async fn follow_secret(&self) {
        let stream = watcher::watch_object(self.secrets.clone(), &self.config.secret).default_backoff();
        pin_mut!(stream);
        let mut log = WatchLog::of("Secret", Some(&self.config.namespace));
        while let Some(seen) = stream.next().await {
            if seen.is_ok() {
                log.works();
            }
            match seen {
                Ok(Some(secret)) => {
                    self.take(&Held::read(&data_of(&secret)));
                    self.changed.notify_one();
                }
                Ok(None) => self.changed.notify_one(),
                Err(error) => log.failed(&error),
            }
        }
    }

    async fn follow_configuration(&self) {
        let Some(name) = &self.config.configuration else { return self.registered(Registration::NotOurs) };
        let stream = watcher::watch_object(self.configurations.clone(), name).default_backoff();
        pin_mut!(stream);
        let mut log = WatchLog::of("ValidatingWebhookConfiguration", None);
        while let Some(seen) = stream.next().await {
            match seen {
                Ok(found) => {
                    log.works();
                    self.registered(found.map_or(Registration::NotOurs, |found| {
                        let bundle =
                            |given: Option<ByteString>| given.map(|given| given.0).unwrap_or_default();
                        let webhooks = found.webhooks.into_iter().flatten();
                        Registration::Holds(webhooks.map(|one| bundle(one.client_config.ca_bundle)).collect())
                    }));
                    self.changed.notify_one();
                }
                Err(error) => {
                    if is_forbidden(&error) {
                        self.registered(Registration::NotOurs);
                    }
                    log.failed(&error);
                }
            }
        }
    }

    /// Takes in what is known of the webhook configuration.
    fn registered(&self, now: Registration) {
        let mut known = self.registration.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*known, Registration::Trusted) {
            *known = now;
        }
        drop(known);
        self.compare();
    }

    /// Says whether the configuration trusts the certificate that is served.
    fn compare(&self) {
        let mut known = self.registration.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*known, Registration::Holds(bundles) if self.serving.is_trusted_by(bundles)) {
            *known = Registration::Trusted;
        }
        self.registered.set(matches!(*known, Registration::NotOurs | Registration::Trusted));
    }

    /// Serves with what the Secret holds.
    fn take(&self, held: &Held) {
        let Some(pair) = held.pair() else {
            self.metrics.certificate_reloaded(false);
            tracing::warn!(secret = self.config.secret, "the Secret holds no certificate with its key");
            return;
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        self.metrics.certificate_end("serving", pair.validity.not_after.as_second());
        if let Some(end) = held.authority_end() {
            self.metrics.certificate_end("ca", end.as_second());
        }
        let not_after = pair.validity.not_after;
        if self.serving.replace(pair) {
            self.metrics.certificate_reloaded(true);
            tracing::info!(secret = self.config.secret, %not_after, "serving with another certificate");
        }
        self.compare();
    }

    /// Keeps everything until the term is lost.
    async fn lead(&self, term: &Term) {
        let mut published = None;
        while term.is_valid() {
            let rest = match self.round(term, &mut published).await {
                Ok(rest) => rest,
                Err(trouble) => {
                    tracing::warn!(error = %trouble, "certificates cannot be kept; it is tried again");
                    RETRY
                }
            };
            tokio::select! {
                _ = term.lost() => {}
                () = tokio::time::sleep(rest.min(LONGEST_REST)) => {}
                // After a failure the rest is taken, whatever changes.
                () = self.changed.notified(), if rest != RETRY => {}
            }
        }
    }

    /// One look at everything and at most one step; answers how long to rest.
    async fn round(&self, term: &Term, published: &mut Published) -> Result<Duration, Trouble> {
        let stored = self.read().await?;
        let bundle = stored.held.bundle();
        // A certificate of an authority that is known is renewed also when nothing can be published.
        let publishing = match !bundle.is_empty() && term.is_valid() {
            true => self.publish(&bundle, published).await,
            false => Ok(()),
        };
        let CertificateConfig { names, policy, .. } = &self.config;
        let now = Timestamp::now();
        let since = published.as_ref().map(|(_, since)| *since);
        let step = plan(&stored.held.state(names, since), policy, now);
        if let Step::Wait(until) = step {
            publishing?;
            let seconds = until.duration_since(now).as_millis().max(50);
            return Ok(Duration::from_millis(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        let base = match step {
            Step::Begin => {
                let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                stored.held.clone().trusting(last.as_ref(), now)
            }
            _ => stored.held.clone(),
        };
        let next = carried_out(step, &base, names, policy, now)?;
        if step == Step::Begin && !base.bundle().is_empty() {
            // Others serve with what was there before; the new authority is made known before it is used.
            self.publish(&next.bundle(), published).await?;
            tokio::time::sleep(policy.settle).await;
        }
        if term.is_valid() {
            self.write(stored.secret, &next).await?;
            tracing::info!(?step, secret = self.config.secret, "certificates kept");
        }
        publishing?;
        Ok(Duration::ZERO)
    }

    async fn read(&self) -> Result<Stored, Trouble> {
        let secret = self
            .secrets
            .get_opt(&self.config.secret)
            .await
            .map_err(at("reading the certificates' Secret"))?;
        let held = secret.as_ref().map(|secret| Held::read(&data_of(secret))).unwrap_or_default();
        Ok(Stored { secret, held })
    }

    async fn write(&self, secret: Option<Secret>, held: &Held) -> Result<(), Trouble> {
        let data = held.data().into_iter().map(|(key, value)| (key, ByteString(value))).collect();
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
            // Somebody else was faster; the next look says what there is now.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(at("writing the certificates' Secret")(error)),
        }
    }

    /// Sees to it that the bundle is in the configuration, and remembers since when it is.
    async fn publish(&self, bundle: &str, published: &mut Published) -> Result<(), Trouble> {
        let Some(name) = &self.config.configuration else {
            // Nobody can say when whoever keeps the configuration has done so; time has to do.
            if published.as_ref().is_none_or(|(known, _)| known != bundle) {
                *published = Some((bundle.to_owned(), Timestamp::now()));
            }
            return Ok(());
        };
        let Some(found) =
            self.configurations.get_opt(name).await.map_err(at("reading the webhook configuration"))?
        else {
            *published = None;
            tracing::debug!(configuration = name, "there is no webhook configuration of this name yet");
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
            // Webhooks are merged by their names: nothing else is touched.
            let patch = Patch::Strategic(json!({"webhooks": wrong}));
            self.configurations
                .patch(name, &parameters, &patch)
                .await
                .map_err(at("writing the bundle into the webhook configuration"))?;
            tracing::info!(configuration = name, "authorities' bundle written");
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
