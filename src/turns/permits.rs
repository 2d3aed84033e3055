//! A number of permits, handed out in turns: by caller, and for each caller by namespace.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};

use super::Turns;

/// One caller, by its address: an IPv4 address, or the /64 network of an IPv6 address, all of which one host can use. Where this
/// process works by itself, it does so for a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller(Origin);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Address(IpAddr),
    /// A digest of its name.
    Namespace(u64),
}

impl Caller {
    /// This process itself, for what no host asked for.
    pub const INTERNAL: Self = Self(Origin::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));

    /// Returns the caller that a namespace is, for what this process does with its objects.
    #[must_use]
    pub fn namespace(name: &str) -> Self {
        // No tenant can choose a name with the digest of another one.
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(Origin::Namespace(KEY.hash_one(name)))
    }

    /// Returns the caller at this address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self(Origin::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address @ IpAddr::V4(_) => address,
        }))
    }
}

/// A number of permits. Cheap to clone.
///
/// # Guarantees
/// - At most so many permits exist at once.
/// - Callers take turns, and the namespaces of one caller do. A caller cannot get more turns by naming many namespaces.
/// - A request that is given up waits no longer, and its permit, if it had one, is free again.
#[derive(Clone)]
pub struct Permits {
    state: Arc<Mutex<State>>,
}

struct State {
    free: usize,
    waiting: Waiting,
    next_id: u64,
    /// When a permit was last handed out, or the first request began to wait.
    last_turn: Instant,
}

/// Requests that wait, by caller and namespace.
#[derive(Default)]
struct Waiting {
    callers: HashMap<Caller, Turns<Arc<str>, Waiter>>,
    /// The callers with a request, the next one first.
    order: VecDeque<Caller>,
}

struct Waiter {
    id: u64,
    granted: oneshot::Sender<Permit>,
}

/// A permit. Dropping it lets the next request have it.
pub struct Permit {
    /// `None`: it was never handed out.
    permits: Option<Permits>,
}

impl Permits {
    /// Returns so many permits, at least one.
    #[must_use]
    pub fn new(number: usize) -> Self {
        let state =
            State { free: number.max(1), waiting: Waiting::default(), next_id: 0, last_turn: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a permit. `namespace` is empty where it is not known.
    pub async fn acquire(&self, caller: Caller, namespace: &str) -> Permit {
        loop {
            let (mut place, permit) = {
                let mut state = self.state.lock();
                if state.waiting.order.is_empty() && state.free > 0 {
                    state.free -= 1;
                    return Permit { permits: Some(self.clone()) };
                }
                if state.waiting.order.is_empty() {
                    state.last_turn = Instant::now();
                }
                let (granted, permit) = oneshot::channel();
                let (id, namespace) = (state.next_id, Arc::<str>::from(namespace));
                state.next_id += 1;
                state.waiting.push(caller, namespace.clone(), Waiter { id, granted });
                (Place { permits: self, caller, namespace, id, is_waiting: true }, permit)
            };
            let granted = permit.await;
            place.is_waiting = false;
            // The sender is dropped only with a waiter that was removed, which this one was not.
            if let Ok(permit) = granted {
                return permit;
            }
        }
    }

    /// Returns how long requests have waited without any of them getting a permit; zero while none waits.
    #[must_use]
    pub fn without_turn(&self) -> Duration {
        let state = self.state.lock();
        if state.waiting.order.is_empty() { Duration::ZERO } else { state.last_turn.elapsed() }
    }

    /// Hands a permit that was returned to the next request, or keeps it.
    fn release(&self) {
        let mut state = self.state.lock();
        state.last_turn = Instant::now();
        while let Some(waiter) = state.waiting.pop() {
            let Err(mut permit) = waiter.granted.send(Permit { permits: Some(self.clone()) }) else { return };
            // The request was given up just now. Its permit must not be returned while the lock is taken.
            permit.permits = None;
        }
        state.free += 1;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(permits) = self.permits.take() {
            permits.release();
        }
    }
}

/// The place of a request among those that wait. Dropping it gives the place up.
struct Place<'a> {
    permits: &'a Permits,
    caller: Caller,
    namespace: Arc<str>,
    id: u64,
    is_waiting: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_waiting {
            self.permits.state.lock().waiting.remove(self.caller, &self.namespace, self.id);
        }
    }
}

