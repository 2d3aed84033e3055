//! Leader election against a real API server: never two at once, and a prompt hand-over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use svix_operator::controller::lease::{LeaderElection, Leadership, LeaseConfig, Loss, identity};

use crate::support::control_plane::{ControlPlane, FreshNamespace};
use crate::support::tcp_proxy::TcpProxy;

const LEASE_DURATION: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(30);

fn config(namespace: &FreshNamespace, name: &str) -> LeaseConfig {
    LeaseConfig {
        lease_duration: LEASE_DURATION,
        renew_deadline: Duration::from_secs(1),
        retry_period: Duration::from_millis(100),
        ..LeaseConfig::new(&namespace.name, "leader", identity(name))
    }
}

fn candidate(client: Client, namespace: &FreshNamespace, name: &str) -> LeaderElection {
    LeaderElection::new(client, config(namespace, name)).unwrap()
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"))
}

fn leases(namespace: &FreshNamespace, control_plane: &ControlPlane) -> Api<Lease> {
    Api::namespaced(control_plane.client(), &namespace.name)
}

async fn record(leases: &Api<Lease>) -> LeaseSpec {
    leases.get("leader").await.unwrap().spec.unwrap()
}

fn holder(record: &LeaseSpec) -> &str {
    record.holder_identity.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn one_leads_and_the_other_waits_while_it_renews() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;

    // Three lease durations: without renewals the other would have taken over.
    let other = candidate(control_plane.client(), &namespace, "b");
    let taken = tokio::time::timeout(LEASE_DURATION * 3, other.acquire()).await;

    assert!(taken.is_err(), "two lead");
    assert!(leader.remaining() > Duration::ZERO);
    let record = record(&leases(&namespace, control_plane)).await;
    assert!(holder(&record).starts_with("a_"), "{record:?}");
    assert_eq!(record.lease_transitions, Some(0));
    assert_eq!(record.lease_duration_seconds, Some(2));
    assert!(record.renew_time > record.acquire_time, "{record:?}");
}

#[tokio::test]
async fn a_release_hands_over_at_once() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;
    let term = leader.term();
    let other = candidate(control_plane.client(), &namespace, "b");
    let waiting = tokio::spawn(async move { other.acquire().await });

    leader.release().await.unwrap();
    let released = Instant::now();
    let next = within("the next leader", waiting).await.unwrap();

    assert!(released.elapsed() < LEASE_DURATION / 2, "took {:?}", released.elapsed());
    assert!(!term.is_valid() && next.term().is_valid());
    assert_eq!(term.lost().await, Loss::GivenUp);
    let record = record(&leases(&namespace, control_plane)).await;
    assert!(holder(&record).starts_with("b_"), "{record:?}");
    assert_eq!(record.lease_transitions, Some(1));
}

#[tokio::test]
async fn a_released_lease_names_nobody() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;

    leader.release().await.unwrap();

    assert_eq!(holder(&record(&leases(&namespace, control_plane)).await), "");
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_in_time() {
    // Given a leader whose network falls silent, and another who waits
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let proxy = TcpProxy::to(control_plane.address()).await;
    let mut through_proxy = control_plane.config();
    through_proxy.cluster_url = format!("https://{}", proxy.address).parse().unwrap();
    let election = candidate(Client::try_from(through_proxy).unwrap(), &namespace, "a");
    let leader = within("a leader", election.acquire()).await;
    let other = candidate(control_plane.client(), &namespace, "b");
    let waiting = tokio::spawn(async move { (other.acquire().await, Instant::now()) });

    // When nothing arrives any more
    proxy.set_silent(true);
    let loss = within("the loss", leader.lost()).await;
    let stopped = Instant::now();

    // Then it stops in time, and the other starts only after that
    assert_eq!(loss, Loss::Expired);
    assert!(!waiting.is_finished(), "the other leads already");
    let (_next, started) = within("the next leader", waiting).await.unwrap();
    assert!(started > stopped);
    // And the network's return does not bring the old term back
    proxy.set_silent(false);
    assert_eq!(leader.remaining(), Duration::ZERO);
    leader.release().await.unwrap();
    assert!(holder(&record(&leases(&namespace, control_plane)).await).starts_with("b_"));
}

