//! `refrain demo`: indexes and identifies bundled songs in a temporary folder.

mod live;
mod report;
mod scene;
mod songs;

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use refrain_testkit::{RATE, write_wav};

use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::identify::{self, DisplayOptions, Identification, Input};
use crate::index::{FileIndexer, IndexRun, SourceFile, Summary, source_name};
use crate::metadata::MetadataFile;
use crate::output::{Output, format_duration};
use crate::search::Searcher;
use crate::settings::Settings;

use report::DemoReport;
use scene::Scene;

/// Runs `refrain demo`.
pub(crate) fn run(settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let folder = tempfile::Builder::new()
        .prefix("refrain-demo-")
        .tempdir()
        .context("cannot create a temporary folder; set TMPDIR to a writable folder")?;
    let catalog = folder.path().join("demo.db");
    let catalog = catalog
        .to_str()
        .context("the path of the temporary folder is not UTF-8; set TMPDIR to another folder")?;
    // Other settings of the user, such as `--jobs`, apply. The demo has its own catalog and does not open that of the
    // user.
    let context = CommandContext::open(&settings.with_file(catalog), Missing::Create)?;
    let outcome = run_in(folder.path(), &context, settings, output);
    // The catalog is closed even after an error. This is done before the folder is deleted, because closing writes to
    // the database.
    let closed = context.close();
    let outcome = outcome?;
    closed?;
    Ok(outcome)
}

fn run_in(
    folder: &Path,
    context: &CommandContext,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    output.line(&output.style().bold(&format!("Indexing {} songs", songs::SONGS.len())))?;
    index_songs(folder, context, settings, output)?;
    let searcher = Searcher::open(context, settings, output)?;
    let demo = DemoRun { folder, context, settings, searcher };

    output.line(&format!(
        "\n{}",
        output.style().bold("Distorted clips: what was played, and what was found")
    ))?;
    let mut report = DemoReport::default();
    // Clips are cut from the decoded files, so that they have the errors of a codec, like real recordings.
    let songs = songs::decode(folder)?;
    let clips = scene::clips(&songs);
    let mut example = None;
    for clip in &clips {
        let result = demo.identify(clip)?;
        let found = report.clip(clip, &result, &identify::tracks_of(context, &result.matches)?);
        if found && example.is_none() {
            example = Some(demo.response(&result)?);
        }
    }
    report.print_clips(output)?;

    let mix = scene::mix(&songs);
    let title = format!("A mix of {}, with cross-fades", format_duration(mix.seconds()));
    output.line(&format!("\n{}", output.style().bold(&title)))?;
    let result = demo.identify(&mix)?;
    report.mix(&mix, &result, &identify::tracks_of(context, &result.matches)?);
    report.print_mix(output)?;

    let title = format!("A live stream on this machine, at {} times its normal speed", live::PLAYBACK_SPEED);
    output.line(&format!("\n{}", output.style().bold(&title)))?;
    report.count(live::run(context, settings, &songs[live::SONG_INDEX], output)?);

    output.line(&format!(
        "\n{}",
        output.style().bold("The result for the first clip, as `identify --json` writes it")
    ))?;
    output.line(example.as_deref().unwrap_or("(nothing was found)"))?;
    output.line(&format!("\n{}", report.verdict()))?;
    Ok(if report.all_correct() { CommandOutcome::Done } else { CommandOutcome::Failed })
}

/// Writes the bundled songs to files in `folder` and indexes them.
fn index_songs(folder: &Path, context: &CommandContext, settings: &Settings, output: &Output) -> Result<()> {
    let mut files = Vec::new();
    for (name, bytes) in songs::SONGS {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        let source = source_name(&path)?
            .context("the path of the temporary folder is not UTF-8; set TMPDIR to another folder")?;
        files.push(SourceFile { path, source, bytes: bytes.len() as u64 });
    }
    let metadata = MetadataFile::default();
    // Because of this rule, the JSON at the end shows a `ruleCode` other than `notSubmitted`.
    let indexer = FileIndexer::new(context, &metadata, Some("block".parse()?));
    let mut summary = Summary::default();
    IndexRun::new(context, &indexer, settings, output).run(&files, &mut summary)?;
    summary.print(output)?;
    ensure!(
        summary.outcome() == CommandOutcome::Done,
        "not all songs of the demo could be indexed; the messages above contain the reasons"
    );
    Ok(())
}

/// The folder, catalog, settings and searcher with which the scenes of the demo are identified.
struct DemoRun<'a> {
    folder: &'a Path,
    context: &'a CommandContext,
    settings: &'a Settings,
    searcher: Searcher<'a>,
}

impl DemoRun<'_> {
    /// Writes the audio of a scene to a file and identifies the file.
    fn identify(&self, scene: &Scene) -> Result<Identification> {
        let path = self.folder.join("clip.wav");
        // The clip is written to a file, so that the demo runs the code of `refrain identify`.
        write_wav(&path, &scene.samples, RATE)?;
        identify::identify(&Input::new(&path), &self.searcher).map_err(|error| anyhow!("{error}"))
    }

    fn response(&self, result: &Identification) -> Result<String> {
        let tracks = identify::tracks_of(self.context, &result.matches)?;
        let options = DisplayOptions {
            all: false,
            explain: false,
            false_positive_rate: self.settings.false_positive_rate,
            tracks: self.searcher.tracks(),
        };
        let response = identify::response("clip.wav", "clip", Ok(result), &tracks, options);
        Ok(serde_json::to_string_pretty(&response)?)
    }
}
