//! Watches the folders of all channels for response files.

use std::thread::sleep;
use std::time::{Duration, Instant};

use refrain_benches::music::BenchError;

use super::channel::MonitoredChannel;
use super::response_file::read_new_files;

/// Interval at which folders are checked.
pub(crate) const STEP: Duration = Duration::from_millis(10);

/// Checks the folders of all channels repeatedly for the duration `time`.
pub(crate) fn wait(channels: &mut [MonitoredChannel], time: Duration) -> Result<(), BenchError> {
    let until = Instant::now() + time;
    loop {
        for channel in channels.iter_mut() {
            read_new_files(&channel.folder, &mut channel.seen)?;
            channel.is_over();
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(STEP));
    }
}
