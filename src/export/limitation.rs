//! What the resources cannot say of an environment, or what an export leaves out on purpose: for the report.

use std::fmt;

use crate::plan::quoted;

/// A limitation, and what in Svix it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub subject: Subject,
    /// The limitation.
    pub limitation: Limitation,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.limitation)
    }
}

/// What in Svix a limitation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An event type, by its name.
    EventType(String),
    /// An application, by its uid, else its id.
    Application(String),
    /// An endpoint, by its uid, else its id.
    Endpoint {
        /// Its application.
        application: String,
        /// Its uid or id.
        endpoint: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventType(name) => write!(f, "event type {name}"),
            Self::Application(application) => write!(f, "application {application}"),
            Self::Endpoint { application, endpoint } => {
                write!(f, "endpoint {endpoint} of application {application}")
            }
        }
    }
}

/// What follows from a limitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// There is no manifest.
    NotExported,
    /// There is a manifest, and a part is not in it. Svix keeps that part when the object is adopted.
    PartLeftOut,
}

/// What a manifest cannot say, or does not say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limitation {
    // --- not exported
    /// An application is named by its uid.
    #[error(
        "/uid: found {}, expected a uid of letters, digits, `-`, `_` and `.` that does not begin with app_, ep_ or msg_: a \
         WebhookEndpoint names its application by it. Its {endpoints} endpoints are not exported; set a uid in Svix",
        found(uid.as_deref())
    )]
    ApplicationUid {
        /// Its uid.
        uid: Option<String>,
        /// How many endpoints it has.
        endpoints: usize,
    },
    /// An endpoint that receives events of all types.
    #[error(
        "/filterTypes: found none, so that it receives every event type, expected a list: a WebhookEndpoint names its event types; \
         set them in Svix"
    )]
    AllEventTypes,
    /// An endpoint of another owner.
    #[error("/metadata: its mark is of ownerId {0}; --owner-id {0} exports what that owner has")]
    OtherOwner(String),
    /// A mark that no operator makes.
    #[error(
        "/metadata: found {} under svix-operator.dev/owner, expected <ownerId>/<namespace>/<name>; correct or remove it in Svix",
        quoted(.0)
    )]
    InvalidMark(String),
    /// Two endpoints with the same mark.
    #[error(
        "/metadata: another endpoint has the mark of WebhookEndpoint {0}, too; remove the mark of one of the two in Svix"
    )]
    DuplicateMark(String),
    /// A channel that is mapped to another one.
    #[error(
        "/channels: found {}, which no channel is mapped to with channelEncoding {encoding}",
        quoted(channel)
    )]
    Channel {
        /// The channel.
        channel: String,
        /// The encoding.
        encoding: &'static str,
    },
    /// The custom resource definition refuses the object.
    #[error("the resource cannot have these values: {0}")]
    Invalid(String),
    /// The operator would refuse the object, or change Svix.
    #[error("the operator would not adopt it as it is: {0}")]
    NotAdopted(String),

    // --- part left out
    /// Settings of an application.
    #[error("{0}: a WebhookEndpoint creates its application and does not manage it; not in the manifests")]
    ApplicationSettings(String),
    /// An application without endpoints.
    #[error("it has no endpoints that are exported, so no manifest names it")]
    EmptyApplication,
    /// Values of headers.
    #[error(
        "/headers: {0} not in the manifest, since their values can be credentials; Svix keeps them. --with-secrets exports them \
         as a Secret, --plain-header those that are none"
    )]
    Headers(String),
    /// Values of headers that Svix does not return.
    #[error("/headers: not in the manifest, since Svix does not show the values of {0}; it keeps them")]
    HiddenHeaders(String),
    /// Headers that a manifest cannot have.
    #[error("/headers: not in the manifest: {0}; Svix keeps them")]
    InvalidHeaders(String),
    /// The address is in a Secret that the export does not write.
    #[error(
        "/url: it contains a credential, so the manifest takes it from key url of Secret {0}; create that Secret, or use --with-secrets"
    )]
    UrlInSecret(String),
    /// The signing key is not one that can be written.
    #[error("/secret: not exported: {0}; Svix keeps it")]
    SigningKey(String),
    /// Entries of metadata.
    #[error("/metadata: {0} not in the manifest; Svix keeps them")]
    Metadata(String),
    /// It has no uid.
    #[error(
        "/uid: found {}; the operator {}",
        found(.0.as_deref()),
        if .0.is_some() { "finds it by its id" } else { "sets one when it writes its mark" }
    )]
    AdoptedById(Option<String>),
    /// It is found by its id, which has no meaning elsewhere.
    #[error("/uid: found {}; with --portable the manifest does not adopt this endpoint, but creates another", found(.0.as_deref()))]
    NotPortable(Option<String>),
    /// It is half created.
    #[error("/disabled: it was being created by the operator, which enables it; not in the manifest")]
    Preparing,
    /// Event types that nobody can receive.
    #[error(
        "/filterTypes: {0}: not in Svix, or archived: the endpoint receives no such events, and in another environment it waits for \
         these event types"
    )]
    MissingEventTypes(String),
    /// Archived.
    #[error(
        "/archived: it is archived; the manifest has managementPolicy: Observe. Without it, the event type is unarchived"
    )]
    Archived,
    /// Other versions of a schema.
    #[error("/schemas: versions {0} are not in the manifest, which has version \"1\"; Svix keeps them")]
    SchemaVersions(String),
    /// A schema that a manifest cannot have.
    #[error("/schemas/1: not in the manifest, so that any payload is valid: {0}; Svix keeps it")]
    Schema(String),
    /// A field that a manifest cannot have.
    #[error("/{field}: not in the manifest: {problem}; Svix keeps it")]
    Field {
        /// The field in Svix.
        field: &'static str,
        /// Why not.
        problem: String,
    },
}

fn found(uid: Option<&str>) -> String {
    uid.map_or_else(|| "none".to_owned(), quoted)
}

impl Limitation {
    /// Returns what follows.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::ApplicationUid { .. }
            | Self::AllEventTypes
            | Self::OtherOwner(_)
            | Self::InvalidMark(_)
            | Self::DuplicateMark(_)
            | Self::Channel { .. }
            | Self::Invalid(_)
            | Self::NotAdopted(_) => Effect::NotExported,
            Self::ApplicationSettings(_)
            | Self::EmptyApplication
            | Self::Headers(_)
            | Self::HiddenHeaders(_)
            | Self::InvalidHeaders(_)
            | Self::UrlInSecret(_)
            | Self::SigningKey(_)
            | Self::Metadata(_)
            | Self::AdoptedById(_)
            | Self::NotPortable(_)
            | Self::Preparing
            | Self::MissingEventTypes(_)
            | Self::Archived
            | Self::SchemaVersions(_)
            | Self::Schema(_)
            | Self::Field { .. } => Effect::PartLeftOut,
        }
    }
}
