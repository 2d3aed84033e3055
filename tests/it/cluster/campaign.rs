//! Random campaigns, the way Acto drives operators: chains of random valid specs, and random edits in Svix by hand. What
//! Svix holds at the end is what the last specs make in an empty Svix, and no credential is seen where it does not belong.
//!
//! Everything follows from the seeds. `SVIX_OPERATOR_CAMPAIGN_SEEDS` says how many there are (default 200), and
//! `SVIX_OPERATOR_CAMPAIGN_FIRST` which is the first (default 0).

mod by_hand;
mod fixtures;
mod fresh;
mod leaks;
mod observed;
mod pair;
mod tokens;

use futures::{StreamExt as _, stream};
use svix_operator::api;

use fixtures::Fixtures;
use fresh::Fresh;
use pair::Pair;

const SEEDS: u64 = 200;
const ROUNDS: usize = 5;

fn seeds() -> std::ops::Range<u64> {
    let read = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}: found {text:?}, expected a number")),
        Err(_) => default,
    };
    let first = read("SVIX_OPERATOR_CAMPAIGN_FIRST", 0);
    first..first + read("SVIX_OPERATOR_CAMPAIGN_SEEDS", SEEDS)
}

#[test]
fn every_field_of_the_specs_takes_part() {
    for (crd, changing) in
        [("WebhookEventType", &pair::OF_EVENT_TYPES[..]), ("WebhookEndpoint", &pair::OF_ENDPOINTS[..])]
    {
        let crds = api::crds();
        let crd = crds.iter().find(|found| found.spec.names.kind == crd).unwrap();
        let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        let spec = &schema.properties.as_ref().unwrap()["spec"];
        for field in spec.properties.as_ref().unwrap().keys() {
            // The places of a schema and of an address are chosen together.
            let field = field.trim_end_matches("From").trim_end_matches("Text");
            let known = changing.contains(&field) || pair::OF_BOTH_OR_FIXED.contains(&field);
            assert!(known, "nothing changes spec.{field} of a {}", crd.spec.names.kind);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_specs_equal_fresh_ones() {
    let fixtures = Fixtures::enter("changing").await;
    let mut pairs: Vec<_> = seeds().map(Pair::new).collect();
    for round in 0..=ROUNDS {
        if round > 0 {
            pairs.iter_mut().for_each(|pair| pair.mutate(round == ROUNDS));
        }
        fixtures.apply(&pairs).await;
        fixtures.settled(&pairs).await;
        let fresh = Fresh::in_memory(&pairs).await;
        fixtures.holds_the_same(&pairs, &fresh).await;
    }
    let fresh = Fresh::in_cluster(&pairs).await;
    fixtures.holds_the_same(&pairs, &fresh).await;
    fixtures.has_published_its_keys(&pairs).await;
    leaks::nowhere(&fixtures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_edit_in_svix_is_repaired() {
    let fixtures = Fixtures::enter("edited").await;
    // Every second one: each round waits until all edits were seen, so these cost twice as much.
    let mut pairs: Vec<_> = seeds().step_by(2).map(Pair::new).collect();
    for round in 0..=ROUNDS {
        if round > 0 {
            pairs.iter_mut().for_each(|pair| pair.mutate(round == ROUNDS));
        }
        fixtures.apply(&pairs).await;
        if round == 0 {
            fixtures.settled(&pairs).await;
        } else {
            fixtures.seen(&pairs).await;
        }
        let svix = |pair: &Pair| &fixtures.svix[pair.connection];
        stream::iter(&mut pairs)
            .for_each_concurrent(8, async |pair| by_hand::edit(pair, svix(pair), fixtures.namespace()).await)
            .await;
    }
    let fresh = Fresh::in_cluster(&pairs).await;
    fixtures.holds_the_same(&pairs, &fresh).await;
    fixtures.settled(&pairs).await;
    fixtures.has_published_its_keys(&pairs).await;
    leaks::nowhere(&fixtures).await;
}
