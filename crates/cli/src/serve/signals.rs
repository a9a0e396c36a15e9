//! Signals of the service: SIGTERM and Ctrl-C end it, SIGHUP makes it read its settings again.

use tokio_util::sync::CancellationToken;

use crate::interrupt;

/// The SIGHUP signals of the process.
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Hangups {
    /// Installs the handler of SIGHUP. Without it, SIGHUP ends the process.
    pub(super) fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { signal: signal(SignalKind::hangup())? })
    }

    /// Waits for the next SIGHUP. Cancel-safe.
    pub(super) async fn next(&mut self) {
        // `None` means that no more signals can arrive.
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
impl Hangups {
    /// Does nothing, because the system has no SIGHUP.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature on all systems")]
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits without an end.
    pub(super) async fn next(&mut self) {
        std::future::pending().await
    }
}

/// Installs the handlers of SIGTERM and SIGINT, and starts a task that cancels `stop` at the first signal and ends the
/// process at the second one.
#[cfg(unix)]
pub(super) fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupts, mut terminations) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                Some(()) = interrupts.recv() => {}
                Some(()) = terminations.recv() => {}
                else => return,
            }
            if is_first {
                stop.cancel();
            }
        }
        std::process::exit(interrupt::EXIT_STATUS);
    });
    Ok(())
}

/// Installs the handler of Ctrl-C, and starts a task that cancels `stop` when it is pressed.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature on all systems")]
pub(super) fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    interrupt::install_handler();
    tokio::spawn(async move {
        interrupt::wait().await;
        stop.cancel();
    });
    Ok(())
}
