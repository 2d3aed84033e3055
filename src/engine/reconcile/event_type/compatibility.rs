//! Whether a schema may be written over the one that Svix has.

use serde_json::Value;

use crate::{
    api::{SvixConnection, WebhookEventType},
    judging::{self, Panicked},
    plan::{
        compatibility::{self, Assessment, KeptVersions, Schema},
        event_type::{Desired, EventTypeStep, SCHEMA_VERSION, writes_schema},
    },
    schema::Effort,
    turns::Caller,
};

use super::{
    super::super::{context::Context, host::Host, object::Object, outcome::Error},
    history,
};

/// What an event type and its connection say about changes of the schema.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    pub object: &'a Object,
    pub event_type: &'a WebhookEventType,
    pub connection: &'a SvixConnection,
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
    ) -> Result<Option<String>, Error> {
        let (Some(schema), true) = (&wanted.schema, writes_schema(step)) else { return Ok(None) };
        let policies = compatibility::policies(self.event_type, Some(&self.connection.spec));
        let old = schemas.and_then(|schemas| schemas.get(SCHEMA_VERSION));
        let needs_history = compatibility::needs_history(&policies);
        if policies.is_empty() || (old.is_none() && !needs_history) {
            return Ok(None);
        }
        // Svix does not know which formats were enforced.
        let format_assertion = self.event_type.spec.format_assertion();
        let allowed = compatibility::allowed(self.event_type).map(str::to_owned);
        let (old, new) = (old.cloned(), schema.value.clone());
        // Few at once, since all versions are in memory, and not on a thread that serves others.
        let namespace = self.event_type.metadata.namespace.as_deref().unwrap_or_default();
        let permit = ctx.judging.acquire(Caller::INTERNAL, namespace).await;
        let kept = match needs_history {
            true => history::kept_versions(ctx, self.object).await?,
            false => KeptVersions::default(),
        };
        let assess = move |_: &Effort| {
            let of = |value| Schema { value, format_assertion };
            compatibility::assess_all(old.as_ref().map(of), &kept, of(&new), &policies, allowed.as_deref())
        };
        match judging::thoroughly(permit, assess).await {
            Ok(Assessment::Compatible) => Ok(None),
            Ok(Assessment::Warn(message)) => Ok(Some(message)),
            Ok(Assessment::Refuse(message)) => Err(compatibility::refusal(&schema.field, &message).into()),
            // A panic, a defect of this program: as what is not decided.
            Err(Panicked) => {
                tracing::error!("the comparison of two schemas failed");
                let message = "not decided whether the schema breaks compatibility: the comparison failed";
                Ok(Some(message.to_owned()))
            }
        }
    }
}
