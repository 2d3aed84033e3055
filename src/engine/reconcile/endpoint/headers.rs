//! The headers of an endpoint, which Svix's lists do not show and which it shows only in part.

use std::collections::BTreeMap;

use crate::plan::{
    endpoint::{Desired, Observed},
    headers,
    secrets::Sensitive,
};

use super::{
    super::super::{
        context::Context, events::EventReason, host::Host, object::Object, outcome::Error, review::Reviewer,
        scratch::WrittenHeaders, session::Session,
    },
    pass::Pass,
    progress::Applied,
    read::reread,
};

/// Writes the headers, unless they are known to be right.
pub(super) async fn sync_headers<H: Host>(
    pass: &Pass<'_, H>,
    applied: &mut Applied,
    wanted: &Desired,
    headers: &BTreeMap<String, Sensitive>,
    is_verified: bool,
) -> Result<(), Error> {
    let Pass { ctx, session, object, .. } = *pass;
    let digest = ctx.digest(headers);
    let is_as_written = !applied.withheld_headers
        && !pass.reads_svix
        && were_written(ctx, object, WrittenHeaders { digest, updated_at: applied.updated_at_before });
    if !(applied.wrote_headers || is_verified || is_as_written) {
        let application = wanted.application.as_str();
        let id = applied.observed.id.clone();
        let found = session.client.get_headers(application, &id).await?;
        let comparison = headers::compare(headers, &found.unwrap_or_default());
        let writes_hidden = ctx.reviewer().is_none_or(Reviewer::writes_hidden_headers);
        if !comparison.differing.is_empty() || (comparison.unknown && writes_hidden) {
            session.client.put_headers(application, &id, headers).await?;
            reread(session, applied, application).await?;
            let names: Vec<_> = comparison.differing.iter().take(10).map(String::as_str).collect();
            let what = match names.len() {
                0 => "values that Svix hides".to_owned(),
                _ => names.join(", "),
            };
            ctx.publish(object, EventReason::HeadersWritten, format!("endpoint {id}: {what}"));
        }
    }
    let written = WrittenHeaders { digest, updated_at: applied.observed.updated_at };
    ctx.scratch.with(&object.key(), |scratch| scratch.headers = Some(written));
    Ok(())
}

/// Whether this process wrote these headers last, and nothing was written since.
fn were_written<H: Host>(ctx: &Context<H>, object: &Object, headers: WrittenHeaders) -> bool {
    ctx.scratch.with(&object.key(), |scratch| scratch.headers == Some(headers))
}

/// Removes, before the address moves to another host, the headers that may not be meant for it. Until the new ones are
/// written, a receiver may refuse a message for want of them; Svix sends that again. Returns whether any were removed.
pub(super) async fn withhold<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    wanted: &Desired,
    observed: &Observed,
) -> Result<bool, Error> {
    let Some(headers) = &wanted.headers else { return Ok(false) };
    let written = WrittenHeaders { digest: ctx.digest(headers), updated_at: observed.updated_at };
    if were_written(ctx, object, written) {
        return Ok(false);
    }
    let application = wanted.application.as_str();
    let found = session.client.get_headers(application, &observed.id).await?.unwrap_or_default();
    let Some(keep) = headers::safe_for_both_hosts(headers, &found) else { return Ok(false) };
    session.client.put_headers(application, &observed.id, &keep).await?;
    Ok(true)
}
