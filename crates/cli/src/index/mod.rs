//! `refrain index`: finds files, skips those that are indexed, decodes and fingerprints the others, and adds them to
//! the catalog and the index cache.

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

/// Maximum number of invalid rows of a metadata file that are reported one by one, which fills one screen. Further rows
/// are only counted. For example, with a wrong separator all rows are invalid.
const MAX_REPORTED_ROWS: usize = 20;

/// Runs `refrain index`.
pub(crate) fn run(args: &IndexArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    if let Some(targets) = s3::targets(args.paths.iter().map(|path| path.as_os_str()))? {
        if args.metadata.is_some() {
            bail!(
                "objects have their metadata in a .json object next to them; --metadata is for local files only"
            );
        }
        return s3::index(&targets, settings, output);
    }
    // The metadata file is read first, so that no catalog is created if the file is invalid.
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
    // The catalog is created only if there are files to index, so that a mistyped folder leaves no catalog.
    if !walk.files.is_empty() {
        let context = CommandContext::open(settings, Missing::Create)?;
        let indexer = FileIndexer::new(&context, &metadata, settings.rule.clone());
        let result = IndexRun::new(&context, &indexer, settings, output).run(&walk.files, &mut summary);
        // Even after an error the catalog is closed and the summary printed, because earlier tracks are in the catalog.
        let closed = context.close();
        summary.print(output)?;
        if let Err(error) = result.and(closed) {
            // If no file is done, the error is the result of the command (status 2). Otherwise a part of the work is
            // done (status 3).
            if summary.done() == 0 {
                return Err(error);
            }
            output.note(&format!("refrain: {}", error_chain(&error)));
            summary.stopped = true;
        }
    }
    // Unused rows are known only after all files were looked up.
    if let (unused @ 1.., Some(line)) = metadata.unused() {
        output.note(&format!(
            "refrain: {name}: {unused} of {} rows belong to no file of this command, the first is line {line}",
            metadata.len()
        ));
    }
    Ok(summary.outcome())
}
