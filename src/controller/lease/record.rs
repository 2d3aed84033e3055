//! The meaning of the record in a Lease, and the next record to write: functions of data, without a clock and without I/O.
//!
//! The rules are client-go's (`tools/leaderelection`): a holder is alive for `leaseDurationSeconds`
//! after this process last saw the record change, by this process's own clock. The times in the
//! record are for people; they come from other machines' clocks and decide nothing.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// The lease as it was last read, and since when it has not changed.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    lease: Option<Lease>,
    since: Instant,
}

impl Observation {
    /// Returns the first observation.
    pub(super) fn new(lease: Option<Lease>, now: Instant) -> Self {
        Self { lease, since: now }
    }

    /// Records a later observation. Only a change starts the time again. Any write counts as a change: one that is
    /// no renewal can only make a candidate wait longer.
    pub(super) fn update(&mut self, lease: Option<Lease>, now: Instant) {
        let changed = resource_version(self.lease.as_ref()) != resource_version(lease.as_ref());
        self.lease = lease;
        if changed {
            self.since = now;
        }
    }

    /// Returns the lease, if there is one.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }
}

fn resource_version(lease: Option<&Lease>) -> Option<&str> {
    lease?.metadata.resource_version.as_deref()
}

/// The next action of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bid {
    /// Write the record: the lease has no holder, or its holder has not renewed it in time.
    Acquire,
    /// Read again. The holder counts as alive for this long, and longer when it renews.
    Wait(Duration),
}

/// Returns the next action of the candidate `me`. `default_duration` applies to a record without a duration.
pub(super) fn bid(me: &str, seen: &Observation, default_duration: Duration, now: Instant) -> Bid {
    let Some(spec) = seen.lease().and_then(|lease| lease.spec.as_ref()) else { return Bid::Acquire };
    match holder(spec) {
        None => Bid::Acquire,
        // An earlier write of ours whose answer was lost.
        Some(holder) if holder == me => Bid::Acquire,
        Some(_) => {
            let expiry = seen.since + duration(spec).unwrap_or(default_duration);
            match expiry.checked_duration_since(now) {
                None | Some(Duration::ZERO) => Bid::Acquire,
                Some(left) => Bid::Wait(left),
            }
        }
    }
}

/// Why a term of leadership ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// No renewal succeeded within the renew deadline; another may take over soon.
    #[error("the lease could not be renewed in time")]
    Expired,
    /// The record names another holder.
    #[error("the lease belongs to {0}")]
    Taken(String),
    /// Somebody cleared the record or deleted the lease: another process may have led since.
    #[error("the lease was cleared or deleted")]
    Cleared,
    /// This process released the lease or dropped its leadership.
    #[error("the lease was given up")]
    GivenUp,
}

/// Checks that the record still names the leader `me`, whose renewal was refused because the lease had changed. `Ok`: it
/// may renew the version that was read now.
pub(super) fn check_holder(me: &str, lease: Option<&Lease>) -> Result<(), Loss> {
    match lease.and_then(|lease| lease.spec.as_ref()).and_then(holder) {
        Some(holder) if holder == me => Ok(()),
        Some(other) => Err(Loss::Taken(other.to_owned())),
        None => Err(Loss::Cleared),
    }
}

/// Returns the record that makes `me` the holder, or renews it. It replaces the record `seen`.
pub(super) fn renewed(me: &str, duration: Duration, seen: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
    let same_holder = seen.and_then(holder) == Some(me);
    let transitions = seen.map(|spec| spec.lease_transitions.unwrap_or_default());
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(whole_seconds(duration)),
        acquire_time: seen
            .filter(|_| same_holder)
            .and_then(|spec| spec.acquire_time.clone())
            .or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(match transitions {
            None => 0,
            Some(count) if same_holder => count,
            Some(count) => count.saturating_add(1),
        }),
        preferred_holder: seen.and_then(|spec| spec.preferred_holder.clone()),
        strategy: seen.and_then(|spec| spec.strategy.clone()),
    }
}

/// Returns the record of a lease that was released: without a holder, so that the next candidate takes it at once.
pub(super) fn released(seen: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        // As client-go does, for readers that read nothing but times. Zero is refused.
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        ..seen.clone()
    }
}

/// Returns the identity of the holder. An empty one is none.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|identity| !identity.is_empty())
}

/// Returns how long a holder counts as alive without renewing.
pub(super) fn duration(spec: &LeaseSpec) -> Option<Duration> {
    let seconds = u64::try_from(spec.lease_duration_seconds?).ok()?;
    Some(Duration::from_secs(seconds))
}

