//! What `diff` and `apply` ask of the engine: to show what it would do and write nothing, or to carry out only the steps
//! that a person approved.

use std::fmt::Debug;

use serde_json::Value;

use crate::plan::{
    endpoint::{self, EndpointStep, HiddenDifference},
    event_type::{self, EventTypeStep},
};

use super::object::{Mode, Object, ObjectKey};

/// The step that the plan decided on for an object.
#[derive(Clone, Copy, Debug)]
pub enum Proposal<'a> {
    /// For an event type.
    EventType {
        /// What is declared.
        desired: &'a event_type::Desired,
        /// What Svix has.
        observed: Option<&'a event_type::Observed>,
        /// The schemas in Svix by version, where they were read.
        schemas: Option<&'a Value>,
        /// The step.
        step: &'a EventTypeStep,
        /// What is to be reported of a change of the schema that may be written.
        warning: Option<&'a str>,
    },
    /// For an endpoint.
    Endpoint {
        /// What is declared.
        desired: &'a endpoint::Desired,
        /// What Svix has.
        observed: Option<&'a endpoint::Observed>,
        /// The step.
        step: &'a EndpointStep,
        /// What differs in headers and the signing key, where they were compared.
        hidden: &'a [HiddenDifference],
        /// Names of headers that are declared and whose values Svix hides.
        unknown_headers: &'a [String],
        /// Whether the application is created first.
        creates_application: bool,
    },
}

/// Who sees the steps of the engine before they are carried out.
///
/// An object is then taken to be approved by a person: it may adopt what is in Svix, unless its own `adoption` is `Never`.
pub trait Reviewer: Debug + Send + Sync {
    /// Whether nothing is written: every object is only compared.
    fn is_preview(&self) -> bool;

    /// Takes in what would be done for an object in a preview. `mode` is how far the operator would go with it.
    fn propose(&self, object: &Object, mode: Mode, proposal: Proposal<'_>);

    /// Whether a step may be carried out.
    fn permits(&self, key: &ObjectKey, proposal: Proposal<'_>) -> bool;

    /// Whether headers and signing key of an endpoint may be written.
    fn permits_details(&self, key: &ObjectKey) -> bool;

    /// Whether headers are written whose values Svix hides, so that nobody knows whether they differ.
    fn writes_hidden_headers(&self) -> bool;
}
