//! Request headers of streams, from flags, files and environment variables.

use std::path::Path;

use anyhow::{Context, Result, bail};
use refrain_net::RequestHeaders;

use crate::args::HeaderArgs;
use crate::limited_file::read_limited;

/// Maximum size of a file with headers in bytes (1 MiB). The headers of a stream have at most 8 KiB; the rest of the
/// limit is for comments. The limit is needed because a device such as `/dev/zero` has no end.
const MAX_FILE_BYTES: u64 = 1 << 20;

impl HeaderArgs {
    /// Returns the headers of the flags. Headers of `--header` replace those of `--header-env`, and these replace those
    /// of `--header-file`.
    ///
    /// # Errors
    /// If a file or variable cannot be read, or if a header is invalid. The error contains no value.
    pub(crate) fn headers(&self) -> Result<RequestHeaders> {
        let mut headers = RequestHeaders::default();
        for file in &self.header_files {
            push_file(&mut headers, file)?;
        }
        for variable in &self.header_variables {
            push_variable(&mut headers, variable)?;
        }
        for line in &self.headers {
            headers.push_line(line).context("--header")?;
        }
        Ok(headers)
    }
}

/// Adds the headers in a file, which has a line of the form `Name: value` for each.
pub(crate) fn push_file(headers: &mut RequestHeaders, path: &Path) -> Result<()> {
    let failed = || format!("cannot read request headers from {}", path.display());
    let bytes = read_limited(path, MAX_FILE_BYTES, "use a file with request headers").with_context(failed)?;
    let Ok(text) = String::from_utf8(bytes) else { bail!("{}: the file is not UTF-8", failed()) };
    headers.push_lines(&text).with_context(failed)
}

/// Adds the headers in an environment variable, which has a line of the form `Name: value` for each.
pub(crate) fn push_variable(headers: &mut RequestHeaders, name: &str) -> Result<()> {
    let failed = || format!("cannot read request headers from the environment variable {name}");
    // The error of a variable that is not UTF-8 quotes the value, so it is not the source of this error.
    let Ok(text) = std::env::var(name) else { bail!("{}: it is not set or not UTF-8", failed()) };
    headers.push_lines(&text).with_context(failed)
}
