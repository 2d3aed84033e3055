//! JSON: names of fields as in Svix's API, where it has them.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    messages::{EndpointHistory, History},
    plan::endpoint::host_of,
    svix::{Attempt, StoredMessage},
};

use super::state_name;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: &'a str,
    event_id: Option<&'a str>,
    event_type: &'a str,
    channels: &'a BTreeSet<String>,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Timestamp>,
}

impl<'a> Message<'a> {
    fn of(message: &'a StoredMessage) -> Self {
        // No `..`: a new field must be handled here.
        let StoredMessage { id, event_id, event_type, channels, created_at, payload, delivery } = message;
        Self {
            id,
            event_id: event_id.as_deref(),
            event_type,
            channels,
            timestamp: *created_at,
            payload: payload.as_deref(),
            state: delivery.map(|delivery| state_name(delivery.state)),
            next_attempt: delivery.and_then(|delivery| delivery.next_attempt),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    id: &'a str,
    uid: Option<&'a str>,
    url: Option<String>,
    disabled: Option<bool>,
    state: Option<&'static str>,
    next_attempt: Option<Timestamp>,
    attempts: Vec<AttemptOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptOut<'a> {
    id: &'a str,
    timestamp: Timestamp,
    succeeded: bool,
    status: Option<u16>,
    response: &'a str,
    duration_ms: i64,
    trigger: &'static str,
}

impl<'a> Endpoint<'a> {
    fn of(endpoint: &'a EndpointHistory) -> Self {
        let EndpointHistory { id, destination, attempts } = endpoint;
        let destination = destination.as_ref();
        Self {
            id,
            uid: destination.and_then(|destination| destination.uid.as_deref()),
            url: destination.map(|destination| host_of(&destination.url)),
            disabled: destination.map(|destination| destination.is_disabled),
            state: destination.map(|destination| state_name(destination.delivery.state)),
            next_attempt: destination.and_then(|destination| destination.delivery.next_attempt),
            attempts: attempts.iter().map(AttemptOut::of).collect(),
        }
    }
}

impl<'a> AttemptOut<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        // No `..`: a new field must be handled here.
        let Attempt {
            id,
            message: _,
            endpoint: _,
            created_at,
            status,
            response,
            duration_ms,
            succeeded,
            is_manual,
        } = attempt;
        Self {
            id,
            timestamp: *created_at,
            succeeded: *succeeded,
            status: *status,
            response,
            duration_ms: *duration_ms,
            trigger: if *is_manual { "manual" } else { "scheduled" },
        }
    }
}

#[derive(Serialize)]
struct HistoryOut<'a> {
    #[serde(flatten)]
    message: Message<'a>,
    endpoints: Vec<Endpoint<'a>>,
}

/// Writes messages as one array.
///
/// # Errors
/// The output cannot be written.
pub fn write_json(messages: &[StoredMessage], out: &mut impl Write) -> io::Result<()> {
    let messages: Vec<_> = messages.iter().map(Message::of).collect();
    serde_json::to_writer_pretty(&mut *out, &messages)?;
    writeln!(out)
}

/// Writes a message as one line of JSON Lines.
///
/// # Errors
/// The output cannot be written.
pub fn write_json_line(message: &StoredMessage, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Message::of(message))?;
    writeln!(out)
}

/// Writes a message with its attempts.
///
/// # Errors
/// The output cannot be written.
pub fn write_json_history(history: &History, out: &mut impl Write) -> io::Result<()> {
    let endpoints = history.endpoints.iter().map(Endpoint::of).collect();
    let history = HistoryOut { message: Message::of(&history.message), endpoints };
    serde_json::to_writer_pretty(&mut *out, &history)?;
    writeln!(out)
}
