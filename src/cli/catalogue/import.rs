//! `svix-operator catalogue import`: manifests of the event types in an OpenAPI document or in a folder of JSON Schemas.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::Value;

use crate::{
    api::EventTypeNames,
    cli::{exit::Exit, terminal},
    interchange::{
        Import, folder,
        openapi::{self, InvalidDocument, NameSource},
        text::{self, InvalidText},
        to_manifest,
    },
    manifests::{
        self, counted,
        yaml::{Document, Mark},
    },
    plan::ids,
};

/// Make manifests of the event types in an OpenAPI document or in a folder of JSON Schemas.
///
/// Of an OpenAPI document (3.0 or 3.1, JSON or YAML), reads `webhooks`, `x-webhooks` and `callbacks`, with the extensions
/// `x-svix-group-name` and `x-svix-feature-flags`. Of a folder, every JSON and YAML file is the schema of one event type, named
/// by its path. References within the document or folder are resolved: each schema becomes a document of its own. What is left
/// out or changed is printed on standard error. Exit codes: 0 every event type was read; 1 some are left out; 2 wrong
/// arguments, or a file that cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator catalogue import openapi.yaml --output-dir event-types/
      261 event types
  svix-operator catalogue import schemas/ --namespace shop | kubectl apply --server-side -f -
      a WebhookEventType for each JSON Schema in a folder")]
pub struct Arguments {
    /// An OpenAPI document, a JSON Schema, or a folder of JSON Schemas; `-`: standard input.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// What names an event type of an OpenAPI document. `/` becomes a dot, and other characters that Svix does not accept `_`.
    #[arg(long, value_enum, value_name = "SOURCE", default_value = "key")]
    names: NameSource,

    /// Make event types of the files that other files of the folder reference, too.
    #[arg(long)]
    include_referenced: bool,

    /// Namespace of the manifests. Default: none, so that `kubectl apply` decides.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    /// Name of the SvixConnection of the manifests. Default: none, which is `default`.
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,

    /// Write one file per event type into this folder instead of printing them. Other files in it stay as they are.
    #[arg(short = 'd', long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("{}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {source}", .path.display())]
    Folder { path: PathBuf, source: manifests::ReadError },
    #[error("{}{source}", .path.display())]
    Text { path: PathBuf, source: InvalidText },
    #[error("{}:{mark}: {source}", .path.display())]
    Document { path: PathBuf, mark: Mark, source: InvalidDocument },
    #[error("{}: found no event types: neither `webhooks`, `x-webhooks` nor `callbacks` has one", .0.display())]
    NoWebhooks(PathBuf),
    #[error("{}: found no JSON Schemas: expected files that end with .json, .yaml or .yml", .0.display())]
    NoSchemas(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Imports, and returns the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    work(arguments).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        Exit::Usage.into()
    })
}

fn work(arguments: &Arguments) -> Result<ExitCode, ImportError> {
    let import = read(arguments)?;
    let mut manifests: Vec<Value> = import.event_types.iter().map(to_manifest).collect();
    for manifest in &mut manifests {
        if let Some(namespace) = &arguments.namespace {
            manifest["metadata"]["namespace"] = namespace.clone().into();
        }
        if let Some(connection) = &arguments.connection {
            manifest["spec"]["connectionRef"] = serde_json::json!({ "name": connection });
        }
    }
    match &arguments.output_dir {
        Some(folder) => write(folder, &manifests)?,
        None => terminal::print(|out| {
            manifests.iter().try_for_each(|manifest| write!(out, "---\n{}", manifests::yaml::write(manifest)))
        }),
    }
    import.notes.iter().for_each(|note| eprintln!("{note}"));
    let ungrouped = import.event_types.iter();
    let ungrouped = ungrouped
        .filter(|event_type| ids::check_event_type_name(&event_type.name, EventTypeNames::Grouped).is_err())
        .count();
    if ungrouped > 0 {
        eprintln!(
            "{} not named `<group>.<event>`: their SvixConnection needs `eventTypeNames: Any`",
            match ungrouped {
                1 => "1 event type is".to_owned(),
                more => format!("{more} event types are"),
            }
        );
    }
    let left_out = import.left_out();
    let read = counted(import.event_types.len(), "event type");
    eprintln!("{read}{}", if left_out > 0 { format!(", {left_out} left out") } else { String::new() });
    Ok(if left_out > 0 { Exit::Found.into() } else { Exit::Done.into() })
}

fn read(arguments: &Arguments) -> Result<Import, ImportError> {
    let path = &arguments.path;
    if path.is_dir() {
        let mut import = folder(path, arguments.include_referenced)?;
        import.notes.sort_by(|one, other| one.document.cmp(&other.document));
        return Ok(import);
    }
    let read_error = |source| ImportError::Read { path: path.clone(), source };
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(read_error)?;
        bytes
    } else {
        fs::read(path).map_err(read_error)?
    };
    let document = text::read(bytes).map_err(|source| ImportError::Text { path: path.clone(), source })?;
    let value = &document.value;
    let is_openapi = value.get("openapi").is_some() || value.get("swagger").is_some();
    let is_schema = ["$schema", "type", "properties", "$ref", "allOf", "anyOf", "oneOf"]
        .iter()
        .any(|keyword| value.get(*keyword).is_some());
    if !is_openapi && is_schema {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        return Ok(read_schemas(&BTreeMap::from([(name, document)]), true));
    }
    let name = path.display().to_string();
    let import = openapi::read(&name, value, arguments.names).map_err(|source| ImportError::Document {
        path: path.clone(),
        mark: document.locate(&source.pointer()),
        source,
    })?;
    if import.event_types.is_empty() && import.notes.is_empty() {
        return Err(ImportError::NoWebhooks(path.clone()));
    }
    Ok(import.located(&BTreeMap::from([(name, document)])))
}

/// Reads the event types of JSON Schemas, by their paths in the folder.
fn read_schemas(files: &BTreeMap<String, Document>, include_referenced: bool) -> Import {
    let values = files.iter().map(|(name, document)| (name.clone(), document.value.clone())).collect();
    folder::read(&values, include_referenced).located(files)
}

/// Reads every JSON and YAML file of a folder.
fn folder(root: &Path, include_referenced: bool) -> Result<Import, ImportError> {
    let mut files = BTreeMap::new();
    for path in manifests::files(root).map_err(|(path, source)| ImportError::Folder { path, source })? {
        let bytes = manifests::read_bytes(&path)
            .map_err(|source| ImportError::Folder { path: path.clone(), source })?;
        let document =
            text::read(bytes).map_err(|source| ImportError::Text { path: path.clone(), source })?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        let parts: Vec<_> = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        files.insert(parts.join("/"), document);
    }
    if files.is_empty() {
        return Err(ImportError::NoSchemas(root.to_owned()));
    }
    Ok(read_schemas(&files, include_referenced))
}

fn write(folder: &Path, manifests: &[Value]) -> Result<(), ImportError> {
    fs::create_dir_all(folder).map_err(|source| ImportError::Write { path: folder.to_owned(), source })?;
    for manifest in manifests {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let path = folder.join(format!("{name}.yaml"));
        let written = fs::write(&path, manifests::yaml::write(manifest));
        written.map_err(|source| ImportError::Write { path, source })?;
    }
    Ok(())
}
