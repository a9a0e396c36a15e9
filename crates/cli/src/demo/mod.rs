//! `refrain demo`: indexes and identifies bundled songs in a temporary folder.

mod live;
mod report;
mod scene;
mod songs;

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use refrain_testkit::{RATE, write_wav};

use crate::exit::Outcome;
use crate::identify::{self, Answer, Input, Show};
use crate::index::{Found, Learner, Run, Summary, source_name};
use crate::metadata::MetadataFile;
use crate::output::{Output, hours};
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::{Missing, Store};

use report::Report;
use scene::Scene;

/// Runs the command.
pub(crate) fn run(settings: &Settings, output: &Output) -> Result<Outcome> {
    let folder = tempfile::Builder::new()
        .prefix("refrain-demo-")
        .tempdir()
        .context("cannot create a temporary folder; set TMPDIR to a writable folder")?;
    let catalog = folder.path().join("demo.db");
    let catalog = catalog
        .to_str()
        .context("the path of the temporary folder is not UTF-8; set TMPDIR to another folder")?;
    let store = Store::open(&settings.with_file(catalog), Missing::Create)?;
    let outcome = perform(folder.path(), &store, settings, output);
    let closed = store.close();
    let outcome = outcome?;
    closed?;
    Ok(outcome)
}

fn perform(folder: &Path, store: &Store, settings: &Settings, output: &Output) -> Result<Outcome> {
    output.line(&output.style().bold(&format!("Indexing {} songs", songs::SONGS.len())))?;
    learn(folder, store, settings, output)?;
    let searcher = Searcher::open(store, settings, output)?;
    let stage = Stage { folder, store, settings, searcher };

    output.line(&format!(
        "\n{}",
        output.style().bold("Distorted clips: what was played, and what was found")
    ))?;
    let mut report = Report::default();
    let songs = songs::decode(folder)?;
    let clips = scene::clips(&songs);
    let mut example = None;
    for clip in &clips {
        let answer = stage.identify(clip)?;
        let found = report.clip(clip, &answer, &identify::tracks_of(store, &answer.matches)?);
        if found && example.is_none() {
            example = Some(stage.response(&answer)?);
        }
    }
    report.print_clips(output)?;

    let mix = scene::mix(&songs);
    let title = format!("A mix of {}, with cross-fades", hours(mix.seconds()));
    output.line(&format!("\n{}", output.style().bold(&title)))?;
    let answer = stage.identify(&mix)?;
    report.mix(&mix, &answer, &identify::tracks_of(store, &answer.matches)?);
    report.print_mix(output)?;

    let title = format!("A live stream on this machine, at {} times its normal speed", live::FASTER);
    output.line(&format!("\n{}", output.style().bold(&title)))?;
    report.count(live::run(store, settings, &songs[live::SONG], output)?);

    output.line(&format!(
        "\n{}",
        output.style().bold("The result for the first clip, as `identify --json` writes it")
    ))?;
    output.line(example.as_deref().unwrap_or("(nothing was found)"))?;
    output.line(&format!("\n{}", report.verdict()))?;
    Ok(if report.all_right() { Outcome::Done } else { Outcome::Failed })
}

/// Writes the songs to files and indexes the files.
fn learn(folder: &Path, store: &Store, settings: &Settings, output: &Output) -> Result<()> {
    let mut files = Vec::new();
    for (name, bytes) in songs::SONGS {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        let source = source_name(&path)?
            .context("the path of the temporary folder is not UTF-8; set TMPDIR to another folder")?;
        files.push(Found { path, source, bytes: bytes.len() as u64 });
    }
    let metadata = MetadataFile::default();
    let learner = Learner::new(store, &metadata, Some("block".parse()?));
    let mut summary = Summary::default();
    Run::new(store, &learner, settings, output).run(&files, &mut summary)?;
    summary.print(output)?;
    ensure!(summary.outcome() == Outcome::Done, "not all songs could be indexed");
    Ok(())
}

/// The parts that are needed to identify a scene.
struct Stage<'a> {
    folder: &'a Path,
    store: &'a Store,
    settings: &'a Settings,
    searcher: Searcher<'a>,
}

impl Stage<'_> {
    /// Writes the audio of a scene to a file and identifies the file.
    fn identify(&self, scene: &Scene) -> Result<Answer> {
        let path = self.folder.join("clip.wav");
        write_wav(&path, &scene.samples, RATE)?;
        identify::identify(&Input::new(&path), &self.searcher).map_err(|error| anyhow!("{error}"))
    }

    fn response(&self, answer: &Answer) -> Result<String> {
        let tracks = identify::tracks_of(self.store, &answer.matches)?;
        let show = Show {
            all: false,
            explain: false,
            false_positive_rate: self.settings.false_positive_rate,
            tracks: self.searcher.tracks(),
        };
        let response = identify::response("clip.wav", "clip", Ok(answer), &tracks, show);
        Ok(serde_json::to_string_pretty(&response)?)
    }
}
