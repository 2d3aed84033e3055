//! `WebhookEvent` as a kind.

use crate::{
    api::{Summary, SvixConnection, WebhookEvent, WebhookEventStatus},
    plan::{
        ReconcileError,
        access::{Declares as _, Grants},
        event,
    },
};

use super::super::{
    super::{
        context::Context,
        host::Host,
        object::{Object, Resource, Status, StatusHeader},
        outcome::{Error, EventProgress, Outcome, RemoteRef},
    },
    kind::{Reconcile, Report},
};

impl Resource for WebhookEvent {
    fn connection_name(&self) -> &str {
        self.connection_name()
    }

    fn status_header(&self) -> StatusHeader<'_> {
        self.status.as_ref().map_or_else(StatusHeader::default, |status| StatusHeader {
            conditions: &status.conditions,
            observed_generation: status.observed_generation,
            last_handled_reconcile_at: None,
        })
    }

    fn takes_reconcile_requests(&self) -> bool {
        false
    }

    fn check_access(&self, grants: &Grants<'_>, connection: &SvixConnection) -> Result<(), ReconcileError> {
        self.check(grants, &connection.spec)
    }

    fn is_over(&self) -> bool {
        event::is_over(self)
    }
}

impl Reconcile for WebhookEvent {
    async fn reconcile<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<Outcome, Error> {
        super::reconcile(ctx, object, self).await
    }

    fn status(&self, report: Report<'_>) -> Status {
        let before = self.status_header().conditions;
        let EventProgress { status, accepted, is_missed } = match report.remote {
            Some(RemoteRef::Event(progress)) => *progress,
            _ => EventProgress {
                status: self.status.clone().unwrap_or_default(),
                accepted: None,
                is_missed: false,
            },
        };
        let accepted = accepted.as_ref().map(|(reason, message)| (*reason, message.as_str()));
        let Report { ready, generation, now, .. } = report;
        let conditions = event::conditions(ready, &status, accepted, before, generation, now, is_missed);
        let summary = Summary::of(&[], self.spec.channels.as_deref());
        Status::Event(Box::new(WebhookEventStatus {
            observed_generation: generation,
            summary,
            conditions,
            ..status
        }))
    }
}
