//! `svix-operator schema diff`: the places where two versions of a schema differ.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    changes::{json_diff, output},
    cli::{
        exit::Exit,
        runtime::{Threads, block_on},
        terminal,
    },
    json_syntax::{self, JsonMistake},
};

use super::{
    cluster::{ClusterArguments, ClusterError, History},
    document::{self, DocumentError},
    format::Output,
};

/// Show the places where two versions of a schema differ.
///
/// Compares two files, each a JSON Schema or the manifest of a WebhookEventType, or two published versions of an event type in a
/// cluster (see `schema history`). The order of keys, and of the values of `required`, `enum` and `type`, makes no difference.
/// Whether the change breaks receivers is for `schema check` to say. Exit codes: 0 equal; 1 different; 2 wrong arguments, or a
/// version that there is not; 3 the API server failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator schema diff old.json new.json
      ~ /properties/id/type: \"string\" → [\"string\",\"integer\"]
      + /properties/note: {\"type\":\"string\"}
  svix-operator schema diff order.placed 1 3 -n shop
      compare revision 1 of an event type with revision 3")]
pub struct Arguments {
    /// Two files, `-` is standard input; or the name of a WebhookEventType and the numbers of two revisions.
    #[arg(value_name = "OLD NEW | NAME OLD NEW", required = true, num_args = 2..=3)]
    versions: Vec<String>,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, thiserror::Error)]
enum DiffError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("found {0:?}, expected the number of a revision, such as 3; `schema history` lists them")]
    Number(String),
    #[error("the schema of revision {0} cannot be read: {1}")]
    NotJson(i64, #[source] JsonMistake),
}

impl DiffError {
    fn exit(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit(),
            Self::NotJson(..) => Exit::Failed,
            Self::Document(_) | Self::Number(_) => Exit::Usage,
        }
    }
}

/// A version of a schema.
struct Version {
    schema: Value,
    format_assertion: bool,
}

/// Compares, and returns the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    let compared = match &arguments.versions[..] {
        [old, new] => files(old, new),
        [name, old, new] => {
            return block_on(Threads::One, revisions(arguments, name, old, new), Exit::Usage.into());
        }
        // The command line permits no other number.
        _ => return Exit::Usage.into(),
    };
    finish(arguments, compared).into()
}

fn files(old: &str, new: &str) -> Result<[Version; 2], DiffError> {
    let read = |path: &str| {
        let path: PathBuf = Path::new(path).to_owned();
        let document = document::read(&path)?;
        let format_assertion = document.format_assertion.unwrap_or(true);
        Ok::<_, DiffError>(Version { schema: document.schema, format_assertion })
    };
    Ok([read(old)?, read(new)?])
}

async fn revisions(
    arguments: &Arguments,
    name: &str,
    old: &str,
    new: &str,
) -> Result<ExitCode, std::convert::Infallible> {
    let compared = async {
        let number = |text: &str| text.parse::<i64>().map_err(|_| DiffError::Number(text.to_owned()));
        let numbers = [number(old)?, number(new)?];
        let history = History::read(&arguments.cluster, name).await?;
        let mut versions = Vec::new();
        for number in numbers {
            let published = history.published(number).await?;
            let text = &published.schema;
            let schema = serde_json::from_str(text)
                .map_err(|error| DiffError::NotJson(number, json_syntax::explain(text, None, &error)))?;
            versions.push(Version { schema, format_assertion: published.format_assertion });
        }
        Ok(versions)
    };
    Ok(finish(arguments, compared.await).into())
}

/// Prints the differences between the first and the last version.
fn finish(arguments: &Arguments, compared: Result<impl AsRef<[Version]>, DiffError>) -> Exit {
    let versions = match compared {
        Ok(versions) => versions,
        Err(error) => {
            eprintln!("error: {error}");
            return error.exit();
        }
    };
    let [old, new] = versions.as_ref() else { return Exit::Usage };
    let differences = json_diff::differences(&old.schema, &new.schema);
    let asserts_differently = old.format_assertion != new.format_assertion;
    terminal::print(|out| match arguments.output {
        Output::Json => writeln!(out, "{:#}", as_json(old, new, &differences)),
        Output::Text => {
            if asserts_differently {
                let (old, new) = (old.format_assertion, new.format_assertion);
                writeln!(out, "~ formatAssertion: {old} → {new}")?;
            }
            output::write_documents(&old.schema, &new.schema, terminal::has_color(), out).map(|_| ())
        }
    });
    if differences.is_empty() && !asserts_differently { Exit::Done } else { Exit::Found }
}

fn as_json(old: &Version, new: &Version, differences: &[json_diff::Difference]) -> Value {
    let places: Vec<_> = differences
        .iter()
        .map(|difference| {
            let json_diff::Difference { pointer, before, after } = difference;
            let mut place = json!({"pointer": pointer.as_str()});
            for (name, value) in [("old", before), ("new", after)] {
                if let Some(value) = value {
                    place[name] = value.clone();
                }
            }
            place
        })
        .collect();
    json!({
        "differences": places,
        "formatAssertion": {"old": old.format_assertion, "new": new.format_assertion},
    })
}
