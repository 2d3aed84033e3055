//! A certificate with its key, read from PEM and found to belong together.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_rustls::rustls::{
    self,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::certificate::X509Certificate;

use super::{BACKDATED, held::is_signed_by};

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last.
    pub not_after: Timestamp,
}

impl Validity {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let validity = certificate.validity();
        Some(Self {
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    }

    /// When two thirds of its life have passed, for one that was made here.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        let life = seconds(self.not_before, self.not_after).saturating_sub(BACKDATED);
        let back = BACKDATED.min(seconds(self.not_before, self.not_after));
        later(later(self.not_before, back), life * 2 / 3)
    }
}

/// How long from one time to another; nothing when it is not later.
fn seconds(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0))
}

/// A time that is so much later, or the last that there is.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}

/// A certificate chain and its key, ready to serve.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// From when to when the certificate holds.
    pub validity: Validity,
}

/// Text that is no certificate with its key. Nothing of the text is in the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPair {
    /// The certificates cannot be read.
    #[error("the certificate cannot be read; expected PEM blocks `CERTIFICATE`, the server's own first")]
    Certificate,
    /// The key cannot be read.
    #[error("the key cannot be read; expected one PEM block `PRIVATE KEY`")]
    Key,
    /// They do not belong together.
    #[error("the certificate and the key do not belong together")]
    Mismatch,
}

impl Pair {
    /// Reads a certificate chain and its key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidPair> {
        let chain = chain_of(chain)?;
        let validity = chain.first().and_then(|first| {
            let (_, certificate) = x509_parser::parse_x509_certificate(first).ok()?;
            Validity::of(&certificate)
        });
        let validity = validity.ok_or(InvalidPair::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidPair::Key)?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(_) => InvalidPair::Mismatch,
                rustls::Error::InvalidCertificate(_) => InvalidPair::Certificate,
                _ => InvalidPair::Key,
            },
        )?;
        Ok(Self { certified: Arc::new(certified), validity })
    }

    /// Whether it is the same certificate.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }

    /// Whether one of the authorities in a PEM text has signed the certificate.
    #[must_use]
    pub fn is_trusted_by(&self, bundle: &[u8]) -> bool {
        let Some(Ok((_, certificate))) =
            self.certified.cert.first().map(|der| x509_parser::parse_x509_certificate(der))
        else {
            return false;
        };
        let authorities = chain_of(bundle).unwrap_or_default();
        authorities.iter().any(|authority| is_signed_by(&certificate, authority))
    }
}

/// The certificates of a PEM text.
pub(super) fn chain_of(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidPair> {
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| InvalidPair::Certificate)
}

/// When the first of the authorities in a PEM text ends.
#[must_use]
pub fn first_end(bundle: &[u8]) -> Option<Timestamp> {
    let ends = chain_of(bundle).ok()?.into_iter().filter_map(|der| {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        Some(Validity::of(&certificate)?.not_after)
    });
    ends.min()
}
