//! The output of `dev`: reports, the changes since the last one, and how to send a message.

use std::{
    collections::HashSet,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use crate::{
    api::{DEFAULT_CONNECTION, SvixConnectionSpec},
    cli::terminal,
    engine::Object,
    manifests::{
        report::{Report, Row},
        table::{self, Style},
    },
};

use super::{front::GatewayFront, lines::Lines, sample, server::SvixServer};

/// Format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For programs: one JSON document.
    Json,
}

pub(super) fn print_report(report: &Report, output: Output) {
    terminal::print(|out| match output {
        Output::Table => table::write(report, out, style()),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
    });
}

/// Prints the rows that changed, and the totals.
pub(super) fn print_changes(previous: &Report, report: &Report, output: Output) {
    if output == Output::Json {
        return print_report(report, output);
    }
    let known: HashSet<&Row> = previous.objects.iter().chain(&previous.files).collect();
    let rows = report.objects.iter().chain(&report.files);
    let changed = rows.filter(|row| !known.contains(row)).cloned().collect();
    terminal::print(|out| {
        table::write_rows(&Report::new(changed, 0), out, style())?;
        writeln!(out, "{}", report.totals())
    });
}

pub(super) fn print_lines(lines: &Lines) {
    lines.take().iter().for_each(|line| println!("{line}"));
}

/// Prints where Svix and the gateway are, with a command that sends a message through it.
pub(super) fn print_addresses(server: &SvixServer, front: Option<&GatewayFront>, objects: &[Object]) {
    let token = server.printable_token();
    if server.embedded.is_some() {
        println!("\nSvix is at {}, token {token}.", server.url);
    }
    let Some(front) = front else { return };
    let application = front.connection().map_or("default", SvixConnectionSpec::default_application);
    let sample = sample::sample(objects, DEFAULT_CONNECTION, application);
    println!(
        "The gateway is at {url}: the same API, but an event that does not match its schema is refused. Send one:\n  \
         curl {url}/api/v1/app/{application}/msg -H \"Authorization: Bearer {token}\" \\\n    \
         -H 'Content-Type: application/json' -d '{body}'",
        url = front.url(),
        application = sample.application,
        body = sample.body,
    );
}

pub(super) fn print_watching(folder: &Path) {
    println!("\nWatching {}; Ctrl-C ends.", folder.display());
}

fn style() -> Style {
    let is_terminal = io::stdout().is_terminal();
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Style {
        color: terminal::has_color(),
        unicode: is_terminal,
        width: if is_terminal { width.or(Some(100)) } else { None },
    }
}
