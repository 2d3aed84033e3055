//! Logs on standard error: one line for each change.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text, for people.
    Text,
    /// A JSON object.
    Json,
}

/// Starts logging. The filter is that of the environment (`SVIX_OPERATOR_LOG`, else `RUST_LOG`), or else `default`, in the
/// syntax of tracing's `EnvFilter`, such as `info` or `svix_operator=debug`.
pub fn init_logs(format: LogFormat, default: &str) {
    let asked = ["SVIX_OPERATOR_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let asked = asked.as_deref().unwrap_or(default);
    let mut filter = EnvFilter::try_new(asked).unwrap_or_else(|_| EnvFilter::new(default));
    // kube logs each failed request without saying which one, and each watch that is forbidden again and again. The callers
    // here log such failures with their purpose.
    if !asked.contains("kube") {
        for quiet in ["kube_client::client::builder=off", "kube_runtime::watcher=error"] {
            if let Ok(quiet) = quiet.parse() {
                filter = filter.add_directive(quiet);
            }
        }
    }
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call, in a test, changes nothing.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
