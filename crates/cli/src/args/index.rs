//! `refrain index`.

use std::path::PathBuf;

use clap::Args;
use refrain_catalog::Rule;

use super::{JobsArg, headings};
use crate::settings::keys::{help, long_help};

const LONG: &str = "\
Index songs: add music files and folders to the catalog.

Folders are searched recursively, symbolic links included, for files with a
known extension. A file named on the command line is indexed with any extension.
A file whose content is in the catalog under the same path is skipped, so a
repeated command processes only new, changed and interrupted files. If the audio
of a track is in the catalog under another path, the track is indexed, linked
to the other one and reported.";

const EXAMPLES: &str = "\
Examples:
  refrain index Music/
  refrain index --rule block new-releases/ single.flac
  refrain index Music/ --metadata titles.csv

The metadata file is CSV with a header line, or JSON lines (.jsonl, .ndjson)
with one object per line. It overrides the tags of the music files. Columns:
  file          the music file: its name, or a longer end of its path
  isrc          the recording code, 12 characters; without `file`, the row
                applies to the music file whose tags have this code
  title, artist, album, label, vendor, upc, category
  release_date  YYYY, YYYY-MM, YYYY-MM-DD or DD-Mon-YYYY
  rule          what to do with a match: block, allow, …
`file` or `isrc` is required. Any other column is stored with the track under
its own name. Empty fields change nothing. An invalid row is reported with its
line number and skipped; the exit status is then 3.";

/// Index songs: add music files and folders to the catalog
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct IndexArgs {
    /// Music files and folders of music, or s3://BUCKET/KEY and s3://BUCKET/PREFIX/
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Read titles, artists, rules and other metadata from this file, CSV or JSON lines
    #[arg(long, value_name = "FILE", help_heading = headings::INPUT)]
    pub(crate) metadata: Option<PathBuf>,
    #[arg(long, value_name = "RULE", help_heading = headings::INPUT, help = help("rule"), long_help = long_help("rule"))]
    pub(crate) rule: Option<Rule>,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}
