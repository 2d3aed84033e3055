//! The certificate that the webhook is served with, and the authority that the API server knows it by.
//!
//! Either kept here, in a Secret: `plan` decides, `issue` makes, `held` is what the Secret holds, and the shell in
//! `controller` reads and writes it. Or brought by somebody else as files (`files`), such as cert-manager. In both
//! cases [`ServingCertificate`] takes a new one while connections go on.

pub mod files;
mod held;
mod issue;
mod pair;
mod plan;
mod serving;

pub use held::{Held, SecretData};
pub use issue::{IssueError, carried_out};
pub use pair::{InvalidPair, Pair, Validity};
pub use plan::{Policy, ServingState, State, Step, plan};
pub use serving::ServingCertificate;

/// Certificates begin so long before they are made: clocks differ.
pub const BACKDATED: std::time::Duration = std::time::Duration::from_secs(300);
