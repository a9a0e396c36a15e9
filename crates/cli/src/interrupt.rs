//! Ctrl-C and SIGTERM: the first signal requests a clean shutdown, the second one ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Interval at which [`wait`] checks for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// Exit status of a process that was ended by Ctrl-C, by the convention of shells.
const INTERRUPTED: i32 = 130;

/// Installs the signal handler. From now on the first signal only makes [`asked`] return true.
pub(crate) fn listen() {
    // An error is harmless: either this handler is installed already, or Ctrl-C ends the process at once, and everything
    // that was written until then is complete.
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
    });
}

/// Returns true if a signal has requested a shutdown.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Waits until a signal requests a shutdown.
pub(crate) async fn wait() {
    while !asked() {
        tokio::time::sleep(LOOK).await;
    }
}
