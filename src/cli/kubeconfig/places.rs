//! Where certificates are in a kubeconfig and in a Pod, and how they are set.

/// Where the certificates of the API server's authority are, and how they are set.
pub(super) const AUTHORITY: &str = "/clusters: certificate-authority of the context's cluster";
pub(super) const SET_AUTHORITY: &str =
    "`kubectl config set-cluster NAME --certificate-authority FILE --embed-certs` sets them";

/// Where they are in a Pod, and what to check there.
pub(super) const POD_AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
pub(super) const CHECK_MAP: &str = "check the ConfigMap kube-root-ca.crt of the namespace";

/// Where the certificate is with which a caller identifies itself, and how it is set.
pub(super) const IDENTITY: &str = "/users: client-certificate and client-key of the context's user";
pub(super) const SET_IDENTITY: &str = "`kubectl config set-credentials NAME --client-certificate FILE --client-key FILE --embed-certs` sets both";
