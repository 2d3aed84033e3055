//! How an environment is exported.

use super::selection::Selection;

/// The `ownerId` of an environment in which no endpoint has a mark.
pub const DEFAULT_OWNER: &str = "svix-operator";

/// How an environment is exported.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the objects; `None`: none, so that whoever applies them chooses it. Endpoints with a mark keep theirs.
    pub namespace: Option<String>,
    /// Name of the connection.
    pub connection: String,
    /// Whose marks are ours; `None`: the owner with the most endpoints.
    pub owner_id: Option<String>,
    /// Whether signing keys, headers and addresses with credentials are written, as Secrets.
    pub with_secrets: bool,
    /// Whether every address is taken from a Secret.
    pub secret_urls: bool,
    /// Names of headers whose values are no credentials, in lower case.
    pub plain_headers: Vec<String>,
    /// Whether archived event types are exported.
    pub archived: bool,
    /// Whether the manifests are for another environment: without ids of this one.
    pub portable: bool,
    /// What is exported.
    pub selection: Selection,
    /// How manifests are divided into files.
    pub layout: Layout,
}

/// How manifests are divided into files.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Layout {
    /// A file for all objects.
    File,
    /// A file for each object.
    Object,
    /// A file for the endpoints of each application, and one for the event types.
    #[default]
    Application,
}