#[tokio::test]
async fn a_leader_outlives_a_short_outage() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let proxy = TcpProxy::to(control_plane.address()).await;
    let mut through_proxy = control_plane.config();
    through_proxy.cluster_url = format!("https://{}", proxy.address).parse().unwrap();
    let config = LeaseConfig {
        lease_duration: Duration::from_secs(20),
        renew_deadline: Duration::from_secs(10),
        ..config(&namespace, "a")
    };
    let election = LeaderElection::new(Client::try_from(through_proxy).unwrap(), config).unwrap();
    let leader = within("a leader", election.acquire()).await;

    // Long enough for a renewal to hang, and for its write to be answered to nobody.
    proxy.set_silent(true);
    let hung = tokio::time::timeout(Duration::from_secs(6), leader.lost()).await;
    proxy.set_silent(false);

    assert!(hung.is_err());
    let before = leader.valid_until();
    crate::support::wait::eventually("a renewal after the outage", SOON, async || {
        (leader.valid_until() > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_leader_stops_when_the_record_names_another() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;

    let intruder = serde_json::json!({"spec": {"holderIdentity": "intruder"}});
    let leases = leases(&namespace, control_plane);
    leases.patch("leader", &PatchParams::default(), &Patch::Merge(intruder)).await.unwrap();

    assert_eq!(within("the loss", leader.lost()).await, Loss::Taken("intruder".to_owned()));
}

#[tokio::test]
async fn a_leader_goes_on_when_somebody_else_labels_its_lease() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;

    let label = serde_json::json!({"metadata": {"labels": {"team": "a"}}});
    let leases = leases(&namespace, control_plane);
    leases.patch("leader", &PatchParams::default(), &Patch::Merge(label)).await.unwrap();

    assert!(tokio::time::timeout(LEASE_DURATION, leader.lost()).await.is_err());
    let kept = leases.get("leader").await.unwrap();
    assert_eq!(kept.metadata.labels.unwrap()["team"], "a");
}

#[tokio::test]
async fn a_leader_whose_lease_is_deleted_stops() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;

    leases(&namespace, control_plane).delete("leader", &DeleteParams::default()).await.unwrap();

    assert_eq!(within("the loss", leader.lost()).await, Loss::Cleared);
}

#[tokio::test]
async fn the_times_in_a_record_decide_nothing() {
    // Given a dead holder whose clock was in the year 2000
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let dead: Lease = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "leader"},
        "spec": {
            "holderIdentity": "dead", "leaseDurationSeconds": 2, "leaseTransitions": 6,
            "acquireTime": "2000-01-01T00:00:00.000000Z", "renewTime": "2000-01-01T00:00:00.000000Z",
        },
    }))
    .unwrap();
    let leases = leases(&namespace, control_plane);
    leases.create(&PostParams::default(), &dead).await.unwrap();

    let start = Instant::now();
    let _leader = within("a leader", candidate(control_plane.client(), &namespace, "a").acquire()).await;

    assert!(start.elapsed() >= LEASE_DURATION, "{:?}", start.elapsed());
    assert!(start.elapsed() < LEASE_DURATION * 2, "{:?}", start.elapsed());
    assert_eq!(record(&leases).await.lease_transitions, Some(7));
}

#[tokio::test]
async fn who_may_not_read_leases_waits_without_leading() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("lease").await;
    let election = candidate(control_plane.weak_client(), &namespace, "a");

    let acquired = tokio::time::timeout(Duration::from_secs(1), election.acquire()).await;

    assert!(acquired.is_err());
}

/// Counts those who lead now, and for how long each did.
#[derive(Default)]
struct Referee {
    now: AtomicUsize,
    most: AtomicUsize,
    terms: Mutex<Vec<(Instant, Instant)>>,
}

impl Referee {
    /// Works as a leader does, until `work` is done or the term is lost.
    async fn watch(&self, leadership: &Leadership, work: Duration) {
        let start = Instant::now();
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _ = tokio::time::timeout(work, leadership.lost()).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.terms.lock().unwrap().push((start, Instant::now()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_candidates_never_two_lead_at_once() {
    // Given twenty, some of whom let go politely, some vanish, and some lose their network
    let control_plane = ControlPlane::shared().await;
    let namespace = Arc::new(control_plane.namespace("lease").await);
    let referee = Arc::new(Referee::default());
    let mut candidates = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (namespace, referee) = (Arc::clone(&namespace), Arc::clone(&referee));
        candidates.spawn(async move {
            let proxy = TcpProxy::to(control_plane.address()).await;
            let mut config = control_plane.config();
            config.cluster_url = format!("https://{}", proxy.address).parse().unwrap();
            let client = Client::try_from(config).unwrap();
            let leadership = candidate(client, &namespace, &format!("c{number}")).acquire().await;
            match number {
                0..3 => {
                    proxy.set_silent(true);
                    referee.watch(&leadership, SOON).await;
                }
                3..6 => referee.watch(&leadership, Duration::from_millis(50)).await,
                _ => {
                    referee.watch(&leadership, Duration::from_millis(50)).await;
                    leadership.release().await.unwrap();
                }
            }
        });
    }

    // When all have led
    let all = tokio::time::timeout(SOON * 3, candidates.join_all()).await;

    // Then one by one
    assert!(all.is_ok(), "not all have led");
    assert_eq!(referee.most.load(Ordering::SeqCst), 1);
    let mut terms = referee.terms.lock().unwrap().clone();
    terms.sort();
    assert_eq!(terms.len(), 20);
    assert!(terms.windows(2).all(|pair| pair[0].1 <= pair[1].0), "terms overlap: {terms:?}");
    let record = record(&leases(&namespace, control_plane)).await;
    assert_eq!(record.lease_transitions, Some(19));
}
