//! svix-operator keeps a Svix environment in sync with Kubernetes custom resources.

pub mod admission;
pub mod api;
pub mod catalogue;
pub mod changes;
pub mod cli;
pub mod connections;
pub mod controller;
pub mod embedded;
pub mod engine;
pub mod export;
pub mod gateway;
pub mod interchange;
pub mod json_syntax;
pub mod judging;
pub mod local_requests;
pub mod manifests;
pub mod memory;
pub mod messages;
pub mod pem;
pub mod plan;
pub mod schema;
pub mod signatures;
pub mod svix;
pub mod telemetry;
pub mod turns;
pub mod validation;
