//! `refrain identify`: finds the songs in files, standard input and URLs.

mod download;
mod explain;
mod input;
mod input_error;
mod response;
mod text;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use anyhow::Result;
use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Matches;
use refrain_net::PrivateHost;

use crate::args::IdentifyArgs;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::{FileProgress, Output};
use crate::parallel::{Flow, in_order};
use crate::s3;
use crate::search::Searcher;
use crate::settings::Settings;

use download::Downloader;

pub(crate) use explain::{song, title};
pub(crate) use input::{Input, check_all, escaped};
pub(crate) use input_error::InputError;
pub(crate) use refrain_app::audio_file::Identification;
pub(crate) use response::response;

/// Maximum number of tracks whose metadata is kept in memory between inputs. If there are more, the cache is cleared.
/// At about one kilobyte per track it takes 10 MB. With half as many, long runs read popular tracks from the catalog
/// more often; with twice as many, the cache takes 20 MB.
const MAX_CACHED_TRACKS: usize = 10_000;

/// Options that select the output of `identify`, and two values that its explanations quote: the accepted
/// false-positive rate and the number of searchable tracks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DisplayOptions {
    pub(crate) all: bool,
    pub(crate) explain: bool,
    pub(crate) false_positive_rate: f64,
    pub(crate) tracks: usize,
}

/// Runs `refrain identify`.
pub(crate) fn run(args: &IdentifyArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    if let Some(targets) = s3::targets(args.inputs.iter().map(OsString::as_os_str))? {
        return s3::check(&targets, args.json, settings, output);
    }
    input::check_all(&args.inputs, "identify", true)?;
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let outcome = identify_all(&context, args, settings, output);
    // This command did not change the catalog, so an error of closing it does not change the result.
    let _ = context.close();
    outcome
}

fn identify_all(
    context: &CommandContext,
    args: &IdentifyArgs,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    // A run can take hours, so the index is updated while inputs are processed.
    let searcher = Searcher::following(context, settings, output)?;
    let identifier = Identifier {
        context,
        searcher: &searcher,
        track_cache: HashMap::new(),
        options: DisplayOptions {
            all: args.all,
            explain: args.explain,
            false_positive_rate: settings.false_positive_rate,
            tracks: searcher.tracks(),
        },
        args,
        private_hosts: settings.private_hosts()?,
        settings,
        output,
    };
    identifier.run(settings.jobs)
}

/// Decodes one input and finds the songs in it.
pub(crate) fn identify(input: &Input<'_>, searcher: &Searcher<'_>) -> Result<Identification, InputError> {
    let sound = input.fingerprint()?;
    let matches =
        searcher.identify(&sound.constellation).map_err(|error| InputError::search(input.name(), &error))?;
    Ok(Identification::new(&sound, matches))
}

struct Identifier<'a> {
    context: &'a CommandContext,
    searcher: &'a Searcher<'a>,
    track_cache: HashMap<TrackNumber, Track>,
    options: DisplayOptions,
    args: &'a IdentifyArgs,
    private_hosts: Vec<PrivateHost>,
    settings: &'a Settings,
    output: &'a Output,
}

#[derive(Debug, Default)]
struct InputCounts {
    matched: usize,
    read: usize,
    failed: usize,
}

