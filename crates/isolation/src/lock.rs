//! Locking of values that stay valid after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also after a thread panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of one caller must not stop all others. The guarded values are replaced as a whole and stay valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
