//! Access to a mutex after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, even if a thread that held the lock has panicked. This is safe, because the pool ends the stream
/// whose job panicked, so no job uses data that the panic left inconsistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
