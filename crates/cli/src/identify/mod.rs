//! `refrain identify`: finds the songs in files, standard input and URLs.

mod download;
mod explain;
mod input;
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
use crate::exit::Outcome;
use crate::objects;
use crate::output::{Output, Progress};
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::{Missing, Store};
use crate::work::{Flow, in_order};

use download::Downloader;

pub(crate) use explain::{song, title};
pub(crate) use input::{Input, InputError, check_all, escaped};
pub(crate) use refrain_app::audio_file::Answer;
pub(crate) use response::response;

/// Maximum number of tracks that are cached between inputs. If there are more, the cache is cleared.
const KNOWN_TRACKS: usize = 10_000;

/// Options of the output, and values that it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show {
    pub(crate) all: bool,
    pub(crate) explain: bool,
    pub(crate) false_positive_rate: f64,
    pub(crate) tracks: usize,
}

/// Runs the command.
pub(crate) fn run(args: &IdentifyArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    if let Some(targets) = objects::targets(args.inputs.iter().map(OsString::as_os_str))? {
        return objects::check(&targets, args.json, settings, output);
    }
    input::check_all(&args.inputs, "identify", true)?;
    let store = Store::open(settings, Missing::Refuse)?;
    let outcome = all(&store, args, settings, output);
    // The command only read, so an error of the cleanup at closing has no effect on its result.
    let _ = store.close();
    outcome
}

fn all(store: &Store, args: &IdentifyArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let searcher = Searcher::following(store, settings, output)?;
    let identifier = Identifier {
        store,
        searcher: &searcher,
        known: HashMap::new(),
        show: Show {
            all: args.all,
            explain: args.explain,
            false_positive_rate: settings.false_positive_rate,
            tracks: searcher.tracks(),
        },
        args,
        private_hosts: settings.private_hosts()?,
        output,
    };
    identifier.run(settings.jobs)
}

/// Decodes one input and finds the songs in it.
pub(crate) fn identify(input: &Input<'_>, searcher: &Searcher<'_>) -> Result<Answer, InputError> {
    let sound = input.fingerprint()?;
    let matches =
        searcher.identify(&sound.constellation).map_err(|error| InputError::search(input, &error))?;
    Ok(Answer::new(&sound, matches))
}

struct Identifier<'a> {
    store: &'a Store,
    searcher: &'a Searcher<'a>,
    known: HashMap<TrackNumber, Track>,
    show: Show,
    args: &'a IdentifyArgs,
    private_hosts: Vec<PrivateHost>,
    output: &'a Output,
}

#[derive(Debug, Default)]
struct Tally {
    matched: usize,
    read: usize,
    failed: usize,
}

impl<'a> Identifier<'a> {
    /// Creates the downloader for the inputs that are URLs, or returns `None` if there is no such input.
    fn downloader(&self) -> Result<Option<Arc<Downloader<'a>>>> {
        let words = &self.args.inputs;
        let is_url = |word: &OsString| word.to_str().and_then(input::url_of).is_some();
        if !words.iter().any(is_url) {
            return Ok(None);
        }
        let (runtime, alone) = (self.store.handle(), words.len() == 1);
        let private = (self.args.allow_private, self.private_hosts.clone());
        Downloader::new(runtime, private, alone, self.output).map(|one| Some(Arc::new(one)))
    }

    fn run(mut self, jobs: usize) -> Result<Outcome> {
        let downloader = self.downloader()?;
        let new = |word| Input::with_downloads(word, downloader.as_ref());
        let inputs: Vec<Input<'_>> = self.args.inputs.iter().map(new).collect();
        let bytes: Vec<u64> = inputs.iter().map(Input::bytes).collect();
        let progress = (inputs.len() > 1).then(|| self.output.progress(inputs.len(), bytes.iter().sum()));
        let mut tally = Tally::default();
        let searcher = self.searcher;
        in_order(
            inputs.len(),
            jobs,
            |k| {
                let answer = identify(&inputs[k], searcher);
                let seconds = answer.as_ref().map_or(0.0, |answer| answer.seconds);
                progress.as_ref().inspect(|progress: &&Progress<'_>| progress.file_done(bytes[k], seconds));
                answer
            },
            |k, answer| {
                let answer = answer.unwrap_or_else(|_| Err(InputError::internal(&inputs[k])));
                self.deliver(&inputs[k], &answer, &mut tally)?;
                anyhow::Ok(Flow::Continue)
            },
        )?;
        drop(progress);
        Ok(Outcome::of_inputs(tally.matched, tally.read, tally.failed))
    }

    fn deliver(
        &mut self,
        input: &Input<'_>,
        answer: &Result<Answer, InputError>,
        tally: &mut Tally,
    ) -> Result<()> {
        self.hear();
        match answer {
            Ok(answer) => {
                tally.read += 1;
                tally.matched += usize::from(!answer.matches.found.is_empty());
                if let Some(damage) = &answer.damage {
                    self.output.note(&format!("refrain: {}: {damage}", input.name()));
                }
                self.learn_tracks(&answer.matches)?;
            }
            Err(error) => {
                tally.failed += 1;
                self.output.note(&format!("refrain: {error}"));
            }
        }
        if self.args.json {
            let asset = self.args.asset_id.clone().unwrap_or_else(|| input.stem());
            let response = response(input.name(), &asset, answer.as_ref(), &self.known, self.show);
            self.output.line(&serde_json::to_string(&response)?)?;
        } else if let Ok(answer) = answer {
            let heading = (self.args.inputs.len() > 1).then(|| input.name());
            self.output.result(&text::block(heading, answer, &self.known, self.show, self.output.style()))?;
        }
        Ok(())
    }

    /// Drops cached tracks that other processes have changed, and prints notes about the index.
    fn hear(&mut self) {
        let news = self.searcher.news();
        for note in news.notes {
            self.output.note(&format!("refrain: {note}"));
        }
        for track in news.stale {
            self.known.remove(&track);
        }
        self.show.tracks = self.searcher.tracks();
    }

    /// Reads the matched tracks that are not cached from the catalog.
    fn learn_tracks(&mut self, matches: &Matches) -> Result<()> {
        if self.known.len() > KNOWN_TRACKS {
            self.known.clear();
        }
        let rejected =
            (self.show.all || self.show.explain).then_some(&matches.rejected).into_iter().flatten();
        let mut numbers: Vec<TrackNumber> = (matches.found.iter())
            .chain(matches.alternatives.iter().map(|other| &other.best))
            .chain(rejected.map(|rejected| &rejected.best))
            .map(|found| found.track)
            .filter(|number| !self.known.contains_key(number))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        if !numbers.is_empty() {
            let tracks = self.store.wait(self.store.catalog().by_numbers(&numbers))?;
            self.known.extend(tracks.into_iter().map(|track| (track.number, track)));
        }
        Ok(())
    }
}

/// Reads the tracks of matches from the catalog, without a cache.
pub(crate) fn tracks_of(store: &Store, matches: &Matches) -> Result<HashMap<TrackNumber, Track>> {
    let others = matches.alternatives.iter().map(|other| &other.best);
    let numbers: Vec<TrackNumber> = matches.found.iter().chain(others).map(|found| found.track).collect();
    let tracks = store.wait(store.catalog().by_numbers(&numbers))?;
    Ok(tracks.into_iter().map(|track| (track.number, track)).collect())
}
