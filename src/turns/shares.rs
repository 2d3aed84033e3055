//! A quantity that senders share, such as places for requests or bytes of bodies: one sender never has all of it.
//!
//! A [`Sender`] is a caller, and where an address sends for many, one of the groups of its requests: by their token behind a
//! NAT, by their namespace at an API server. A caller could invent many groups: whatever they are, all senders of one caller
//! share what one caller may have.
//!
//! # Guarantees
//! - All shares together are at most the total.
//! - A caller that has a share gets more only while it has less than three times what stays free
//!   ([`may_use_more`](super::may_use_more)). So one caller has at most three quarters of the total, and a second one at most
//!   three quarters of the rest. The same rule applies to the senders of a caller, within what the caller may have.
//! - A sender without a share gets one of any size for which there is room, up to the total.
//! - Those that wait take turns by sender. Others overtake a caller only while it has a share, and other groups of a caller
//!   overtake one only while it has a share, so nobody waits forever.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Caller, Turns};

/// Who has a share: a caller, or one of the groups of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    caller: Caller,
    group: Option<u64>,
}

impl Sender {
    /// Returns a caller as one sender.
    #[must_use]
    pub fn at(caller: Caller) -> Self {
        Self { caller, group: None }
    }

    /// Returns a group of the requests of a caller. `group` is a digest of what they have in common, such as a token, which no
    /// caller can predict.
    #[must_use]
    pub fn in_group(caller: Caller, group: u64) -> Self {
        Self { caller, group: Some(group) }
    }

    /// Returns its address.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Returns the digest of its group; zero where it is none.
    #[must_use]
    pub fn group(&self) -> u64 {
        self.group.unwrap_or_default()
    }
}

/// A quantity that senders share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shares {
    state: Arc<Mutex<State>>,
    total: usize,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    callers: HashMap<Caller, Used>,
    waiting: Turns<Sender, Waiter>,
    next_id: u64,
}

/// What the senders of one caller have.
#[derive(Debug, Default)]
struct Used {
    total: usize,
    groups: HashMap<Option<u64>, usize>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    amount: usize,
    granted: oneshot::Sender<Share>,
}

/// A part of the quantity. Dropping it returns it.
#[derive(Debug)]
pub struct Share {
    /// `None`: it was never handed out.
    shares: Option<Shares>,
    sender: Sender,
    amount: usize,
}

/// Whether one that has `used` may have `more`, while `free` is free: as [`may_use_more`](super::may_use_more), one by one.
fn may_have(used: usize, more: usize, free: usize) -> bool {
    match more {
        0 => true,
        _ if more > free => false,
        _ => used == 0 || super::may_use_more(used + more - 1, free - more + 1),
    }
}

/// Returns how much one that has `used` may have besides, while `free` is free.
fn room(used: usize, free: usize) -> usize {
    if used == 0 { free } else { ((free * 3 + 3).saturating_sub(used) / 4).min(free) }
}

/// Whether a sender may have more, given what all have.
fn may(used: usize, callers: &HashMap<Caller, Used>, sender: Sender, more: usize, total: usize) -> bool {
    let free = total.saturating_sub(used);
    let Some(own) = callers.get(&sender.caller) else { return may_have(0, more, free) };
    let of_sender = own.groups.get(&sender.group).copied().unwrap_or_default();
    may_have(own.total, more, free)
        && (sender.group.is_none() || may_have(of_sender, more, room(own.total, free)))
}

