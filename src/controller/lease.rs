//! Leader election by a `coordination.k8s.io/v1` Lease: of several replicas, one writes.
//!
//! The protocol is client-go's, with its numbers: the leader renews every two seconds and stops ten
//! seconds after the start of the last renewal that succeeded; others take over when they have seen
//! no change for fifteen. The five seconds between are what a write may still need to arrive. Each
//! side measures by its own monotonic clock; no two clocks are compared. Every write is bound to
//! the version that was read, so of two attempts at once one is refused.
//!
//! `record` decides, `term` measures the time, and this file sends the requests.

mod config;
mod liveness;
mod record;
mod term;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

pub use config::{LeaseConfig, LeaseError, identity};
pub use liveness::{LiveHolder, find_live_holder};
pub use record::Loss;
use record::{Bid, Observation};
pub use term::Term;
use term::TermKeeper;

/// A candidate for leadership.
#[derive(Clone)]
pub struct LeaderElection {
    api: Api<Lease>,
    config: LeaseConfig,
}

impl LeaderElection {
    /// Returns a candidate that does nothing yet.
    ///
    /// # Errors
    /// [`LeaseError::Config`] when the times contradict each other.
    pub fn new(client: Client, config: LeaseConfig) -> Result<Self, LeaseError> {
        config.validate()?;
        Ok(Self { api: Api::namespaced(client, &config.namespace), config })
    }

    /// Waits until this candidate leads. Errors are logged, the first of a kind as a warning, and the attempt is repeated
    /// forever.
    ///
    /// Dropping the future gives up. If that happens while the winning request is under way, the lease names a
    /// process that does not work until it expires.
    pub async fn acquire(&self) -> Leadership {
        let mut seen = None;
        let mut leader = None;
        let mut last_error = String::new();
        loop {
            let wait = match self.try_acquire(&mut seen).await {
                Ok(Ok(leadership)) => return leadership,
                Ok(Err(wait)) => {
                    last_error.clear();
                    let now = seen.as_ref().and_then(Observation::lease).and_then(holder).map(str::to_owned);
                    // People often read the log of a replica that does not lead.
                    if let Some(other) = now.filter(|now| leader.as_ref() != Some(now)) {
                        info!(lease = self.config.name, "standing by; {other} leads");
                        leader = Some(other);
                    }
                    wait
                }
                Err(error) => {
                    let error = error.to_string();
                    if error == last_error {
                        debug!(error, "still not able to take part in the leader election");
                    } else {
                        warn!(error, "not able to take part in the leader election");
                        last_error = error;
                    }
                    Duration::MAX
                }
            };
            // Not longer than the holder counts as alive.
            tokio::time::sleep(self.pause().min(wait)).await;
        }
    }

