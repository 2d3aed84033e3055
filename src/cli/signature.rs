//! `svix-operator signature`: signs and verifies deliveries by hand, for a captured request.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use crate::signatures::{self, Captured, CapturedHeaders, InvalidHeaders, InvalidKey, Key, Names};

use super::{exit::Exit, payload_file};

/// The environment variable of the key.
const VARIABLE: &str = "SVIX_SIGNING_SECRET";

/// Sign and verify deliveries by hand.
///
/// The signing key of the endpoint is read from a file or from SVIX_SIGNING_SECRET, never from an argument, which other users
/// of the machine could see. Exit codes: 0 signed, or the request is genuine; 1 it is not; 2 wrong arguments.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Sign(Sign),
    Verify(Verify),
}

/// Print the headers that Svix would sign a body with.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  SVIX_SIGNING_SECRET=whsec_... svix-operator signature sign -f order.json --timestamp 1700000000
      svix-id: msg_1
      svix-timestamp: 1700000000
      svix-signature: v1,hW9...")]
struct Sign {
    /// File that holds the body; `-`: standard input.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,

    /// The id of the message. Default: a random one.
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// The time of the delivery, in seconds since 1970. Default: now.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    timestamp: Option<i64>,

    /// Print the header names of Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature.
    #[arg(long)]
    standard_webhooks: bool,

    #[command(flatten)]
    key: KeyArguments,
}

/// Say whether a captured request is genuine, and if not, what is wrong with it as far as that can be known.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator signature verify -f body.json --headers headers.txt --secret-file key
      genuine: message msg_1, 13 bytes")]
struct Verify {
    /// File that holds the body; `-`: standard input.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,

    /// A header of the request, `Name: value`; can be given more than once. Needed are svix-id, svix-timestamp and
    /// svix-signature, or the same with webhook-.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    header: Vec<String>,

    /// File with the headers of the request, a line for each. Other headers are ignored.
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,

    /// Seconds that the timestamp may differ from the time of this machine.
    #[arg(long, value_name = "SECONDS", default_value = "300")]
    tolerance: u64,

    /// Do not compare the timestamp with the time of this machine, for a request that was captured earlier.
    #[arg(long, conflicts_with = "tolerance")]
    ignore_timestamp: bool,

    #[command(flatten)]
    key: KeyArguments,
}

#[derive(Debug, clap::Args)]
struct KeyArguments {
    /// File that holds the signing key of the endpoint (whsec_, whsk_ or whpk_); during a rotation both, a line for each.
    /// Default: SVIX_SIGNING_SECRET.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum SignatureError {
    #[error("{}: {source}", .file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("{place}: found no signing key, expected one; or give --secret-file")]
    NoKey { place: String },
    #[error("{place}, line {line}: {source}")]
    Key { place: String, line: usize, source: InvalidKey },
    #[error("{place}: found {found} signing keys, expected one to sign with")]
    ManyKeys { place: String, found: usize },
    #[error("{place}: found a public key (whpk_), which cannot sign; expected whsec_ or whsk_")]
    PublicKey { place: String },
    #[error("--header: found {0:?}, expected `Name: value`")]
    Header(String),
    #[error(transparent)]
    Headers(#[from] InvalidHeaders),
}

/// Signs or verifies, and returns the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    let result = match &arguments.command {
        Command::Sign(arguments) => sign(arguments),
        Command::Verify(arguments) => verify(arguments),
    };
    result
        .unwrap_or_else(|error| {
            eprintln!("error: {error}");
            Exit::Usage
        })
        .into()
}

fn sign(arguments: &Sign) -> Result<Exit, SignatureError> {
    let (keys, place) = arguments.key.read()?;
    let [key] = keys.as_slice() else {
        return Err(SignatureError::ManyKeys { place, found: keys.len() });
    };
    let body = read(&arguments.file)?;
    let id = arguments.id.clone().unwrap_or_else(|| format!("msg_{}", uuid::Uuid::new_v4().simple()));
    let timestamp = arguments.timestamp.unwrap_or_else(now);
    let Some(signature) = signatures::sign(key, &id, timestamp, &body) else {
        return Err(SignatureError::PublicKey { place });
    };
    let names = if arguments.standard_webhooks { Names::StandardWebhooks } else { Names::Svix };
    println!("{}: {id}\n{}: {timestamp}\n{}: {signature}", names.id(), names.timestamp(), names.signature());
    Ok(Exit::Done)
}

fn verify(arguments: &Verify) -> Result<Exit, SignatureError> {
    let (keys, _) = arguments.key.read()?;
    let file = arguments.headers.as_deref().map(read).transpose()?.unwrap_or_default();
    let file = String::from_utf8_lossy(&file);
    let mut headers = signatures::lines(&file);
    for header in &arguments.header {
        headers.push(header.split_once(':').ok_or_else(|| SignatureError::Header(header.clone()))?);
    }
    let headers = CapturedHeaders::find(headers)?;
    let body = read(&arguments.file)?;
    let tolerance = (!arguments.ignore_timestamp).then_some(arguments.tolerance);
    let findings = signatures::verify(&keys, Captured { headers: &headers, body: &body }, now(), tolerance);
    findings.iter().for_each(|finding| println!("{finding}"));
    if !findings.is_empty() {
        return Ok(Exit::Found);
    }
    println!("genuine: message {}, {} bytes", headers.id, body.len());
    Ok(Exit::Done)
}

impl KeyArguments {
    /// Returns the keys, and where they were found.
    fn read(&self) -> Result<(Vec<Key>, String), SignatureError> {
        let (text, place) = match &self.secret_file {
            Some(file) => (String::from_utf8_lossy(&read(file)?).into_owned(), file.display().to_string()),
            None => {
                (std::env::var(VARIABLE).unwrap_or_default(), format!("the environment variable {VARIABLE}"))
            }
        };
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty());
        let keys = lines
            .map(|(line, text)| {
                let place = place.clone();
                Key::parse(text).map_err(|source| SignatureError::Key { place, line, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SignatureError::NoKey { place }) } else { Ok((keys, place)) }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, SignatureError> {
    payload_file::read(file).map_err(|source| SignatureError::File { file: file.to_owned(), source })
}

fn now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
