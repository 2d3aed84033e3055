//! The Warning about an address from a Secret that Svix never delivers to.

use super::*;

const REASON: &str = "AddressUnreachable";

fn from_secret() -> Manifest {
    let from = json!({"secretKeyRef": {"name": "urls", "key": "url"}});
    hook().with("url", json!(null)).with("urlFrom", from)
}

fn warnings(fixture: &Fixture) -> Vec<String> {
    let events = fixture.ctx.host.events(&key()).into_iter();
    events.filter(|event| event.reason == REASON && event.warning).map(|event| event.message).collect()
}

#[tokio::test]
async fn an_address_from_a_secret_is_warned_of_once_per_change() {
    // Given an endpoint with an address that Svix delivers to
    let fixture = declaring(from_secret()).await;
    fixture.ctx.host.set_secret("urls", "url", "https://hooks.example.org/hook");
    fixture.reconcile(&key()).await;
    assert_eq!(warnings(&fixture), [""; 0]);

    // When its Secret names two others after it
    for (count, host) in [(1, "10.0.0.1"), (2, "receiver.team.svc")] {
        fixture.ctx.host.set_secret("urls", "url", &format!("http://{host}/hunter2"));
        fixture.reconcile(&key()).await;
        fixture.reconcile(&key()).await;

        // Then each is warned of once, and not shown.
        let found = warnings(&fixture);
        assert_eq!(found.len(), count, "{found:?}");
        assert!(
            found[count - 1].starts_with("/spec/urlFrom/secretKeyRef: Svix does not deliver to a "),
            "{found:?}"
        );
        assert!(!found.concat().contains("hunter2") && !found.concat().contains(host), "{found:?}");
    }
}

#[tokio::test]
async fn the_first_address_and_an_adopted_one_are_warned_of() {
    let created = declaring(from_secret()).await;
    let adopted = declaring(from_secret()).await;
    somebody_creates(&adopted, json!({"uid": UID, "url": "http://10.0.0.1/"})).await;
    for fixture in [created, adopted] {
        fixture.ctx.host.set_secret("urls", "url", "http://10.0.0.1/");

        fixture.reconcile(&key()).await;

        assert_eq!((fixture.reason(&key()), warnings(&fixture).len()), ("InSync".to_owned(), 1));
    }
}

#[tokio::test]
async fn an_address_in_the_spec_is_left_to_admission() {
    let fixture = declaring(hook().with("url", "http://10.0.0.1/")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), warnings(&fixture).len()), ("InSync".to_owned(), 0));
}

#[tokio::test]
async fn nothing_is_said_where_every_address_is_delivered_to() {
    let options = Options { settle: Duration::ZERO, warns_of_unreachable: false, ..Options::default() };
    let fixture = within(Fixture::with_options(options), from_secret()).await;
    fixture.ctx.host.set_secret("urls", "url", "http://10.0.0.1/");

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), warnings(&fixture).len()), ("InSync".to_owned(), 0));
}
