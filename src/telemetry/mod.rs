//! Logs, metrics and health: how people and machines see the operator at work.

mod admission;
mod gateway;
mod health;
mod logs;
mod metrics;

pub use admission::AdmissionMetrics;
pub use gateway::{GatewayMetrics, Outcome};
pub use health::{Gate, Readiness, serve};
pub use logs::{LogFormat, init_logs};
pub use metrics::{Metrics, ObjectCount};
