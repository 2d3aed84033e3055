//! The tasks of an engine: one for each object that is being reconciled, and one for each connection.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Engine, driver, host::Host, queue::Work, reconcile};

impl<H: Host> Engine<H> {
    /// Reconciles an object, and then others whose turn it is: that saves two switches between threads.
    pub(super) async fn work(self: Arc<Self>, mut work: Work, shutdown: CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                () = self.abort.cancelled() => return,
                next = reconcile::reconcile(&self.ctx, &work) => next,
            };
            self.ctx.queue.done(&work, next);
            match self.ctx.queue.try_next() {
                Some(more) if !shutdown.is_cancelled() => work = more,
                _ => return,
            }
        }
    }

    /// Starts the driver of a connection, or triggers the one that runs.
    pub(super) fn drive(&self, name: &str) {
        let (handle, is_new) = self.ctx.sessions.ensure(name);
        if !is_new {
            handle.trigger();
            return;
        }
        let (ctx, abort, name) = (self.ctx.clone(), self.abort.clone(), Arc::<str>::from(name));
        self.tasks.spawn(async move { driver::run(&ctx, &name, &handle, abort).await });
    }
}
