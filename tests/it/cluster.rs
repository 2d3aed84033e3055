//! The operator as a process on a real control plane.

mod admission;
mod campaign;
mod certificates;
mod citizen;
mod crash;
mod crds;
mod day_two;
mod events;
mod lease;
mod objects;
mod rbac;
mod release;
mod sidecar;
mod telling;
mod tour;
