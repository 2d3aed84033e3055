//! The endpoints that receive the events of an event type, as status and `diff` name them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The endpoints that receive the events of an event type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receivers {
    /// How many there are.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// The first of them by name. In the status of an object, those of its own namespace alone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 10), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub endpoints: Vec<String>,
    /// How many of them are in other namespaces, where that is all that may be shown of those.
    #[serde(skip_serializing_if = "is_zero", default)]
    #[schemars(range(min = 0))]
    pub in_other_namespaces: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}
