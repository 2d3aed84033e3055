#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::{super::object::Kind, *};

fn key(name: &str) -> ObjectKey {
    key_in("ns", name)
}

fn key_in(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Endpoint, namespace, name)
}

fn lane(name: &str) -> Lane {
    Lane::Connection(name.into())
}

async fn none_now(queue: &Queue) -> bool {
    tokio::time::timeout(Duration::from_millis(1), queue.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn an_object_woken_twice_runs_once_and_once_more() {
    let queue = Queue::new(8);
    queue.wake(key("a"), lane("c"));
    queue.wake(key("a"), lane("c"));
    let work = queue.next().await;
    assert!(none_now(&queue).await);
    queue.wake(key("a"), lane("c"));
    queue.wake(key("a"), lane("c"));
    assert!(none_now(&queue).await, "never two at once");
    queue.done(&work, Next::Settled);
    let work = queue.next().await;
    queue.done(&work, Next::Settled);
    assert!(none_now(&queue).await);
    assert!(queue.idle());
}

#[tokio::test(start_paused = true)]
async fn what_is_woken_later_counts_as_settled_until_then() {
    let queue = Queue::new(8);
    let delay = Duration::from_secs(10);

    queue.wake_within(key("a"), lane("c"), delay, UntilDue::Settled);
    assert!(queue.idle() && none_now(&queue).await);
    // One that fails is due sooner, and does not count as settled.
    queue.wake_within(key("b"), lane("c"), delay / 2, UntilDue::Pending);
    queue.wake_within(key("b"), lane("c"), delay / 4, UntilDue::Settled);
    assert!(!queue.idle());

    let first = queue.next().await;
    queue.done(&first, Next::Settled);
    assert!(queue.idle() && none_now(&queue).await);
    let second = queue.next().await;
    queue.done(&second, Next::Settled);

    assert_eq!((first.key, second.key), (key("b"), key("a")));
    assert!(queue.idle());
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_does_not_delay_another() {
    let queue = Queue::new(2);
    for name in ["a", "b", "c"] {
        queue.wake(key(name), lane("slow"));
    }
    let _first = (queue.next().await, queue.next().await);
    assert!(none_now(&queue).await);
    queue.wake(key("d"), lane("fast"));
    assert_eq!(queue.next().await.key, key("d"));
}

#[tokio::test(start_paused = true)]
async fn failures_delay_only_the_object_that_failed() {
    let queue = Queue::new(8);
    queue.wake(key("bad"), lane("c"));
    let mut delays = Vec::new();
    for _ in 0..12 {
        let begun = Instant::now();
        let work = queue.next().await;
        delays.push(begun.elapsed());
        queue.done(&work, Next::Failed);
        queue.wake(key("good"), lane("c"));
        let good = queue.next().await;
        assert_eq!(good.key, key("good"));
        queue.done(&good, Next::Settled);
    }
    assert!(delays[1] >= FIRST_DELAY / 2 && delays[1] <= FIRST_DELAY, "{delays:?}");
    assert!(delays[4] > delays[1] * 3, "{delays:?}");
    assert!(delays[11] >= LONGEST_DELAY / 2 && delays[11] <= LONGEST_DELAY, "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_due_later_counts_as_settled_until_then() {
    let queue = Queue::new(8);
    queue.wake(key("a"), lane("c"));
    let work = queue.next().await;
    assert!(!queue.idle());
    queue.done(&work, Next::Later(Duration::from_secs(60)));
    assert!(queue.idle());
    let begun = Instant::now();
    let work = queue.next().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    assert!(!queue.idle());
    queue.wake(key("a"), lane("c"));
    queue.done(&work, Next::Later(Duration::from_secs(60)));
    assert!(!queue.idle(), "woken meanwhile");
}

#[tokio::test(start_paused = true)]
async fn waking_within_a_time_never_delays_an_object() {
    let second = Duration::from_secs(1);
    for (failing, within, expected) in [(60, 2, 2), (1, 2, 1)] {
        let queue = Queue::new(8);
        queue.wake(key("a"), lane("c"));
        let work = queue.next().await;
        queue.done(&work, Next::After(failing * second));
        let begun = Instant::now();
        queue.wake_within(key("a"), lane("c"), within * second, UntilDue::Pending);
        let work = queue.next().await;
        assert_eq!(begun.elapsed(), expected * second);
        queue.done(&work, Next::Settled);
        tokio::time::advance(61 * second).await;
        assert!(none_now(&queue).await, "the other time is void");
    }
}

#[tokio::test(start_paused = true)]
async fn waking_an_object_overrides_its_delay() {
    let queue = Queue::new(8);
    queue.wake(key("a"), lane("c"));
    let work = queue.next().await;
    queue.done(&work, Next::After(Duration::from_secs(600)));
    queue.wake(key("a"), lane("c"));
    let begun = Instant::now();
    let work = queue.next().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    queue.done(&work, Next::Settled);
    tokio::time::advance(Duration::from_secs(601)).await;
    assert!(none_now(&queue).await, "the overridden delay is void");
}

#[tokio::test(start_paused = true)]
async fn a_flood_delays_another_namespace_by_one_turn() {
    let queue = Queue::new(1);
    for number in 0..100_000 {
        queue.wake(key_in("flood", &number.to_string()), lane("c"));
    }
    let first = queue.next().await;
    queue.wake(key_in("other", "a"), lane("c"));

    queue.done(&first, Next::Settled);
    let second = queue.next().await;
    queue.done(&second, Next::Settled);

    assert_eq!(second.key, key_in("flood", "1"), "its turn came before the other object");
    assert_eq!(queue.next().await.key, key_in("other", "a"));
}

#[tokio::test(start_paused = true)]
async fn slow_objects_of_one_namespace_leave_room_for_others() {
    let queue = Queue::new(32);
    for number in 0..10_000 {
        queue.wake(key_in("slow", &number.to_string()), lane("c"));
    }
    let running: Vec<_> = std::iter::from_fn(|| queue.try_next()).collect();
    assert_eq!(running.len(), 24, "three quarters of the tasks");

    queue.wake(key_in("other", "a"), lane("c"));

    assert_eq!(queue.try_next().unwrap().key, key_in("other", "a"), "without waiting for any of them");
}

/// A step of a history of the queue.
#[derive(Clone, Debug)]
enum Step {
    Wake(u8, u8),
    WakeWithin(u8, u8, u8),
    Start,
    End(u8, u8),
    Advance(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u8, 0..8_u8).prop_map(|(ns, name)| Step::Wake(ns, name)),
        1 => (0..4_u8, 0..8_u8, 0..5_u8).prop_map(|(ns, name, delay)| Step::WakeWithin(ns, name, delay)),
        4 => Just(Step::Start),
        3 => (any::<u8>(), 0..4_u8).prop_map(|(which, next)| Step::End(which, next)),
        1 => (0..70_u8).prop_map(Step::Advance),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// In any history: an object never runs twice at once, a lane never has more tasks than its limit, a namespace never
    /// takes the last free task of a lane, and in the end everything that was woken runs and the queue is empty.
    #[test]
    fn any_history_keeps_the_promises(steps in steps()) {
        const LIMIT: usize = 4;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let queue = Queue::new(LIMIT);
            let names = |ns: u8, name: u8| key_in(&format!("ns{ns}"), &name.to_string());
            // Each object has one lane.
            let lane_of = |key: &ObjectKey| lane(if key.name.ends_with(['1', '2']) { "b" } else { "a" });
            let mut running: Vec<Work> = Vec::new();
            let start = |running: &mut Vec<Work>| {
                let Some(work) = queue.try_next() else { return false };
                assert!(running.iter().all(|other| other.key != work.key), "{} runs twice", work.key);
                let in_lane = running.iter().filter(|other| other.lane == work.lane);
                let of_namespace = in_lane.clone().filter(|other| other.key.namespace == work.key.namespace);
                assert!(in_lane.count() < LIMIT);
                assert!(of_namespace.count() < LIMIT - 1, "{} takes the last free task", work.key.namespace);
                running.push(work);
                true
            };
            for step in steps {
                match step {
                    Step::Wake(ns, name) => queue.wake(names(ns, name), lane_of(&names(ns, name))),
                    Step::WakeWithin(ns, name, delay) => {
                        let delay = Duration::from_secs(delay.into());
                        queue.wake_within(names(ns, name), lane_of(&names(ns, name)), delay, UntilDue::Pending);
                    }
                    Step::Start => drop(start(&mut running)),
                    Step::End(which, next) if !running.is_empty() => {
                        let work = running.swap_remove(usize::from(which) % running.len());
                        let second = Duration::from_secs(1);
                        let outcomes = [Next::Settled, Next::After(second), Next::Later(second), Next::Failed];
                        queue.done(&work, outcomes[usize::from(next)]);
                    }
                    Step::End(..) => {}
                    Step::Advance(seconds) => tokio::time::advance(Duration::from_secs(seconds.into())).await,
                }
            }
            // Everything comes to its end.
            loop {
                while start(&mut running) {}
                if running.is_empty() && queue.lock().delayed.is_empty() {
                    break;
                }
                running.drain(..).for_each(|work| queue.done(&work, Next::Settled));
                tokio::time::advance(Duration::from_secs(61)).await;
            }
            assert!(queue.idle());
            let inner = queue.lock();
            assert!(inner.keys.is_empty() && inner.lanes.is_empty() && (inner.ready, inner.running) == (0, 0));
        });
    }
}
