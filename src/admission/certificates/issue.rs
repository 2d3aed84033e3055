//! Creates certificates as planned, with ECDSA keys on P-256, which every TLS client of the last ten years supports.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};

use super::{
    bundle::{Authority, CertificateBundle, SecretText, Serving},
    pair::{BACKDATED, Validity, later},
    plan::{Policy, Step},
};

/// Why a certificate cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The library failed.
    #[error("cannot create a certificate: {0}")]
    Library(#[from] rcgen::Error),
    /// No authority has a key. A defect: the plan does not have such a step.
    #[error("no authority with a key can sign")]
    NoSigner,
}

/// Carries out a step, and returns the new contents of the Secret. `names` are the DNS names or IP addresses of the server.
pub fn apply_step(
    step: Step,
    bundle: &CertificateBundle,
    names: &[String],
    policy: &Policy,
    now: Timestamp,
) -> Result<CertificateBundle, IssueError> {
    let mut bundle = bundle.clone();
    match step {
        Step::Wait(_) => {}
        Step::Begin => {
            bundle.authorities.iter_mut().for_each(|one| one.key = None);
            bundle.authorities.push(authority(policy.authority, now)?);
            bundle.serving = Some(serving(&bundle, names, policy.serving, now)?);
        }
        Step::Announce => bundle.authorities.push(authority(policy.authority, now)?),
        Step::Switch => {
            if let Some(signer) = bundle.authorities.iter_mut().find(|one| one.key.is_some()) {
                signer.key = None;
            }
            bundle.serving = Some(serving(&bundle, names, policy.serving, now)?);
        }
        Step::Renew => bundle.serving = Some(serving(&bundle, names, policy.serving, now)?),
        Step::Forget => {}
    }
    bundle.authorities.retain(|one| one.validity.not_after > now);
    Ok(bundle)
}

fn authority(life: Duration, now: Timestamp) -> Result<Authority, IssueError> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(Vec::new())?;
    let validity = set_validity(&mut parameters, life, now, Timestamp::MAX);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Authorities in one bundle need different names; the suffix is derived from the key.
    let suffix: String = key.der_bytes().iter().rev().take(6).map(|byte| format!("{byte:02x}")).collect();
    parameters.distinguished_name.push(DnType::CommonName, format!("svix-operator admission {suffix}"));
    let certificate = parameters.self_signed(&key)?;
    Ok(Authority { der: certificate.der().clone(), validity, key: Some(SecretText(key.serialize_pem())) })
}

fn serving(
    bundle: &CertificateBundle,
    names: &[String],
    life: Duration,
    now: Timestamp,
) -> Result<Serving, IssueError> {
    let signer = bundle.signer().ok_or(IssueError::NoSigner)?;
    let signer_key = signer.key.as_ref().ok_or(IssueError::NoSigner)?;
    let issuer = Issuer::from_ca_cert_der(&signer.der, KeyPair::from_pem(&signer_key.0)?)?;
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names.to_vec())?;
    set_validity(&mut parameters, life, now, signer.validity.not_after);
    parameters.distinguished_name.push(DnType::CommonName, "svix-operator admission webhook");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(Serving { chain: certificate.pem(), key: SecretText(key.serialize_pem()) })
}

/// Sets the period in which a certificate is valid, and returns it.
fn set_validity(
    parameters: &mut CertificateParams,
    life: Duration,
    now: Timestamp,
    most: Timestamp,
) -> Validity {
    // Certificates have whole seconds, and no year after 9999.
    let now = now.as_second().max(0);
    let back = i64::try_from(BACKDATED.as_secs()).unwrap_or(0);
    let begin = now.saturating_sub(back).max(0);
    let last = rcgen::date_time_ymd(9999, 1, 1).unix_timestamp().min(most.as_second());
    let end = now.saturating_add(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)).min(last);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |second: i64| epoch + Duration::from_secs(u64::try_from(second).unwrap_or(0));
    (parameters.not_before, parameters.not_after) = (at(begin), at(end));
    let time = |second| Timestamp::from_second(second).unwrap_or(later(Timestamp::UNIX_EPOCH, life));
    Validity { not_before: time(begin), not_after: time(end) }
}
