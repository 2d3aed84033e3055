//! Errors of the API server, as logs and statuses give them.

use crate::tls::{self, PeerMistake};

/// A request that the API server refused, or that did not reach it.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(.0))]
pub struct KubernetesError(#[source] Box<kube::Error>);

impl KubernetesError {
    /// Returns the status code, if the API server answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self.0.as_ref() {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        }
    }
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

/// Returns the message of an error. Of a `Status`, it is the API server's own message: the rest adds nothing.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.trim().to_owned(),
        error => match tls::peer_mistake(error) {
            Some(mistake @ PeerMistake::UnknownAuthority) => format!(
                "the API server: {mistake}; certificate-authority of the cluster in the kubeconfig adds an authority"
            ),
            Some(mistake) => format!("the API server: {mistake}"),
            None => error.to_string(),
        },
    }
}

/// The cause that the API server gives for a namespace that is being deleted
/// (`NamespaceTerminatingCause` in `k8s.io/api/core/v1`).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// Whether the API server refuses to create something because its namespace is being deleted.
pub(super) fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == NAMESPACE_TERMINATING)
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::{CertificateError, Error as TlsError};

    use super::*;

    #[test]
    fn a_certificate_that_is_refused_is_named() {
        for (refused, expected) in [
            (
                CertificateError::UnknownIssuer,
                "the API server: found a server certificate of an authority that is not trusted",
            ),
            (CertificateError::Expired, "the API server: found a server certificate that has expired"),
        ] {
            let refused = io::Error::other(TlsError::InvalidCertificate(refused));
            let error = kube::Error::Service(Box::new(refused));

            assert!(describe(&error).starts_with(expected), "{}", describe(&error));
        }
    }
}
