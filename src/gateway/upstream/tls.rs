//! TLS to the Svix server: the system's certificates, and those of the CA bundle.

use std::sync::Arc;

use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::Verifier;

use crate::pem;

use super::error::InvalidUpstream;

/// Returns the TLS configuration that trusts the system's certificates and those of the CA bundle.
pub(super) fn client_config(ca_bundle: Option<&str>) -> Result<ClientConfig, InvalidUpstream> {
    let roots = ca_bundle.map(|text| pem::authorities(text.as_bytes())).transpose()?.unwrap_or_default();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(InvalidUpstream::Tls)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(InvalidUpstream::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
