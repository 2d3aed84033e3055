//! Logs, metrics and health checks of the process.

mod admission;
mod durations;
mod gateway;
mod health;
mod labels;
mod logs;
mod metrics;

pub use admission::AdmissionMetrics;
pub use gateway::{GatewayMetrics, Outcome};
pub use health::{Gate, Readiness, serve};
pub use logs::{LogFormat, init_logs};
pub use metrics::{Metrics, ObjectCount};
