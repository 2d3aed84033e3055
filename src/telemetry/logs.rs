//! Logs: one line per change, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `default` is the level where the environment (`SVIX_OPERATOR_LOG`, else `RUST_LOG`) says
/// nothing, in the form of tracing's `EnvFilter`, such as `info` or `svix_operator=debug`.
pub fn init_logs(format: LogFormat, default: &str) {
    let asked = ["SVIX_OPERATOR_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let asked = asked.as_deref().unwrap_or(default);
    let mut filter = EnvFilter::try_new(asked).unwrap_or_else(|_| EnvFilter::new(default));
    // kube tells of each failed request, without saying of which, and of each watch that may not be, time and again; we
    // tell of what it was for.
    if !asked.contains("kube") {
        for quiet in ["kube_client::client::builder=off", "kube_runtime::watcher=error"] {
            if let Ok(quiet) = quiet.parse() {
                filter = filter.add_directive(quiet);
            }
        }
    }
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call, in a test, leaves the first in place.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
