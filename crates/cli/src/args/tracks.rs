//! `refrain tracks …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use refrain_catalog::Rule;

use super::headings;

/// List, show, change, export and import the tracks of the catalog
#[derive(Debug, Args)]
#[command(after_help = "\
A track's ID is the ID that `tracks list` shows, a unique prefix of it, or the
amItemID of the track.

Examples:
  refrain tracks list --text beatles
  refrain tracks show 0193f2
  refrain tracks set 0193f2 title='Let It Be' rule=block
  refrain tracks export backup.jsonl")]
pub(crate) struct TracksArgs {
    #[command(subcommand)]
    pub(crate) command: TracksCommand,
}

/// The commands of `refrain tracks`.
#[derive(Debug, Subcommand)]
pub(crate) enum TracksCommand {
    List(ListArgs),
    Show(ShowArgs),
    Set(SetArgs),
    Remove(RemoveArgs),
    Export(ExportArgs),
    Import(ImportArgs),
    Reindex(ReindexArgs),
}

/// List tracks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  refrain tracks list
  refrain tracks list --text live --rule block
  refrain tracks list --json | jq -r .source")]
pub(crate) struct ListArgs {
    /// List only tracks whose title, artist, album or source contains this text
    #[arg(long, value_name = "TEXT", help_heading = headings::SELECTION)]
    pub(crate) text: Option<String>,
    /// List only tracks with this rule
    #[arg(long, value_name = "RULE", help_heading = headings::SELECTION)]
    pub(crate) rule: Option<Rule>,
    /// Include removed tracks
    #[arg(long, help_heading = headings::SELECTION)]
    pub(crate) removed: bool,
    /// Write one JSON object per line instead of a table
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
}

/// Show all data of one track
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  refrain tracks show 0193f2")]
pub(crate) struct ShowArgs {
    /// ID of the track
    pub(crate) id: String,
    /// Write one JSON object instead of text
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
}

/// Change the metadata or the rule of a track
#[derive(Debug, Args)]
#[command(after_help = "\
KEY is title, artist, album, isrc, label, vendor, upc, release_date, category
or rule; any other name is stored as an additional value. `KEY=` without a
value clears the value.

Examples:
  refrain tracks set 0193f2 title='Let It Be' release_date=1970-05-08
  refrain tracks set 0193f2 rule=
  refrain tracks set 0193f2 territory=DE")]
pub(crate) struct SetArgs {
    /// ID of the track
    pub(crate) id: String,
    /// Values to set
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub(crate) values: Vec<String>,
}

/// Remove tracks, so that they are no longer found
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  refrain tracks remove 0193f2 0193f7
  refrain tracks remove --source /music/song.flac")]
pub(crate) struct RemoveArgs {
    /// IDs of the tracks
    #[arg(required_unless_present = "source", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Remove the track that was indexed from this file
    #[arg(long, value_name = "PATH", help_heading = headings::SELECTION)]
    pub(crate) source: Vec<PathBuf>,
}

/// Write all tracks, with their fingerprints, as JSON lines
#[derive(Debug, Args)]
#[command(after_help = "\
The first line is a header with the name and version of the format. It is followed
by one line per track, with its metadata, its packed constellation in base64 and a
checksum, and one line per link between two tracks with the same audio. The last
line has the number of lines, so that a truncated export is detected.

Examples:
  refrain tracks export backup.jsonl
  refrain tracks export | gzip > backup.jsonl.gz")]
pub(crate) struct ExportArgs {
    /// File to write. Default: standard output
    pub(crate) file: Option<PathBuf>,
}

/// Import tracks that `tracks export` wrote
#[derive(Debug, Args)]
#[command(after_help = "\
Tracks keep their IDs. A track that is in the catalog with the same content is left
unchanged; one with other content is replaced. A damaged line is reported and
skipped, and an export with missing lines is reported as incomplete. In both cases
the exit status is 3, and the valid lines are imported.

Examples:
  refrain tracks import backup.jsonl
  refrain --catalog postgres://host/music tracks import backup.jsonl
  zcat backup.jsonl.gz | refrain tracks import -")]
pub(crate) struct ImportArgs {
    /// File to read, or - for standard input
    pub(crate) file: PathBuf,
}

/// Rebuild the search index from the catalog
#[derive(Debug, Args)]
#[command(after_help = "\
The index is a cache of the catalog's constellations, and every command that searches brings it up to date. Rebuild it if
it is damaged, or before the first search of a large catalog. With --search database this rebuilds the index in the
database, and other processes cannot search in that index until the rebuild is done.

Examples:
  refrain tracks reindex
  refrain --catalog postgres://host/music tracks reindex --search database")]
pub(crate) struct ReindexArgs {}
