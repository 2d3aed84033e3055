//! `svix-operator secret get`: prints the signing key of an endpoint.

use std::process::ExitCode;

use crate::{
    cli::{
        application::{self, ApplicationArguments, ApplicationError, check_name},
        exit::Exit,
        runtime::{self, Threads},
    },
    messages::MessagesError,
    svix::retry,
};

/// Print the signing key of an endpoint, and nothing else.
///
/// A receiver verifies signatures with it. During a rotation, Svix returns only the new key. Exit codes: 0 printed; 2 wrong
/// arguments; 3 Svix failed, or does not have the endpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator secret get prod.shop.orders
      whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD
  svix-operator secret get prod.shop.orders > key
  svix-operator signature verify -f body.json --headers headers.txt --secret-file key
      genuine: message msg_36Jd…, 13 bytes")]
pub struct Arguments {
    /// The endpoint (id or uid).
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,

    #[command(flatten)]
    application: ApplicationArguments,
}

/// Prints the key, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ApplicationError> {
    let Arguments { endpoint, application } = arguments;
    check_name("ENDPOINT", &endpoint, "the id or uid of an endpoint")?;
    let client = application.client()?;
    match retry(|| client.get_signing_key(&application.app, &endpoint)).await {
        Ok(Some(key)) => {
            println!("{}", key.expose());
            Ok(Exit::Done.into())
        }
        Ok(None) => {
            Ok(application::failed(&MessagesError::no_endpoint(&application.app, &endpoint), &client))
        }
        Err(error) => Ok(application::svix_failed(&error, &client, "")),
    }
}