/// Rounds up: other processes must never assume a shorter lease than the leader does.
fn whole_seconds(duration: Duration) -> i32 {
    let up = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i32::try_from(up).unwrap_or(i32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn lease(version: &str, holder: Option<&str>) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.resource_version = Some(version.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            ..LeaseSpec::default()
        });
        lease
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05.000006Z".parse().unwrap()
    }

    #[test]
    fn a_free_lease_is_acquired() {
        let start = Instant::now();
        for free in [None, Some(Lease::default()), Some(lease("1", None)), Some(lease("1", Some("")))] {
            let seen = Observation::new(free, start);

            assert_eq!(bid("me", &seen, DURATION, start), Bid::Acquire);
        }
    }

    #[test]
    fn a_holder_is_alive_until_its_duration_passes() {
        // Given a record whose renewTime is decades ago by our clock
        let start = Instant::now();
        let mut seen = Observation::new(Some(lease("1", Some("other"))), start);
        assert_eq!(bid("me", &seen, DURATION, start), Bid::Wait(DURATION));

        // When it is renewed after ten seconds
        seen.update(Some(lease("2", Some("other"))), start + Duration::from_secs(10));

        // Then the fifteen seconds count from there
        let at = |seconds| bid("me", &seen, DURATION, start + Duration::from_secs(seconds));
        assert_eq!(at(24), Bid::Wait(Duration::from_secs(1)));
        assert_eq!(at(25), Bid::Acquire);
        assert_eq!(at(60), Bid::Acquire);
    }

    #[test]
    fn an_unchanged_record_does_not_start_the_time_again() {
        let start = Instant::now();
        let mut seen = Observation::new(Some(lease("1", Some("other"))), start);

        seen.update(Some(lease("1", Some("other"))), start + Duration::from_secs(14));

        assert_eq!(bid("me", &seen, DURATION, start + DURATION), Bid::Acquire);
    }

    #[test]
    fn the_holders_own_duration_counts() {
        let start = Instant::now();
        let mut theirs = lease("1", Some("other"));
        theirs.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
        let mut silent = theirs.clone();
        silent.spec.as_mut().unwrap().lease_duration_seconds = None;

        let wait = |lease| bid("me", &Observation::new(Some(lease), start), DURATION, start);

        assert_eq!(wait(theirs), Bid::Wait(Duration::from_secs(60)));
        assert_eq!(wait(silent), Bid::Wait(DURATION));
    }

    #[test]
    fn our_own_write_whose_answer_was_lost_is_acquired_again() {
        let start = Instant::now();
        let seen = Observation::new(Some(lease("1", Some("me"))), start);

        assert_eq!(bid("me", &seen, DURATION, start), Bid::Acquire);
    }

    #[test]
    fn a_leader_goes_on_only_while_the_record_names_it() {
        assert_eq!(check_holder("me", Some(&lease("9", Some("me")))), Ok(()));
        assert_eq!(check_holder("me", Some(&lease("9", Some("you")))), Err(Loss::Taken("you".to_owned())));
        assert_eq!(check_holder("me", Some(&lease("9", None))), Err(Loss::Cleared));
        assert_eq!(check_holder("me", None), Err(Loss::Cleared));
    }

    #[test]
    fn a_first_record_counts_no_transition() {
        let first = renewed("me", DURATION, None, now());

        assert_eq!(first.holder_identity.as_deref(), Some("me"));
        assert_eq!(first.lease_duration_seconds, Some(15));
        assert_eq!(first.lease_transitions, Some(0));
        assert_eq!((first.acquire_time, first.renew_time), (Some(MicroTime(now())), Some(MicroTime(now()))));
    }

    #[test]
    fn a_renewal_moves_nothing_but_the_renew_time() {
        let mine = lease("1", Some("me")).spec.unwrap();

        let record = renewed("me", DURATION, Some(&mine), now());

        assert_eq!(record, LeaseSpec { renew_time: Some(MicroTime(now())), ..mine });
    }

    #[test]
    fn a_change_of_holder_is_a_transition() {
        for before in [Some("other"), None] {
            let taken = renewed("me", DURATION, lease("1", before).spec.as_ref(), now());

            assert_eq!(taken.lease_transitions, Some(4));
            assert_eq!(taken.acquire_time, Some(MicroTime(now())));
        }
    }

    #[test]
    fn a_released_lease_is_nobodys_and_keeps_the_count() {
        let released = released(&lease("1", Some("me")).spec.unwrap(), now());

        assert_eq!(holder(&released), None);
        assert_eq!(released.lease_transitions, Some(3));
    }

    #[test]
    fn a_duration_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(15)), 15);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }
}
