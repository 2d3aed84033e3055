//! The published versions of a schema: each is kept as a revision once Svix has it.
//!
//! # Guarantees
//! - Nothing is read or written while status names the schema that Svix has: a converged object is quiet.
//! - A revision says what Svix had, not what a pass meant to write. After a crash in between, the next pass writes the same
//!   revision, or finds it.
//! - A history that cannot be kept delays nothing else: Svix has the schema already.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{CLAIM_ANNOTATION, SchemaHistory, WebhookEventType, annotation},
    comparing::{Interrupted, Requester},
    plan::{
        compatibility::{Change, RevisionReader},
        event_type::DesiredSchema,
        revision::{self, Comparison, ComparisonResult, HistoryStep, Pair, Published, Revision},
    },
    schema::evolution::Level,
    turns::Caller,
};

use super::super::super::{
    context::Context,
    host::{Host, HostError, RevisionWrite},
    object::Object,
    outcome::Error,
    queue::Next,
};

/// How long to wait where the operator may not write revisions.
const FORBIDDEN_RETRY: Duration = Duration::from_secs(600);

/// What became of the history of an event type.
pub(super) enum Recorded {
    /// Status has it already.
    Unchanged,
    /// Status is to say this from now on.
    Changed(SchemaHistory),
    /// It is not kept.
    Failed {
        /// Why not.
        message: String,
        /// When to try again.
        next: Next,
    },
}

/// Keeps the schema that Svix has as a revision, and removes the revisions beyond the limit. `before` is the object as it
/// was when the reconcile began.
pub(super) async fn record<H: Host>(
    ctx: &Context<H>,
    before: &Object,
    event_type: &WebhookEventType,
    schema: &DesiredSchema,
    levels: Vec<Level>,
) -> Result<Recorded, Error> {
    let spec = &event_type.spec;
    let digest = revision::content_digest(schema.digest, spec.format_assertion());
    let limit = spec.revision_history_limit();
    let known = event_type.status.as_ref().and_then(|status| status.schema_history.as_ref());
    let is_known = known.is_some_and(|known| {
        let has_place = usize::try_from(known.kept).is_ok_and(|kept| kept <= limit);
        // One that was not kept is, once it may be.
        known.digest == digest && has_place && (known.revision.is_some() || limit == 0)
    });
    if is_known {
        return Ok(Recorded::Unchanged);
    }
    let version = Version { schema, format_assertion: spec.format_assertion(), digest, limit };
    match version.keep(ctx, before, event_type, levels).await {
        Ok(history) => Ok(Recorded::Changed(history)),
        Err(NotCompared::Host(HostError::Forbidden(message) | HostError::Refused(message))) => {
            Ok(Recorded::Failed { message, next: Next::Later(FORBIDDEN_RETRY) })
        }
        Err(NotCompared::Host(HostError::Failed(message))) => {
            ctx.metrics.reconcile_error(before.kind().as_str(), "kubernetes");
            Ok(Recorded::Failed { message, next: Next::Failed })
        }
        // Somebody else changed it meanwhile.
        Err(NotCompared::Host(error @ (HostError::Conflict | HostError::Gone))) => Err(error.into()),
        Err(NotCompared::Interrupted(Interrupted::TakesLong)) => Err(Error::waiting_for_long_work()),
        Err(NotCompared::Interrupted(Interrupted::Panicked(panicked))) => {
            Ok(Recorded::Failed { message: panicked.to_string(), next: Next::Failed })
        }
    }
}

/// Why a change was not compared to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCompared {
    /// What it is compared with cannot be read now.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no verdict.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The version that Svix has.
struct Version<'a> {
    schema: &'a DesiredSchema,
    format_assertion: bool,
    digest: String,
    limit: usize,
}

