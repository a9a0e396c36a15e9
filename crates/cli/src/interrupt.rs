//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static ASKED: AtomicBool = AtomicBool::new(false);

/// How often [`wait`] looks.
const LOOK: Duration = Duration::from_millis(50);

/// The exit status that shells give a process ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// From here on the first signal only sets [`asked`].
pub(crate) fn listen() {
    // A handler that is there already does the same; without one, Ctrl-C ends the process, and what was
    // written until then is complete.
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
    });
}

/// Whether somebody wants the command to end.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Waits until somebody does.
pub(crate) async fn wait() {
    while !asked() {
        tokio::time::sleep(LOOK).await;
    }
}
