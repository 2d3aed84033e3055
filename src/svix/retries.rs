//! Requests that a command repeats by itself. The engine does not use this: it has a queue.

use std::time::Duration;

use super::errors::{Class, Error};

/// How often a request that fails is made again, with pauses that double.
const RETRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How often one is made again that Svix puts off.
const THROTTLED_RETRIES: u32 = 30;

/// Makes a request until it succeeds, a few times. After a 429, the client itself waits as long as Svix asks.
///
/// # Errors
/// That of the last attempt.
pub async fn retry<T, F: Future<Output = Result<T, Error>>>(request: impl Fn() -> F) -> Result<T, Error> {
    let (mut failures, mut throttled) = (0, 0);
    loop {
        let error = match request().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match error.class() {
            Class::Transient if failures < RETRIES => {
                tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(failures)).await;
                failures += 1;
            }
            Class::Throttled if throttled < THROTTLED_RETRIES => throttled += 1,
            _ => return Err(error),
        }
    }
}
