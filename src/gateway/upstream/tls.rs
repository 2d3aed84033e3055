//! TLS to the Svix server: the system's certificates, and those of the CA bundle.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;

use super::error::{InvalidCaBundle, InvalidUpstream};

/// Returns the TLS configuration that trusts the system's certificates and those of the CA bundle.
pub(super) fn client_config(ca_bundle: Option<&str>) -> Result<ClientConfig, InvalidUpstream> {
    let mut roots = Vec::new();
    if let Some(pem) = ca_bundle {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.push(certificate.map_err(InvalidCaBundle::Pem)?);
        }
        if roots.is_empty() {
            return Err(InvalidCaBundle::Empty.into());
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Verifier::new_with_extra_roots(roots, provider.clone()).map_err(|error| match ca_bundle {
            Some(_) => InvalidCaBundle::Root(error).into(),
            None => InvalidUpstream::Tls(error),
        })?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(InvalidUpstream::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
