//! The last fence around code that reads strangers' bytes and is not ours.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a demuxer or decoder; nothing if it panicked, after which it must not be used again.
///
/// None is known to panic in a release build; with overflow checks, some headers make symphonia's arithmetic
/// do so. One such file must not end a process that has thousands of others to read.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    // What a panic leaves half-changed is dropped without being looked at, so unwinding is safe.
    catch_unwind(AssertUnwindSafe(run)).ok()
}
