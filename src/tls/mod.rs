//! Certificates of other servers: the authorities that are trusted, read from PEM, and why a server's certificate is refused.
//!
//! The libraries report both in their own terms. Here it is said what was found and what was expected; where it is configured is
//! for the caller to say.

mod peer;
mod pem;

pub use peer::{PeerMistake, peer_mistake};
pub use pem::{PemMistake, PemMistakeKind, authorities};
