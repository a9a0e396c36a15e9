//! `identifyStream`: identifies the songs in a stream or a media file, with the flags of the program that it replaces.

use std::ffi::OsString;

use anyhow::{Result, anyhow};
use refrain_app::response::{Response, ResponseFolder, ResponseMatch};

use super::input;
use crate::args::{EventArg, HeaderArgs, IdentifyStreamArgs, MonitorArgs};
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::identify::{self, Input};
use crate::output::Output;
use crate::search::Searcher;
use crate::settings::Settings;

/// Runs `identifyStream`.
pub(crate) fn identify_stream(
    args: &IdentifyStreamArgs,
    variables: &[(OsString, OsString)],
    output: &Output,
) -> Result<CommandOutcome> {
    let (settings, ignored) = Settings::resolve_loosely(args.config.as_deref(), variables)?;
    if !ignored.is_empty() {
        let file = settings.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        output.note(&format!("identifyStream: {file}: ignored, not ours: {}", ignored.join(", ")));
    }
    let folder = ResponseFolder::new(args.out.clone(), args.temp.clone());
    // The folder is created before the input is opened, so that an unusable folder is reported immediately.
    folder.create()?;
    if args.input != "-" && input::scheme(&args.input).is_none() {
        return file(args, &folder, &settings, output);
    }
    let monitor = MonitorArgs {
        input: args.input.clone(),
        id: Some(args.asset_id.clone()),
        out: Some(args.out.clone()),
        temp: args.temp.clone(),
        events: vec![EventArg::Start, EventArg::Final],
        update_every: None,
        pcm: None,
        rendition: None,
        language: None,
        audio_pid: None,
        // `identifyStream` has no such flag. The operator can name hosts in the setting `monitor.private_hosts`.
        allow_private: false,
        headers: HeaderArgs::default(),
        false_events_per_hour: None,
        json: false,
        log_json: false,
        verbose: false,
    };
    super::run(&monitor, &settings, output)
}

/// Identifies a media file and writes one response file. Without a match, writes no file.
fn file(
    args: &IdentifyStreamArgs,
    folder: &ResponseFolder,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let searcher = Searcher::open(&context, settings, output)?;
    let input = Input::new(&args.input);
    let result = identify::identify(&input, &searcher).map_err(|error| anyhow!("{error}"))?;
    if let Some(damage) = &result.damage {
        output.note(&format!("identifyStream: {}: {damage}", input.name()));
    }
    let tracks = identify::tracks_of(&context, &result.matches)?;
    let matches = result.matches.found.iter();
    let matches: Vec<_> =
        matches.filter_map(|found| Some(ResponseMatch::new(found, tracks.get(&found.track)?))).collect();
    // The program that `identifyStream` replaces writes no file if nothing matches.
    if matches.is_empty() {
        output.note("identifyStream: no match");
    } else {
        let response = Response::new(&args.asset_id, matches).with_duration(result.seconds);
        folder.write(&args.asset_id, &serde_json::to_string(&response)?)?;
    }
    drop(searcher);
    // This command did not change the catalog, so an error of closing it does not change the result.
    let _ = context.close();
    Ok(CommandOutcome::Done)
}
