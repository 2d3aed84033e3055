//! The serving certificate of the webhook, and the authority by which the API server trusts it.
//!
//! Either this program manages them in a Secret: [`plan()`] decides what to do, [`apply_step`] creates certificates,
//! [`CertificateBundle`] is the contents of the Secret, and `controller` reads and writes the Secret. Or another program,
//! such as cert-manager, provides them as files ([`files`]). In both cases [`ServingCertificate`] takes a new certificate
//! while connections are open.

mod bundle;
pub mod files;
mod issue;
mod pair;
mod plan;
mod serving;

pub use bundle::{CertificateBundle, SecretData};
pub use issue::{IssueError, apply_step};
pub use pair::{BACKDATED, InvalidPair, Pair, Validity};
pub use plan::{Policy, ServingState, State, Step, plan};
pub use serving::ServingCertificate;
