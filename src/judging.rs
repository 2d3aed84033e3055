//! Where payloads are validated: what takes little, at once; the rest on threads of its own, few at a time.
//!
//! The threads of the runtime carry health, the Lease and the work of every tenant, so none of them validates for longer than
//! about a millisecond. Whether a validation takes longer is not estimated: it is begun, its steps are counted, and where they
//! are too many it is begun again on a thread that may take its time.
//!
//! # Flow
//! 1. [`briefly`] validates on the thread of the caller, unless the input is large.
//! 2. Where that was not enough, the caller waits for a permit of [`Permits`](crate::turns::Permits), which exist for few
//!    validations at once and are handed out in turns. [`shortly`] validates on another thread, for some milliseconds.
//! 3. Where that was not enough either, [`thoroughly`] does, with a permit of those for what takes long. So what takes
//!    milliseconds does not wait for what takes a second.
//!
//! # Guarantees
//! - A panic, a defect of this program or of a library, is an error of the one validation.
//! - What [`thoroughly`] runs ends: its steps are bounded.
//!
//! # Assumptions
//! - The closure changes nothing before its effort is known to be enough: it may run twice.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::schema::Effort;

/// Size of texts from which on their validation does not begin on the thread of the caller, in bytes: reading them alone
/// takes long.
pub const LARGE: usize = 64 * 1024;

/// A validation panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("validation failed because of an internal error; see the log of svix-operator")]
pub struct Panicked;

/// Validates on this thread. `None`: it takes longer, and belongs to [`thoroughly`].
pub fn briefly<T>(judge: impl FnOnce(&Effort) -> T) -> Result<Option<T>, Panicked> {
    let effort = Effort::brief();
    let judged = catch_unwind(AssertUnwindSafe(|| judge(&effort))).map_err(|_| Panicked)?;
    Ok((!effort.is_exceeded()).then_some(judged))
}

/// Validates on another thread in some milliseconds. `None`: it takes longer, and belongs to [`thoroughly`]. `permit` is dropped
/// at the end.
pub async fn shortly<T: Send + 'static>(
    permit: impl Send + 'static,
    judge: impl FnOnce(&Effort) -> T + Send + 'static,
) -> Result<Option<T>, Panicked> {
    let judge = |effort: &Effort| {
        let judged = judge(effort);
        (!effort.is_exceeded()).then_some(judged)
    };
    on_thread(permit, Effort::small, judge).await
}

/// Validates on another thread. `permit` is dropped at the end, also where the caller does not wait for it.
pub async fn thoroughly<T: Send + 'static>(
    permit: impl Send + 'static,
    judge: impl FnOnce(&Effort) -> T + Send + 'static,
) -> Result<T, Panicked> {
    on_thread(permit, Effort::full, judge).await
}

async fn on_thread<T: Send + 'static>(
    permit: impl Send + 'static,
    effort: fn() -> Effort,
    judge: impl FnOnce(&Effort) -> T + Send + 'static,
) -> Result<T, Panicked> {
    let run = move || {
        let _permit = permit;
        catch_unwind(AssertUnwindSafe(|| judge(&effort()))).map_err(|_| Panicked)
    };
    // It is neither aborted nor does it panic; it may not run any more when the runtime ends.
    tokio::task::spawn_blocking(run).await.unwrap_or(Err(Panicked))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::schema::{Compiled, Payload};

    fn is_valid(schema: &Compiled, payload: &Payload, effort: &Effort) -> bool {
        schema.judge_within(payload, effort).violations.is_empty()
    }

    #[test]
    fn what_takes_little_is_judged_at_once() {
        let schema = Compiled::new(&json!({"required": ["a"]}), true).unwrap();
        let payload = Payload::parse(b"{}").unwrap();

        assert_eq!(briefly(|effort| is_valid(&schema, &payload, effort)), Ok(Some(false)));
    }

    #[tokio::test]
    async fn what_takes_more_is_judged_on_another_thread() {
        for (items, in_short) in [(30_000, Some(true)), (300_000, None)] {
            let schema = Arc::new(Compiled::new(&json!({"items": {"type": "integer"}}), true).unwrap());
            let payload = Payload::parse(format!("[{}1]", "1,".repeat(items)).as_bytes()).unwrap();
            let payload = Arc::new(payload);

            assert_eq!(briefly(|effort| is_valid(&schema, &payload, effort)), Ok(None));
            let here = std::thread::current().id();
            let judge = move |effort: &Effort| {
                assert_ne!(std::thread::current().id(), here);
                is_valid(&schema, &payload, effort)
            };
            assert_eq!(shortly((), judge.clone()).await, Ok(in_short));
            assert_eq!(thoroughly((), judge).await, Ok(true));
        }
    }

    #[tokio::test]
    async fn a_panic_fails_one_validation() {
        assert_eq!(briefly(|_| -> bool { panic!("a defect") }), Err(Panicked));
        assert_eq!(shortly((), |_| -> bool { panic!("a defect") }).await, Err(Panicked));
        assert_eq!(thoroughly((), |_| -> bool { panic!("a defect") }).await, Err(Panicked));
    }
}
