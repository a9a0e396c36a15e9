//! Catches panics of third-party code that reads untrusted input.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a demuxer or decoder. Returns `None` if it panicked; it must not be used again afterwards.
///
/// No demuxer or decoder is known to panic in a release build. With overflow checks, some headers make the arithmetic
/// of symphonia panic. One such file must not end a process that has to read thousands of other files.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    // Objects that a panic left in an inconsistent state are dropped without being used, so `AssertUnwindSafe` is
    // correct.
    catch_unwind(AssertUnwindSafe(run)).ok()
}
