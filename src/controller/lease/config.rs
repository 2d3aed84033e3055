//! What a candidate is told, and what can go wrong for it.

use std::time::Duration;

use crate::controller::errors::describe;

/// Which lease, who we are, and how long everything may take.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Where the Lease is: the operator's own namespace.
    pub namespace: String,
    /// The Lease's name, which all replicas share.
    pub name: String,
    /// Who this candidate is; no two may be the same. See [`identity`].
    pub identity: String,
    /// For how long others leave a silent leader alone. Stored in whole seconds, rounded up.
    pub lease_duration: Duration,
    /// For how long after the start of its last successful renewal a leader goes on.
    pub renew_deadline: Duration,
    /// The pause between two tries, to which up to a fifth is added at random.
    pub retry_period: Duration,
}

impl LeaseConfig {
    /// A configuration with client-go's times: 15 s, 10 s and 2 s.
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

    /// One request may take half of the deadline, so that one lost answer leaves time for a
    /// second try on a new connection.
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

/// An identity that people recognise and that no other process has: the Pod's name and a random
/// suffix, as a restarted container keeps the name but must not take over its predecessor's term.
#[must_use]
pub fn identity(pod_name: &str) -> String {
    format!("{pod_name}_{}", uuid::Uuid::new_v4())
}

/// What can go wrong with a lease where the caller has to know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The times or the identity cannot work.
    #[error("leader election: {0}")]
    Config(&'static str),
    /// Kubernetes refused a request.
    #[error("the lease {name}: {}", describe(source))]
    Kubernetes {
        /// The Lease's name.
        name: String,
        /// What Kubernetes said.
        source: Box<kube::Error>,
    },
    /// Kubernetes did not answer.
    #[error("the lease {name}: no answer within {after:?}")]
    Timeout {
        /// The Lease's name.
        name: String,
        /// How long was waited.
        after: Duration,
    },
}

impl LeaseError {
    /// Whether Kubernetes answered with this status.
    pub(super) fn is(&self, code: u16) -> bool {
        match self {
            Self::Kubernetes { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if status.code == code)
            }
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
    fn a_restarted_pod_is_somebody_else() {
        assert!(identity("svix-operator-0").starts_with("svix-operator-0_"));
        assert_ne!(identity("svix-operator-0"), identity("svix-operator-0"));
    }
}
