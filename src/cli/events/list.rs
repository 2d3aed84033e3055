//! `svix-operator events list`: the messages of an application, or those that an endpoint was sent.

use std::{io, process::ExitCode, time::Duration};

use jiff::Timestamp;

use crate::{
    api::ChannelEncoding,
    cli::{
        application::{self, ApplicationArguments, ApplicationError, check_name},
        exit::Exit,
        gateway::Encoding,
        runtime::{self, Threads},
        signals::shutdown_on_signals,
        terminal,
    },
    messages::{
        Follow, Polled, Selection, list,
        output::{Style, write_json, write_json_line, write_line, write_table},
    },
    plan::{channels, event::Delivery},
    svix::{Client, StoredMessage},
};

use super::arguments::{Output, time_of};

/// List the events of an application, or those that an endpoint was sent, newest first.
///
/// Times are how long ago (`2h`, `1h30m`, `7d`), dates (`2026-01-02`, midnight in UTC) or RFC 3339. Exit codes: 0 done, also when
/// there are none; 2 wrong arguments; 3 Svix failed, or does not know the application or endpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator events list --endpoint prod.shop.orders --state failed --since 2h
      TIME                   MESSAGE     EVENT TYPE     STATE    CHANNELS   EVENT ID
      2026-11-27T16:47:29Z   msg_36Jd…   order.placed   failed   -          o-1
  svix-operator events list --event-type order.placed --follow --output json | jq .id
      \"msg_36Jd…\"")]
pub struct Arguments {
    #[command(flatten)]
    application: ApplicationArguments,

    /// Only events that were sent to this endpoint (id or uid), with the state of each delivery. An event is listed after the
    /// first attempt.
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,

    /// Only events of this type; can be given more than once.
    #[arg(long = "event-type", value_name = "NAME")]
    event_types: Vec<String>,

    /// Only events on this channel.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,

    /// How the channel is written in Svix.
    #[arg(long, value_enum, value_name = "ENCODING", default_value = "when-needed", requires = "channel")]
    channel_encoding: Encoding,

    /// Only events whose delivery to the endpoint has this state.
    #[arg(long, value_enum, value_name = "STATE", requires = "endpoint", conflicts_with = "follow")]
    state: Option<State>,

    /// Only events after this time. With --follow, those are printed first.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only events before this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<String>,

    /// Most events to list; 0: all.
    #[arg(long, value_name = "N", default_value = "50", conflicts_with = "follow")]
    limit: usize,

    /// Print payloads, too.
    #[arg(long)]
    payload: bool,

    /// Print new events as they come, oldest first, until interrupted. After failures, Svix is asked less often.
    #[arg(long)]
    follow: bool,

    /// Seconds between two requests of --follow.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,

    /// Format; json: an array, with --follow one document per line.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// The state of a delivery on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// The receiver accepted it.
    Succeeded,
    /// No further attempt follows, and none succeeded.
    Failed,
    /// An attempt failed, and Svix tries again.
    Retrying,
}

/// Lists, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ApplicationError> {
    let selection = selection(&arguments)?;
    let client = arguments.application.client()?;
    let style = Style { color: terminal::has_color(), state: selection.endpoint.is_some() };
    if arguments.follow {
        return follow(&arguments, &client, selection, style).await;
    }
    let limit = if arguments.limit == 0 { usize::MAX } else { arguments.limit };
    let listed = match list(&client, &selection, limit).await {
        Ok(listed) => listed,
        Err(error) => return Ok(application::failed(&error, &client)),
    };
    terminal::print(|out| match arguments.output {
        Output::Text => write_table(&listed.messages, style, out),
        Output::Json => write_json(&listed.messages, out),
    });
    if listed.messages.is_empty() && arguments.output == Output::Text {
        eprintln!("no events");
    }
    if listed.has_more {
        eprintln!("there are more than {limit}; --limit shows more");
    }
    Ok(Exit::Done.into())
}

fn selection(arguments: &Arguments) -> Result<Selection, ApplicationError> {
    let now = Timestamp::now();
    if let Some(endpoint) = &arguments.endpoint {
        check_name("--endpoint", endpoint, "the id or uid of an endpoint")?;
    }
    for event_type in &arguments.event_types {
        check_name("--event-type", event_type, "the name of an event type")?;
    }
    let since = arguments.since.as_deref().map(|text| time_of("--since", text, now)).transpose()?;
    let until = arguments.until.as_deref().map(|text| time_of("--until", text, now)).transpose()?;
    if since.zip(until).is_some_and(|(since, until)| until < since) {
        return Err(ApplicationError::Period);
    }
    let encoding = ChannelEncoding::from(arguments.channel_encoding);
    let channel = arguments.channel.as_deref().map(|channel| channels::encode(channel, encoding));
    if let Some(channel) = &channel {
        check_name("--channel", channel, "a channel that Svix accepts, or --channel-encoding")?;
    }
    Ok(Selection {
        application: arguments.application.app.clone(),
        endpoint: arguments.endpoint.clone(),
        event_types: arguments.event_types.clone(),
        channel,
        state: arguments.state.map(|state| match state {
            State::Succeeded => Delivery::Succeeded,
            State::Failed => Delivery::Failed,
            State::Retrying => Delivery::Retrying,
        }),
        since,
        until,
        with_payload: arguments.payload,
    })
}

async fn follow(
    arguments: &Arguments,
    client: &Client,
    selection: Selection,
    style: Style,
) -> Result<ExitCode, ApplicationError> {
    let shutdown = shutdown_on_signals()?;
    let print = |messages: &[StoredMessage]| {
        terminal::print(|out| {
            messages.iter().try_for_each(|message| one(message, arguments.output, style, out))
        });
    };
    let interval = Duration::from_secs(arguments.interval);
    let begun = tokio::select! {
        begun = Follow::begin(client, selection, interval) => begun,
        () = shutdown.cancelled() => return Ok(Exit::Done.into()),
    };
    let (mut follow, before) = match begun {
        Ok(begun) => begun,
        Err(error) => return Ok(application::failed(&error, client)),
    };
    print(&before);
    let mut has_failed = false;
    while !terminal::is_closed() {
        let polled = tokio::select! {
            polled = follow.poll(client) => polled,
            () = shutdown.cancelled() => break,
        };
        match polled {
            Ok(Polled::New(messages)) => {
                has_failed = false;
                print(&messages);
            }
            Ok(Polled::Failed { error, pause }) => {
                // Once for each outage.
                if !has_failed {
                    eprintln!("warning: {error}; trying again in {} s", pause.as_secs());
                }
                has_failed = true;
            }
            Err(error) => return Ok(application::failed(&error, client)),
        }
    }
    Ok(Exit::Done.into())
}

/// Writes one message of a list without an end.
fn one(message: &StoredMessage, output: Output, style: Style, out: &mut impl io::Write) -> io::Result<()> {
    match output {
        Output::Text => write_line(message, style, out)?,
        Output::Json => write_json_line(message, out)?,
    }
    out.flush()
}
