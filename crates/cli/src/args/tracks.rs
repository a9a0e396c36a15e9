//! `refrain tracks …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use refrain_catalog::Rule;

/// Look at and change what the catalogue knows
#[derive(Debug, Args)]
#[command(after_help = "\
A track's ID is the one that `tracks list` shows, any beginning of it that is
unique, or its amItemID.

Examples:
  refrain tracks list --text beatles
  refrain tracks show 0193f2
  refrain tracks set 0193f2 title='Let It Be' rule=block
  refrain tracks export backup.jsonl")]
pub(crate) struct TracksArgs {
    #[command(subcommand)]
    pub(crate) command: TracksCommand,
}

/// What to do with tracks.
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
    /// Only tracks whose title, artist, album or source contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Only tracks with this rule
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<Rule>,
    /// Removed tracks too
    #[arg(long)]
    pub(crate) removed: bool,
    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show everything that is known of one track
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  refrain tracks show 0193f2")]
pub(crate) struct ShowArgs {
    /// The track
    pub(crate) id: String,
    /// A JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Change metadata or rule of a track
#[derive(Debug, Args)]
#[command(after_help = "\
KEY is title, artist, album, isrc, label, vendor, upc, release_date, category
or rule; any other name is kept as a free value. `KEY=` with nothing behind it
clears the value.

Examples:
  refrain tracks set 0193f2 title='Let It Be' release_date=1970-05-08
  refrain tracks set 0193f2 rule=
  refrain tracks set 0193f2 territory=DE")]
pub(crate) struct SetArgs {
    /// The track
    pub(crate) id: String,
    /// What to change
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub(crate) values: Vec<String>,
}

/// Remove tracks: they are not found any more
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  refrain tracks remove 0193f2 0193f7
  refrain tracks remove --source /music/song.flac")]
pub(crate) struct RemoveArgs {
    /// The tracks
    #[arg(required_unless_present = "source", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// The track that was indexed from this file
    #[arg(long, value_name = "PATH")]
    pub(crate) source: Vec<PathBuf>,
}

/// Write all tracks, with their fingerprints, as JSON lines
#[derive(Debug, Args)]
#[command(after_help = "\
The first line is a header with the format's name and version. Then every line is
a track with its metadata, its packed constellation in base64 and a checksum;
behind these, every line is a link between two tracks of the same sound. The last
line tells how many there were, so that an export that was cut off is noticed.

Examples:
  refrain tracks export backup.jsonl
  refrain tracks export | gzip > backup.jsonl.gz")]
pub(crate) struct ExportArgs {
    /// File to write; standard output without it
    pub(crate) file: Option<PathBuf>,
}

/// Take in tracks that `tracks export` wrote
#[derive(Debug, Args)]
#[command(after_help = "\
Tracks keep their IDs. One that is there already with the same content is left
alone, with other content it is replaced. A damaged line is named and skipped;
an export of which lines are missing is called incomplete. The exit status is
then 3, and what could be read is in the catalogue.

Examples:
  refrain tracks import backup.jsonl
  refrain --catalog postgres://host/music tracks import backup.jsonl
  zcat backup.jsonl.gz | refrain tracks import -")]
pub(crate) struct ImportArgs {
    /// File to read; - is standard input
    pub(crate) file: PathBuf,
}

/// Make the search index anew from the catalogue
#[derive(Debug, Args)]
#[command(after_help = "\
The index is a cache: everything in it comes from the catalogue's constellations, and commands bring it up to date by
themselves. This makes it from nothing, for one that is damaged, or before the first search of a large catalogue. With
--search database it is the one in the database, with which nobody can search until this is done.

Examples:
  refrain tracks reindex
  refrain --catalog postgres://host/music tracks reindex --search database")]
pub(crate) struct ReindexArgs {}
