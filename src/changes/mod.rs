//! What `diff` shows and `apply` carries out.
//!
//! 1. [`run`] runs the engine on manifests with a reviewer. The engine asks `plan` what to do for each object, as the operator
//!    does; the reviewer of a preview takes in the steps, and nothing is written.
//! 2. [`Preview`] makes a [`ChangeSet`] of the steps: which object changes what, field by field. Values of Secrets are never in
//!    it.
//! 3. [`output`] formats it; [`Plan`] is its form in a file.
//! 4. [`Approvals`] is the reviewer of `apply`: the engine carries out the steps of a change set and no others. A step is known
//!    by its fingerprint, which covers what is declared and what Svix had.

mod approvals;
pub mod base;
mod elsewhere;
mod fields;
mod fingerprint;
pub mod foreign;
mod header_values;
pub mod json_diff;
mod last_only;
mod model;
mod not_compared;
pub mod output;
mod placeholders;
mod plan_file;
mod preview;
pub mod receivers;
mod run;

pub use approvals::Approvals;
pub use model::{Action, Change, ChangeSet, FieldChange, Foreign, Refusal, Side, Totals};
pub use placeholders::{MissingSecrets, add as add_missing_secrets};
pub use plan_file::{InvalidPlan, Plan, Stale};
pub use preview::{HiddenHeaders, Preview};
pub use run::{CannotCompare, Finished, Run, Target, run};
