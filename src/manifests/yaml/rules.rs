//! By which rules YAML is read.

/// By which rules YAML is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// As kubectl reads it: YAML 1.1 in go-yaml's dialect.
    Kubectl,
    /// YAML 1.2 with its core schema, and merge keys.
    Standard,
}
