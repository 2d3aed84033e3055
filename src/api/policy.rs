//! How far the operator goes with an object: fields that several kinds share, and the annotations that people set.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Annotation of any object: a new value has it compared with Svix at once, without the mirror. The value that was last
/// handled is in status.
pub const RECONCILE_AT_ANNOTATION: &str = "svix-operator.dev/reconcile-at";

/// Annotation of an endpoint: another value rotates its signing key now.
pub const ROTATE_AT_ANNOTATION: &str = "svix-operator.dev/rotate-at";

/// Annotation of an endpoint: the id of the endpoint in Svix (`ep_…`) that this object is to take over.
pub const ADOPT_ID_ANNOTATION: &str = "svix-operator.dev/adopt-id";

/// Annotation of a connection: with `true`, deleting the connection releases all its objects at once and leaves Svix as
/// it is.
pub const ORPHAN_ON_DELETE_ANNOTATION: &str = "svix-operator.dev/orphan-on-delete";

/// The value of an annotation.
#[must_use]
pub fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// What happens when the event type or endpoint is in Svix already and is not this object's. Default: `Match`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
pub enum Adoption {
    /// It is refused, even when it is equal.
    Never,
    /// It is adopted when it is equal to the spec; else status shows what differs.
    #[default]
    Match,
    /// It is adopted and changed to the spec.
    Override,
}

impl Adoption {
    /// The policy as manifests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Whether Svix is changed, or only compared with the spec. Default: `Manage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Svix is changed to the spec.
    #[default]
    Manage,
    /// Nothing is written; status shows how Svix differs.
    Observe,
}

/// How Svix differs from what is declared, of an object that is observed or suspended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The action that would be taken if the object were managed.
    pub action: Action,
    /// The fields that would be written; none for an event type or endpoint that would be created.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub fields: Vec<FieldDifference>,
    /// How many fields there are beyond those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<i32>,
}

/// An action that would be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// It is not in Svix: it would be created.
    Create,
    /// It is in Svix and has no owner: it would be adopted.
    Adopt,
    /// It would be changed.
    Change,
    /// It is archived in Svix: it would be revived.
    Revive,
    /// It would not be changed: it has another owner, or the change is not possible.
    Refuse,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// The field's name in the spec.
    #[schemars(length(max = 64))]
    pub field: String,
    /// The value in Svix, shortened, without credentials.
    #[schemars(length(max = 512))]
    pub in_svix: String,
    /// The declared value, shortened, without credentials.
    #[schemars(length(max = 512))]
    pub declared: String,
}
