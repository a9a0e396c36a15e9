//! One input of `identify`: a file, standard input or a URL.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use refrain_app::audio_file::{self, Fingerprinted};
use refrain_app::response::{INTERNAL, UNREADABLE};
use refrain_core::audio::AudioError;
use refrain_core::fingerprint::Density;
use refrain_isolation::{Reader, open_path, open_stream};
use refrain_net::ShownUrl;
use url::Url;

use super::download::Downloader;
use crate::output::error_chain;

/// Name of standard input on the command line, in messages and in responses.
const STDIN: &str = "-";

/// An input to identify.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    source: InputSource<'a>,
    /// The argument as typed, with bytes that are not UTF-8 escaped; for a URL without its secrets.
    name: String,
}

#[derive(Debug)]
enum InputSource<'a> {
    Stdin,
    File(PathBuf),
    Url(Url, Arc<Downloader<'a>>),
    NotUtf8,
}

/// The error of an input that could not be processed.
#[derive(Debug)]
pub(crate) struct InputError {
    /// Status code of the response, one of the codes 2900 to 2909 that Refrain defines.
    pub(crate) code: u16,
    message: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl InputError {
    /// Creates an error with the status code of its response.
    pub(super) fn new(code: u16, message: String) -> Self {
        Self { code, message }
    }

    /// Creates the error of an input whose processing panicked.
    pub(crate) fn internal(input: &Input<'_>) -> Self {
        let message =
            format!("{}: internal error, a bug in refrain; please report it with the file", input.name);
        Self { code: INTERNAL, message }
    }

    /// Creates the error of an input for which the index or the catalog could not be read.
    pub(super) fn search(input: &Input<'_>, error: &anyhow::Error) -> Self {
        Self { code: INTERNAL, message: format!("{}: cannot search: {}", input.name, error_chain(error)) }
    }
}

impl From<AudioError> for InputError {
    fn from(error: AudioError) -> Self {
        Self { code: audio_file::failure_code(&error), message: error.to_string() }
    }
}

/// Checks all inputs of a command before the first one is processed. `downloads` is true if the command downloads `http://`
/// and `https://` URLs.
///
/// # Errors
/// If standard input is named more than once, or if an input is a URL that is invalid or that the command cannot read.
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

/// Returns the URL in an argument if it can be downloaded and no file of that name exists.
pub(super) fn url_of(argument: &str) -> Option<Url> {
    let url = Url::parse(argument).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (!Path::new(argument).exists()).then_some(url)
}

impl<'a> Input<'a> {
    /// Creates an input from an argument, which is a path or `-` for standard input.
    pub(crate) fn new(argument: impl AsRef<std::ffi::OsStr>) -> Self {
        let argument = argument.as_ref();
        match argument.to_str() {
            Some(STDIN) => Self { source: InputSource::Stdin, name: STDIN.to_owned() },
            Some(name) => Self { source: InputSource::File(PathBuf::from(name)), name: name.to_owned() },
            None => Self { source: InputSource::NotUtf8, name: escaped(Path::new(argument)) },
        }
    }

    /// Creates an input from an argument, which can also be a URL if there is a downloader.
    pub(crate) fn with_downloads(
        argument: impl AsRef<std::ffi::OsStr>,
        downloader: Option<&Arc<Downloader<'a>>>,
    ) -> Self {
        let url = argument.as_ref().to_str().and_then(url_of);
        match url.zip(downloader) {
            Some((url, downloader)) => {
                let name = ShownUrl::from(&url).to_string();
                Self { source: InputSource::Url(url, Arc::clone(downloader)), name }
            }
            None => Self::new(argument),
        }
    }

    /// Returns the name of the input in messages and responses.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the file name without its extension, or `stdin` for standard input.
    pub(crate) fn stem(&self) -> String {
        match &self.source {
            InputSource::Stdin => "stdin".to_owned(),
            _ => Path::new(&self.name)
                .file_stem()
                .and_then(|stem| stem.to_str())
                .map_or_else(|| self.name.clone(), str::to_owned),
        }
    }

    /// Returns the size in bytes for the progress bar, or 0 if it is unknown.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.source {
            InputSource::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            _ => 0,
        }
    }

    /// Decodes the input and fingerprints it as a query.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprinted, InputError> {
        Ok(self.open()?.fingerprint(Density::Query)?)
    }

    /// Like [`Self::fingerprint`], but also passes the decoded samples to `tap` in chunks.
    pub(crate) fn fingerprint_with(&self, tap: impl FnMut(&[f32])) -> Result<Fingerprinted, InputError> {
        Ok(self.open()?.fingerprint_with(Density::Query, tap)?)
    }

    fn open(&self) -> Result<Reader, InputError> {
        let limits = audio_file::limits();
        Ok(match &self.source {
            InputSource::File(path) => open_path(path, &limits)?,
            InputSource::Stdin => {
                let stdin = Box::new(std::io::stdin());
                open_stream(stdin, "standard input", &limits)?
            }
            InputSource::Url(url, downloader) => downloader.open(url, &limits)?,
            InputSource::NotUtf8 => {
                let message = format!("{}: the name is not UTF-8; rename the file", self.name);
                return Err(InputError { code: UNREADABLE, message });
            }
        })
    }
}

/// Returns a path as text for messages, with each byte that is not UTF-8 written as `\xHH`.
pub(crate) fn escaped(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
        text
    })
}