impl Waiting {
    fn push(&mut self, caller: Caller, namespace: Arc<str>, waiter: Waiter) {
        let waiting = self.callers.entry(caller).or_default();
        if waiting.is_empty() {
            self.order.push_back(caller);
        }
        waiting.push(namespace, waiter);
    }

    fn pop(&mut self) -> Option<Waiter> {
        let caller = self.order.pop_front()?;
        let waiting = self.callers.get_mut(&caller)?;
        let (_, waiter) = waiting.pop()?;
        if waiting.is_empty() {
            self.callers.remove(&caller);
        } else {
            self.order.push_back(caller);
        }
        Some(waiter)
    }

    fn remove(&mut self, caller: Caller, namespace: &Arc<str>, id: u64) {
        let Some(waiting) = self.callers.get_mut(&caller) else { return };
        waiting.remove(namespace, |waiter| waiter.id == id);
        if waiting.is_empty() {
            self.callers.remove(&caller);
            self.order.retain(|other| *other != caller);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{pin::pin, task::Poll};

    use futures::{FutureExt as _, poll};

    use super::*;

    fn caller(last: u8) -> Caller {
        Caller::at(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    }

    /// Begins to wait for a permit; the names of those that got one are in the order in which they got it.
    fn wait_for(
        permits: &Permits,
        from: Caller,
        namespace: &'static str,
        log: &Arc<Mutex<Vec<&'static str>>>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Permit>>> {
        let (permits, log) = (permits.clone(), log.clone());
        let mut waiting = Box::pin(async move {
            let permit = permits.acquire(from, namespace).await;
            log.lock().push(namespace);
            permit
        });
        assert!(waiting.as_mut().now_or_never().is_none(), "there is no free permit");
        waiting
    }

    #[tokio::test]
    async fn namespaces_and_callers_take_turns() {
        let permits = Permits::new(1);
        let log = Arc::default();
        let first = permits.acquire(caller(1), "a").await;
        let mut waiting: Vec<_> = [(1, "a"), (1, "a"), (1, "b"), (2, "x"), (2, "y"), (2, "z")]
            .map(|(from, namespace)| wait_for(&permits, caller(from), namespace, &log))
            .into();

        drop(first);
        for _ in 0..6 {
            let (permit, _, left) = futures::future::select_all(waiting).await;
            waiting = left;
            drop(permit);
        }

        assert_eq!(*log.lock(), ["a", "x", "b", "y", "a", "z"]);
    }

    #[tokio::test]
    async fn what_is_given_up_gets_no_permit() {
        let permits = Permits::new(1);
        let log = Arc::default();
        let first = permits.acquire(caller(1), "a").await;
        let given_up = wait_for(&permits, caller(1), "a", &log);
        let mut last = wait_for(&permits, caller(1), "a", &log);

        drop(given_up);
        drop(first);

        assert!(matches!(poll!(&mut last), Poll::Ready(_)));
        // Handed out, and given up before anybody looked.
        let first = permits.acquire(caller(1), "a").await;
        let handed_out = wait_for(&permits, caller(1), "a", &log);
        drop(first);
        drop(handed_out);
        let again = pin!(permits.acquire(caller(1), "a"));
        assert!(again.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_a_turn_counts_only_while_somebody_waits() {
        let second = Duration::from_secs(1);
        let permits = Permits::new(1);
        let log = Arc::default();
        let first = permits.acquire(caller(1), "a").await;
        tokio::time::advance(60 * second).await;
        assert_eq!(permits.without_turn(), Duration::ZERO);

        let waiting = [wait_for(&permits, caller(1), "a", &log), wait_for(&permits, caller(1), "b", &log)];
        tokio::time::advance(3 * second).await;
        assert_eq!(permits.without_turn(), 3 * second);

        drop(first);
        assert_eq!(permits.without_turn(), Duration::ZERO, "a turn came free, and another request waits");
        tokio::time::advance(2 * second).await;
        assert_eq!(permits.without_turn(), 2 * second);
        drop(waiting);
        assert_eq!(permits.without_turn(), Duration::ZERO);
    }

    #[test]
    fn a_host_is_one_caller() {
        let at = |text: &str| Caller::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.2"), at("192.0.2.1"));
    }
}
