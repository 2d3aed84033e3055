//! A client of the cluster that a kubeconfig or the service account of a Pod names, and why there is none. Nothing of a credential is
//! shown.

use kube::{Client, Config, client::RustlsTlsError, config::AuthInfo};

use crate::{cli::defect, controller::describe_credential};

use super::places::{AUTHORITY, CHECK_MAP, IDENTITY, POD_AUTHORITY, SET_AUTHORITY, SET_IDENTITY};

/// Why no client can be made of a kubeconfig, or of the service account of a Pod.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// There are no certificates where the API server's authority is configured.
    #[error(
        "{place}: found no block CERTIFICATE, expected certificates in PEM; {}",
        if *.in_pod { CHECK_MAP } else { SET_AUTHORITY }
    )]
    NoAuthority {
        /// The file or field.
        place: &'static str,
        /// Whether this process is in a Pod.
        in_pod: bool,
    },
    /// The token cannot be sent.
    #[error("{0}: found characters that an HTTP header cannot have (not shown), expected one line of text")]
    Token(&'static str),
    /// The library refuses the configuration.
    #[error("{}", describe_client(.0))]
    Library(#[source] kube::Error),
}

/// Returns a client. Nothing is called yet.
///
/// # Errors
/// The certificates or the credential cannot be used.
pub fn client(config: Config) -> Result<Client, NoClient> {
    // The library takes no certificate to mean that no server is trusted.
    if config.root_cert.as_ref().is_some_and(Vec::is_empty) {
        let in_pod = config.root_cert_file.is_some();
        let place = if in_pod { POD_AUTHORITY } else { AUTHORITY };
        return Err(NoClient::NoAuthority { place, in_pod });
    }
    let token = token_place(&config.auth_info);
    // It panics where a token is no header, and it alone knows the token that a command prints.
    let client = defect::unless_it_panics(|| Client::try_from(config)).ok_or(NoClient::Token(token))?;
    client.map_err(NoClient::Library)
}

/// Returns where the token of a user comes from, in the order in which the library takes it.
fn token_place(user: &AuthInfo) -> &'static str {
    if user.auth_provider.is_some() {
        "/users: the token of auth-provider of the context's user"
    } else if user.token.is_some() {
        "/users: token of the context's user"
    } else {
        "/users: the token that the command in exec of the context's user prints"
    }
}

