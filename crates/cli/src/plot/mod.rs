//! `refrain plot`: draws pictures of inputs and of the songs found in them.
//!
//! ```text
//! stretch, names ─► one ─► spectrogram (lanes, levels, peaks)
//!                    └───► matched (aligned, histogram, peaks)   both on draw: canvas, text, colours, axes
//! ```

mod aligned;
mod draw;
mod frequency;
mod histogram;
mod lanes;
mod levels;
mod matched;
mod names;
mod one;
mod peaks;
mod spectrogram;
mod stretch;

use anyhow::{Context, Result};

use crate::args::PlotArgs;
use crate::exit::Outcome;
use crate::identify::{Input, InputError, check_all};
use crate::output::{Output, Progress, reason};
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::{Missing, Store};
use crate::work::{Flow, in_order};

use draw::Size;
use names::Names;
use one::{Drawn, Plotter};
use stretch::Stretch;

/// Runs the command.
pub(crate) fn run(args: &PlotArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    check_all(&args.inputs, "plot", false)?;
    let stretch = Stretch::new(args.from, args.to)?;
    let store = Store::open(settings, Missing::Refuse)?;
    let outcome = all(&store, stretch, args, settings, output);
    // The command only read, so an error of the cleanup at closing has no effect on its result.
    let _ = store.close();
    outcome
}

fn all(
    store: &Store,
    stretch: Stretch,
    args: &PlotArgs,
    settings: &Settings,
    output: &Output,
) -> Result<Outcome> {
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create folder {}", args.out.display()))?;
    let searcher = Searcher::open(store, settings, output)?;
    let size = Size { width: args.width, height: args.height };
    let (rejected, limit) = (args.all, settings.false_positive_rate);
    let plotter = Plotter { store, searcher: &searcher, stretch, size, rejected, limit };
    let inputs: Vec<Input<'_>> = args.inputs.iter().map(Input::new).collect();
    let names = Names::of(&inputs, &args.out);
    let bytes: Vec<u64> = inputs.iter().map(Input::bytes).collect();
    let progress = (inputs.len() > 1).then(|| output.progress(inputs.len(), bytes.iter().sum()));
    let (mut matched, mut failed) = (0, 0);
    in_order(
        inputs.len(),
        settings.jobs,
        |k| {
            let drawn = plotter.plot(&inputs[k], &names[k]);
            progress.as_ref().inspect(|progress: &&Progress<'_>| progress.file_done(bytes[k], drawn.seconds));
            drawn
        },
        |k, drawn| {
            let drawn = drawn.unwrap_or_else(|_| Drawn::failed(&InputError::internal(&inputs[k])));
            for file in &drawn.files {
                output.line(&file.display().to_string())?;
            }
            for note in drawn.notes.iter().cloned().chain(drawn.error.as_ref().map(reason)) {
                output.note(&format!("refrain: {note}"));
            }
            matched += usize::from(drawn.error.is_none() && drawn.matched);
            failed += usize::from(drawn.error.is_some());
            anyhow::Ok(Flow::Continue)
        },
    )?;
    drop(progress);
    Ok(Outcome::of_inputs(matched, inputs.len() - failed, failed))
}
