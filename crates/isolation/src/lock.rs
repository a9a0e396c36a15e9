//! Locks mutexes whose values stay valid after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. Works also after a thread has panicked while holding the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of one thread must not stop all other threads. The locked values stay valid, because they are replaced as
    // a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
