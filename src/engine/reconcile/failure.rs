//! From an error to an outcome: the one place where a failure becomes what status says.

use std::time::Duration;

use crate::{
    api::Reason,
    plan::ReconcileError,
    svix::{self, Class, ErrorKind, jitter},
};

use super::super::{
    context::Context,
    host::{Host, HostError},
    object::{Kind, Object},
    outcome::{Error, Outcome},
    queue::Next,
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
    if error.class() == Class::Transient && !matches!(error.kind, ErrorKind::Conflict { .. }) {
        ctx.sessions.request_relist(connection);
    }
    // Messages in status name the status of the response and no further cause: that would change with every try.
    let waiting =
        |reason, message: String, next| Outcome::waiting(ReconcileError::new(reason, message), next);
    match error.class() {
        Class::Transient => waiting(
            Reason::SvixUnavailable,
            format!("{} ({}); the operator keeps trying", failed(&error.kind), error.operation),
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
            let advice = match object.kind() {
                Kind::Event => "create another WebhookEvent",
                _ => "change the spec",
            };
            Outcome::stalled(ReconcileError::new(Reason::RefusedBySvix, format!("{error}; {advice}")))
        }
    }
}

/// Returns how Svix failed.
fn failed(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Transport(_) => "Svix does not respond".to_owned(),
        ErrorKind::Server { status } => format!("Svix fails with status {status}"),
        ErrorKind::Answer { status, .. } => {
            format!("Svix responds with status {status} and something unexpected")
        }
        ErrorKind::Refused { status, .. } => format!("Svix asks to try again later with status {status}"),
        ErrorKind::NotFound => "Svix responds with status 404".to_owned(),
        ErrorKind::Conflict { .. } => "Svix responds with status 409".to_owned(),
        // They are handled apart.
        ErrorKind::Throttled { .. } => "Svix responds with status 429".to_owned(),
        ErrorKind::Unauthorized { status, .. } => format!("Svix responds with status {status}"),
    }
}

#[cfg(test)]
mod tests;
