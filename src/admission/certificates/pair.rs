//! A certificate chain with its private key, parsed from PEM and verified to match.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_rustls::rustls::{
    self,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::certificate::X509Certificate;

/// How long before their creation certificates become valid: clocks differ.
pub const BACKDATED: Duration = Duration::from_secs(300);

/// The period in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first valid second.
    pub not_before: Timestamp,
    /// The last valid second.
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

    /// Returns when two thirds of the period have passed, for a certificate that this program created: the time to renew it.
    #[must_use]
    pub fn renewal_time(&self) -> Timestamp {
        let life = seconds(self.not_before, self.not_after).saturating_sub(BACKDATED);
        let back = BACKDATED.min(seconds(self.not_before, self.not_after));
        later(later(self.not_before, back), life * 2 / 3)
    }
}

/// Returns the time from one point to another; zero if the other is not later.
fn seconds(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0))
}

/// Returns a time that is later by a duration, or the last representable one.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}

/// A certificate chain and its key, ready to serve.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// The period in which the certificate is valid.
    pub validity: Validity,
}

/// Why a text is not a certificate chain with its key. The message contains nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPair {
    /// The certificates cannot be read.
    #[error(
        "the certificate cannot be read; expected PEM blocks `CERTIFICATE`, the server certificate first"
    )]
    Certificate,
    /// The key cannot be read.
    #[error("the key cannot be read; expected one PEM block `PRIVATE KEY`")]
    Key,
    /// The key is of another certificate.
    #[error("the certificate and the key do not match")]
    Mismatch,
}

impl Pair {
    /// Parses a certificate chain and its key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidPair> {
        let chain = parse_chain(chain)?;
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

    /// Returns whether both have the same certificate chain.
    #[must_use]
    pub fn has_same_certificate(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }

    /// Returns whether one of the authorities in a PEM text has signed the certificate.
    #[must_use]
    pub fn is_trusted_by(&self, ca_bundle: &[u8]) -> bool {
        let Some(Ok((_, certificate))) =
            self.certified.cert.first().map(|der| x509_parser::parse_x509_certificate(der))
        else {
            return false;
        };
        let authorities = parse_chain(ca_bundle).unwrap_or_default();
        authorities.iter().any(|authority| is_signed_by(&certificate, authority))
    }
}

/// Returns whether an authority has signed a certificate.
pub(super) fn is_signed_by(certificate: &X509Certificate<'_>, authority: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(authority)
        .is_ok_and(|(_, authority)| certificate.verify_signature(Some(authority.public_key())).is_ok())
}

/// Returns the certificates in a PEM text.
pub(super) fn parse_chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidPair> {
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| InvalidPair::Certificate)
}

/// Returns when the first of the authorities in a PEM text expires.
#[must_use]
pub fn first_expiry(ca_bundle: &[u8]) -> Option<Timestamp> {
    let expiries = parse_chain(ca_bundle).ok()?.into_iter().filter_map(|der| {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        Some(Validity::of(&certificate)?.not_after)
    });
    expiries.min()
}
