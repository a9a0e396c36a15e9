//! `refrain index`.

use std::path::PathBuf;

use clap::Args;
use refrain_catalog::Rule;

use super::JobsArg;

const LONG: &str = "\
Learn songs: files and folders of music go into the catalogue.

Folders are searched with everything below them, links followed, for files with
a known extension; a file named on the command line is tried whatever it is
called. A file whose content is in the catalogue under the same path is
skipped, so running the same command again does only what is new or was
interrupted. A track whose sound is known under another name is indexed, linked
to it and reported.";

const EXAMPLES: &str = "\
Examples:
  refrain index Music/
  refrain index --rule block new-releases/ single.flac
  refrain index Music/ --metadata titles.csv

The metadata file is CSV with a header line, or JSON lines (.jsonl, .ndjson)
with an object a line. It wins over the tags in the music files. Columns:
  file          the music file: its name, or more of the end of its path
  isrc          the recording code, 12 characters; without `file`, the row
                belongs to the music file whose tags carry this code
  title, artist, album, label, vendor, upc, category
  release_date  YYYY, YYYY-MM, YYYY-MM-DD or DD-Mon-YYYY
  rule          what to do with a match: block, allow, …
`file` or `isrc` is needed. Any other column is kept with the track under its
own name. Empty fields change nothing. A bad row is named with its line number
and skipped; the exit status is then 3.";

/// Learn songs: files and folders of music go into the catalogue
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct IndexArgs {
    /// Music files, and folders of them; or s3://BUCKET/KEY and s3://BUCKET/PREFIX/
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Titles, artists, rules … for the files: CSV or JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,
    /// Rule of those of these tracks that have none yet: block, allow, …
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<Rule>,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}
