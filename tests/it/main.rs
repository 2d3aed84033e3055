//! The integration tests: one binary, a module per topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code)]

mod schema_check;
mod schema_costs;
mod schema_history;
mod schema_suite;
mod signatures;
mod single_findings;
mod support;

mod admission_server;
mod catalogue_files;
mod changes;
mod chart;
mod cluster;
mod command_line;
mod control_plane;
mod dev;
mod docs;
mod ecma_262;
mod embedded_faults;
mod engine;
mod events;
mod examples;
mod export;
mod gateway;
mod image;
mod kubectl_yaml;
mod layering;
mod memory;
mod properties;
mod reasons;
mod svix_client;
mod svix_contract;
mod validate;
