//! `refrain index`: walk → hash → skip known files → decode and fingerprint → catalog → index cache.

mod batch;
mod duplicates;
mod indexer;
mod run;
mod summary;
mod walk;

use anyhow::{Result, bail};

use crate::args::IndexArgs;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::metadata::MetadataFile;
use crate::output::{Output, error_chain};
use crate::s3;
use crate::settings::Settings;

pub(crate) use indexer::FileIndexer;
pub(crate) use run::IndexRun;
pub(crate) use summary::Summary;
pub(crate) use walk::{SourceFile, source_name};

/// Maximum number of invalid rows of a metadata file that are reported one by one: one screen of lines. Further rows
/// are only counted, because a file with a wrong separator has as many invalid rows as songs.
const MAX_REPORTED_ROWS: usize = 20;

/// Runs the command.
pub(crate) fn run(args: &IndexArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    if let Some(targets) = s3::targets(args.paths.iter().map(|path| path.as_os_str()))? {
        if args.metadata.is_some() {
            bail!(
                "objects have their metadata in a .json object next to them; --metadata is for local files only"
            );
        }
        return s3::index(&targets, settings, output);
    }
    // Read first, so that an invalid metadata file creates no catalog.
    let metadata = match &args.metadata {
        Some(path) => MetadataFile::read(path)?,
        None => MetadataFile::default(),
    };
    let mut summary = Summary::default();
    let name = args.metadata.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    for bad in metadata.bad.iter().take(MAX_REPORTED_ROWS) {
        output.note(&format!("refrain: {name} line {}: {}; row skipped", bad.line, bad.reason));
    }
    if let Some(more @ 1..) = metadata.bad_rows.checked_sub(MAX_REPORTED_ROWS) {
        output.note(&format!("refrain: {name}: {more} more invalid rows skipped"));
    }
    summary.bad_rows = metadata.bad_rows;
    let walk = walk::walk(&args.paths)?;
    for failure in &walk.failures {
        output.note(&format!("refrain: {failure}"));
    }
    summary.failed = walk.failures.len();
    // Without files no catalog is created, so that a mistyped folder leaves nothing behind.
    if !walk.files.is_empty() {
        let context = CommandContext::open(settings, Missing::Create)?;
        let indexer = FileIndexer::new(&context, &metadata, settings.rule.clone());
        let result = IndexRun::new(&context, &indexer, settings, output).run(&walk.files, &mut summary);
        // Closed and summarized also after an error, because the tracks before it are in the catalog.
        let closed = context.close();
        summary.print(output)?;
        if let Err(error) = result.and(closed) {
            // If nothing was done, the error is the result (status 2). Otherwise part of the work is done (status 3).
            if summary.done() == 0 {
                return Err(error);
            }
            output.note(&format!("refrain: {}", error_chain(&error)));
            summary.stopped = true;
        }
    }
    // Known only after all files were looked up.
    if let (unused @ 1.., Some(line)) = metadata.unused() {
        output.note(&format!(
            "refrain: {name}: {unused} of {} rows belong to no file of this command, the first is line {line}",
            metadata.len()
        ));
    }
    Ok(summary.outcome())
}
