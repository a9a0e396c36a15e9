//! One input of `identify`: a file, standard input or a URL.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use refrain_app::audio_file::{self, Fingerprinted};
use refrain_app::response::UNREADABLE;
use refrain_core::fingerprint::Density;
use refrain_isolation::{Reader, open_path, open_stream};
use refrain_net::ShownUrl;
use url::Url;

use super::download::Downloader;
use super::input_error::InputError;

/// Argument that selects standard input. It is also the name of that input in messages and responses.
const STDIN: &str = "-";

/// One input to identify, with its name for messages and responses.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    source: InputSource<'a>,
    /// The argument as typed, with `\xHH` for bytes that are not UTF-8. For a URL, only the parts without secrets.
    name: String,
}

#[derive(Debug)]
enum InputSource<'a> {
    Stdin,
    File(PathBuf),
    Url(Url, Arc<Downloader<'a>>),
    NotUtf8,
}

/// Checks all inputs of a command before the first one is processed. `command` is the name of the command in messages.
/// `downloads` is true if the command accepts `http://` and `https://` URLs.
///
/// # Errors
/// If standard input is named more than once, or if an input is an invalid URL or a URL that this command cannot read.
pub(crate) fn check_all(inputs: &[OsString], command: &str, downloads: bool) -> Result<()> {
    if inputs.iter().filter(|input| *input == STDIN).count() > 1 {
        bail!("- (standard input) can be read only once");
    }
    for (index, input) in inputs.iter().enumerate() {
        // An input whose name is not UTF-8 fails later, when it is processed, so that the other inputs are still
        // processed.
        let Some(text) = input.to_str() else { continue };
        // If a file has a name that looks like a URL, the input is that file.
        if (downloads && url_of(text).is_some()) || Path::new(text).exists() {
            continue;
        }
        if let Some((scheme, _)) = text.split_once("://")
            && !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            // No part of an invalid URL is printed, because it can contain a password whose end is not clear.
            if let (true, "http" | "https", Err(reason)) = (downloads, scheme, Url::parse(text)) {
                bail!("input {}: invalid {scheme} URL: {reason}", index + 1);
            }
            bail!(
                "{scheme} URLs cannot be read by refrain {command}; fetch the file first, or pipe it: curl … | refrain \
                 {command} -"
            );
        }
    }
    Ok(())
}

/// Returns the argument as a URL if it is an HTTP URL and there is no file of that name. Otherwise returns `None`.
pub(super) fn url_of(argument: &str) -> Option<Url> {
    let url = Url::parse(argument).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (!Path::new(argument).exists()).then_some(url)
}

impl<'a> Input<'a> {
    /// Creates an input from an argument: a path, or `-` for standard input.
    pub(crate) fn new(argument: impl AsRef<std::ffi::OsStr>) -> Self {
        let argument = argument.as_ref();
        match argument.to_str() {
            Some(STDIN) => Self { source: InputSource::Stdin, name: STDIN.to_owned() },
            Some(name) => Self { source: InputSource::File(PathBuf::from(name)), name: name.to_owned() },
            None => Self { source: InputSource::NotUtf8, name: escaped(Path::new(argument)) },
        }
    }

    /// Creates an input from an argument: a path, `-`, or a URL. Without a downloader, a URL is treated as a path.
    pub(crate) fn with_downloads(
        argument: impl AsRef<std::ffi::OsStr>,
        downloader: Option<&Arc<Downloader<'a>>>,
    ) -> Self {
        let url = argument.as_ref().to_str().and_then(url_of);
        match url.zip(downloader) {
            Some((url, downloader)) => {
                let name = ShownUrl::with_file_name(&url).to_string();
                Self { source: InputSource::Url(url, Arc::clone(downloader)), name }
            }
            None => Self::new(argument),
        }
    }

    /// Returns the name of the input in messages and responses.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the file name of the input without its extension, or `stdin` for standard input.
    pub(crate) fn stem(&self) -> String {
        match &self.source {
            InputSource::Stdin => "stdin".to_owned(),
            _ => Path::new(&self.name)
                .file_stem()
                .and_then(|stem| stem.to_str())
                .map_or_else(|| self.name.clone(), str::to_owned),
        }
    }

    /// Returns the size of the file in bytes, for the progress bar. Returns 0 for standard input, URLs and files of
    /// unknown size.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.source {
            InputSource::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            // The size of standard input and of downloads is unknown. In the progress bar, they count as files of 0
            // bytes.
            _ => 0,
        }
    }

    /// Decodes the input and computes its fingerprint with query density.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprinted, InputError> {
        Ok(self.open()?.fingerprint(Density::Query)?)
    }

    /// Like [`Self::fingerprint`], but also passes the decoded samples to `tap`, in chunks.
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
            // Responses and the catalog store names as UTF-8, so they cannot contain this file name.
            InputSource::NotUtf8 => {
                let message = format!("{}: the name is not UTF-8; rename the file", self.name);
                return Err(InputError::new(UNREADABLE, message));
            }
        })
    }
}

/// Returns a path as text for messages. Each byte that is not UTF-8 is written as `\xHH`.
pub(crate) fn escaped(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_about_invalid_urls_show_no_part_of_them() {
        for (url, reason) in [
            ("http://ann:hush@host:port/a.mp3", "invalid port number"),
            ("http://ann:hush", "invalid port number"),
            ("https://ann:hu?sh#hush@host/a.mp3", "invalid port number"),
            ("https://ann:hush@/a.mp3", "empty host"),
        ] {
            let inputs = ["clip.wav", url].map(OsString::from);
            let error = check_all(&inputs, "identify", true).unwrap_err().to_string();
            assert!(error.starts_with("input 2: invalid http") && error.ends_with(reason), "{error}");
            assert!(!error.contains("ann") && !error.contains("hu"), "{error}");
        }
    }
}
