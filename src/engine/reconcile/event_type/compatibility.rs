//! Whether a schema may be written over the one that Svix has.

use serde_json::Value;

use crate::{
    api::{Receivers, RefusedChange, SvixConnection, WebhookEventType},
    comparing::Interrupted,
    plan::{
        ReconcileError,
        compatibility::{self, Assessment, Change, Schema},
        event_type::{Desired, EventTypeStep, SCHEMA_VERSION, writes_schema},
        receivers,
    },
};

use super::{
    super::super::{
        context::Context,
        host::Host,
        object::Object,
        outcome::{Details, Error, Outcome},
    },
    history::{self, NotCompared},
};

/// What an event type and its connection say about changes of the schema.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    pub object: &'a Object,
    pub event_type: &'a WebhookEventType,
    pub connection: &'a SvixConnection,
}

/// A change that may not be written.
#[derive(Debug)]
pub(super) struct Refused {
    pub error: ReconcileError,
    pub change: RefusedChange,
}

/// Why a step is not carried out.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// The change is refused.
    Refused(Box<Refused>),
    /// It cannot be compared now.
    Failed(Error),
}

impl From<NotWritten> for Error {
    fn from(cause: NotWritten) -> Self {
        let refused = match cause {
            NotWritten::Refused(refused) => refused,
            NotWritten::Failed(error) => return error,
        };
        let details = Details { refused_change: Some(refused.change), ..Details::default() };
        Self::Report(Box::new(Outcome {
            details: Some(Box::new(details)),
            ..Outcome::stalled(refused.error)
        }))
    }
}

impl Gate<'_> {
    /// Checks a step before it is carried out. Returns what is to be reported once it is; an error if it must not be.
    /// `schemas` are those that Svix has, by version, as just read: without one, nobody relies on it.
    pub async fn check<H: Host>(
        self,
        ctx: &Context<H>,
        wanted: &Desired,
        step: &EventTypeStep,
        schemas: Option<&Value>,
    ) -> Result<Option<String>, NotWritten> {
        let (Some(schema), true) = (&wanted.schema, writes_schema(step)) else { return Ok(None) };
        let policies = compatibility::policies(self.event_type, Some(&self.connection.spec));
        let old = schemas.and_then(|schemas| schemas.get(SCHEMA_VERSION));
        let needs_history = compatibility::needs_history(&policies);
        if policies.is_empty() || (old.is_none() && !needs_history) {
            return Ok(None);
        }
        // Svix does not know which formats were enforced.
        let format_assertion = self.event_type.spec.format_assertion();
        let of = |value| Schema { value, format_assertion };
        let allowed = compatibility::allowed(self.event_type);
        let change = Change::begin(old.map(of), of(&schema.value), &policies, allowed);
        let Some(change) = change else { return Ok(None) };
        let digest = change.digest().to_owned();
        match self.assess(ctx, change).await? {
            Assessment::Compatible => Ok(None),
            Assessment::Warn(message) => {
                let receivers = self.receivers(ctx, wanted);
                Ok(Some(receivers::append(message, Some(&receivers))))
            }
            Assessment::Refuse(message) => {
                let change = self.refused_change(ctx, wanted, digest);
                let message = receivers::append(message, change.receivers.as_ref());
                let error = compatibility::refusal(&schema.field, &message);
                Err(NotWritten::Refused(Box::new(Refused { error, change })))
            }
        }
    }

    /// Makes the comparisons of a change.
    async fn assess<H: Host>(self, ctx: &Context<H>, mut change: Change) -> Result<Assessment, NotWritten> {
        match history::compare_all(ctx, self.object, &mut change).await {
            Ok(()) => Ok(change.end()),
            Err(NotCompared::Host(error)) => Err(NotWritten::Failed(error.into())),
            Err(NotCompared::Interrupted(Interrupted::TakesLong)) => {
                Err(NotWritten::Failed(Error::waiting_for_long_work()))
            }
            // As what is not decided.
            Err(NotCompared::Interrupted(Interrupted::Panicked(_))) => {
                tracing::error!("the comparison of two schemas failed");
                let message = "not decided whether the schema breaks compatibility: the comparison failed";
                Ok(Assessment::Warn(message.to_owned()))
            }
        }
    }

    fn receivers<H: Host>(self, ctx: &Context<H>, wanted: &Desired) -> Receivers {
        let namespace = self.event_type.metadata.namespace.as_deref().unwrap_or_default();
        ctx.registry.receivers(self.event_type.connection_name(), &wanted.name, namespace)
    }

    /// Returns what status says of a change that is refused. While it is the same change, the receivers are those of the first
    /// time: status is not written again whenever an endpoint comes or goes.
    fn refused_change<H: Host>(self, ctx: &Context<H>, wanted: &Desired, digest: String) -> RefusedChange {
        let before = self.event_type.status.as_ref().and_then(|status| status.refused_change.as_ref());
        match before.filter(|before| before.digest == digest) {
            Some(before) => before.clone(),
            None => {
                let receivers = Some(self.receivers(ctx, wanted)).filter(|receivers| receivers.count > 0);
                RefusedChange { digest, receivers }
            }
        }
    }
}
