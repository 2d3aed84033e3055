//! `svix-operator events replay`: sends the failed or the missing messages of a period to an endpoint again.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{
        application::{self, ApplicationArguments, ApplicationError, check_name},
        exit::Exit,
        runtime::{self, Threads},
        terminal,
    },
    manifests::counted,
    messages::{MessagesError, Period, check_enabled, count_failed, count_missing},
};

use super::arguments::{Output, time_of};

/// Send an endpoint the events again that failed there in a period, after showing how many.
///
/// Svix sends those with an attempt in the period that failed, and none that succeeded: at most 10,000, of at most 14 days, one
/// attempt each. Times are how long ago (`2h`, `1h30m`, `7d`), dates (`2026-01-02`, midnight in UTC) or RFC 3339. Exit codes: 0 Svix
/// sends them, or there are none; 1 not approved; 2 wrong arguments, or the endpoint is disabled; 3 Svix failed, does not have the
/// endpoint, or does not have the call for --missing-only, as the open-source server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator events replay --endpoint prod.shop.orders --since 2h --yes
      3 events failed at prod.shop.orders from 2026-11-27T14:47:29Z to 2026-11-27T16:47:29Z
      Svix sends them again (task qtask_36Jc…)")]
pub struct Arguments {
    /// The endpoint (id or uid).
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: String,

    /// Beginning of the period.
    #[arg(long, value_name = "TIME")]
    since: String,

    /// End of the period. Default: now.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Send those that the endpoint should have received by its event types and channels, and for which no attempt was made: for
    /// example those before it existed.
    #[arg(long)]
    missing_only: bool,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    application: ApplicationArguments,

    /// Format; json: one document with the count, the period and the task of Svix, after the replay.
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        requires_if("json", "yes")
    )]
    output: Output,
}

/// Replays, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ApplicationError> {
    let Arguments { endpoint, since, until, missing_only, yes, application, output } = arguments;
    if !yes && !io::stdin().is_terminal() {
        return Err(ApplicationError::CannotAsk);
    }
    check_name("--endpoint", &endpoint, "the id or uid of an endpoint")?;
    let now = Timestamp::now();
    // What is sent is what was counted, so the period ends before the count begins.
    let until = until.as_deref().map_or(Ok(now), |text| time_of("--until", text, now))?;
    let period = Period { since: time_of("--since", &since, now)?, until };
    if period.until < period.since {
        return Err(ApplicationError::Period);
    }
    let client = application.client()?;
    let app = application.app.as_str();
    let counted_messages = async {
        let observed = check_enabled(&client, app, &endpoint).await?;
        match missing_only {
            true => count_missing(&client, app, &observed, period).await,
            false => count_failed(&client, app, &endpoint, period).await,
        }
    };
    let count = match counted_messages.await {
        Ok(count) => count,
        Err(error) => return Ok(application::failed(&error, &client)),
    };
    let is_json = output == Output::Json;
    let [since, until] = [period.since, period.until].map(|at| at.round(jiff::Unit::Second).unwrap_or(at));
    let what = if missing_only { "were never sent to" } else { "failed at" };
    if !is_json {
        println!("{} {what} {endpoint} from {since} to {until}", counted(count, "event"));
    }
    let document =
        |task: Option<&str>| json!({"events": count, "since": since, "until": until, "task": task});
    if count == 0 {
        if is_json {
            println!("{}", document(None));
        }
        return Ok(Exit::Done.into());
    }
    if !yes && !terminal::is_approved("Send them again?") {
        eprintln!("not approved; nothing was sent");
        return Ok(Exit::Found.into());
    }
    let Period { since, until } = period;
    let task = match missing_only {
        true => client.replay_missing(app, &endpoint, since, until).await,
        false => client.recover(app, &endpoint, since, until).await,
    };
    match task {
        Ok(Some(task)) if is_json => {
            println!("{}", document(Some(&task.id)));
            Ok(Exit::Done.into())
        }
        Ok(Some(task)) => {
            println!("Svix sends them again (task {})", crate::plan::printable(&task.id));
            Ok(Exit::Done.into())
        }
        // The endpoint existed a moment ago.
        Ok(None) if missing_only => {
            eprintln!(
                "error: the server has no call that sends missing events (replay-missing), which Svix Cloud has; send them \
                 one by one with `events resend`"
            );
            Ok(Exit::Failed.into())
        }
        Ok(None) => Ok(application::failed(&MessagesError::no_endpoint(app, &endpoint), &client)),
        Err(error) => {
            let check = "; they may be sent all the same, `events list --endpoint` shows their state";
            Ok(application::svix_failed(&error, &client, check))
        }
    }
}
