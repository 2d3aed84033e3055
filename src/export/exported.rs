//! What becomes of an event type or an endpoint.

use kube::Resource;
use serde::Serialize;
use serde_json::Value;

use crate::manifests::check::Checker;

use super::limitation::Limitation;

/// The manifests of an event type or an endpoint, and what they leave out.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The object.
    pub manifest: Value,
    /// The Secret with its credentials.
    pub secret: Option<Value>,
    /// What is not in them.
    pub limitations: Vec<Limitation>,
}

/// Returns the manifest of an object that the custom resource definition accepts.
pub fn manifest<K>(object: &K, checker: &Checker) -> Result<Value, Limitation>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let mut manifest =
        serde_json::to_value(object).map_err(|error| Limitation::Invalid(error.to_string()))?;
    if let Some(members) = manifest.as_object_mut() {
        members.remove("status");
    }
    match checker.check(&K::kind(&()), &manifest).into_iter().next() {
        None => Ok(manifest),
        // The pointer says where; the message may show a value, and no value here is a credential.
        Some(violation) => Err(Limitation::Invalid(format!("{}: {}", violation.pointer, violation.message))),
    }
}
