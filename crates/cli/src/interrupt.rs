//! Ctrl-C and SIGTERM: the first signal requests a clean shutdown, the second one ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Interval at which [`wait`] checks for a signal. It is below the delay that a person notices after Ctrl-C. At half
/// this value, an idle process wakes up 40 times per second; at twice this value, the shutdown starts 0.1 s later.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Exit status of a process that was ended by Ctrl-C, by the convention of shells: 128 plus the number of SIGINT, 2.
const EXIT_STATUS: i32 = 130;

/// Installs the signal handler. From now on the first signal only makes [`is_requested`] return true.
pub(crate) fn install_handler() {
    // An error is harmless: either this handler is installed already, or Ctrl-C ends the process at once, and everything
    // that was written until then is complete.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_STATUS);
        }
    });
}

/// Returns true if a signal has requested a shutdown.
pub(crate) fn is_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Waits until a signal requests a shutdown.
pub(crate) async fn wait() {
    // Polled, because the handler runs on a thread without a runtime and can be called before anything waits.
    while !is_requested() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
