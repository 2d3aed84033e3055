//! How to run an embedded Svix.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How to run an embedded Svix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; default a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The token that requests must carry; default a random one, which `EmbeddedSvix::token` returns.
    pub token: Option<String>,
    /// How deliveries are made.
    pub delivery: DeliveryOptions,
    /// Whether `EmbeddedSvix::calls` returns anything; default true. The last 100,000 are kept.
    pub record_calls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: None,
            delivery: DeliveryOptions::default(),
            record_calls: true,
        }
    }
}

/// How deliveries are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOptions {
    /// The delays between one attempt and the next; the first attempt is made at once. Default Svix's: 5 s, 5 min,
    /// 30 min, 2 h, 5 h, 10 h, 10 h. Unlike Svix's, they have no jitter.
    pub retry_schedule: Vec<Duration>,
    /// How long one attempt may take; default 30 s.
    pub timeout: Duration,
    /// An endpoint is disabled when a message is given up on this long after the first one that was, with no
    /// success in between; default 120 h.
    pub disable_after: Duration,
    /// The names of the headers that carry id, timestamp and signature; default Svix's own.
    pub header_names: HeaderNames,
}

/// The names of the headers that carry id, timestamp and signature of a delivery. A server uses one kind of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum HeaderNames {
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    #[default]
    Svix,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`, as <https://www.standardwebhooks.com> names them; Svix's
    /// own server has them with `SVIX_WHITELABEL_HEADERS=true`.
    StandardWebhooks,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        let seconds = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
        Self {
            retry_schedule: seconds.map(Duration::from_secs).to_vec(),
            timeout: Duration::from_secs(30),
            disable_after: Duration::from_secs(120 * 3600),
            header_names: HeaderNames::default(),
        }
    }
}