    /// Reads the lease and, if it is free, writes it. The inner `Err` is how long the holder counts as alive.
    async fn try_acquire(
        &self,
        seen: &mut Option<Observation>,
    ) -> Result<Result<Leadership, Duration>, LeaseError> {
        let lease = self.request(self.config.request_timeout(), self.api.get_opt(&self.config.name)).await?;
        // After the response: later than the change, never earlier.
        let now = Instant::now();
        let seen = match seen {
            Some(seen) => {
                seen.update(lease, now);
                seen
            }
            None => seen.insert(Observation::new(lease, now)),
        };
        match record::bid(&self.config.identity, seen, self.config.lease_duration, now) {
            Bid::Wait(left) => {
                debug!(lease = self.config.name, holder = ?seen.lease().and_then(holder), "another leads");
                Ok(Err(left))
            }
            Bid::Acquire => {
                let started = Instant::now();
                match self.write(self.config.request_timeout(), seen.lease()).await {
                    Ok(lease) => Ok(Ok(self.lead(lease, started))),
                    // Another was faster; the next read says which.
                    Err(error) if error.is(409) => Ok(Err(Duration::MAX)),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn lead(&self, lease: Lease, started: Instant) -> Leadership {
        info!(lease = self.config.name, identity = self.config.identity, "leading");
        let keeper = TermKeeper::new(started + self.config.renew_deadline);
        let renewals = tokio::spawn(self.clone().renew(lease, keeper.clone()));
        Leadership { election: self.clone(), term: keeper.term(), keeper, renewals }
    }

    /// Renews until the term ends.
    async fn renew(self, mut lease: Lease, keeper: TermKeeper) {
        let term = keeper.term();
        let loss = loop {
            tokio::time::sleep(self.pause()).await;
            match self.renew_once(lease, &term, &keeper).await {
                Ok(renewed) => lease = renewed,
                Err(loss) => break loss,
            }
        };
        keeper.end(loss.clone());
        warn!(lease = self.config.name, identity = self.config.identity, reason = %loss, "no longer leading");
    }

    /// Renews once. After a transient failure, returns the lease as it is known, for the next attempt.
    async fn renew_once(&self, lease: Lease, term: &Term, keeper: &TermKeeper) -> Result<Lease, Loss> {
        let mut lease = lease;
        loop {
            let time_left = term.remaining();
            if time_left.is_zero() {
                return Err(Loss::Expired);
            }
            let timeout = time_left.min(self.config.request_timeout());
            // Every reader sees the record later than this; the response may take its time.
            let started = Instant::now();
            let error = match self.write(timeout, Some(&lease)).await {
                Ok(renewed) => {
                    keeper.extend(started + self.config.renew_deadline)?;
                    return Ok(renewed);
                }
                Err(error) => error,
            };
            if !(error.is(409) || error.is(404)) {
                warn!(lease = self.config.name, %error, time_left = ?term.remaining(), "lease not renewed");
                return Ok(lease);
            }
            // Somebody wrote: perhaps this process, in a request whose response was lost.
            let timeout = term.remaining().min(self.config.request_timeout());
            match self.request(timeout, self.api.get_opt(&self.config.name)).await {
                Ok(found) => {
                    record::check_holder(&self.config.identity, found.as_ref())?;
                    lease = found.unwrap_or(lease);
                }
                Err(error) => {
                    warn!(lease = self.config.name, %error, time_left = ?term.remaining(), "lease not read");
                    return Ok(lease);
                }
            }
        }
    }

    /// Replaces the lease `seen` by one that names this process, or creates it. Refused when the lease has changed.
    async fn write(&self, timeout: Duration, seen: Option<&Lease>) -> Result<Lease, LeaseError> {
        let LeaseConfig { identity, name, lease_duration, .. } = &self.config;
        let spec = seen.and_then(|lease| lease.spec.as_ref());
        let spec = record::renewed(identity, *lease_duration, spec, Timestamp::now());
        let parameters = PostParams::default();
        match seen {
            Some(lease) => {
                let lease = Lease { spec: Some(spec), ..lease.clone() };
                self.request(timeout, self.api.replace(name, &parameters, &lease)).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                self.request(timeout, self.api.create(&parameters, &Lease { metadata, spec: Some(spec) }))
                    .await
            }
        }
    }

    /// Clears the record if it names this process.
    async fn clear(&self) -> Result<(), LeaseError> {
        let timeout = self.config.request_timeout();
        loop {
            let found = self.request(timeout, self.api.get_opt(&self.config.name)).await?;
            let Some(mut lease) = found else { return Ok(()) };
            let identity = self.config.identity.as_str();
            let Some(spec) = lease.spec.take().filter(|spec| record::holder(spec) == Some(identity)) else {
                return Ok(());
            };
            lease.spec = Some(record::released(&spec, Timestamp::now()));
            let parameters = PostParams::default();
            let replaced = self.api.replace(&self.config.name, &parameters, &lease);
            match self.request(timeout, replaced).await {
                // A last renewal of this process arrived in between.
                Err(error) if error.is(409) => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Sends a request with a time-out.
    async fn request<T>(
        &self,
        timeout: Duration,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, LeaseError> {
        let name = || self.config.name.clone();
        match tokio::time::timeout(timeout, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(LeaseError::Kubernetes { name: name(), source: source.into() }),
            Err(_) => Err(LeaseError::Timeout { name: name(), after: timeout }),
        }
    }

    /// Returns the retry period and up to a fifth of it at random, so that replicas do not ask at the same time.
    fn pause(&self) -> Duration {
        self.config.retry_period.mul_f64(1.0 + rand::random_range(0.0..0.2))
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref().and_then(record::holder)
}

/// The leadership of this process. The lease is renewed in the background until this value is dropped or
/// released, or until the term is lost.
///
/// Dropping it ends the term at once, but others wait until the lease expires. After [`Leadership::release`] they do
/// not wait.
pub struct Leadership {
    election: LeaderElection,
    term: Term,
    keeper: TermKeeper,
    renewals: JoinHandle<()>,
}

impl Leadership {
    /// Returns the term, for everything that writes.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term.clone()
    }

    /// See [`Term::lost`].
    pub async fn lost(&self) -> Loss {
        self.term.lost().await
    }

    /// See [`Term::valid_until`].
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        self.term.valid_until()
    }

    /// See [`Term::remaining`].
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.term.remaining()
    }

    /// Ends the term and clears the record, so that another candidate takes over at once. A term that is lost already is
    /// no error.
    ///
    /// # Assumptions
    /// The caller has stopped writing.
    ///
    /// # Errors
    /// The API server refuses, or does not answer within half of the renew deadline. Others then wait until the lease
    /// expires.
    pub async fn release(mut self) -> Result<(), LeaseError> {
        self.keeper.end(Loss::GivenUp);
        self.renewals.abort();
        // No renewal is sent after this; one under way is bound to an older version.
        let _ = (&mut self.renewals).await;
        let timeout = self.election.config.request_timeout();
        let timed_out = || LeaseError::Timeout { name: self.election.config.name.clone(), after: timeout };
        tokio::time::timeout(timeout, self.election.clear()).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.keeper.end(Loss::GivenUp);
        self.renewals.abort();
    }
}
