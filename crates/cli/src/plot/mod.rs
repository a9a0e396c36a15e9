//! `refrain plot`: draws pictures of inputs and of the songs that are found in them.
//!
//! ```text
//! plot_range, names ─► plotter ─► spectrogram (lanes, levels, peaks)
//!                    └───────► matched (aligned, histogram, peaks)   both on draw: canvas, text, colours, axes
//! ```

mod aligned;
mod draw;
mod frequency;
mod histogram;
mod lanes;
mod levels;
mod matched;
mod names;
mod peaks;
mod plot_range;
mod plotter;
mod spectrogram;

use anyhow::{Context, Result};

use crate::args::PlotArgs;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::identify::{Input, InputError, check_all};
use crate::output::{FileProgress, Output, error_chain};
use crate::parallel::{Flow, in_order};
use crate::search::Searcher;
use crate::settings::Settings;

use draw::Size;
use names::PictureNames;
use plot_range::PlotRange;
use plotter::{PlotResult, Plotter};

/// Runs `refrain plot`.
pub(crate) fn run(args: &PlotArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    check_all(&args.inputs, "plot", false)?;
    let plot_range = PlotRange::new(args.from, args.to)?;
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let outcome = plot_all(&context, plot_range, args, settings, output);
    // This command did not change the catalog, so an error of closing it does not change the result.
    let _ = context.close();
    outcome
}

fn plot_all(
    context: &CommandContext,
    plot_range: PlotRange,
    args: &PlotArgs,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    // The folder is created before the inputs are read, so that an unusable folder is reported immediately.
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create folder {}", args.out.display()))?;
    let searcher = Searcher::open(context, settings, output)?;
    let size = Size { width: args.width, height: args.height };
    let (rejected, limit) = (args.all, settings.false_positive_rate);
    let plotter = Plotter { context, searcher: &searcher, plot_range, size, rejected, limit };
    let inputs: Vec<Input<'_>> = args.inputs.iter().map(Input::new).collect();
    let names = PictureNames::of(&inputs, &args.out);
    let bytes: Vec<u64> = inputs.iter().map(Input::bytes).collect();
    let progress = (inputs.len() > 1).then(|| output.progress(inputs.len(), bytes.iter().sum()));
    let (mut matched, mut failed) = (0, 0);
    in_order(
        inputs.len(),
        settings.jobs,
        |k| {
            let result = plotter.plot(&inputs[k], &names[k]);
            progress
                .as_ref()
                .inspect(|progress: &&FileProgress<'_>| progress.file_done(bytes[k], result.seconds));
            result
        },
        |k, result| {
            let result =
                result.unwrap_or_else(|_| PlotResult::failed(&InputError::internal(inputs[k].name())));
            for file in &result.files {
                output.line(&file.display().to_string())?;
            }
            for note in result.notes.iter().cloned().chain(result.error.as_ref().map(error_chain)) {
                output.note(&format!("refrain: {note}"));
            }
            matched += usize::from(result.error.is_none() && result.matched);
            failed += usize::from(result.error.is_some());
            anyhow::Ok(Flow::Continue)
        },
    )?;
    drop(progress);
    Ok(CommandOutcome::of_inputs(matched, inputs.len() - failed, failed))
}
