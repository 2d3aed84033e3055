//! `svix-operator schema check`: whether a new schema breaks those who wrote a receiver for the old one.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};
use strum::VariantNames as _;

use crate::{
    changes::json_diff,
    cli::{exit::Exit, payload_file, terminal},
    schema::{
        self, InvalidSchema,
        evolution::{self, Breaking, Level, Obstruction, Rule, Side, Verdict, Version},
    },
};

use super::{
    document::{self, Document, DocumentError},
    format::Output,
};

/// Say whether a new schema permits payloads that the old one refuses.
///
/// Those who wrote a receiver rely on the schema that they know: a payload that it refuses can break them. The answer is proved, or
/// shown with a payload that both validators confirm. OLD and NEW are files with a JSON Schema or the manifest of a
/// WebhookEventType, as JSON or YAML; `-`: standard input. Exit codes: 0 safe; 1 breaking, or the new schema permits no payload; 2
/// wrong arguments, or a schema that cannot be used; 5 not decided.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator schema check old.json new.json
      breaking (ConsumerSafe): the new schema permits what the old one refuses
        payload: {\"id\":0}
        /id: /properties/id/type was \"string\", is [\"string\",\"integer\"]
  svix-operator schema check event-type.yaml --widen --payload refused.json
      the change of the schema that would permit a payload")]
pub struct Arguments {
    /// The schema that receivers know.
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The schema that is to replace it.
    #[arg(value_name = "NEW", required_unless_present = "widen", conflicts_with = "widen")]
    new: Option<PathBuf>,

    /// What a change must not do. ConsumerSafe: permit what the old schema refuses, where receivers ignore members that they do not
    /// know. Strict: the same, for receivers that ignore nothing. Backward: refuse what the old one permits. Full: ConsumerSafe and
    /// Backward.
    #[arg(long, value_name = "LEVEL", default_value = "ConsumerSafe", value_parser = clap::builder::PossibleValuesParser::new(Level::VARIANTS))]
    level: String,

    /// Whether `format` and `contentEncoding` are enforced. Default: formatAssertion of the manifest, else true.
    #[arg(long, value_name = "BOOL")]
    format_assertion: Option<bool>,

    /// Suggest the change of OLD that would permit the payloads of --payload.
    #[arg(long, requires = "payloads")]
    widen: bool,

    /// A payload for --widen, a JSON file; can be given more than once.
    #[arg(long = "payload", value_name = "FILE", requires = "widen")]
    payloads: Vec<PathBuf>,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("{}: {source}", .path.display())]
    Schema { path: PathBuf, source: InvalidSchema },
    #[error("--level: found {0:?}")]
    Level(String),
    #[error("{}: {source}", .path.display())]
    ReadPayload { path: PathBuf, source: io::Error },
    #[error("{}: {violation}", .path.display())]
    Payload { path: PathBuf, violation: schema::Violation },
    #[error("{}: {source}", .path.display())]
    Widen { path: PathBuf, source: evolution::CannotWiden },
}

/// Compares, and returns the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    let result = match &arguments.new {
        Some(new) => compare(arguments, new),
        None => widen(arguments),
    };
    result.map(Into::into).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        Exit::Usage.into()
    })
}

fn compare(arguments: &Arguments, new: &Path) -> Result<Exit, CheckError> {
    let level: Level = arguments.level.parse().map_err(|_| CheckError::Level(arguments.level.clone()))?;
    let (old_document, new_document) = (document::read(&arguments.old)?, document::read(new)?);
    let old = version(arguments, &arguments.old, &old_document)?;
    let new = version(arguments, new, &new_document)?;
    let verdict = evolution::compare(&old, &new, level);
    terminal::print(|out| match arguments.output {
        Output::Text => text(level, &verdict, out),
        Output::Json => writeln!(out, "{:#}", as_json(level, &verdict)),
    });
    Ok(match verdict {
        Verdict::Safe => Exit::Done,
        Verdict::Breaking(_) | Verdict::Empty => Exit::Found,
        Verdict::NotDecided { .. } => Exit::Undecided,
    })
}

fn version<'a>(
    arguments: &Arguments,
    path: &Path,
    document: &'a Document,
) -> Result<Version<'a>, CheckError> {
    let format_assertion = arguments.format_assertion.or(document.format_assertion).unwrap_or(true);
    Version::new(&document.schema, format_assertion)
        .map_err(|source| CheckError::Schema { path: path.to_owned(), source })
}

