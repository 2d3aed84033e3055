//! The keys, certificates and tokens of a control plane, made anew for each.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::programs::at;

/// A user who is known and may do nothing but what a test's RoleBinding allows.
const WEAK_USER: &str = "weak-user";

/// What the server is started with, and what its clients need.
pub struct Credentials {
    pub serving_cert: PathBuf,
    pub serving_key: PathBuf,
    pub service_account_key: PathBuf,
    pub service_account_public_key: PathBuf,
    pub token_file: PathBuf,
    /// The authority that signed the server's certificate.
    pub ca_der: Vec<u8>,
    pub ca_pem: String,
    pub admin_token: String,
    pub weak_token: String,
}

impl Credentials {
    /// Writes the server's files into `dir`.
    pub fn generate(dir: &Path) -> Result<Self, String> {
        let (ca_pem, ca_der, cert_pem, key_pem) =
            certificates().map_err(|error| format!("making certificates: {error}"))?;
        let service_account =
            KeyPair::generate().map_err(|error| format!("making a service account key: {error}"))?;
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).map_err(at("writing", &path)).map(|()| path)
        };
        let admin_token = uuid::Uuid::new_v4().to_string();
        let weak_token = uuid::Uuid::new_v4().to_string();
        let tokens = format!("{admin_token},admin,1,system:masters\n{weak_token},{WEAK_USER},2\n");
        Ok(Self {
            serving_cert: write("serving.crt", &cert_pem)?,
            serving_key: write("serving.key", &key_pem)?,
            service_account_key: write("service-account.key", &service_account.serialize_pem())?,
            service_account_public_key: write("service-account.pub", &service_account.public_key_pem())?,
            token_file: write("tokens.csv", &tokens)?,
            ca_der,
            ca_pem,
            admin_token,
            weak_token,
        })
    }

    /// A kubeconfig that works from any directory.
    pub fn kubeconfig(&self, url: &str, token: &str) -> String {
        let ca = base64::engine::general_purpose::STANDARD.encode(&self.ca_pem);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters:\n- name: test\n  cluster:\n    server: {url}\n    certificate-authority-data: {ca}\n\
             users:\n- name: test\n  user:\n    token: {token}\n\
             contexts:\n- name: test\n  context: {{cluster: test, user: test}}\n"
        )
    }
}

/// An authority's PEM and DER, and the PEM of a certificate for 127.0.0.1 and of its key.
fn certificates() -> Result<(String, Vec<u8>, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "svix-operator tests");
    let authority_key = KeyPair::generate()?;
    let authority_cert = authority.self_signed(&authority_key)?;
    let issuer = rcgen::Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate()?;
    let server_cert = server.signed_by(&server_key, &issuer)?;
    Ok((authority_cert.pem(), authority_cert.der().to_vec(), server_cert.pem(), server_key.serialize_pem()))
}
