//! Downloads inputs that are URLs into temporary files without a name, so that no file remains after a crash.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use refrain_app::response::{OVER_LIMIT, UNREADABLE};
use refrain_core::audio::{Limits as AudioLimits, Searchable};
use refrain_isolation::{Reader, open_searchable};
use refrain_net::{
    AddressPolicy, DownloadError, Downloaded, HttpClient, HttpFailure, HttpSettings, Limits, PrivateHost,
    Question, ShownUrl,
};
use tokio::runtime::Handle;
use url::Url;

use super::input::InputError;
use crate::output::{Output, StatusLine};

/// Maximum size of a download in bytes (4 GiB). 24 hours of MP3 at the highest bit rate have 3.5 GB; 24 hours of uncompressed
/// stereo audio at 48 kHz have 16 GB and are rejected.
const MAX_BYTES: u64 = 4 << 30;

/// Maximum duration of a download.
const MAX_TIME: Duration = Duration::from_secs(60 * 60);

/// First bytes of an M3U8 playlist.
const PLAYLIST: &[u8] = b"#EXTM3U";

/// Bytes per megabyte.
const MEGABYTE: f64 = 1e6;

/// Downloads inputs.
#[derive(Debug)]
pub(crate) struct Downloader<'a> {
    client: HttpClient,
    runtime: Handle,
    allow_private: bool,
    private_hosts: Vec<PrivateHost>,
    line: Option<StatusLine<'a>>,
}

impl<'a> Downloader<'a> {
    /// Creates a downloader that runs on `runtime`. It shows the progress of the download if `alone` is true; with several
    /// inputs a progress bar shows the number of processed inputs instead.
    pub(crate) fn new(
        runtime: Handle,
        (allow_private, private_hosts): (bool, Vec<PrivateHost>),
        alone: bool,
        output: &'a Output,
    ) -> Result<Self> {
        let client = HttpClient::new(HttpSettings::default())?;
        Ok(Self { client, runtime, allow_private, private_hosts, line: alone.then(|| output.status()) })
    }

    /// Downloads the file at a URL and opens it.
    pub(super) fn open(&self, url: &Url, limits: &AudioLimits) -> Result<Reader, InputError> {
        let name = ShownUrl::from(url).to_string();
        let failed = |code, message| InputError::new(code, message);
        let unwritable =
            |error: io::Error| failed(UNREADABLE, format!("{name}: cannot write a temporary file: {error}"));
        let mut file = tempfile::tempfile().map_err(unwritable)?;
        let mut head: Vec<u8> = Vec::new();
        let policy = AddressPolicy::of_operator(url, self.allow_private, &self.private_hosts);
        let download = async {
            let limits = Limits { bytes: MAX_BYTES, total: MAX_TIME };
            let question = Question::new(url, &policy).identity();
            self.client
                .download(question, limits, |piece, before| {
                    head.extend(piece.iter().take(PLAYLIST.len().saturating_sub(head.len())));
                    self.show(&name, before);
                    file.write_all(piece)
                })
                .await
        };
        let length = self.runtime.block_on(download).map_err(|error| match error {
            DownloadError::Write(error) => unwritable(error),
            DownloadError::Http(error) => {
                let over = matches!(error.reason, HttpFailure::TooLarge(_));
                failed(if over { OVER_LIMIT } else { UNREADABLE }, error.to_string())
            }
            error => failed(UNREADABLE, error.to_string()),
        })?;
        self.clear();
        if head == PLAYLIST {
            let message = format!("{name}: this is a playlist; follow it with `refrain monitor`");
            return Err(failed(UNREADABLE, message));
        }
        let file = Arc::new(Mutex::new(file));
        let open = || Ok(Box::new(Shared { file: Arc::clone(&file), position: 0 }) as Box<dyn Searchable>);
        Ok(open_searchable(open, length, &name, limits)?)
    }

    fn show(&self, name: &str, done: Downloaded) {
        let Some(line) = &self.line else { return };
        let megabytes = done.bytes as f64 / MEGABYTE;
        let total = done.total.map(|total| format!(" of {:.1}", total as f64 / MEGABYTE)).unwrap_or_default();
        line.set(format!("downloading {name}: {megabytes:.1}{total} MB"));
    }

    fn clear(&self) {
        if let Some(line) = &self.line {
            line.set("identifying".to_owned());
        }
    }
}

/// A reader of a shared file with its own position.
struct Shared {
    file: Arc<Mutex<File>>,
    position: u64,
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        self.position = match to {
            SeekFrom::Current(by) => {
                let position = self.position.checked_add_signed(by);
                position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?
            }
            to => file.seek(to)?,
        };
        Ok(self.position)
    }
}