impl<'a> Identifier<'a> {
    /// Creates the downloader for inputs that are URLs. Returns `None` if no input is a URL.
    fn downloader(&self) -> Result<Option<Arc<Downloader<'a>>>> {
        let words = &self.args.inputs;
        let is_url = |word: &OsString| word.to_str().and_then(input::url_of).is_some();
        if !words.iter().any(is_url) {
            return Ok(None);
        }
        let (runtime, alone) = (self.context.handle(), words.len() == 1);
        let private = (self.args.allow_private, self.private_hosts.clone());
        let http = self.settings.http_client()?;
        Downloader::new(runtime, private, alone, http, self.output).map(|one| Some(Arc::new(one)))
    }

    fn run(mut self, jobs: usize) -> Result<CommandOutcome> {
        let downloader = self.downloader()?;
        let new = |word| Input::with_downloads(word, downloader.as_ref());
        let inputs: Vec<Input<'_>> = self.args.inputs.iter().map(new).collect();
        // The sizes are read once. A file can grow during the run, but the total of the progress bar must not change.
        let bytes: Vec<u64> = inputs.iter().map(Input::bytes).collect();
        // With a single input, a progress bar would have only one step.
        let progress = (inputs.len() > 1).then(|| self.output.progress(inputs.len(), bytes.iter().sum()));
        let mut counts = InputCounts::default();
        let searcher = self.searcher;
        in_order(
            inputs.len(),
            jobs,
            |k| {
                let result = identify(&inputs[k], searcher);
                let seconds = result.as_ref().map_or(0.0, |result| result.seconds);
                progress
                    .as_ref()
                    .inspect(|progress: &&FileProgress<'_>| progress.file_done(bytes[k], seconds));
                result
            },
            |k, result| {
                let result = result.unwrap_or_else(|_| Err(InputError::internal(inputs[k].name())));
                self.print_result(&inputs[k], &result, &mut counts)?;
                anyhow::Ok(Flow::Continue)
            },
        )?;
        // Removes the bar from the terminal before the command ends.
        drop(progress);
        Ok(CommandOutcome::of_inputs(counts.matched, counts.read, counts.failed))
    }

    fn print_result(
        &mut self,
        input: &Input<'_>,
        result: &Result<Identification, InputError>,
        counts: &mut InputCounts,
    ) -> Result<()> {
        // Changes are applied before each result, because the metadata of a cached track can have changed.
        self.apply_index_changes();
        match result {
            Ok(result) => {
                counts.read += 1;
                counts.matched += usize::from(!result.matches.found.is_empty());
                if let Some(damage) = &result.damage {
                    self.output.note(&format!("refrain: {}: {damage}", input.name()));
                }
                self.load_tracks(&result.matches)?;
            }
            Err(error) => {
                counts.failed += 1;
                self.output.note(&format!("refrain: {error}"));
            }
        }
        if self.args.json {
            let asset = self.args.asset_id.clone().unwrap_or_else(|| input.stem());
            let response = response(input.name(), &asset, result.as_ref(), &self.track_cache, self.options);
            self.output.line(&serde_json::to_string(&response)?)?;
        } else if let Ok(result) = result {
            let heading = (self.args.inputs.len() > 1).then(|| input.name());
            self.output.result(&text::block(
                heading,
                result,
                &self.track_cache,
                self.options,
                self.output.style(),
            ))?;
        }
        Ok(())
    }

    /// Removes changed tracks from the cache and prints the notes of the index. Also updates the number of searchable
    /// tracks.
    fn apply_index_changes(&mut self) {
        let index_changes = self.searcher.index_changes();
        for note in index_changes.notes {
            self.output.note(&format!("refrain: {note}"));
        }
        for track in index_changes.stale {
            self.track_cache.remove(&track);
        }
        self.options.tracks = self.searcher.tracks();
    }

    /// Reads the tracks of these matches that are not yet cached from the catalog, and adds them to the cache.
    fn load_tracks(&mut self, matches: &Matches) -> Result<()> {
        if self.track_cache.len() > MAX_CACHED_TRACKS {
            // The whole cache is cleared, so it does not have to record which tracks were used. Tracks that match often
            // are soon cached again.
            self.track_cache.clear();
        }
        let rejected =
            // Rejected candidates are printed only with these two options. Without them, their tracks are not needed.
            (self.options.all || self.options.explain).then_some(&matches.rejected).into_iter().flatten();
        let mut numbers: Vec<TrackNumber> = (matches.found.iter())
            .chain(matches.alternatives.iter().map(|other| &other.best))
            .chain(rejected.map(|rejected| &rejected.best))
            .map(|found| found.track)
            .filter(|number| !self.track_cache.contains_key(number))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        if !numbers.is_empty() {
            let tracks = self.context.wait(self.context.catalog().by_numbers(&numbers))?;
            self.track_cache.extend(tracks.into_iter().map(|track| (track.number, track)));
        }
        Ok(())
    }
}

/// Reads the tracks of matches and alternatives from the catalog. A track that is not in the catalog is missing in the
/// result.
pub(crate) fn tracks_of(context: &CommandContext, matches: &Matches) -> Result<HashMap<TrackNumber, Track>> {
    let others = matches.alternatives.iter().map(|other| &other.best);
    let numbers: Vec<TrackNumber> = matches.found.iter().chain(others).map(|found| found.track).collect();
    let tracks = context.wait(context.catalog().by_numbers(&numbers))?;
    Ok(tracks.into_iter().map(|track| (track.number, track)).collect())
}
