//! Embedded Svix servers for tests. Each has a port and a token that no other server of the test run gets: an operator
//! that outlives its test goes on writing to the address that it knows, with the token that it knows.

use svix_operator::embedded::{EmbeddedSvix, Options};

use super::ports::free_address;

/// Starts a server with the default options.
pub async fn start() -> EmbeddedSvix {
    start_with(Options::default()).await
}

/// Starts a server that accepts the token of another one, for connections that share a Secret.
pub async fn start_beside(other: &EmbeddedSvix) -> EmbeddedSvix {
    start_with(Options { token: Some(other.token().to_owned()), ..Options::default() }).await
}

/// Starts a server with these options, apart from where it listens.
pub async fn start_with(options: Options) -> EmbeddedSvix {
    EmbeddedSvix::start(Options { listen: free_address(), ..options }).await.unwrap()
}
