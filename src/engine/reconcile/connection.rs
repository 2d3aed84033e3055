//! `SvixConnection` as a kind. It is not reconciled by the queue: each has a driver of its own.

use crate::api::{SvixConnection, SvixConnectionStatus};

use super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object, Resource, Status, StatusHeader},
        outcome::{Error, Outcome},
        queue::Next,
    },
    kind::{Reconcile, Report},
};

impl Resource for SvixConnection {
    fn connection_name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
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
}

impl Reconcile for SvixConnection {
    async fn reconcile<H: Host>(&self, _ctx: &Context<H>, _object: &Object) -> Result<Outcome, Error> {
        Err(Error::Requeue(Next::Settled))
    }

    fn status(&self, report: Report<'_>) -> Status {
        let header = self.status_header();
        let before = self.status.as_ref().and_then(|status| status.server_url.clone());
        Status::Connection(Box::new(SvixConnectionStatus {
            observed_generation: report.generation,
            last_handled_reconcile_at: report.last_handled_reconcile_at(header.last_handled_reconcile_at),
            conditions: report.conditions(header.conditions),
            server_url: report.details.and_then(|details| details.server_url).or(before),
        }))
    }
}
