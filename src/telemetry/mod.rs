//! Logs, metrics and health endpoints.

mod admission;
mod gateway;
mod health;
mod labels;
mod logs;
mod metrics;

pub use admission::AdmissionMetrics;
pub use gateway::{GatewayMetrics, GatewayOutcome};
pub use health::{Gate, Readiness, STALLED, serve};
pub use logs::{LogFormat, init_logs};
pub use metrics::{Metrics, ObjectCount};
