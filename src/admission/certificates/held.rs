//! What the Secret holds: `ca.crt` (every authority that is trusted, oldest first), `ca.key` (the keys of those that
//! sign or will sign), `tls.crt` and `tls.key` (the serving certificate and its key).

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::{
    Pair, ServingState, State, Validity,
    pair::{chain_of, later},
};

/// The data of a Secret.
pub type SecretData = BTreeMap<String, Vec<u8>>;

const CA_CERTIFICATES: &str = "ca.crt";
const CA_KEYS: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// An authority, with its key while it signs or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub der: CertificateDer<'static>,
    pub validity: Validity,
    pub key: Option<SecretText>,
}

/// PEM text of a key, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretText(pub String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// The serving certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Serving {
    pub chain: String,
    pub key: SecretText,
}

/// Everything that the Secret holds, read. What cannot be read is left out, as if it were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Oldest first. Of those with a key the first signs, and the second will.
    pub(super) authorities: Vec<Authority>,
    pub(super) serving: Option<Serving>,
}

impl Held {
    /// Reads the data of a Secret.
    #[must_use]
    pub fn read(data: &SecretData) -> Self {
        let text = |key: &str| data.get(key).map(Vec::as_slice).unwrap_or_default();
        let keys = keys_of(text(CA_KEYS));
        let authorities = chain_of(text(CA_CERTIFICATES)).unwrap_or_default().into_iter().filter_map(|der| {
            let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
            let validity = Validity::of(&certificate)?;
            let public = certificate.public_key().subject_public_key.data.as_ref();
            let key = keys.iter().find(|(key, _)| key.der_bytes() == public).map(|(_, text)| text.clone());
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

    /// The data of the Secret that holds this.
    #[must_use]
    pub fn data(&self) -> SecretData {
        let keys: String =
            self.authorities.iter().filter_map(|one| Some(one.key.as_ref()?.0.as_str())).collect();
        let mut data = SecretData::from([
            (CA_CERTIFICATES.to_owned(), self.bundle().into_bytes()),
            (CA_KEYS.to_owned(), keys.into_bytes()),
        ]);
        if let Some(serving) = &self.serving {
            data.insert(CERTIFICATE.to_owned(), serving.chain.clone().into_bytes());
            data.insert(KEY.to_owned(), serving.key.0.clone().into_bytes());
        }
        data
    }

    /// The authorities that the API server is to trust, as PEM.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.authorities.iter().map(|one| pem(&one.der)).collect()
    }

    /// The serving certificate and its key.
    #[must_use]
    pub fn pair(&self) -> Option<Pair> {
        let serving = self.serving.as_ref()?;
        Pair::from_pem(serving.chain.as_bytes(), serving.key.0.as_bytes()).ok()
    }

    /// When the authority that signs ends.
    #[must_use]
    pub fn authority_end(&self) -> Option<Timestamp> {
        self.signer().map(|signer| signer.validity.not_after)
    }

    /// What the plan asks for; `names` are those that the serving certificate is to be for.
    #[must_use]
    pub fn state(&self, names: &[String], published: Option<Timestamp>) -> State {
        let mut signing = self.authorities.iter().filter(|one| one.key.is_some());
        let (signer, next) = (signing.next(), signing.next());
        let serving = self.serving.as_ref().and_then(|serving| {
            let der = chain_of(serving.chain.as_bytes()).ok()?.into_iter().next()?;
            let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
            let by_signer = signer.is_some_and(|signer| is_signed_by(&certificate, &signer.der));
            Some(ServingState {
                validity: Validity::of(&certificate)?,
                by_signer,
                right_names: is_for(&certificate, names),
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

    /// The authority that signs.
    pub(super) fn signer(&self) -> Option<&Authority> {
        self.authorities.iter().find(|one| one.key.is_some())
    }

    /// The same with what another held still trusted, as far as it has not ended: what is served with may be of its.
    #[must_use]
    pub fn trusting(mut self, other: Option<&Self>, now: Timestamp) -> Self {
        for old in other.iter().flat_map(|other| &other.authorities) {
            let known = self.authorities.iter().any(|one| one.der == old.der);
            if !known && later(old.validity.not_after, std::time::Duration::ZERO) > now {
                self.authorities.insert(0, Authority { key: None, ..old.clone() });
            }
        }
        self
    }
}

pub(super) fn is_signed_by(certificate: &X509Certificate<'_>, authority: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(authority)
        .is_ok_and(|(_, authority)| certificate.verify_signature(Some(authority.public_key())).is_ok())
}

fn is_for(certificate: &X509Certificate<'_>, names: &[String]) -> bool {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return false };
    let held: Vec<String> = extension
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
    // An address may be written in many ways, and is the same one.
    let canonical = |name: &String| name.parse().map_or_else(|_| name.clone(), |ip: IpAddr| ip.to_string());
    names.iter().all(|name| held.contains(&canonical(name)))
}

/// The keys of a PEM text, each with its text.
fn keys_of(text: &[u8]) -> Vec<(KeyPair, SecretText)> {
    const END: &str = "-----END PRIVATE KEY-----";
    let text = String::from_utf8_lossy(text);
    let blocks = text.split_inclusive(END).filter_map(|block| {
        let block = format!("{}\n", block.trim());
        Some((KeyPair::from_pem(&block).ok()?, SecretText(block)))
    });
    blocks.collect()
}

/// A certificate as PEM.
fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
