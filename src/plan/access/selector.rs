//! Selectors of namespaces, with the meaning that label selectors have in Kubernetes.

use std::collections::BTreeMap;

use crate::api::{LabelOperator, NamespaceSelector};

/// Label that the API server gives every namespace, with its name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a selector matches the namespace with this name and these labels. Where its labels are not known (it is new,
/// or namespaces may not be read), no requirement on them is met, not even that a label is absent.
#[must_use]
pub fn selects(
    selector: &NamespaceSelector,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    // The name is a label that nobody can change, so it is not read from the labels of the object.
    let value = |key: &str| {
        if key == NAME_LABEL { Some(namespace) } else { labels?.get(key).map(String::as_str) }
    };
    // No `..`: a new kind of requirement must be handled here.
    let NamespaceSelector { match_labels, match_expressions } = selector;
    match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted))
        && match_expressions.iter().all(|requirement| {
            let found = value(&requirement.key);
            let among = found.is_some_and(|found| requirement.values.iter().any(|value| value == found));
            let known = requirement.key == NAME_LABEL || labels.is_some();
            known
                && match requirement.operator {
                    LabelOperator::In => among,
                    LabelOperator::NotIn => !among,
                    LabelOperator::Exists => found.is_some(),
                    LabelOperator::DoesNotExist => found.is_none(),
                }
        })
}
