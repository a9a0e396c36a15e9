//! The error of an input that could not be processed.

use std::fmt;

use refrain_app::audio_file;
use refrain_app::response::INTERNAL;
use refrain_core::audio::AudioError;

use crate::output::error_chain;

/// The error of an input that could not be processed: the status code of its response, and a message.
#[derive(Debug)]
pub(crate) struct InputError {
    /// Status code of the response for this input, from 2900 to 2909.
    pub(crate) code: u16,
    message: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl InputError {
    /// Creates an error with this status code and message.
    pub(super) fn new(code: u16, message: String) -> Self {
        Self { code, message }
    }

    /// Creates the error for the input `name` if its processing panicked.
    pub(crate) fn internal(name: &str) -> Self {
        let message = format!(
            "{name}: the thread that processed it panicked, a bug in refrain; please report it with the file"
        );
        Self { code: INTERNAL, message }
    }

    /// Creates the error for the input `name` if the search in the index or the catalog failed.
    pub(super) fn search(name: &str, error: &anyhow::Error) -> Self {
        Self { code: INTERNAL, message: format!("{name}: cannot search: {}", error_chain(error)) }
    }
}

impl From<AudioError> for InputError {
    fn from(error: AudioError) -> Self {
        Self { code: audio_file::failure_code(&error), message: error.to_string() }
    }
}