/// Describes why the library refuses a configuration.
fn describe_client(error: &kube::Error) -> String {
    let tls = match error {
        kube::Error::RustlsTls(tls) => tls,
        kube::Error::Auth(auth) => return describe_credential(auth),
        other => return other.to_string(),
    };
    match tls {
        RustlsTlsError::InvalidIdentityPem(_) => {
            format!("{IDENTITY}: found data that is not PEM, expected a certificate and its key in PEM; {SET_IDENTITY}")
        }
        RustlsTlsError::MissingCertificate => {
            format!("{IDENTITY}: found no block CERTIFICATE, expected a certificate in PEM; {SET_IDENTITY}")
        }
        RustlsTlsError::MissingPrivateKey => {
            format!("{IDENTITY}: found no block PRIVATE KEY, expected a key without a password in PEM; {SET_IDENTITY}")
        }
        RustlsTlsError::UnknownPrivateKeyFormat => format!(
            "{IDENTITY}: found a block of another kind in PEM, expected CERTIFICATE and PRIVATE KEY only; {SET_IDENTITY}"
        ),
        RustlsTlsError::InvalidPrivateKey(rustls::Error::InconsistentKeys(_)) => {
            format!("{IDENTITY}: found the key of another certificate, expected the key of this one; {SET_IDENTITY}")
        }
        RustlsTlsError::InvalidPrivateKey(_) => {
            format!("{IDENTITY}: found a certificate or a key that cannot be used, expected a key of RSA, ECDSA or Ed25519; {SET_IDENTITY}")
        }
        RustlsTlsError::AddRootCertificate(_) => format!(
            "{AUTHORITY}: found a certificate that is no X.509 certificate of version 3, expected that of an authority; \
             {SET_AUTHORITY}"
        ),
        RustlsTlsError::NoValidNativeRootCA(_) => format!(
            "{AUTHORITY}: found none, and none of the system's can be read, expected certificates in PEM; {SET_AUTHORITY}"
        ),
        RustlsTlsError::InvalidServerName(_) => {
            "/clusters: tls-server-name of the context's cluster: found no DNS name, expected one such as api.example.com"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use kube::config::{KubeConfigOptions, Kubeconfig};
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A kubeconfig whose user has these fields, and its cluster this authority.
    fn with_user(user: &str, authority: &str) -> String {
        let authority = match authority {
            "" => String::new(),
            text => format!(", certificate-authority-data: {}", STANDARD.encode(text)),
        };
        format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nclusters: [{{name: k, cluster: \
             {{server: 'https://a'{authority}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    #[tokio::test]
    async fn a_client_that_cannot_be_made_has_a_place() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        let other = KeyPair::generate().unwrap().serialize_pem();
        let key = key.serialize_pem();
        let identity = |certificate: &str, key: &str| {
            format!(
                "client-certificate-data: {}, client-key-data: {}",
                STANDARD.encode(certificate),
                STANDARD.encode(key)
            )
        };
        let damaged = certificate.replacen("-----END", "-----", 1);
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        let exec = |command: &str| {
            format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {command}}}"
            )
        };
        let prints = |status: &str| {
            format!(r#"command: printf, args: ['%s', '{{"kind": "ExecCredential", "status": {status}}}']"#)
        };
        for (text, expected) in [
            (with_user(&identity(&damaged, &key), ""), format!("{IDENTITY}: found data that is not PEM")),
            (with_user(&identity("hunter2", &key), ""), format!("{IDENTITY}: found no block CERTIFICATE")),
            (
                with_user(&identity(&certificate, "hunter2"), ""),
                format!("{IDENTITY}: found no block PRIVATE KEY"),
            ),
            (
                with_user(&identity(&format!("{certificate}{request}"), &key), ""),
                format!("{IDENTITY}: found a block of another kind"),
            ),
            (
                with_user(&identity(&certificate, &other), ""),
                format!("{IDENTITY}: found the key of another certificate"),
            ),
            (
                with_user(&identity(no_certificate, &key), ""),
                format!("{IDENTITY}: found a certificate or a key that"),
            ),
            (
                with_user("token: t", no_certificate),
                format!("{AUTHORITY}: found a certificate that is no X.509"),
            ),
            (
                with_user("token: \"hunter2\\n\\u0001\"", ""),
                "/users: token of the context's user: found characters that".to_owned(),
            ),
            (
                with_user("auth-provider: {name: oidc, config: {id-token: \"hunter2\\u0001\"}}", ""),
                "/users: the token of auth-provider of the context's user: found characters that".to_owned(),
            ),
            (
                with_user(&exec(&prints(r#"{"token": "hunter2\u0001"}"#)), ""),
                "/users: the token that the command in exec of the context's user prints: found char"
                    .to_owned(),
            ),
            (
                with_user("tokenFile: /nowhere/token", ""),
                "/users: tokenFile of the context's user: /nowhere/token: ".to_owned(),
            ),
            (
                with_user(&exec("command: /nowhere/plugin"), ""),
                "/users: exec of the context's user: the command cannot be started: ".to_owned(),
            ),
            (
                with_user(&exec("command: sh, args: [-c, 'echo hunter2; exit 3']"), ""),
                "/users: exec of the context's user: the command failed (exit status: 3)".to_owned(),
            ),
            (
                with_user(&exec("command: echo, args: [hunter2]"), ""),
                "/users: exec of the context's user: found no credential in the output".to_owned(),
            ),
        ] {
            let config = Kubeconfig::from_yaml(&text).unwrap();
            let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
            let said = client(config).err().unwrap().to_string();

            assert!(said.starts_with(&expected) && !said.contains("hunter2"), "{expected}: {said}");
        }
    }
}