impl Shares {
    /// Returns a quantity that nobody has a share of; at least one.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { state: Arc::default(), total: total.max(1) }
    }

    /// Returns a share if the sender may have it now.
    #[must_use]
    pub fn try_take(&self, sender: Sender, amount: usize) -> Option<Share> {
        let is_taken = self.state.lock().try_add(sender, amount, self.total);
        is_taken.then(|| Share { shares: Some(self.clone()), sender, amount })
    }

    /// Waits until the sender may have a share. One of more than the total is the total.
    pub async fn take(&self, sender: Sender, amount: usize) -> Share {
        let amount = amount.min(self.total);
        {
            let mut state = self.state.lock();
            if state.waiting.is_empty() && state.try_add(sender, amount, self.total) {
                return Share { shares: Some(self.clone()), sender, amount };
            }
        }
        loop {
            let (granted, share) = oneshot::channel();
            let mut place = {
                let mut state = self.state.lock();
                let id = state.next_id;
                state.next_id += 1;
                state.waiting.push(sender, Waiter { id, amount, granted });
                self.grant(&mut state);
                Place { shares: self, sender, id, is_waiting: true }
            };
            let granted = share.await;
            place.is_waiting = false;
            // The other end is dropped only with a waiter that was removed, which this one was not.
            if let Ok(share) = granted {
                return share;
            }
        }
    }

    /// Returns how much all senders have together.
    #[must_use]
    pub fn used(&self) -> usize {
        self.state.lock().used
    }

    /// Hands out what is free to those that wait.
    fn grant(&self, state: &mut State) {
        while let Some((sender, Waiter { amount, granted, .. })) = state.next(self.total) {
            state.add(sender, amount);
            let share = Share { shares: Some(self.clone()), sender, amount };
            if let Err(mut share) = granted.send(share) {
                // It was given up just now. Its share must not be returned while the lock is taken.
                share.shares = None;
                state.remove(sender, amount);
            }
        }
    }
}

impl Share {
    /// Adds to this share if the sender may have more; otherwise it stays as it is. Whether others wait does not matter.
    #[must_use]
    pub fn try_grow(&mut self, more: usize) -> bool {
        let Some(shares) = &self.shares else { return false };
        let is_added = shares.state.lock().try_add(self.sender, more, shares.total);
        if is_added {
            self.amount += more;
        }
        is_added
    }

    /// Returns all of it but so much.
    pub fn shrink(&mut self, amount: usize) {
        let surplus = self.amount.saturating_sub(amount);
        let Some(shares) = self.shares.as_ref().filter(|_| surplus > 0) else { return };
        self.amount -= surplus;
        let mut state = shares.state.lock();
        state.remove(self.sender, surplus);
        shares.grant(&mut state);
    }

    /// Returns its size.
    #[must_use]
    pub fn amount(&self) -> usize {
        self.amount
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(shares) = self.shares.take() {
            let mut state = shares.state.lock();
            state.remove(self.sender, self.amount);
            shares.grant(&mut state);
        }
    }
}

impl State {
    fn try_add(&mut self, sender: Sender, more: usize, total: usize) -> bool {
        let may = may(self.used, &self.callers, sender, more, total);
        if may {
            self.add(sender, more);
        }
        may
    }

    fn add(&mut self, sender: Sender, more: usize) {
        self.used += more;
        let own = self.callers.entry(sender.caller).or_default();
        own.total += more;
        *own.groups.entry(sender.group).or_default() += more;
    }

    fn remove(&mut self, sender: Sender, amount: usize) {
        self.used = self.used.saturating_sub(amount);
        let Some(own) = self.callers.get_mut(&sender.caller) else { return };
        own.total = own.total.saturating_sub(amount);
        if let Some(used) = own.groups.get_mut(&sender.group) {
            *used = used.saturating_sub(amount);
            if *used == 0 {
                own.groups.remove(&sender.group);
            }
        }
        if own.total == 0 {
            self.callers.remove(&sender.caller);
        }
    }

    /// Takes the next waiter that may have its share. Behind a caller that has none yet and for which there is no room,
    /// everybody waits; behind such a group, all of its caller.
    fn next(&mut self, total: usize) -> Option<(Sender, Waiter)> {
        let Self { used, callers, waiting, .. } = self;
        let (mut is_blocked, mut blocked) = (false, Vec::new());
        waiting.pop_where(|sender, waiter| {
            if is_blocked || blocked.contains(&sender.caller) {
                return false;
            }
            let may = may(*used, callers, *sender, waiter.amount, total);
            match callers.get(&sender.caller) {
                _ if may => {}
                None => is_blocked = true,
                Some(own) if !own.groups.contains_key(&sender.group) => blocked.push(sender.caller),
                Some(_) => {}
            }
            may
        })
    }
}

/// The place of a sender among those that wait. Dropping it gives the place up.
struct Place<'a> {
    shares: &'a Shares,
    sender: Sender,
    id: u64,
    is_waiting: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_waiting {
            let mut state = self.shares.state.lock();
            state.waiting.remove(&self.sender, |waiter| waiter.id == self.id);
            // Others may have waited behind it.
            self.shares.grant(&mut state);
        }
    }
}

#[cfg(test)]
mod tests;