fn text(level: Level, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    match verdict {
        Verdict::Safe => writeln!(out, "safe ({level})"),
        Verdict::Empty => writeln!(out, "empty ({level}): the new schema permits no payload at all"),
        Verdict::Breaking(breaking) => {
            let what = match breaking.refused_by {
                Side::Old => "the new schema permits what the old one refuses",
                Side::New => "the new schema refuses what the old one permits",
            };
            writeln!(out, "breaking ({level}): {what}")?;
            writeln!(out, "  payload: {}", breaking.witness)?;
            for change in &breaking.changes {
                let place = if change.payload.is_empty() { "/" } else { &change.payload };
                writeln!(out, "  {place}: {}", rules(change.old.as_ref(), change.new.as_ref()))?;
            }
            Ok(())
        }
        Verdict::NotDecided { places } => {
            writeln!(out, "not decided ({level})")?;
            places.iter().try_for_each(|place| writeln!(out, "  {}", obstruction(place)))
        }
    }
}

fn rules(old: Option<&Rule>, new: Option<&Rule>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old.pointer == new.pointer => {
            format!("{} was {}, is {}", old.pointer, old.value, new.value)
        }
        (Some(old), Some(new)) => {
            format!("{} was {}; the new schema has {} {}", old.pointer, old.value, new.pointer, new.value)
        }
        (Some(old), None) => format!("{} was {}; the new schema has no such rule", old.pointer, old.value),
        (None, Some(new)) => format!("{} is {}; the old schema has no such rule", new.pointer, new.value),
        (None, None) => "the rule is not known".to_owned(),
    }
}

fn obstruction(place: &Obstruction) -> String {
    match place {
        Obstruction::Steps => "the comparison takes more steps than it may".to_owned(),
        Obstruction::Keyword { side, pointer } => format!("{pointer} of the {side} schema is not modelled"),
        Obstruction::Combination => "the combination of the rules".to_owned(),
    }
}

fn as_json(level: Level, verdict: &Verdict) -> Value {
    let (name, details) = match verdict {
        Verdict::Safe => ("safe", json!({})),
        Verdict::Empty => ("empty", json!({})),
        Verdict::Breaking(breaking) => ("breaking", breaking_json(breaking)),
        Verdict::NotDecided { places } => {
            let places: Vec<_> = places
                .iter()
                .map(|place| match place {
                    Obstruction::Keyword { side, pointer } => {
                        json!({ "cause": "keyword", "side": side.to_string(), "pointer": pointer })
                    }
                    Obstruction::Steps => json!({ "cause": "steps" }),
                    Obstruction::Combination => json!({ "cause": "combination" }),
                })
                .collect();
            ("notDecided", json!({ "places": places }))
        }
    };
    let mut document = json!({ "verdict": name, "level": level.to_string() });
    if let (Value::Object(document), Value::Object(details)) = (&mut document, details) {
        document.extend(details);
    }
    document
}

fn breaking_json(breaking: &Breaking) -> Value {
    let rule = |rule: &Option<Rule>| {
        rule.as_ref()
            .map(|rule| json!({ "pointer": rule.pointer, "keyword": rule.keyword, "value": rule.value }))
    };
    let places = breaking.changes.iter();
    let places: Vec<_> = places
        .map(
            |change| json!({ "payload": change.payload, "old": rule(&change.old), "new": rule(&change.new) }),
        )
        .collect();
    json!({ "witness": breaking.witness, "refusedBy": breaking.refused_by.to_string(), "places": places })
}

/// Suggests the change that permits the payloads.
fn widen(arguments: &Arguments) -> Result<Exit, CheckError> {
    let document = document::read(&arguments.old)?;
    let format_assertion = arguments.format_assertion.or(document.format_assertion).unwrap_or(true);
    let mut widened = document.schema.clone();
    for path in &arguments.payloads {
        let bytes = payload_file::read(path)
            .map_err(|source| CheckError::ReadPayload { path: path.clone(), source })?;
        let payload = schema::parse(&bytes)
            .map_err(|violation| CheckError::Payload { path: path.clone(), violation })?;
        widened = evolution::widen(&widened, &payload, format_assertion)
            .map_err(|source| CheckError::Widen { path: path.clone(), source })?;
    }
    let differences = json_diff::differences(&document.schema, &widened);
    terminal::print(|out| match arguments.output {
        Output::Json => writeln!(out, "{widened:#}"),
        Output::Text if differences.is_empty() => writeln!(out, "nothing to change: the schema permits it"),
        Output::Text => differences.iter().try_for_each(|difference| {
            let place = difference.pointer.as_str();
            match (&difference.before, &difference.after) {
                (Some(before), Some(after)) => writeln!(out, "~ {place}: {before} → {after}"),
                (Some(before), None) => writeln!(out, "- {place}: {before}"),
                (_, after) => writeln!(out, "+ {place}: {}", after.clone().unwrap_or_default()),
            }
        }),
    });
    Ok(if differences.is_empty() { Exit::Done } else { Exit::Found })
}
