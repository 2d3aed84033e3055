//! Memory for the payloads of events.

use std::{cell::RefCell, pin::Pin};

use futures::{FutureExt as _, future::select_all};

use super::*;
use crate::{
    engine::{object::Object, reconcile::event::payload},
    memory::{LARGE_TOTAL, MemoryPermit, SMALL},
    plan::{self, event::EventMemory},
};

/// An event with a payload that takes more than a megabyte.
fn large_event(namespace: &str) -> Object {
    let payload = json!({"text": "x".repeat(900_000)});
    event("e").with("payload", payload).changed(|it| it["metadata"]["namespace"] = namespace.into()).object()
}

fn needed(object: &Object) -> usize {
    let Object::Event(event) = object else { unreachable!() };
    let EventMemory { text, tree } = plan::event::memory(event);
    text + tree
}

#[tokio::test]
async fn large_events_of_namespaces_take_turns() {
    let fixture = Fixture::new();
    let [rest, flood, other] = ["rest", "flood", "other"].map(large_event);
    let _rest = fixture.ctx.reserve(&rest, LARGE_TOTAL - needed(&flood) * 3 / 2).await;
    assert!(needed(&flood) > SMALL);
    let loaded: RefCell<Vec<String>> = RefCell::default();
    let load = |object: &Object| -> Pin<Box<dyn Future<Output = MemoryPermit> + '_>> {
        let (object, loaded, ctx) = (object.clone(), &loaded, &fixture.ctx);
        Box::pin(async move {
            let Object::Event(event) = &object else { unreachable!() };
            let (_, permit) = payload::load(ctx, &object, event).await.unwrap();
            loaded.borrow_mut().push(object.key().namespace.to_string());
            permit
        })
    };

    let first = load(&flood).await;
    let mut waiting = vec![load(&flood), load(&flood), load(&flood), load(&other)];
    assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()), "one at a time has memory");
    drop(first);
    while !waiting.is_empty() {
        let (permit, _, left) = select_all(waiting).await;
        waiting = left;
        drop(permit);
    }

    assert_eq!(*loaded.borrow(), ["flood", "flood", "other", "flood", "flood"]);
}
