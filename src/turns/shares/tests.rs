//! Who gets which share.
#![allow(clippy::unwrap_used)]
use futures::FutureExt;
use proptest::prelude::*;

use super::*;

fn sender(last: u8, group: u64) -> Sender {
    Sender::in_group(Caller::at([127, 0, 0, last].into()), group)
}

/// Takes one by one for as long as there are any.
fn fill(shares: &Shares, sender: Sender) -> Vec<Share> {
    std::iter::from_fn(|| shares.try_take(sender, 1)).collect()
}

#[test]
fn one_caller_leaves_a_quarter_to_others() {
    let shares = Shares::new(1024);

    // Each of its credentials is a sender of its own.
    let flood: Vec<_> = (0..2000).filter_map(|token| shares.try_take(sender(1, token), 1)).collect();
    let second: Vec<_> = (0..2000).filter_map(|token| shares.try_take(sender(2, token), 1)).collect();
    let third = fill(&shares, sender(3, 0));

    assert_eq!([flood.len(), second.len()], [768, 192]);
    assert!(!third.is_empty());
}

#[test]
fn one_sender_leaves_a_quarter_of_its_address() {
    let shares = Shares::new(1024);

    let flood = fill(&shares, sender(1, 7));
    let other = fill(&shares, sender(1, 8));
    let alone = fill(&Shares::new(1024), Sender::at(sender(1, 7).caller()));

    assert_eq!([flood.len(), alone.len()], [576, 768]);
    assert!(other.len() > 100, "{}", other.len());
    assert!(shares.used() <= 768);
}

#[test]
fn what_is_returned_can_be_taken_again() {
    let shares = Shares::new(8);
    let mut first = shares.try_take(sender(1, 0), 2).unwrap();

    assert!(!first.try_grow(7), "more than the total");
    assert!(first.try_grow(2) && first.amount() == 4);
    drop(first);

    assert_eq!(shares.used(), 0);
    assert!(shares.try_take(sender(1, 0), 8).is_some(), "a sender without a share gets any");
}

#[tokio::test]
async fn a_part_that_is_returned_goes_to_those_that_wait() {
    let shares = Shares::new(8);
    let mut all = shares.take(sender(1, 0), 8).await;
    let mut waits = Box::pin(shares.take(sender(2, 0), 6));
    assert!(waits.as_mut().now_or_never().is_none());

    all.shrink(9);
    assert_eq!((all.amount(), shares.used()), (8, 8), "it never grows");
    all.shrink(2);

    assert!(waits.now_or_never().is_some());
    assert_eq!((all.amount(), shares.used()), (2, 2));
}

#[tokio::test]
async fn callers_that_wait_take_turns() {
    let shares = Shares::new(4);
    let all = shares.take(sender(1, 0), 100).await;
    let wait = |last| Box::pin(shares.take(sender(last, 0), 2));
    let mut waiting = [wait(1), wait(1), wait(2)];
    assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));

    drop(all);

    let [first, second, other] = waiting.each_mut().map(FutureExt::now_or_never);
    assert!(first.is_some() && second.is_none() && other.is_some());
    drop(first);
    assert!(waiting[1].as_mut().now_or_never().is_some());
}

#[tokio::test]
async fn a_caller_without_a_share_is_not_overtaken() {
    let shares = Shares::new(8);
    let [small, _other] = [shares.take(sender(1, 0), 2).await, shares.take(sender(2, 0), 1).await];
    let mut large = Box::pin(shares.take(sender(3, 0), 7));
    assert!(large.as_mut().now_or_never().is_none());

    let mut behind = Box::pin(shares.take(sender(4, 0), 1));
    assert!(behind.as_mut().now_or_never().is_none(), "there would be room for it");
    drop(small);

    let large = large.now_or_never();
    assert!(large.is_some() && behind.now_or_never().is_none());
}

#[tokio::test]
async fn a_group_without_a_share_is_not_overtaken() {
    let shares = Shares::new(16);
    let flood = [shares.take(sender(1, 1), 6).await, shares.take(sender(1, 1), 2).await];
    let mut other = Box::pin(shares.take(sender(1, 2), 6));
    let mut more = Box::pin(shares.take(sender(1, 1), 1));
    assert!(other.as_mut().now_or_never().is_none());

    assert!(more.as_mut().now_or_never().is_none(), "it would keep the other waiting");
    let another = shares.take(sender(2, 0), 1).now_or_never();
    assert!(another.is_some(), "another caller");
    drop(flood);

    assert!(other.now_or_never().is_some());
}

#[tokio::test]
async fn what_is_given_up_takes_no_share() {
    let shares = Shares::new(2);
    let all = shares.take(sender(1, 0), 2).await;
    let mut given_up = Box::pin(shares.take(sender(2, 0), 2));
    let mut behind = Box::pin(shares.take(sender(3, 0), 1));
    assert!(given_up.as_mut().now_or_never().is_none() && behind.as_mut().now_or_never().is_none());

    drop(given_up);
    drop(all);

    let behind = behind.now_or_never().unwrap();
    assert_eq!(shares.used(), 1);
    drop(behind);
    assert_eq!(shares.used(), 0);
}

proptest! {
    /// In any history, the sum is at most the total, and what is returned is free again.
    #[test]
    fn the_total_holds_in_any_history(
        total in 1_usize..100,
        steps in proptest::collection::vec((0..3_u8, 1..4_u8, 0..3_u64, 0..20_usize), 0..200),
    ) {
        let shares = Shares::new(total);
        let mut all: Vec<Share> = Vec::new();
        for (step, last, token, amount) in steps {
            match step {
                0 => {
                    let is_first = !all.iter().any(|share| share.sender.caller == sender(last, 0).caller && share.amount > 0);
                    let has_room = amount <= total - shares.used();
                    let share = shares.try_take(sender(last, token), amount);
                    prop_assert!(share.is_some() == has_room || !is_first, "a caller without a share gets any");
                    all.extend(share);
                }
                1 if !all.is_empty() => {
                    let at = amount % all.len();
                    let _ = all[at].try_grow(amount);
                }
                _ if !all.is_empty() => drop(all.swap_remove(amount % all.len())),
                _ => {}
            }
            let sum: usize = all.iter().map(Share::amount).sum();
            prop_assert!(sum == shares.used() && sum <= total);
        }
        all.clear();
        prop_assert_eq!((shares.used(), shares.state.lock().callers.len()), (0, 0));
    }
}
