//! `WebhookEventType` as a kind.

use crate::{
    api::{
        Adoption, EventTypeDeletionPolicy, PayloadValidation, SvixConnection, WebhookEventType,
        WebhookEventTypeStatus,
    },
    plan::{
        ReconcileError,
        access::{Declares as _, Grants},
        audit,
        status::ReadyState,
    },
};

use super::super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object, Resource, Status, StatusHeader, SvixResource},
        outcome::{Details, Error, Outcome, RemoteRef},
        waiters::Awaited,
    },
    kind::{Reconcile, Report},
};

impl Resource for WebhookEventType {
    fn connection_name(&self) -> &str {
        self.connection_name()
    }

    fn status_header(&self) -> StatusHeader<'_> {
        self.status.as_ref().map_or_else(StatusHeader::default, |status| StatusHeader {
            conditions: &status.conditions,
            observed_generation: status.observed_generation,
            last_handled_reconcile_at: status.last_handled_reconcile_at.as_deref(),
        })
    }

    fn mode(&self) -> Mode {
        Mode::of_spec(self.spec.suspend, self.spec.management_policy)
    }

    fn retains(&self) -> bool {
        self.spec.deletion_policy() == EventTypeDeletionPolicy::Retain
    }

    fn declared(&self, _connection: Option<&SvixConnection>) -> Option<SvixResource> {
        Some(SvixResource::EventType(self.event_type_name().into()))
    }

    fn recorded(&self) -> Option<(&str, SvixResource)> {
        let svix = self.status.as_ref()?.svix.as_ref()?;
        Some((&svix.connection, SvixResource::EventType(svix.name.as_str().into())))
    }

    fn config_map_name(&self) -> Option<&str> {
        self.spec.schema_from.as_ref().map(|source| source.config_map_key_ref.name.as_str())
    }

    fn check_access(&self, grants: &Grants<'_>, connection: &SvixConnection) -> Result<(), ReconcileError> {
        self.check(grants, &connection.spec)
    }

    fn granted_adoption(&self, grants: &Grants<'_>, _connection: &SvixConnection) -> Adoption {
        self.spec.adoption().min(grants.of_event_type(&self.event_type_name()))
    }

    fn has_difference(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.difference.is_some())
    }
}

impl Reconcile for WebhookEventType {
    async fn reconcile<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<Outcome, Error> {
        let result = super::sync(ctx, object, self).await;
        let is_stalled = match &result {
            Ok(outcome) => matches!(outcome.ready, ReadyState::Stalled(_)),
            Err(Error::Report(outcome)) => matches!(outcome.ready, ReadyState::Stalled(_)),
            Err(error) => matches!(error, Error::Stalled(..)),
        };
        // Those that wait may report that no object declares it, or be judged by it although Svix is left as it is.
        if is_stalled {
            let awaited = Awaited::EventType(self.event_type_name().into());
            ctx.release_waiters(self.connection_name(), &awaited);
        }
        result
    }

    async fn clean_up<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<(), Error> {
        super::delete::delete(ctx, object, self).await
    }

    fn status(&self, report: Report<'_>) -> Status {
        let header = self.status_header();
        let before = self.status.as_ref();
        let conditions = report.conditions(header.conditions);
        let refused_change = match (&report.details, report.ready) {
            (Some(details), _) => details.refused_change.clone(),
            // Nothing new is known.
            (None, ReadyState::Waiting(_)) => before.and_then(|status| status.refused_change.clone()),
            (None, _) => None,
        };
        let payload_validation = self.spec.payload_validation();
        let is_audited = matches!(payload_validation, PayloadValidation::Warn | PayloadValidation::Audit);
        Status::EventType(Box::new(WebhookEventTypeStatus {
            observed_generation: report.generation,
            last_handled_reconcile_at: report.last_handled_reconcile_at(header.last_handled_reconcile_at),
            svix: match report.remote {
                Some(RemoteRef::EventType(svix)) => Some(svix),
                Some(RemoteRef::None) => None,
                _ => before.and_then(|status| status.svix.clone()),
            },
            schema_history: match &report.details {
                Some(Details { schema_history: Some(history), .. }) => Some(history.clone()),
                _ => before.and_then(|status| status.schema_history.clone()),
            },
            payload_validation: Some(payload_validation),
            payload_audit: match report.audit {
                _ if !is_audited => None,
                Some(new) => {
                    let before = before.and_then(|status| status.payload_audit.as_ref());
                    audit::updated(before, new.clone(), report.now)
                }
                None => before.and_then(|status| status.payload_audit.clone()),
            },
            difference: match report.details {
                _ if report.is_managed => None,
                Some(details) => details.difference.map(Box::new),
                None => before.and_then(|status| status.difference.clone()),
            },
            refused_change,
            conditions,
        }))
    }
}
