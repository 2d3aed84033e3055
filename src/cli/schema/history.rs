//! `svix-operator schema history`: the published versions of an event type's schema.

use std::{
    convert::Infallible,
    io::{self, Write},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    cli::{
        exit::Exit,
        runtime::{Threads, block_on},
        terminal,
    },
    plan::printable,
    plan::revision::{Comparison, Revision},
};

use super::cluster::{ClusterArguments, History};

/// List the published versions of an event type's schema.
///
/// The operator keeps each version that Svix had as a ControllerRevision, up to spec.revisionHistoryLimit of them. A version that is
/// published again gets a new number. Needs `get` on the WebhookEventType and `list` on controllerrevisions. Exit codes: 0 listed; 2
/// wrong arguments, no cluster, or no such event type; 3 the API server failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator schema history order.placed -n shop
      REVISION   PUBLISHED              DIGEST         COMPATIBILITY             SCHEMA
      1          2026-05-02T10:00:00Z   86ad1c1d5f0c   First                     kept
      2          2026-05-09T10:00:00Z   0f3a55c2e1b7   Breaking (ConsumerSafe)   kept, in Svix")]
pub struct Arguments {
    /// The WebhookEventType.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A table, for people.
    Table,
    /// One JSON document, for programs.
    Json,
}

/// Characters of a digest in the table.
const DIGEST: usize = 12;

/// Lists the versions, and returns the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: &Arguments) -> Result<ExitCode, Infallible> {
    let history = match History::read(&arguments.cluster, &arguments.name).await {
        Ok(history) => history,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(error.exit().into());
        }
    };
    terminal::print(|out| match arguments.output {
        Output::Json => writeln!(out, "{:#}", as_json(&history)),
        Output::Table => table(&history, out),
    });
    Ok(Exit::Done.into())
}

fn table(history: &History, out: &mut impl Write) -> io::Result<()> {
    if history.revisions.is_empty() {
        return writeln!(out, "no version of the schema of {}/{} is kept", history.namespace, history.name);
    }
    let head = ["REVISION", "PUBLISHED", "DIGEST", "COMPATIBILITY", "SCHEMA"].map(str::to_owned);
    let rows: Vec<_> = history.revisions.iter().map(|revision| row(revision, history.present)).collect();
    let mut widths = head.each_ref().map(String::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in std::iter::once(&head).chain(&rows) {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("   ").trim_end())?;
    }
    Ok(())
}

fn row(revision: &Revision, present: Option<i64>) -> [String; 5] {
    let Revision { name: _, number, digest, published_at, comparison, has_schema } = revision;
    let schema = match (has_schema, present == Some(*number)) {
        (true, false) => "kept",
        (true, true) => "kept, in Svix",
        (false, false) => "too large, not kept",
        (false, true) => "too large, not kept, in Svix",
    };
    [
        number.to_string(),
        published_at.map_or_else(|| "unknown".to_owned(), |time| format!("{time:.0}")),
        // Anybody who may edit the object may have written it.
        printable(&digest.chars().take(DIGEST).collect::<String>()),
        verdict(*comparison),
        schema.to_owned(),
    ]
}

fn verdict(comparison: Comparison) -> String {
    match comparison {
        Comparison { result, level: Some(level) } => format!("{result} ({level})"),
        Comparison { result, level: None } => result.to_string(),
    }
}

fn as_json(history: &History) -> Value {
    let revisions = history.revisions.iter().map(|revision| {
        let Revision { name, number, digest, published_at, comparison, has_schema } = revision;
        json!({
            "revision": number, "name": name, "digest": digest, "schemaKept": has_schema,
            "publishedAt": published_at.map(|time| time.to_string()),
            "compatibility": {
                "verdict": comparison.result.to_string(),
                "level": comparison.level.map(|level| level.to_string()),
            },
        })
    });
    json!({
        "namespace": history.namespace, "name": history.name, "revisionInSvix": history.present,
        "revisions": revisions.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{plan::revision::ComparisonResult, schema::evolution::Level};

    fn revision() -> Revision {
        Revision {
            name: "a.one-1".to_owned(),
            number: 2,
            digest: "0123456789abcdef".to_owned(),
            published_at: Some("2026-05-02T10:00:00.123456Z".parse().unwrap()),
            comparison: Comparison { result: ComparisonResult::Breaking, level: Some(Level::Strict) },
            has_schema: true,
        }
    }

    #[test]
    fn a_row_is_short() {
        let row = row(&revision(), Some(2));

        assert_eq!(row, ["2", "2026-05-02T10:00:00Z", "0123456789ab", "Breaking (Strict)", "kept, in Svix"]);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let comparison = Comparison::without_level(ComparisonResult::NotCompared);
        let odd = Revision {
            published_at: None,
            digest: "\u{1b}[31m".to_owned(),
            comparison,
            has_schema: false,
            ..revision()
        };

        let row = row(&odd, None);

        assert_eq!(row, ["2", "unknown", "\u{fffd}[31m", "NotCompared", "too large, not kept"]);
    }
}
