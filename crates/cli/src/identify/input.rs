//! One input of `identify`: a file or standard input.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use refrain_core::audio::AudioError;
use refrain_core::fingerprint::Density;
use refrain_isolation::{Reader, open_path, open_stream};
use refrain_service::response::{INTERNAL, UNREADABLE};
use refrain_service::sound::{self, Sound};
use refrain_stream::http::ShownUrl;
use url::Url;

use super::download::Downloader;
use crate::output::reason;

/// What standard input is called in messages and responses.
const STDIN: &str = "-";

/// What to identify.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    place: Place<'a>,
    /// As typed; bytes that are not UTF-8 are escaped.
    name: String,
}

#[derive(Debug)]
enum Place<'a> {
    Stdin,
    File(PathBuf),
    Url(Url, Arc<Downloader<'a>>),
    NotUtf8,
}

/// Why an input has no answer.
#[derive(Debug)]
pub(crate) struct InputError {
    /// Status code of the response; the numbers are ours.
    pub(crate) code: u16,
    message: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl InputError {
    /// An error with the status code of its response.
    pub(super) fn new(code: u16, message: String) -> Self {
        Self { code, message }
    }

    /// The work on an input panicked.
    pub(crate) fn internal(input: &Input<'_>) -> Self {
        let message =
            format!("{}: internal error, a bug in refrain; please report it with the file", input.name);
        Self { code: INTERNAL, message }
    }

    /// The index or the catalogue could not be read.
    pub(super) fn search(input: &Input<'_>, error: &anyhow::Error) -> Self {
        Self { code: INTERNAL, message: format!("{}: cannot search: {}", input.name, reason(error)) }
    }
}

impl From<AudioError> for InputError {
    fn from(error: AudioError) -> Self {
        Self { code: sound::failure_code(&error), message: error.to_string() }
    }
}

/// Refuses what cannot work for any input of a command, before anything is done. `downloads`: whether the command downloads
/// what is behind http:// and https://.
pub(crate) fn check_all(inputs: &[OsString], command: &str, downloads: bool) -> Result<()> {
    if inputs.iter().filter(|input| *input == STDIN).count() > 1 {
        bail!("- (standard input) can be read only once");
    }
    for input in inputs {
        let Some(text) = input.to_str() else { continue };
        if (downloads && url_of(text).is_some()) || Path::new(text).exists() {
            continue;
        }
        if let Some((scheme, rest)) = text.split_once("://")
            && !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            if downloads && matches!(scheme, "http" | "https") {
                bail!("invalid URL: {scheme}://{}", rest.split(['?', '#', '@']).next().unwrap_or_default());
            }
            bail!(
                "{scheme} URLs cannot be read by refrain {command}; fetch the file first, or pipe it: curl … | refrain \
                 {command} -"
            );
        }
    }
    Ok(())
}

/// The URL that a word is, if it is one that can be downloaded and no file of that name.
pub(super) fn url_of(word: &str) -> Option<Url> {
    let url = Url::parse(word).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (!Path::new(word).exists()).then_some(url)
}

impl<'a> Input<'a> {
    /// An input as typed.
    pub(crate) fn new(word: impl AsRef<std::ffi::OsStr>) -> Self {
        let word = word.as_ref();
        match word.to_str() {
            Some(STDIN) => Self { place: Place::Stdin, name: STDIN.to_owned() },
            Some(name) => Self { place: Place::File(PathBuf::from(name)), name: name.to_owned() },
            None => Self { place: Place::NotUtf8, name: escaped(Path::new(word)) },
        }
    }

    /// An input as typed; what is behind a URL is downloaded.
    pub(crate) fn with_downloads(
        word: impl AsRef<std::ffi::OsStr>,
        downloader: Option<&Arc<Downloader<'a>>>,
    ) -> Self {
        let url = word.as_ref().to_str().and_then(url_of);
        match url.zip(downloader) {
            Some((url, downloader)) => {
                let name = ShownUrl::from(&url).to_string();
                Self { place: Place::Url(url, Arc::clone(downloader)), name }
            }
            None => Self::new(word),
        }
    }

    /// What it is called in messages and responses.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file's name without its extension.
    pub(crate) fn stem(&self) -> String {
        match &self.place {
            Place::Stdin => "stdin".to_owned(),
            _ => Path::new(&self.name)
                .file_stem()
                .and_then(|stem| stem.to_str())
                .map_or_else(|| self.name.clone(), str::to_owned),
        }
    }

    /// Size for the progress bar; 0 where it is not known.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.place {
            Place::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            _ => 0,
        }
    }

    /// Decodes and fingerprints it as a query.
    pub(crate) fn fingerprint(&self) -> Result<Sound, InputError> {
        Ok(self.open()?.fingerprint(Density::Query)?)
    }

    /// Does the same, and passes the samples to `tap` in chunks.
    pub(crate) fn fingerprint_with(&self, tap: impl FnMut(&[f32])) -> Result<Sound, InputError> {
        Ok(self.open()?.fingerprint_with(Density::Query, tap)?)
    }

    fn open(&self) -> Result<Reader, InputError> {
        let limits = sound::limits();
        Ok(match &self.place {
            Place::File(path) => open_path(path, &limits)?,
            Place::Stdin => {
                let stdin = Box::new(std::io::stdin());
                open_stream(stdin, "standard input", &limits)?
            }
            Place::Url(url, downloader) => downloader.open(url, &limits)?,
            Place::NotUtf8 => {
                let message = format!("{}: the name is not UTF-8; rename the file", self.name);
                return Err(InputError { code: UNREADABLE, message });
            }
        })
    }
}

/// A path for messages: what is not UTF-8 in it as `\xHH`.
pub(crate) fn escaped(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
        text
    })
}
