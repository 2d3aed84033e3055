//! Why a kubeconfig cannot be used: the file and the place, and what to do. A kubeconfig has credentials, so nothing of its
//! content but names is shown.

mod client;
mod places;

use std::{env, error::Error as _};

use kube::{
    Config,
    config::{InClusterError, InferConfigError, KubeconfigError, LoadDataError},
};

use places::{AUTHORITY, CHECK_MAP, POD_AUTHORITY, SET_AUTHORITY, SET_IDENTITY};

pub use client::{NoClient, client};

/// Describes why there is no kubeconfig that can be used.
#[must_use]
pub fn describe(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::CurrentContextNotSet => {
            "the kubeconfig has no current-context; `kubectl config use-context` sets it".to_owned()
        }
        KubeconfigError::LoadContext(name) => {
            format!("the kubeconfig has no context {name:?}; `kubectl config get-contexts` lists them")
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("/clusters: the kubeconfig has no cluster {name:?}, which its context names")
        }
        KubeconfigError::FindPath => "found no kubeconfig, and no home folder with one".to_owned(),
        KubeconfigError::ReadConfig(error, path) => format!("{}: {error}", path.display()),
        // The library's message quotes the lines around the place.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!(
                "the kubeconfig, line {}, column {}: found something else than kubectl writes there",
                at.line(),
                at.column()
            ),
            None => "the kubeconfig is not in the form that kubectl writes".to_owned(),
        },
        KubeconfigError::MissingClusterUrl => {
            "/clusters: the cluster of the context has no server, expected an https URL".to_owned()
        }
        KubeconfigError::ParseClusterUrl(_) => {
            "/clusters: the server of the context's cluster is no URL, expected an https URL".to_owned()
        }
        KubeconfigError::ParseProxyUrl(_) => {
            "/clusters: the proxy-url of the context's cluster is no URL".to_owned()
        }
        KubeconfigError::LoadCertificateAuthority(error) => {
            format!("{AUTHORITY}: {}; {SET_AUTHORITY}", data(error))
        }
        KubeconfigError::LoadClientCertificate(error) => {
            format!("/users: client-certificate of the context's user: {}; {SET_IDENTITY}", data(error))
        }
        KubeconfigError::LoadClientKey(error) => {
            format!("/users: client-key of the context's user: {}; {SET_IDENTITY}", data(error))
        }
        KubeconfigError::ParseCertificates(_) => {
            format!("{AUTHORITY}: found no certificates in PEM; {SET_AUTHORITY}")
        }
        KubeconfigError::KindMismatch => {
            "KUBECONFIG: found files of different kinds, expected `kind: Config` in each".to_owned()
        }
        KubeconfigError::ApiVersionMismatch => {
            "KUBECONFIG: found files of different versions, expected `apiVersion: v1` in each".to_owned()
        }
        other => other.to_string(),
    }
}

fn data(error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => "found data that is not base64".to_owned(),
        LoadDataError::ReadFile(error, path) => format!("{}: {error}", path.display()),
        LoadDataError::NoBase64DataOrFile => "found neither data nor a file".to_owned(),
    }
}

/// Describes why there is neither a cluster around this process nor a kubeconfig.
#[must_use]
pub fn describe_inferred(error: &InferConfigError) -> String {
    let kubeconfig = error.source().and_then(|source| source.downcast_ref::<KubeconfigError>());
    match kubeconfig {
        Some(kubeconfig) if env::var_os("KUBERNETES_SERVICE_HOST").is_none() => {
            format!("this process is in no Pod, and {}", describe(kubeconfig))
        }
        // A Pod has this variable, so the other half of the error matters as well, which the library does not hand out.
        Some(kubeconfig) => match Config::incluster() {
            Err(in_pod) => format!("{}, and {}", describe_in_pod(&in_pod), describe(kubeconfig)),
            Ok(_) => describe(kubeconfig),
        },
        None => error.to_string(),
    }
}

/// Describes why the service account of a Pod cannot be used.
fn describe_in_pod(error: &InClusterError) -> String {
    const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    const MOUNT: &str = "check automountServiceAccountToken of the Pod and of its service account";
    match error {
        InClusterError::ReadDefaultNamespace(error) => format!("{ACCOUNT}/namespace: {error}; {MOUNT}"),
        InClusterError::ReadCertificateBundle(error) => format!("{POD_AUTHORITY}: {error}; {MOUNT}"),
        InClusterError::ParseCertificates(_) => {
            format!("{POD_AUTHORITY}: found no certificates in PEM; {CHECK_MAP}")
        }
        InClusterError::ReadEnvironmentVariable(_)
        | InClusterError::ParseClusterPort(_)
        | InClusterError::ParseClusterUrl(_) => {
            "the environment variables KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT have no address of an API server"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io;

    use kube::config::{KubeConfigOptions, Kubeconfig};

    use super::*;

    async fn said(text: &str) -> String {
        let error = match Kubeconfig::from_yaml(text) {
            Err(error) => error,
            Ok(read) => {
                Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap_err()
            }
        };
        describe(&error)
    }

    #[tokio::test]
    async fn mistakes_have_a_place_and_show_no_credential() {
        let users = "users: [{name: u, user: {token: hunter2}}]\n";
        let whole = |cluster: &str| {
            format!(
                "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nclusters: [{{name: k, cluster: \
                 {{{cluster}}}}}]\nusers: [{{name: u, user: {{token: hunter2}}}}]\n"
            )
        };
        for (text, expected) in [
            (users.to_owned(), "the kubeconfig has no current-context"),
            (format!("current-context: none\n{users}"), "the kubeconfig has no context \"none\""),
            (format!("{users}contexts: 5\n"), "the kubeconfig, line 2, column 11: found something else"),
            (format!("{users}a: [\n"), "the kubeconfig, line "),
            (whole(""), "/clusters: the cluster of the context has no server"),
            (whole("server: 'http://'"), "/clusters: the server of the context's cluster is no URL"),
            (
                whole("server: 'https://a', certificate-authority-data: '%'"),
                "/clusters: certificate-authority of the context's cluster: found data that is not base64; `kubectl config",
            ),
        ] {
            let said = said(&text).await;

            assert!(said.starts_with(expected) && !said.contains("hunter2"), "{text}: {said}");
        }
    }

    #[test]
    fn a_service_account_that_cannot_be_used_has_a_place() {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        for (error, expected) in [
            (
                InClusterError::ReadDefaultNamespace(missing()),
                "/var/run/secrets/kubernetes.io/serviceaccount/namespace: entity not found; check automount",
            ),
            (
                InClusterError::ReadCertificateBundle(missing()),
                "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt: entity not found; check automount",
            ),
            (
                InClusterError::ReadEnvironmentVariable(env::VarError::NotPresent),
                "the environment variables KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT have no address",
            ),
        ] {
            let said = describe_in_pod(&error);

            assert!(said.starts_with(expected), "{said}");
        }
    }
}
