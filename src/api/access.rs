//! `access` of a connection: which namespaces may do what through it.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Adoption, JsonPointer, SpecRule, Violation};

/// What some namespaces may do through a connection. What no rule grants is not allowed; a rule grants nothing that
/// it does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessRule {
    /// The namespaces that the rule is about, by their labels. An empty selector is every namespace.
    pub namespaces: NamespaceSelector,

    /// Uids of the Svix applications that they may have endpoints in and send events to. `*` stands for any text:
    /// `team-a-*`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.*-]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub applications: Vec<String>,

    /// Names of the event types that they may declare, subscribe to and send. `*` stands for any text: `a.*`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.*-]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub event_types: Vec<String>,

    /// The furthest `adoption` that their objects may ask for. Default: `Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_adoption: Option<Adoption>,

    /// Whether their event types may have `deletionPolicy: Expunge`. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_expunge: Option<bool>,
}

/// Chooses namespaces by their labels; all requirements must be met. Every namespace has the label
/// `kubernetes.io/metadata.name` with its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, with these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 20), with = "Option<BTreeMap<String, LabelValue>>")]
    pub match_labels: Option<BTreeMap<String, String>>,

    /// Requirements beyond equality.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A value.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
struct LabelValue(#[schemars(length(max = 63))] String);

/// One requirement on the labels of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && self.values.size() > 0) : !(has(self.values) && self.values.size() > 0)")
    .message(SpecRule::SelectorValues))]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How its value is compared.
    pub operator: LabelOperator,
    /// The values of `In` and `NotIn`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 50), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
}

impl AccessRule {
    /// The rules of the CRD that this violates; `field` is its own place.
    pub(super) fn violations<'a>(&'a self, field: &'a JsonPointer) -> impl Iterator<Item = Violation> + 'a {
        let requirements = self.namespaces.match_expressions.iter().enumerate();
        requirements.filter_map(|(index, requirement)| {
            let needs_values = match requirement.operator {
                LabelOperator::In | LabelOperator::NotIn => true,
                LabelOperator::Exists | LabelOperator::DoesNotExist => false,
            };
            let field = field.child("namespaces").child("matchExpressions").index(index);
            SpecRule::SelectorValues.check(needs_values != requirement.values.is_empty(), field)
        })
    }
}

/// How the value of a label is compared, as in Kubernetes' own selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label is there, with one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}
