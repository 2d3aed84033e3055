//! Why the certificates cannot be managed.

use crate::admission::certificates::IssueError;

use super::super::errors::describe;

/// Why the certificates cannot be managed at the moment. It is logged and retried.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{action}: {}", describe(source))]
    Kubernetes { action: &'static str, source: Box<kube::Error> },
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// Returns a conversion of an error of the Kubernetes API. `action` is what failed.
pub fn failed(action: &'static str) -> impl FnOnce(kube::Error) -> CertificateError {
    move |source| CertificateError::Kubernetes { action, source: Box::new(source) }
}
