//! Why the store refuses an operation. The API turns these into responses.

use jiff::Timestamp;

/// Why the store refuses an operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the entity does not exist")]
    NotFound,
    #[error("the uid or eventId is taken")]
    Conflict,
    #[error("event types that do not exist: {0:?}")]
    UnknownEventTypes(Vec<String>),
    #[error("{limit} earlier secrets still sign; the next one expires at {next_expiry}")]
    TooManySecrets { limit: usize, next_expiry: Timestamp },
    /// The real server's database stores no U+0000 in JSON, and its write fails.
    #[error("U+0000 cannot be stored in JSON")]
    NulInJson,
    #[error("a number is too large or too precise for the database")]
    NumberOutOfRange,
    #[error("the value cannot be stored as JSON")]
    NotStorable,
}

pub(crate) type StoreResult<T> = Result<T, StoreError>;
