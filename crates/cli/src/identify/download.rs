//! Downloads inputs that are URLs. The temporary files have no name, so that none remains after a crash.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use refrain_app::response::{OVER_LIMIT, UNREADABLE};
use refrain_core::audio::{Limits as AudioLimits, Seekable};
use refrain_isolation::{Reader, open_seekable};
use refrain_net::{
    AddressPolicy, DownloadError, HttpClient, HttpFailure, HttpRequest, HttpSettings, PrivateHost, ShownUrl,
    TransferLimits, TransferProgress,
};
use tokio::runtime::Handle;
use url::Url;

use super::input_error::InputError;
use crate::output::{Output, StatusLine};

/// Maximum size of a download in bytes (4 GiB), which limits the disk space in the temporary folder. A day of MP3 at
/// the highest bit rate has 3.5 GB; a day of uncompressed stereo audio at 48 kHz has 16 GB and is rejected. With 2 GiB,
/// long recordings fail. With 8 GiB, a server that sends without end fills 8 GiB of disk per job.
const MAX_BYTES: u64 = 4 << 30;

/// Maximum duration of a download, so that a server that sends a byte now and then does not occupy a job indefinitely.
/// At 1.2 MB per second, 4 GiB take one hour. With half the time, large files over a slow line fail.
const MAX_DURATION: Duration = Duration::from_secs(60 * 60);

/// The first bytes of an M3U8 playlist, which is not audio.
const PLAYLIST_MAGIC: &[u8] = b"#EXTM3U";

/// Bytes per megabyte.
const BYTES_PER_MEGABYTE: f64 = 1e6;

/// Downloads the inputs of a command that are URLs.
#[derive(Debug)]
pub(crate) struct Downloader<'a> {
    client: HttpClient,
    runtime: Handle,
    allow_private: bool,
    private_hosts: Vec<PrivateHost>,
    line: Option<StatusLine<'a>>,
}

impl<'a> Downloader<'a> {
    /// Creates a downloader that runs on `runtime`. If `allow_private` is true, private addresses are accepted for the
    /// hosts in the URLs. They are always accepted for `private_hosts`, which the settings name. `http` are the settings
    /// of the HTTP client. If `is_only_input` is
    /// true, a status line shows the progress of the download. Otherwise nothing is shown, because a progress bar
    /// counts the inputs.
    pub(crate) fn new(
        runtime: Handle,
        (allow_private, private_hosts): (bool, Vec<PrivateHost>),
        is_only_input: bool,
        http: HttpSettings,
        output: &'a Output,
    ) -> Result<Self> {
        let client = HttpClient::new(http)?;
        Ok(Self {
            client,
            runtime,
            allow_private,
            private_hosts,
            line: is_only_input.then(|| output.status()),
        })
    }

    /// Downloads the file at a URL to a temporary file and opens it for decoding.
    pub(super) fn open(&self, url: &Url, limits: &AudioLimits) -> Result<Reader, InputError> {
        let name = ShownUrl::from(url).to_string();
        let failed = |code, message| InputError::new(code, message);
        let unwritable =
            |error: io::Error| failed(UNREADABLE, format!("{name}: cannot write a temporary file: {error}"));
        let mut file = tempfile::tempfile().map_err(unwritable)?;
        let mut head: Vec<u8> = Vec::new();
        let policy = AddressPolicy::of_operator(url, self.allow_private, &self.private_hosts);
        let download = async {
            let limits = TransferLimits { bytes: MAX_BYTES, total: MAX_DURATION };
            // No compression is requested, so that the limit and the progress refer to the bytes of the file.
            let question = HttpRequest::new(url, &policy).identity();
            self.client
                .download(question, limits, |chunk, progress| {
                    // The first bytes are kept to recognize a playlist, because the content types that servers send for
                    // playlists are not reliable.
                    head.extend(chunk.iter().take(PLAYLIST_MAGIC.len().saturating_sub(head.len())));
                    self.show(&name, progress);
                    file.write_all(chunk)
                })
                .await
        };
        // Inputs are processed on threads outside of the runtime, so this thread may block.
        let length = self.runtime.block_on(download).map_err(|error| match error {
            DownloadError::Write(error) => unwritable(error),
            DownloadError::Http(error) => {
                // A file that is too large has its own status code, which shows that a retry cannot succeed.
                let over = matches!(error.reason, HttpFailure::TooLarge(_));
                failed(if over { OVER_LIMIT } else { UNREADABLE }, error.to_string())
            }
            error => failed(UNREADABLE, error.to_string()),
        })?;
        self.clear();
        if head == PLAYLIST_MAGIC {
            let message = format!("{name}: this is a playlist; follow it with `refrain monitor`");
            return Err(failed(UNREADABLE, message));
        }
        let file = Arc::new(Mutex::new(file));
        // The decoder can open the file several times. The file has no name, so each reader shares its handle.
        let open = || Ok(Box::new(SharedFile { file: Arc::clone(&file), position: 0 }) as Box<dyn Seekable>);
        Ok(open_seekable(open, length, &name, limits)?)
    }

    fn show(&self, name: &str, done: TransferProgress) {
        let Some(line) = &self.line else { return };
        let megabytes = done.bytes as f64 / BYTES_PER_MEGABYTE;
        let total = done
            .total
            .map(|total| format!(" of {:.1}", total as f64 / BYTES_PER_MEGABYTE))
            .unwrap_or_default();
        line.set(format!("downloading {name}: {megabytes:.1}{total} MB"));
    }

    fn clear(&self) {
        if let Some(line) = &self.line {
            line.set("identifying".to_owned());
        }
    }
}

/// A reader with its own position in a file that other readers use too.
struct SharedFile {
    file: Arc<Mutex<File>>,
    position: u64,
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        // All readers share the position of the file handle. Each read therefore first seeks to its own position, under
        // the same lock.
        let count = file.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        self.position = match to {
            // The offset is relative to the position of this reader. The handle has the position of the last reader
            // that used it.
            SeekFrom::Current(by) => {
                let position = self.position.checked_add_signed(by);
                position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?
            }
            to => file.seek(to)?,
        };
        Ok(self.position)
    }
}
