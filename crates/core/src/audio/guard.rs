//! Catches panics of third-party code that reads untrusted input.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `run`, which calls a demuxer or decoder. Returns `None` if the call panicked. The demuxer or decoder must not
/// be used again then.
///
/// No demuxer or decoder is known to panic in a release build. In builds with overflow checks, some headers make the
/// arithmetic of symphonia panic. One such file must not end a process that reads thousands of other files.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    // After a panic, callers do not use the demuxer or decoder again, so `AssertUnwindSafe` is correct.
    catch_unwind(AssertUnwindSafe(run)).ok()
}