impl Version<'_> {
    async fn keep<H: Host>(
        self,
        ctx: &Context<H>,
        object: &Object,
        event_type: &WebhookEventType,
        levels: Vec<Level>,
    ) -> Result<SchemaHistory, NotCompared> {
        // Nothing was ever written for an object without a trace of it, so it has no revisions.
        let is_new = event_type.status.as_ref().is_none_or(|status| status.svix.is_none())
            && !object.has_finalizer()
            && !ctx.retains(object)
            && annotation(object.meta(), CLAIM_ANNOTATION).is_none();
        let mut known = if is_new { Vec::new() } else { ctx.host.revisions(object).await? };
        revision::sort(&mut known);
        let plan = revision::plan(&known, &self.digest, self.limit);
        let number = plan.number.unwrap_or_default();
        let write = match plan.step {
            HistoryStep::Nothing => None,
            HistoryStep::Create => {
                let published = self.published();
                let comparison = compare(ctx, object, known.last(), published.clone(), levels).await?;
                let revision = Revision {
                    name: revision::name(object.name(), object.uid(), &self.digest),
                    number,
                    digest: self.digest.clone(),
                    published_at: Some(Timestamp::now()),
                    comparison,
                    has_schema: published.schema.len() <= revision::MAX_SCHEMA,
                };
                let published = revision.has_schema.then_some(published);
                Some(RevisionWrite::Create { revision, published })
            }
            HistoryStep::Renumber(name) => {
                let comparison = compare(ctx, object, known.last(), self.published(), levels).await?;
                let same = known.iter().find(|revision| revision.name == name);
                same.map(|same| {
                    RevisionWrite::Renumber(Revision {
                        number,
                        published_at: Some(Timestamp::now()),
                        comparison,
                        ..same.clone()
                    })
                })
            }
        };
        if let Some(write) = write {
            ctx.host.write_revision(object, write).await?;
        }
        for obsolete in &plan.obsolete {
            ctx.host.delete_revision(object, obsolete).await?;
        }
        Ok(SchemaHistory {
            revision: plan.number,
            digest: self.digest,
            kept: i32::try_from(plan.kept).unwrap_or(i32::MAX),
        })
    }

    fn published(&self) -> Published {
        Published { schema: self.schema.value.to_string(), format_assertion: self.format_assertion }
    }
}

/// Compares a version with the one before.
async fn compare<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    last: Option<&Revision>,
    new: Published,
    levels: Vec<Level>,
) -> Result<Comparison, NotCompared> {
    let Some(last) = last else { return Ok(Comparison::without_level(ComparisonResult::First)) };
    let not_compared = Comparison::without_level(ComparisonResult::NotCompared);
    if levels.is_empty() {
        return Ok(not_compared);
    }
    let _memory = ctx.reserve_kept(object).await;
    let Some(old) = ctx.host.published(object, &last.name).await? else { return Ok(not_compared) };
    let pair = Pair { old: old.into(), new: new.into(), known: Vec::new() };
    let mut compared = Vec::new();
    let (may_take_long, mut takes_long) = (|| ctx.may_take_long(object), false);
    for level in levels {
        match ctx.comparisons.compare(requester(object, &may_take_long), &pair, level, &mut takes_long).await
        {
            Ok(one) => compared.push((level, one)),
            Err(error @ Interrupted::TakesLong) => return Err(error.into()),
            // A panic, a defect of this program, is no reason to lose the version.
            Err(Interrupted::Panicked(_)) => {
                tracing::error!("the comparison of two schemas failed");
                return Ok(not_compared);
            }
        }
    }
    Ok(revision::worst(compared))
}

/// Makes all comparisons of a change: with the version that it replaces and, where a policy asks for that, with those that are
/// kept. Each is read when the one before is compared, and without a permit to compare, since the API server may take its time.
pub(super) async fn compare_all<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    change: &mut Change,
) -> Result<(), NotCompared> {
    let may_take_long = || ctx.may_take_long(object);
    let requester = requester(object, &may_take_long);
    if let Some(last) = change.last() {
        ctx.comparisons.step(requester, change, &last).await?;
    }
    if !change.needs_kept() {
        return Ok(());
    }
    let revisions = match ctx.host.revisions(object).await {
        Ok(revisions) => revisions,
        // What is not decided is a warning. What is transient is tried again before anything is written.
        Err(HostError::Forbidden(message) | HostError::Refused(message)) => {
            change.missing(&[message]);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let mut reader = RevisionReader::new(revisions);
    while change.needs_kept()
        && let Some(revision) = reader.next_revision()
    {
        let mut memory = ctx.reserve_kept(object).await;
        let published = ctx.host.published(object, &revision.name).await?;
        memory.shrink(published.as_ref().map_or(0, |published| published.schema.len()));
        let Some((number, published)) = reader.pass(published) else { continue };
        let step = change.kept(number, published);
        ctx.comparisons.step(requester, change, &step).await?;
    }
    if change.needs_kept() {
        change.missing(&reader.into_kept().missing);
    }
    Ok(())
}

fn requester<'a>(object: &'a Object, may_take_long: &'a (dyn Fn() -> bool + Sync)) -> Requester<'a> {
    Requester { caller: Caller::INTERNAL, namespace: object.namespace(), may_take_long }
}
