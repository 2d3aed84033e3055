//! What several topics need: the real control plane, an engine without a cluster, and waiting without sleeping.

pub mod argo_cd;
pub mod control_plane;
pub mod git;
pub mod go_programs;
pub mod harness;
pub mod hostile;
pub mod inbox;
pub mod objects;
pub mod octokit;
pub mod operator;
pub mod packages;
pub mod ports;
pub mod process;
pub mod raw_server;
pub mod records;
pub mod release;
pub mod sidecar;
pub mod svix_server;
pub mod tcp_proxy;
pub mod test_namespace;
pub mod tools;
pub mod wait;
