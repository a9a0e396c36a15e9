//! Arguments `s3://…` of `identify` and `index`. The objects are processed in the same way as the service processes
//! uploads.

use std::ffi::OsStr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use refrain_index_sync::FollowEvent;
use refrain_monitor::FollowedIndex;
use refrain_service::clock::SystemClock;
use refrain_service::cloud::ObjectName;
use refrain_service::counters::Counters;
use refrain_service::delivery::OutboxPlanner;
use refrain_service::files::{Checked, Files, FilesError, FilesParts, Indexed, Target};
use refrain_service::instance::Instance;

use crate::aws;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Parses arguments as S3 objects or prefixes. Returns `None` if no argument is an `s3://` address.
///
/// # Errors
/// If some arguments are `s3://` addresses and others are not.
pub(crate) fn targets<'a>(words: impl Iterator<Item = &'a OsStr>) -> Result<Option<Vec<Target>>> {
    let all: Vec<_> = words.map(|word| word.to_str().and_then(Target::parse)).collect();
    if all.iter().all(Option::is_none) {
        return Ok(None);
    }
    match all.into_iter().collect() {
        Some(targets) => Ok(Some(targets)),
        None => {
            bail!("local files and s3:// objects cannot be processed by one command; name one kind at a time")
        }
    }
}

/// The state of a command that processes S3 objects.
struct S3Command<'a> {
    context: &'a CommandContext,
    files: Files,
    output: &'a Output,
    /// Number of targets whose objects could not be listed.
    failed: usize,
}

/// Identifies the objects, writes a report next to each of them, and prints one line per object.
pub(crate) fn check(
    targets: &[Target],
    json: bool,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let mut command = S3Command::new(&context, settings, output)?;
    let objects = command.objects(targets)?;
    let counter = output.count("files checked", Some(objects.len() as u64));
    let (mut songs, mut checked, mut failed, mut write_error) = (0, 0, 0, None);
    context.wait(command.files.check_all(objects, |done| {
        counter.advance(1);
        match done.result {
            Ok(Checked::Reported { report, response, found, failed: why, .. }) => {
                match &why {
                    None => checked += 1,
                    Some(why) => {
                        failed += 1;
                        output.note(&format!("refrain: {}: {why}", done.object));
                    }
                }
                songs += found;
                let line =
                    if json { response } else { format!("{}: {found} songs, see {report}", done.object) };
                // The callback cannot return an error. The first error is kept until the end, so that the other objects
                // still get reports.
                write_error = write_error.take().or(output.line(&line).err());
            }
            // An object that already has a report counts as checked.
            Ok(Checked::Known { .. }) => checked += 1,
            Ok(Checked::Deleted) => {
                failed += 1;
                output.note(&format!("refrain: {}: the object no longer exists", done.object));
            }
            Err(error) => {
                failed += 1;
                report_failure(output, &done.object, &error);
            }
        }
    }));
    drop(counter);
    if let Some(error) = write_error {
        return Err(error.into());
    }
    Ok(CommandOutcome::of_inputs(songs, checked, failed + command.failed))
}

/// Indexes the objects and prints a summary.
pub(crate) fn index(targets: &[Target], settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Create)?;
    let mut command = S3Command::new(&context, settings, output)?;
    let objects = command.objects(targets)?;
    let counter = output.count("files indexed", Some(objects.len() as u64));
    let (mut added, mut replaced, mut unchanged, mut failed) = (0, 0, 0, 0);
    context.wait(command.files.index_all(objects, settings.rule.as_ref(), |done| {
        counter.advance(1);
        match done.result {
            Ok(Indexed::Added { .. }) => added += 1,
            Ok(Indexed::Replaced { .. }) => replaced += 1,
            Ok(Indexed::Unchanged { .. }) => unchanged += 1,
            Ok(Indexed::Deleted) => {
                failed += 1;
                output.note(&format!("refrain: {}: the object no longer exists", done.object));
            }
            Err(error) => {
                failed += 1;
                report_failure(output, &done.object, &error);
            }
        }
    }));
    drop(counter);
    // The tracks are already in the catalog, so an error of the comparison does not make the command fail.
    if let Err(error) = context.wait(command.files.compare_new_tracks()) {
        output.note(&format!("refrain: the new tracks were not all compared with the others ({error}); the next `refrain index` compares them"));
    }
    output.line(&format!("{added} added, {unchanged} unchanged, {replaced} replaced, {failed} failed"))?;
    Ok(CommandOutcome::of(added + replaced + unchanged, failed + command.failed))
}

fn report_failure(output: &Output, object: &ObjectName, error: &FilesError) {
    output.note(&format!("refrain: {object}: {error}"));
}

impl<'a> S3Command<'a> {
    fn new(context: &'a CommandContext, settings: &Settings, output: &'a Output) -> Result<Self> {
        let index_sync = context.index_sync(output)?;
        // The prefixes and limits of the service apply, so that the command and the service write the same report for
        // an object.
        let service = settings.service(None)?;
        let objects = context.wait(aws::objects(settings))?;
        let follower = context.follow(index_sync, |_: FollowEvent<'_>| {});
        // It is created inside the runtime, because it later uses the runtime.
        let index = context.wait(async { FollowedIndex::new(follower) });
        let parts = FilesParts {
            catalog: context.catalog_handle(),
            index: Arc::new(index),
            objects,
            // A command writes only reports. It delivers nothing to sinks.
            planner: OutboxPlanner::default(),
            counters: Arc::new(Counters::default()),
            instance: Arc::new(Instance::new(&service.name)),
            lease: service.streams.lease,
            clock: Arc::new(SystemClock),
            roles: service.roles,
            live: (service.streams.monitor.live, service.streams.events),
        };
        let files =
            Files::new(parts, service.files).context("cannot start the threads that process objects")?;
        Ok(Self { context, files, output, failed: 0 })
    }

    /// Returns the objects of all targets, with their sizes in bytes. If there are several targets and one cannot be
    /// listed, the error is printed and counted.
    fn objects(&mut self, targets: &[Target]) -> Result<Vec<(ObjectName, u64)>> {
        let mut all = Vec::new();
        for target in targets {
            match self.context.wait(self.files.objects(target)) {
                Ok(objects) => all.extend(objects),
                // If there is only one target, its error is the result of the command.
                Err(error) if targets.len() == 1 => return Err(error.into()),
                Err(error) => {
                    self.failed += 1;
                    self.output.note(&format!("refrain: s3://{}/{}: {error}", target.bucket, target.path));
                }
            }
        }
        Ok(all)
    }
}
