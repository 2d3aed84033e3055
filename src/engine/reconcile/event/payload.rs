//! The payload of an event that is not sent yet, and memory for it.

use crate::{
    api::WebhookEvent,
    memory::MemoryPermit,
    plan::event::{self, EventMemory},
};

use super::super::super::{context::Context, host::Host, object::Object, outcome::Error};

/// Memory for an object of any size while it is read, in bytes: etcd stores up to 1.5 MiB, of which there are several copies.
const READING: usize = 8 * 1024 * 1024;

/// Waits for the memory that sending an event takes, and reads its payload, if it is not in memory. Returns the event as it
/// was read; `None`: it is whole as it is.
pub(super) async fn load<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
) -> Result<(Option<WebhookEvent>, MemoryPermit), Error> {
    let needed = |event: &WebhookEvent| {
        let EventMemory { text, tree } = event::memory(event);
        text + tree
    };
    if event.spec.payload().is_ok() {
        return Ok((None, ctx.reserve(object, needed(event)).await));
    }
    let permit = ctx.reserve(object, READING).await;
    let Some(read) = ctx.host.read_event(object).await? else { return Ok((None, permit)) };
    let bytes = needed(&read);
    if bytes <= READING {
        return Ok((Some(read), permit));
    }
    // Two tasks that keep a part and wait for more would wait for each other.
    drop((read, permit));
    let permit = ctx.reserve(object, bytes).await;
    Ok((ctx.host.read_event(object).await?, permit))
}
