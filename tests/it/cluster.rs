//! The operator as a process on a real control plane.

mod admission;
mod campaign;
mod certificates;
mod citizen;
mod crash;
mod crds;
mod events;
mod lease;
mod objects;
mod rbac;
mod sidecar;
