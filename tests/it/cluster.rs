//! The operator as a process on a real control plane.

mod citizen;
mod crash;
mod crds;
mod events;
mod lease;
mod objects;
mod rbac;
