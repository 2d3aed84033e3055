//! The operator as a process on a real control plane.

mod admission;
mod campaign;
mod certificates;
mod crash;
mod crds;
mod day_two;
mod diff;
mod events;
mod lease;
mod memory;
mod objects;
mod process;
mod rbac;
mod release;
mod reporting;
mod schema_history;
mod sidecar;
mod tour;
