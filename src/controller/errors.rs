//! Errors of the API server, as logs and statuses give them.

use crate::tls::{self, PeerMistake};

use super::credential::{credential_error, describe_credential};

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

/// Returns the message of an error. Of a `Status`, it is the API server's own message: the rest adds nothing. Nothing of a credential
/// is in it.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.trim().to_owned(),
        error => match (credential_error(error), tls::peer_mistake(error)) {
            (Some(error), _) => describe_credential(error),
            (None, Some(mistake @ PeerMistake::UnknownAuthority)) => format!(
                "the API server: {mistake}; certificate-authority of the cluster in the kubeconfig adds an authority"
            ),
            (None, Some(mistake)) => format!("the API server: {mistake}"),
            (None, None) => error.to_string(),
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
    #![allow(clippy::unwrap_used)]
    use std::{io, process::Command};

    use kube::client::AuthError;
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

    #[test]
    fn the_output_of_a_credential_command_is_not_shown() {
        let script = "echo hunter2; echo hunter3 >&2; exit 3";
        let out = Box::new(Command::new("sh").args(["-c", script]).output().unwrap());
        let failed = AuthError::AuthExecRun { cmd: "plugin hunter4".to_owned(), out };

        let error = describe(&kube::Error::Service(Box::new(failed)));

        let expected = "/users: exec of the context's user: the command failed (exit status: 3)";
        assert!(error.starts_with(expected) && !error.contains("hunter"), "{error}");
    }
}
