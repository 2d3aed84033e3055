//! `svix-operator validate`: checks manifests and payloads, without a cluster and without Svix.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    api::DEFAULT_CONNECTION,
    manifests::{self, Input, Loaded, ReadError},
    schema::MAX_PAYLOAD_BYTES,
    telemetry::{self, LogFormat},
    validation::{
        self, Options, Payload, PayloadFile, STANDARD_INPUT,
        acceptance::{Acceptances, InvalidAcceptance},
        output::{self, Format},
    },
};

use super::{exit::Exit, git, payload_file, terminal};

/// Check manifests and payloads, without a cluster and without Svix.
///
/// Reads YAML and JSON as kubectl does, and applies every rule of the custom resource definitions and of the admission
/// webhook. Objects of other kinds are left out, so the output of kustomize and of `helm template` can be piped in.
/// Exit codes: 0 no errors, and with --strict no warnings; 1 findings; 2 wrong arguments, or nothing to check;
/// 4 a schema changes in a way that its compatibility level forbids (--against).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator validate manifests/
      manifests/orders.yaml:14:5: error: WebhookEndpoint shop/orders: /spec/ur: there is no such field; did you mean url?
      12 objects in 4 files: 1 error
  kustomize build . | svix-operator validate -
      check what would be applied
  svix-operator validate manifests/ --against git:origin/main
      check that the schemas break no receiver, too
  svix-operator validate manifests/ --payload order.json --event-type order.placed
      check a payload against the schema in the manifests, too")]
pub struct Arguments {
    /// Folders and files of manifests (YAML or JSON); `-`: standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Fail on warnings, too.
    #[arg(long)]
    strict: bool,

    /// Exit with 0 whatever is found.
    #[arg(long)]
    exit_zero: bool,

    /// A payload to check against --event-type, a JSON file; can be given more than once. `-`: standard input.
    #[arg(long = "payload", value_name = "FILE", requires = "event_type")]
    payloads: Vec<PathBuf>,

    /// The event type of each --payload.
    #[arg(long, value_name = "NAME", requires = "payloads")]
    event_type: Option<String>,

    /// Name of the SvixConnection that the event type of --payload is declared through.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONNECTION)]
    connection: String,

    /// Compare schemas with earlier manifests: the same paths at `git:REF`, or a folder. A change that the compatibility level
    /// forbids is an error, and exit code 4.
    #[arg(long, value_name = "BASE", value_parser = base)]
    against: Option<Base>,

    /// File of accepted warnings, a line for each: `<Kind> <namespace>/<name> <JSON Pointer>`.
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,

    /// Format of the findings.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, thiserror::Error)]
enum ValidateError {
    #[error("{}: {source}", .path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("standard input: {0}")]
    StandardInput(io::Error),
    #[error("standard input: {0}")]
    NotText(#[from] ReadError),
    #[error("standard input is named more than once: it can be read only once")]
    StandardInputTwice,
    #[error(transparent)]
    Git(#[from] git::GitError),
    #[error(transparent)]
    Acceptance(#[from] InvalidAcceptance),
    #[error(
        "no manifest of {} in {paths} ({files} files read, {left_out} objects of other kinds): name the folder that has them",
        crate::api::GROUP
    )]
    Nothing { paths: String, files: usize, left_out: usize },
}

/// Checks, and returns the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    work(arguments).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        Exit::Usage.into()
    })
}

fn work(arguments: &Arguments) -> Result<ExitCode, ValidateError> {
    let is_stdin = |path: &&PathBuf| path.as_os_str() == "-";
    let named = arguments.paths.iter().chain(&arguments.payloads).chain(&arguments.accept);
    if named.filter(is_stdin).count() > 1 {
        return Err(ValidateError::StandardInputTwice);
    }
    let inputs = arguments.paths.iter().map(|path| input(path)).collect::<Result<Vec<_>, _>>()?;
    let name = arguments.event_type.as_deref().unwrap_or_default();
    let payloads = arguments.payloads.iter().map(|path| payload(path, &arguments.connection, name));
    let options = Options {
        payloads: payloads.collect(),
        acceptances: acceptances(arguments.accept.as_deref())?,
        base: arguments.against.as_ref().map(|base| earlier(base, &arguments.paths)).transpose()?,
    };
    let report = validation::validate(&inputs, &options);
    if report.totals.resources == 0 && report.findings.is_empty() {
        let paths: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        let (files, left_out) = (report.totals.files, report.totals.left_out);
        return Err(ValidateError::Nothing { paths: paths.join(", "), files, left_out });
    }
    report.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let color = terminal::has_color();
    terminal::print(|out| output::write(&report, arguments.output, arguments.strict, color, out));
    Ok(match () {
        () if arguments.exit_zero => Exit::Done,
        () if report.is_incompatible() => Exit::Incompatible,
        () if report.has_findings(arguments.strict) => Exit::Found,
        () => Exit::Done,
    }
    .into())
}

#[derive(Clone, Debug)]
enum Base {
    Git(String),
    Folder(PathBuf),
}

#[derive(Debug, thiserror::Error)]
#[error("expected git:REF, such as git:origin/main, or a folder of manifests")]
struct InvalidBase;

fn base(text: &str) -> Result<Base, InvalidBase> {
    match git::reference(text) {
        Some(reference) => reference.map(Base::Git).map_err(|_| InvalidBase),
        None if Path::new(text).exists() => Ok(Base::Folder(text.into())),
        None => Err(InvalidBase),
    }
}

/// Reads the earlier manifests. What of them is broken is not compared, and printed.
fn earlier(base: &Base, paths: &[PathBuf]) -> Result<Loaded, ValidateError> {
    let loaded = match base {
        Base::Git(reference) => git::load(reference, paths)?,
        Base::Folder(folder) => manifests::load(folder),
    };
    loaded.problems.iter().for_each(|problem| eprintln!("warning: the base: {problem}"));
    Ok(loaded)
}

fn input(path: &Path) -> Result<Input, ValidateError> {
    if path.as_os_str() == "-" {
        let text = manifests::decode(standard_input()?)?;
        return Ok(Input::Text { name: STANDARD_INPUT.to_owned(), text });
    }
    fs::metadata(path).map_err(|source| ValidateError::Path { path: path.to_owned(), source })?;
    Ok(Input::Path(path.to_owned()))
}

fn standard_input() -> Result<Vec<u8>, ValidateError> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(ValidateError::StandardInput)?;
    Ok(bytes)
}

/// Reads a payload. One that cannot be read is a finding, so that the others are checked all the same.
fn payload(path: &Path, connection: &str, name: &str) -> PayloadFile {
    let payload = match payload_file::read(path) {
        Ok(bytes) if bytes.len() > MAX_PAYLOAD_BYTES => Payload::Unreadable(format!(
            "more than {MAX_PAYLOAD_BYTES} bytes, the most that a payload may have"
        )),
        Ok(bytes) => Payload::Bytes(bytes),
        Err(error) => Payload::Unreadable(format!("cannot be read: {error}")),
    };
    let file = if path.as_os_str() == "-" { STANDARD_INPUT.to_owned() } else { path.display().to_string() };
    PayloadFile { file, payload, connection: connection.to_owned(), name: name.to_owned() }
}

fn acceptances(path: Option<&Path>) -> Result<Acceptances, ValidateError> {
    let Some(path) = path else { return Ok(Acceptances::default()) };
    let text =
        fs::read_to_string(path).map_err(|source| ValidateError::Path { path: path.to_owned(), source })?;
    Ok(Acceptances::parse(&path.display().to_string(), &text)?)
}
