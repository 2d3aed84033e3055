//! The name of this program on the API server.

/// The field manager of our writes, and the controller that our Events name.
pub(super) const MANAGER: &str = "svix-operator";
