//! Handling of Ctrl-C and SIGTERM. The first signal requests a clean shutdown, and the second one ends the process
//! immediately.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Interval at which [`wait`] checks for a signal, short enough that a person notices no delay after Ctrl-C. With 25
/// ms, an idle process wakes up 40 times per second; with 100 ms, the shutdown can start 0.1 s late.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Exit status of a process that Ctrl-C ended. By the convention of shells it is 128 plus 2, the number of SIGINT.
pub(crate) const EXIT_STATUS: i32 = 130;

/// Installs the signal handler. From then on, the first signal does not end the process; it only makes [`is_requested`]
/// return true.
pub(crate) fn install_handler() {
    // An error is harmless. Either the handler is installed already, or Ctrl-C ends the process immediately, which
    // damages no data.
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
    // The function polls, because the signal handler runs on a thread outside of the runtime.
    while !is_requested() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
