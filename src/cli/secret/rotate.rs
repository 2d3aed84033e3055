//! `svix-operator secret rotate`: replaces the signing key of an endpoint.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    cli::{
        application::{self, ApplicationArguments, ApplicationError, check_name},
        exit::Exit,
        runtime::{self, Threads},
        terminal,
    },
    messages::{MessagesError, time::parse_duration},
    plan::{
        self, OwnerMark,
        endpoint::Observed,
        secrets::Sensitive,
        signing::{InvalidKey, check_key},
        single_line::{self, InvalidLine},
    },
    svix::{ErrorKind, retry},
};

/// The longest grace period that Svix accepts: 7 days.
const MAX_GRACE: Duration = Duration::from_secs(604_800);
/// The most bytes of a key file that are read.
const MAX_KEY_BYTES: u64 = 4096;

/// Replace the signing key of an endpoint, after asking.
///
/// Svix signs with the old key, too, until the grace period ends, so receivers have that long to take over the new one, which
/// `secret get` prints. The key is read from a file, never from an argument, which other users of the machine could see. Exit
/// codes: 0 replaced; 1 not approved; 2 wrong arguments; 3 Svix failed, or does not have the endpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator secret rotate prod.shop.orders --yes
      prod.shop.orders has a new signing key; the old one is valid until 2026-11-28T16:47:29Z
  svix-operator secret rotate prod.shop.orders --key-file new-key --grace-period 7d
      Replace the signing key of prod.shop.orders? Only `yes` is accepted: yes
      prod.shop.orders has a new signing key; the old one is valid until 2026-12-04T16:47:29Z")]
pub struct Arguments {
    /// The endpoint (id or uid).
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,

    /// File that holds the new key (whsec_ or whsk_); `-`: standard input. Default: Svix generates one.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// How long the old key stays valid, at most 7 days (`7d`); `0s`: it is invalid at once.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    grace_period: String,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    application: ApplicationArguments,
}

#[derive(Debug, thiserror::Error)]
enum RotateError {
    #[error(transparent)]
    Application(#[from] ApplicationError),
    #[error("--grace-period: found {}, expected a duration of at most 7 days, such as 24h or 7d", plan::quoted(.0))]
    GracePeriod(String),
    #[error("{file}: {source}")]
    File { file: String, source: io::Error },
    #[error("{file}: {source}")]
    Line { file: String, source: InvalidLine },
    #[error("{file}: {source}")]
    Key { file: String, source: InvalidKey },
}

/// Rotates, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, RotateError> {
    let Arguments { endpoint, key_file, grace_period, yes, application } = arguments;
    check_name("ENDPOINT", &endpoint, "the id or uid of an endpoint")?;
    let grace = parse_duration(&grace_period).filter(|grace| *grace <= MAX_GRACE);
    let grace = grace.ok_or(RotateError::GracePeriod(grace_period))?;
    let reads_stdin = key_file.as_deref().is_some_and(|file| file.as_os_str() == "-");
    if !yes && (reads_stdin || !io::stdin().is_terminal()) {
        return Err(ApplicationError::CannotAsk.into());
    }
    let key = key_file.as_deref().map(read_key).transpose()?;
    let client = application.client()?;
    let app = application.app.as_str();
    let observed = match retry(|| client.get_endpoint(app, &endpoint)).await {
        Ok(Some(observed)) => observed,
        Ok(None) => {
            return Ok(application::failed(&MessagesError::no_endpoint(app, &endpoint), &client));
        }
        Err(error) => return Ok(application::svix_failed(&error, &client, "")),
    };
    if let Some(object) = declared_by(&observed) {
        eprintln!(
            "warning: {object} declares this endpoint. If its spec has signingSecret.fromSecret, the operator writes the key of that \
             Secret again; change the Secret. If it has signingSecret.toSecret, the operator publishes the new key there; the \
             annotation svix-operator.dev/rotate-at does the same as this command"
        );
    }
    if !yes && !terminal::is_approved(&format!("Replace the signing key of {endpoint}?")) {
        eprintln!("not approved; nothing was written");
        return Ok(Exit::Found.into());
    }
    let rotated = match &key {
        Some(key) => client.rotate_signing_key(app, &observed.id, key, grace).await,
        None => client.generate_signing_key(app, &observed.id, grace).await,
    };
    match rotated {
        Ok(()) => {
            println!("{endpoint} has a new signing key; {}", validity(grace));
            Ok(Exit::Done.into())
        }
        Err(error) if error.kind == ErrorKind::NotFound => {
            Ok(application::failed(&MessagesError::no_endpoint(app, &endpoint), &client))
        }
        Err(error) => {
            let check = "; the key may have been replaced all the same, `secret get` prints the key in use";
            Ok(application::svix_failed(&error, &client, check))
        }
    }
}

fn validity(grace: Duration) -> String {
    let end = Timestamp::now().checked_add(grace).and_then(|end| end.round(jiff::Unit::Second));
    match end {
        _ if grace.is_zero() => "the old one is invalid now".to_owned(),
        Ok(end) => format!("the old one is valid until {end}"),
        Err(_) => format!("the old one is valid for {} s", grace.as_secs()),
    }
}

/// Reads a key. No error contains it.
fn read_key(path: &Path) -> Result<Sensitive, RotateError> {
    let is_stdin = path.as_os_str() == "-";
    let file = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = match is_stdin {
        true => io::stdin().lock().take(MAX_KEY_BYTES).read_to_end(&mut bytes),
        false => fs::File::open(path).and_then(|opened| opened.take(MAX_KEY_BYTES).read_to_end(&mut bytes)),
    };
    if let Err(source) = read {
        return Err(RotateError::File { file, source });
    }
    match single_line::trimmed(&bytes) {
        Ok(key) => match check_key(key) {
            Ok(()) => Ok(Sensitive::new(key)),
            Err(source) => Err(RotateError::Key { file, source }),
        },
        Err(source) => Err(RotateError::Line { file, source }),
    }
}

/// The object that declares an endpoint, by its owner mark.
fn declared_by(endpoint: &Observed) -> Option<String> {
    let mark = OwnerMark::parse(endpoint.mark()?)?;
    Some(format!("WebhookEndpoint {}/{} (ownerId {})", mark.namespace, mark.name, mark.owner))
}
