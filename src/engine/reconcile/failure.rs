//! From an error to an outcome: the one place where a failure becomes what status says.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    api::Reason,
    plan::ReconcileError,
    svix::{self, Class, ErrorKind, jitter},
};

use super::super::{
    context::Context,
    failing::Failing,
    host::{Host, HostError},
    object::{Kind, Object},
    outcome::{Error, Outcome},
    queue::Next,
    scratch::FailedCall,
};

/// How long to wait for a token that Svix does not accept, when no change of the Secret is noticed.
const TOKEN_RETRY: Duration = Duration::from_secs(60);

/// Returns what follows from an error: an outcome to report, or just when to reconcile again.
pub fn outcome_of<H: Host>(ctx: &Context<H>, object: &Object, error: Error) -> Result<Outcome, Next> {
    match error {
        Error::Stalled(cause, None) => Ok(Outcome::stalled(cause)),
        Error::Stalled(cause, Some(retry)) => {
            Ok(Outcome { next: Next::Later(retry), ..Outcome::stalled(cause) })
        }
        Error::Waiting(cause, next) => Ok(Outcome::waiting(cause, next)),
        Error::Report(outcome) => Ok(*outcome),
        Error::Requeue(next) => Err(next),
        Error::Svix(error) => Ok(svix_failure(ctx, object, object.connection_name(), &error)),
        Error::Host(HostError::Gone) => Err(Next::Settled),
        Error::Host(error) => {
            // The watch brings the newer object; until then another reconcile would fail the same way.
            tracing::debug!(object = %object.key(), %error, "cannot write to Kubernetes");
            ctx.metrics.reconcile_error(object.kind().as_str(), "kubernetes");
            Err(Next::Failed)
        }
    }
}

/// Returns what follows when a call to the Svix of a connection fails.
pub fn svix_failure<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    connection: &str,
    error: &svix::Error,
) -> Outcome {
    ctx.metrics.reconcile_error(object.kind().as_str(), error.label());
    tracing::debug!(object = %object.key(), %error, "a call to Svix failed");
    if let Some(outcome) = failure_of_its_own(ctx, object, connection, error) {
        return outcome;
    }
    if error.class() == Class::Transient && !matches!(error.kind, ErrorKind::Conflict { .. }) {
        ctx.sessions.request_relist(connection);
    }
    let waiting =
        |reason, message: String, next| Outcome::waiting(ReconcileError::new(reason, message), next);
    match error.class() {
        Class::Transient => waiting(
            Reason::SvixUnavailable,
            format!("{}; the operator keeps trying", first_failed_call(ctx, object, error)),
            Next::Failed,
        ),
        Class::Throttled => waiting(
            Reason::Throttled,
            "Svix asks to slow down (429); the operator continues as fast as Svix allows".to_owned(),
            // The connection's budget delays it as long as Svix asked; the object did nothing wrong.
            Next::After(jitter(Duration::from_millis(100))),
        ),
        Class::Unauthorized => {
            ctx.sessions.trigger(connection);
            waiting(
                Reason::ConnectionNotReady,
                "Svix does not accept the connection's token; see the SvixConnection".to_owned(),
                Next::After(TOKEN_RETRY),
            )
        }
        Class::Terminal => {
            let message = format!("{error}; {}", advice(object));
            Outcome::stalled(ReconcileError::new(Reason::RefusedBySvix, message))
        }
    }
}

/// Returns what follows when Svix fails on this object again and again and not on others; `None`: that is not known.
fn failure_of_its_own<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    connection: &str,
    error: &svix::Error,
) -> Option<Outcome> {
    let ErrorKind::Server { status } = error.kind else { return None };
    let last_success =
        ctx.sessions.get(connection).ok().and_then(|session| session.client.health().last_success());
    let generation = object.generation();
    // A restart is no reason to report something else meanwhile.
    let is_known_alone = object.ready() == Some(false) && object.has_ready_reason(Reason::SvixFailsOnObject);
    let failing = ctx.scratch.with(&object.key(), |scratch| {
        let failing =
            Failing::record(scratch.failing, Instant::now(), generation, last_success, is_known_alone);
        *scratch.failing.insert(failing)
    });
    if !failing.is_alone() {
        return None;
    }
    let message = format!(
        "{}: Svix fails with status {status} on this object, while other calls of the connection succeed; {}, or look \
         for the cause in the log of the Svix server. The operator tries again at growing intervals of up to ten \
         minutes, and at once when the object changes",
        error.operation,
        advice(object)
    );
    let cause = ReconcileError::new(Reason::SvixFailsOnObject, message);
    Some(Outcome { next: Next::Later(failing.delay()), ..Outcome::stalled(cause) })
}

/// Returns how the first call failed since Svix was available last: messages in status do not change with every try.
fn first_failed_call<H: Host>(ctx: &Context<H>, object: &Object, error: &svix::Error) -> String {
    let status = match error.kind {
        ErrorKind::Transport(_) => None,
        ErrorKind::Answer { status, .. }
        | ErrorKind::Server { status }
        | ErrorKind::Refused { status, .. } => Some(status),
        _ => return error.to_string(),
    };
    let now = FailedCall { operation: error.operation, status };
    let FailedCall { operation, status } =
        ctx.scratch.with(&object.key(), |scratch| *scratch.failed_call.get_or_insert(now));
    match status {
        Some(status @ 500..) => format!("{operation}: Svix fails with status {status}"),
        Some(status) => format!("{operation}: Svix responds with status {status}, and not as expected"),
        None => format!("{operation}: Svix does not respond"),
    }
}

/// Returns what a person can do about content that Svix does not accept.
fn advice(object: &Object) -> &'static str {
    match object.kind() {
        Kind::Event => "create another WebhookEvent",
        _ => "change the spec",
    }
}

#[cfg(test)]
mod tests;
