//! Flags for the request headers of a stream.

use std::path::PathBuf;

use clap::Args;

use super::headings;

/// The request headers of a stream.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HeaderArgs {
    /// Send this header with the requests for the stream, for example 'Referer: https://example.org/'
    ///
    /// It is sent to the origin of the URL only: the same scheme, host and port, for playlists, segments, keys and radio.
    /// The flag can be repeated. Other users of the machine can see the arguments of a program, so use --header-file or
    /// --header-env for secrets.
    #[arg(long = "header", value_name = "HEADER", help_heading = headings::INPUT)]
    pub(crate) headers: Vec<String>,
    /// Send the headers in this file, one 'Name: value' per line
    #[arg(long = "header-file", value_name = "FILE", help_heading = headings::INPUT)]
    pub(crate) header_files: Vec<PathBuf>,
    /// Send the headers in this environment variable, one 'Name: value' per line
    #[arg(long = "header-env", value_name = "VARIABLE", help_heading = headings::INPUT)]
    pub(crate) header_variables: Vec<String>,
}
