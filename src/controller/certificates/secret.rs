//! The Secret that contains the certificates.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use crate::admission::certificates::{CertificateBundle, SecretData};

use crate::controller::manager::MANAGER;

use super::error::{CertificateError, failed};

/// The Secret as it was read.
pub struct StoredSecret {
    secret: Option<Secret>,
    /// Its contents; empty if it does not exist.
    pub bundle: CertificateBundle,
}

/// Reads and writes the Secret.
pub struct SecretStore {
    pub api: Api<Secret>,
    pub name: String,
}

impl SecretStore {
    /// The Secret of this name.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    /// Reads the Secret.
    pub async fn read(&self) -> Result<StoredSecret, CertificateError> {
        let secret =
            self.api.get_opt(&self.name).await.map_err(failed("cannot read the certificates' Secret"))?;
        let bundle = secret.as_ref().map(parse).unwrap_or_default();
        Ok(StoredSecret { secret, bundle })
    }

    /// Writes the Secret, if it has not changed since it was read.
    pub async fn write(
        &self,
        stored: StoredSecret,
        bundle: &CertificateBundle,
    ) -> Result<(), CertificateError> {
        let data = bundle.to_data().into_iter().map(|(key, value)| (key, ByteString(value))).collect();
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = match stored.secret {
            Some(secret) => {
                let secret = Secret { data: Some(data), ..secret };
                self.api.replace(&self.name, &parameters, &secret).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let type_ = Some("kubernetes.io/tls".to_owned());
                self.api
                    .create(&parameters, &Secret { metadata, data: Some(data), type_, ..Secret::default() })
                    .await
            }
        };
        match written {
            Ok(_) => Ok(()),
            // Another process wrote first; the next reconciliation reads its data.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(failed("cannot write the certificates' Secret")(error)),
        }
    }
}

/// Returns the certificates in a Secret.
pub fn parse(secret: &Secret) -> CertificateBundle {
    let data = secret.data.iter().flatten();
    let data: SecretData = data.map(|(key, value)| (key.clone(), value.0.clone())).collect();
    CertificateBundle::parse(&data)
}
