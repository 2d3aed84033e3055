//! Logs, on standard error: one line per change.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging. The environment variables `SVIX_OPERATOR_LOG` and `RUST_LOG` set the level; otherwise it is `default`, in
/// the syntax of tracing's `EnvFilter`, such as `info` or `svix_operator=debug`.
pub fn init_logs(format: LogFormat, default: &str) {
    let directives = ["SVIX_OPERATOR_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let directives = directives.as_deref().unwrap_or(default);
    let mut filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(default));
    // kube logs each failed request without its purpose, and each forbidden watch repeatedly. This program logs failures
    // with their purpose.
    if !directives.contains("kube") {
        for quiet in ["kube_client::client::builder=off", "kube_runtime::watcher=error"] {
            if let Ok(quiet) = quiet.parse() {
                filter = filter.add_directive(quiet);
            }
        }
    }
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call, in a test, has no effect.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
