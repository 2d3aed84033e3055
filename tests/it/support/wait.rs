//! Waiting for something to become true: a poll with a deadline, never a bare sleep.

use std::fmt::Display;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// What one look at the harness says: the value waited for, or why it is not there yet.
pub trait Look {
    type Value;
    fn into_result(self) -> Result<Self::Value, String>;
}

impl<T> Look for Option<T> {
    type Value = T;
    fn into_result(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing yet".to_owned())
    }
}

impl<T, E: Display> Look for Result<T, E> {
    type Value = T;
    fn into_result(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Calls `look` until it gives a value, and returns that value.
///
/// Panics once `deadline` has passed, with `what` and what the last look stated; a look that hangs
/// is cut off by the deadline too.
#[track_caller]
pub fn eventually<L: Look>(
    what: &str,
    deadline: Duration,
    look: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Value> {
    eventually_every(PAUSE, what, deadline, look)
}

/// The same with another pause between two looks, where a look costs more than a little.
#[track_caller]
pub fn eventually_every<L: Look>(
    pause: Duration,
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Value> {
    // The place of the call, as a panic inside a future would name this file.
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut last = "the first look did not return".to_owned();
        loop {
            if let Ok(seen) = tokio::time::timeout_at(end.into(), look()).await {
                match seen.into_result() {
                    Ok(value) => return value,
                    Err(why) => last = why,
                }
            }
            if Instant::now() >= end {
                panic!("{caller}: {what}: not within {deadline:?}; last seen: {last}");
            }
            tokio::time::sleep(pause).await;
        }
    }
}

#[tokio::test]
async fn eventually_returns_the_first_value() {
    let mut looks = 0;
    let value = eventually("three looks", Duration::from_secs(5), async || {
        looks += 1;
        (looks == 3).then_some(looks)
    })
    .await;
    assert_eq!(value, 3);
}

#[tokio::test]
#[should_panic(expected = "a green light: not within 50ms; last seen: it is red")]
async fn eventually_says_what_it_last_saw() {
    eventually("a green light", Duration::from_millis(50), async || Err::<(), _>("it is red")).await;
}

#[tokio::test]
#[should_panic(expected = "an answer: not within 50ms; last seen: the first look did not return")]
async fn eventually_cuts_off_a_look_that_hangs() {
    eventually("an answer", Duration::from_millis(50), async || std::future::pending::<Option<()>>().await)
        .await;
}
