//! Text: a line for each message, or a message with a block for each endpoint. What senders and receivers wrote cannot
//! control the terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Paint};
use jiff::Timestamp;

use crate::{
    messages::{EndpointHistory, History},
    plan::{endpoint::host_of, event::Delivery, printable},
    svix::{Attempt, DeliveryState, StoredMessage},
};

use super::state_name;

/// The longest response of a receiver that is shown, in characters.
const MAX_RESPONSE: usize = 400;
/// The longest payload that is shown, in characters.
const MAX_PAYLOAD: usize = 2000;
/// The width of columns in lines that are written one by one: time, message, event type, state.
const LINE_WIDTHS: [usize; 4] = [20, 31, 24, 9];

/// How messages are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// With the state of the delivery to an endpoint.
    pub state: bool,
}

impl Style {
    fn paint(self, state: Delivery, text: &str) -> String {
        let color = match state {
            Delivery::Succeeded => AnsiColor::Green,
            Delivery::Failed => AnsiColor::Red,
            Delivery::Retrying | Delivery::Pending => AnsiColor::Yellow,
        };
        let paint = Paint::new().fg_color(Some(color.into()));
        if self.color { format!("{paint}{text}{paint:#}") } else { text.to_owned() }
    }
}

/// Writes messages as a table.
///
/// # Errors
/// The output cannot be written.
pub fn write_table(messages: &[StoredMessage], style: Style, out: &mut impl Write) -> io::Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut widths = HEAD.map(str::len);
    for message in messages {
        for (width, cell) in widths.iter_mut().zip(cells(message)) {
            *width = cell.chars().count().max(*width);
        }
    }
    row(&HEAD.map(ToOwned::to_owned), widths, None, style, out)?;
    for message in messages {
        write_row(message, widths, style, out)?;
    }
    Ok(())
}

/// Writes a message as one line, for a list without an end.
///
/// # Errors
/// The output cannot be written.
pub fn write_line(message: &StoredMessage, style: Style, out: &mut impl Write) -> io::Result<()> {
    let [time, id, event_type, state] = LINE_WIDTHS;
    write_row(message, [time, id, event_type, state, 0, 0], style, out)
}

const HEAD: [&str; 6] = ["TIME", "MESSAGE", "EVENT TYPE", "STATE", "CHANNELS", "EVENT ID"];
/// The column that is left out if the list is not that of an endpoint.
const STATE: usize = 3;

fn cells(message: &StoredMessage) -> [String; 6] {
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
    let channels: Vec<&str> = message.channels.iter().map(String::as_str).collect();
    [
        time(message.created_at),
        text(&message.id),
        text(&message.event_type),
        message.delivery.map_or("-", |delivery| state_name(delivery.state)).to_owned(),
        text(&channels.join(",")),
        text(message.event_id.as_deref().unwrap_or_default()),
    ]
}

fn write_row(
    message: &StoredMessage,
    widths: [usize; 6],
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    row(&cells(message), widths, message.delivery, style, out)?;
    match &message.payload {
        Some(payload) => writeln!(out, "    {}", shortened(payload.get(), MAX_PAYLOAD)),
        None => Ok(()),
    }
}

fn row(
    cells: &[String; 6],
    widths: [usize; 6],
    delivery: Option<DeliveryState>,
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if column == STATE && !style.state {
            continue;
        }
        // The padding is counted without the escapes of the colour, which have no width.
        let padding = width.saturating_sub(cell.chars().count()) + 3;
        line.push_str(&match delivery {
            Some(delivery) if column == STATE => style.paint(delivery.state, cell),
            _ => cell.clone(),
        });
        line.extend(std::iter::repeat_n(' ', padding));
    }
    writeln!(out, "{}", line.trim_end())
}

