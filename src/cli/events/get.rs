//! `svix-operator events get`: one message, its endpoints and its attempts.

use std::process::ExitCode;

use crate::{
    cli::{
        application::{self, ApplicationArguments, ApplicationError, check_name},
        exit::Exit,
        runtime::{self, Threads},
        terminal,
    },
    messages::{
        history,
        output::{Style, write_history, write_json_history},
    },
};

use super::arguments::Output;

/// Show one event: its payload, and for each endpoint the attempts with what the receiver returned.
///
/// Exit codes: 0 done; 2 wrong arguments; 3 Svix failed, or does not have the event.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator events get o-1
      message      msg_36Jd…
      event id     o-1
      event type   order.placed
      created      2026-11-27T16:47:29Z
      payload      {\"id\": \"o-1\"}

      endpoint prod.shop.orders (https://a.example/…): retrying, next attempt 2026-11-27T16:52:34Z
        2026-11-27T16:47:29Z  503 after 12 ms: down for maintenance")]
pub struct Arguments {
    /// The event: the id of the message (msg_…) or the id that its sender gave it.
    #[arg(value_name = "EVENT")]
    event: String,

    #[command(flatten)]
    application: ApplicationArguments,

    /// Only the attempts at this endpoint (id or uid).
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,

    /// Format; json has the responses of receivers in full.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// Shows an event, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ApplicationError> {
    check_name("EVENT", &arguments.event, "the id of an event")?;
    if let Some(endpoint) = &arguments.endpoint {
        check_name("--endpoint", endpoint, "the id or uid of an endpoint")?;
    }
    let client = arguments.application.client()?;
    let app = &arguments.application.app;
    let found = match history(&client, app, &arguments.event, arguments.endpoint.as_deref()).await {
        Ok(found) => found,
        Err(error) => return Ok(application::failed(&error, &client)),
    };
    terminal::print(|out| match arguments.output {
        Output::Text => write_history(&found, Style { color: terminal::has_color(), state: true }, out),
        Output::Json => write_json_history(&found, out),
    });
    Ok(Exit::Done.into())
}
