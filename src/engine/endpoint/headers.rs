//! The headers of an endpoint, which Svix's lists do not show and which it shows only in part.

use crate::{
    engine::{Engine, EventReason, Host, Object, ObjectKey, connection::Live, reconcile::Failed},
    plan::{
        endpoint::{Desired, Observed},
        headers,
    },
};

use super::unlisted::Listed;

/// Headers as this process wrote them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Written {
    digest: u64,
    /// `updatedAt` of the endpoint then.
    updated_at: i64,
}

impl<S: Host> Engine<S> {
    /// Writes the headers, unless they are known to be right. `settled`: nothing says that they are not.
    pub(super) async fn keep_headers(
        &self,
        object: &Object,
        live: &Live,
        listed: &mut Listed<'_>,
        settled: bool,
    ) -> Result<(), Failed> {
        let Some(wanted) = &listed.wanted.headers else { return Ok(()) };
        let key = object.key();
        let digest = self.digest(wanted);
        let ours = !listed.withheld_headers && self.wrote_these(&key, digest, listed.before);
        let right = listed.wrote_headers || settled || (ours && !self.forced(object));
        if !right {
            let application = listed.wanted.application.as_str();
            let id = listed.observed.id.clone();
            let found = live.client.get_headers(application, &id).await?;
            let comparison = headers::compare(wanted, &found.unwrap_or_default());
            if !comparison.differing.is_empty() || comparison.unknown {
                live.client.put_headers(application, &id, wanted).await?;
                self.reread(live, listed).await?;
                let names: Vec<_> = comparison.differing.iter().take(10).map(String::as_str).collect();
                let what = match names.len() {
                    0 => "values that Svix hides".to_owned(),
                    _ => names.join(", "),
                };
                let message = format!("endpoint {id}: {what}");
                self.did(object, EventReason::HeadersWritten, message);
            }
        }
        let updated_at = listed.observed.updated_at;
        self.remember(&key, |memory| memory.headers = Some(Written { digest, updated_at }));
        Ok(())
    }

    /// Whether an endpoint has headers of this digest, as this process wrote them.
    fn wrote_these(&self, key: &ObjectKey, digest: u64, updated_at: i64) -> bool {
        let known = |written: &Written| written.digest == digest && written.updated_at == updated_at;
        self.remember(key, |memory| memory.headers.as_ref().is_some_and(known))
    }

    /// Takes away, before the address goes to another host, the headers that may not be meant for it. Until the new
    /// ones are written, a receiver may refuse a message for want of them; Svix sends that again.
    pub(super) async fn withhold_headers(
        &self,
        object: &Object,
        live: &Live,
        wanted: &Desired,
        observed: &Observed,
    ) -> Result<bool, Failed> {
        let Some(headers) = &wanted.headers else { return Ok(false) };
        if self.wrote_these(&object.key(), self.digest(headers), observed.updated_at) {
            return Ok(false);
        }
        let application = wanted.application.as_str();
        let found = live.client.get_headers(application, &observed.id).await?.unwrap_or_default();
        let Some(keep) = headers::for_both(headers, &found) else { return Ok(false) };
        live.client.put_headers(application, &observed.id, &keep).await?;
        Ok(true)
    }
}