/// Writes a message with its attempts.
///
/// # Errors
/// The output cannot be written.
pub fn write_history(history: &History, style: Style, out: &mut impl Write) -> io::Result<()> {
    let message = &history.message;
    writeln!(out, "message      {}", printable(&message.id))?;
    if let Some(event_id) = &message.event_id {
        writeln!(out, "event id     {}", printable(event_id))?;
    }
    writeln!(out, "event type   {}", printable(&message.event_type))?;
    if !message.channels.is_empty() {
        let channels: Vec<&str> = message.channels.iter().map(String::as_str).collect();
        writeln!(out, "channels     {}", printable(&channels.join(", ")))?;
    }
    writeln!(out, "created      {}", time(message.created_at))?;
    match &message.payload {
        Some(payload) => writeln!(out, "payload      {}", shortened(payload.get(), MAX_PAYLOAD))?,
        None => writeln!(out, "payload      not stored any more: it cannot be sent again")?,
    }
    if history.endpoints.is_empty() {
        writeln!(out, "\nno attempt yet at any endpoint")?;
    }
    for endpoint in &history.endpoints {
        writeln!(out)?;
        write_endpoint(endpoint, style, out)?;
    }
    Ok(())
}

fn write_endpoint(endpoint: &EndpointHistory, style: Style, out: &mut impl Write) -> io::Result<()> {
    match &endpoint.destination {
        Some(destination) => {
            let name = destination.uid.as_deref().unwrap_or(&destination.id);
            let DeliveryState { state, next_attempt } = destination.delivery;
            let state = style.paint(state, state_name(state));
            let next = next_attempt.map(|at| format!(", next attempt {}", time(at))).unwrap_or_default();
            let disabled = if destination.is_disabled { ", the endpoint is disabled" } else { "" };
            let host = host_of(&destination.url);
            writeln!(out, "endpoint {} ({}): {state}{next}{disabled}", printable(name), printable(&host))?;
        }
        None => writeln!(out, "endpoint {}: deleted", printable(&endpoint.id))?,
    }
    for attempt in &endpoint.attempts {
        writeln!(out, "  {}", attempt_line(attempt))?;
    }
    Ok(())
}

fn attempt_line(attempt: &Attempt) -> String {
    let response = shortened(&attempt.response, MAX_RESPONSE);
    let outcome = match attempt.status {
        Some(status) if response.is_empty() => format!("{status} after {} ms", attempt.duration_ms),
        Some(status) => format!("{status} after {} ms: {response}", attempt.duration_ms),
        None => format!("no response after {} ms: {response}", attempt.duration_ms),
    };
    let trigger = if attempt.is_manual { "by hand, " } else { "" };
    format!("{}  {trigger}{outcome}", time(attempt.created_at))
}

/// A time to the second.
fn time(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

/// A text in one line, of at most so many characters.
fn shortened(text: &str, most: usize) -> String {
    // A long text is not copied whole; runs of white space become one space.
    let mut short = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        if count > 0 {
            short.push(' ');
            count += 1;
        }
        for character in word.chars() {
            if count >= most {
                return format!("{}… ({} bytes)", printable(&short), text.len());
            }
            short.push(character);
            count += 1;
        }
    }
    printable(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(response: &str) -> Attempt {
        Attempt {
            id: "atmpt_1".to_owned(),
            message: "msg_1".to_owned(),
            endpoint: "ep_1".to_owned(),
            created_at: Timestamp::constant(1_800_000_000, 600_000_000),
            status: Some(500),
            response: response.to_owned(),
            duration_ms: 12,
            succeeded: false,
            is_manual: true,
        }
    }

    #[test]
    fn a_response_is_one_bounded_line_without_control() {
        let shown = attempt_line(&attempt("down\r\n  for \u{1b}[2J\u{202e}good\u{7}"));
        let long = attempt_line(&attempt(&"ä".repeat(5000)));

        assert_eq!(
            shown,
            "2027-01-15T08:00:01Z  by hand, 500 after 12 ms: down for \u{fffd}[2J\u{fffd}good\u{fffd}"
        );
        assert!(long.ends_with("ä… (10000 bytes)") && long.chars().count() < 500, "{long}");
    }

    #[test]
    fn an_attempt_without_a_response_says_why() {
        let refused = Attempt { status: None, is_manual: false, ..attempt("connection refused") };

        assert_eq!(
            attempt_line(&refused),
            "2027-01-15T08:00:01Z  no response after 12 ms: connection refused"
        );
    }
}
