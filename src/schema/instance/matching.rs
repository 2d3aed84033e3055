//! What matching a pattern has taken in one judgement.

use regex_automata::hybrid::dfa::Cache;

/// What one judgement has spent on a pattern.
#[derive(Default)]
pub(in crate::schema) struct Matching {
    /// Whether it was matched.
    pub is_used: bool,
    /// Steps of the first kind: bytes times states.
    pub simple_steps: u64,
    /// The table of the lazy DFA. It belongs to the judgement, since what it has grown by must not depend on others.
    pub cache: Option<Box<Cache>>,
}
