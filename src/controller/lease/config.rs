//! The configuration of a candidate, and its errors.

use std::time::Duration;

use crate::controller::errors::KubernetesError;

/// The lease, the identity of the candidate, and its times.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// The namespace of the Lease: the operator's own.
    pub namespace: String,
    /// The Lease's name, which all replicas share.
    pub name: String,
    /// The identity of this candidate, which must be unique. See [`identity`].
    pub identity: String,
    /// How long a leader counts as alive without renewing. Stored in whole seconds, rounded up.
    pub lease_duration: Duration,
    /// How long a leader goes on after the start of its last successful renewal.
    pub renew_deadline: Duration,
    /// The pause between two attempts, to which up to a fifth is added at random.
    pub retry_period: Duration,
}

impl LeaseConfig {
    /// Returns a configuration with client-go's times: 15 s, 10 s and 2 s.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    /// Returns the time-out of a request: half of the deadline, so that a lost response leaves time for a second attempt
    /// on a new connection.
    pub(super) fn request_timeout(&self) -> Duration {
        self.renew_deadline / 2
    }

    pub(super) fn validate(&self) -> Result<(), LeaseError> {
        if self.identity.is_empty() {
            return Err(LeaseError::Config("the identity is empty"));
        }
        if self.retry_period.is_zero() {
            return Err(LeaseError::Config("the retry period must be more than zero"));
        }
        if self.renew_deadline <= self.retry_period + self.retry_period / 5 {
            return Err(LeaseError::Config("the renew deadline must be more than 1.2 retry periods"));
        }
        if self.lease_duration <= self.renew_deadline {
            return Err(LeaseError::Config("the lease duration must be more than the renew deadline"));
        }
        Ok(())
    }
}

/// Returns an identity that people recognise and that no other process has: the Pod's name and a random
/// suffix, as a restarted container keeps the name but must not take over its predecessor's term.
#[must_use]
pub fn identity(pod_name: &str) -> String {
    format!("{pod_name}_{}", uuid::Uuid::new_v4())
}

/// Why a lease cannot be acquired, renewed or released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The times or the identity are invalid.
    #[error("leader election: {0}")]
    Config(&'static str),
    /// The API server refused a request.
    #[error("the lease {name}: {source}")]
    Kubernetes {
        /// The Lease's name.
        name: String,
        /// Its error.
        source: KubernetesError,
    },
    /// The API server did not answer.
    #[error("the lease {name}: no answer within {after:?}")]
    Timeout {
        /// The Lease's name.
        name: String,
        /// The time-out.
        after: Duration,
    },
}

impl LeaseError {
    /// Whether the API server answered with this status code.
    pub(super) fn is(&self, code: u16) -> bool {
        match self {
            Self::Kubernetes { source, .. } => source.code() == Some(code),
            Self::Config(_) | Self::Timeout { .. } => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_default_times_are_valid() {
        assert!(LeaseConfig::new("operators", "svix-operator", "me").validate().is_ok());
    }

    #[test]
    fn times_that_let_two_lead_are_refused() {
        let config = LeaseConfig::new("operators", "svix-operator", "me");
        let second = Duration::from_secs(1);

        let refused = [
            LeaseConfig { renew_deadline: config.lease_duration, ..config.clone() },
            LeaseConfig { retry_period: Duration::from_secs(9), ..config.clone() },
            LeaseConfig { retry_period: Duration::ZERO, ..config.clone() },
            LeaseConfig { lease_duration: second, ..config.clone() },
            LeaseConfig { identity: String::new(), ..config },
        ];

        for config in refused {
            assert!(config.validate().is_err(), "{config:?}");
        }
    }

    #[test]
    fn a_restarted_pod_has_another_identity() {
        assert!(identity("svix-operator-0").starts_with("svix-operator-0_"));
        assert_ne!(identity("svix-operator-0"), identity("svix-operator-0"));
    }
}
