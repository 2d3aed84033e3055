//! Work that takes much memory of its own, one at a time in a process: a large schema is compiled, or many violations are
//! collected. Each takes up to about 40 MiB for less than a second.

use parking_lot::{Mutex, MutexGuard};

static RUNNING: Mutex<()> = Mutex::new(());

/// Waits until no other such work runs. It must not be called again before the guard is dropped.
pub(super) fn enter() -> MutexGuard<'static, ()> {
    RUNNING.lock()
}
