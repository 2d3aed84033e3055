//! The contents of the certificates' Secret: `ca.crt` (every trusted authority, oldest first), `ca.key` (the keys of the
//! authorities that sign or will sign), `tls.crt` and `tls.key` (the serving certificate and its key).

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::{
    pair::{Pair, Validity, is_signed_by, later, parse_chain},
    plan::{ServingState, State},
};

/// The `data` of a Secret.
pub type SecretData = BTreeMap<String, Vec<u8>>;

const CA_CERTIFICATES: &str = "ca.crt";
const CA_KEYS: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A certificate authority, with its key if it signs or will sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub der: CertificateDer<'static>,
    pub validity: Validity,
    pub key: Option<SecretText>,
}

/// The PEM text of a key, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretText(pub String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// A serving certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Serving {
    pub chain: String,
    pub key: SecretText,
}

/// The authorities and the serving certificate that a Secret contains. Parts that cannot be read count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateBundle {
    /// Oldest first. Of those with a key the first one signs, and the second one will sign next.
    pub(super) authorities: Vec<Authority>,
    pub(super) serving: Option<Serving>,
}

impl CertificateBundle {
    /// Parses the data of a Secret.
    #[must_use]
    pub fn parse(data: &SecretData) -> Self {
        let text = |key: &str| data.get(key).map(Vec::as_slice).unwrap_or_default();
        let keys = parse_keys(text(CA_KEYS));
        let authorities =
            parse_chain(text(CA_CERTIFICATES)).unwrap_or_default().into_iter().filter_map(|der| {
                let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
                let validity = Validity::of(&certificate)?;
                let public = certificate.public_key().subject_public_key.data.as_ref();
                let key =
                    keys.iter().find(|(key, _)| key.der_bytes() == public).map(|(_, text)| text.clone());
                Some(Authority { validity, key, der })
            });
        let serving = Pair::from_pem(text(CERTIFICATE), text(KEY)).ok().and_then(|_| {
            Some(Serving {
                chain: String::from_utf8(text(CERTIFICATE).to_vec()).ok()?,
                key: SecretText(String::from_utf8(text(KEY).to_vec()).ok()?),
            })
        });
        Self { authorities: authorities.collect(), serving }
    }

    /// Returns the data of a Secret with these contents.
    #[must_use]
    pub fn to_data(&self) -> SecretData {
        let keys: String =
            self.authorities.iter().filter_map(|one| Some(one.key.as_ref()?.0.as_str())).collect();
        let mut data = SecretData::from([
            (CA_CERTIFICATES.to_owned(), self.ca_bundle().into_bytes()),
            (CA_KEYS.to_owned(), keys.into_bytes()),
        ]);
        if let Some(serving) = &self.serving {
            data.insert(CERTIFICATE.to_owned(), serving.chain.clone().into_bytes());
            data.insert(KEY.to_owned(), serving.key.0.clone().into_bytes());
        }
        data
    }

    /// Returns the authorities that the API server is to trust, as PEM.
    #[must_use]
    pub fn ca_bundle(&self) -> String {
        self.authorities.iter().map(|one| pem(&one.der)).collect()
    }

    /// Returns the serving certificate and its key.
    #[must_use]
    pub fn pair(&self) -> Option<Pair> {
        let serving = self.serving.as_ref()?;
        Pair::from_pem(serving.chain.as_bytes(), serving.key.0.as_bytes()).ok()
    }

    /// Returns when the signing authority expires.
    #[must_use]
    pub fn authority_expiry(&self) -> Option<Timestamp> {
        self.signer().map(|signer| signer.validity.not_after)
    }

    /// Returns the input of [`plan`](super::plan()). `names` are the names that the serving certificate must cover, and
    /// `published` is the time since which the API server knows all authorities.
    #[must_use]
    pub fn state(&self, names: &[String], published: Option<Timestamp>) -> State {
        let mut signing = self.authorities.iter().filter(|one| one.key.is_some());
        let (signer, next) = (signing.next(), signing.next());
        let serving = self.serving.as_ref().and_then(|serving| {
            let der = parse_chain(serving.chain.as_bytes()).ok()?.into_iter().next()?;
            let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
            let is_by_signer = signer.is_some_and(|signer| is_signed_by(&certificate, &signer.der));
            Some(ServingState {
                validity: Validity::of(&certificate)?,
                is_by_signer,
                covers_names: covers_names(&certificate, names),
            })
        });
        State {
            signer: signer.map(|one| one.validity),
            next: next.map(|one| one.validity),
            retired: self
                .authorities
                .iter()
                .filter(|one| one.key.is_none())
                .map(|one| one.validity)
                .collect(),
            serving,
            published,
        }
    }

    /// Returns the authority that signs.
    pub(super) fn signer(&self) -> Option<&Authority> {
        self.authorities.iter().find(|one| one.key.is_some())
    }

    /// Adds the unexpired authorities of a previous bundle as trusted ones: replicas may still serve with a certificate that
    /// one of them signed.
    #[must_use]
    pub fn with_trust_of(mut self, previous: Option<&Self>, now: Timestamp) -> Self {
        for old in previous.iter().flat_map(|previous| &previous.authorities) {
            let known = self.authorities.iter().any(|one| one.der == old.der);
            if !known && later(old.validity.not_after, std::time::Duration::ZERO) > now {
                self.authorities.insert(0, Authority { key: None, ..old.clone() });
            }
        }
        self
    }
}

/// Returns whether a certificate is valid for all of these DNS names and IP addresses.
fn covers_names(certificate: &X509Certificate<'_>, names: &[String]) -> bool {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return false };
    let covered: Vec<String> = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
                16 => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    // One IP address can be written in several ways.
    let canonical = |name: &String| name.parse().map_or_else(|_| name.clone(), |ip: IpAddr| ip.to_string());
    names.iter().all(|name| covered.contains(&canonical(name)))
}

/// Returns the private keys in a PEM text, each with its own PEM text.
fn parse_keys(text: &[u8]) -> Vec<(KeyPair, SecretText)> {
    const END: &str = "-----END PRIVATE KEY-----";
    let text = String::from_utf8_lossy(text);
    let blocks = text.split_inclusive(END).filter_map(|block| {
        let block = format!("{}\n", block.trim());
        Some((KeyPair::from_pem(&block).ok()?, SecretText(block)))
    });
    blocks.collect()
}

/// Returns a certificate as PEM.
fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
