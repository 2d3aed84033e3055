//! Certificates of authorities in PEM: read, and what is wrong with a text that has none.
//!
//! The libraries that read PEM report a mistake in terms of their parsers, and without a place. This module scans the text again
//! and describes the mistake. Nothing of the text is shown but the kind of a block, since there may be a private key in it.

mod mistake;
mod scanner;
#[cfg(test)]
mod tests;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

pub use mistake::{PemMistake, PemMistakeKind};

/// Returns the certificates in a text, each one that a connection can trust. What stands outside of blocks, and blocks of other
/// kinds, is left out.
///
/// # Errors
/// There is no certificate, or one cannot be read.
pub fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemMistake> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let certificates = read.unwrap_or_default();
    let is_usable =
        |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let unusable = match certificates.iter().position(|certificate| !is_usable(certificate)) {
        None if !certificates.is_empty() => return Ok(certificates),
        None => PemMistake { line: None, kind: PemMistakeKind::Content },
        Some(index) => PemMistake { line: scanner::line_of(text, index), kind: PemMistakeKind::Certificate },
    };
    Err(scanner::find(text).unwrap_or(unusable))
}
