//! `svix-operator events resend`: sends one message to one endpoint again.

use std::process::ExitCode;

use crate::{
    cli::{
        application::{self, ApplicationArguments, ApplicationError, check_name},
        exit::Exit,
        runtime::{self, Threads},
    },
    messages::{MessagesError, check_enabled},
};

/// Send one event to one endpoint again, whatever became of it there.
///
/// Svix makes one attempt, also if the endpoint does not subscribe to the event type. Exit codes: 0 Svix sends it; 2 wrong
/// arguments, or the endpoint is disabled; 3 Svix failed, or does not have the event, its payload or the endpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator events resend o-1 --endpoint prod.shop.orders
      o-1 is sent to prod.shop.orders again
  svix-operator events get o-1 --endpoint prod.shop.orders
      endpoint prod.shop.orders (https://a.example/…): succeeded
        2026-11-27T16:47:29Z  503 after 12 ms: down for maintenance
        2026-11-27T17:02:11Z  by hand, 200 after 9 ms")]
pub struct Arguments {
    /// The event: the id of the message (msg_…) or the id that its sender gave it.
    #[arg(value_name = "EVENT")]
    event: String,

    /// The endpoint (id or uid).
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: String,

    #[command(flatten)]
    application: ApplicationArguments,
}

/// Sends, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ApplicationError> {
    let Arguments { event, endpoint, application } = arguments;
    check_name("EVENT", &event, "the id of an event")?;
    check_name("--endpoint", &endpoint, "the id or uid of an endpoint")?;
    let client = application.client()?;
    if let Err(error) = check_enabled(&client, &application.app, &endpoint).await {
        return Ok(application::failed(&error, &client));
    }
    match client.resend(&application.app, &event, &endpoint).await {
        Ok(Some(())) => {
            println!("{event} is sent to {endpoint} again");
            Ok(Exit::Done.into())
        }
        // The endpoint exists.
        Ok(None) => Ok(application::failed(&MessagesError::no_message(&application.app, &event), &client)),
        Err(error) => {
            let check = "; it may have been sent all the same, `events get` shows the attempts";
            Ok(application::svix_failed(&error, &client, check))
        }
    }
}
