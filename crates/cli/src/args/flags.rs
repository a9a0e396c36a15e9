//! Converts the flags of the command line to settings.

use super::{Cli, Command};
use crate::settings::Layer;

impl Cli {
    /// Returns the settings that the flags set. A setting without its flag is `None`.
    pub(crate) fn settings(&self) -> Layer {
        let global = &self.global;
        let mut layer = Layer {
            catalog: global.catalog.clone(),
            cache_dir: global.cache_dir.clone(),
            search: global.search,
            ..Layer::default()
        };
        match &self.command {
            Command::Index(args) => {
                layer.jobs = args.jobs.jobs;
                layer.rule.clone_from(&args.rule);
            }
            Command::Identify(args) => {
                layer.jobs = args.jobs.jobs;
                layer.false_positive_rate = args.false_positive_rate;
                layer.effort = args.effort;
                layer.speed_range = args.speed_range;
                layer.tempo_range = args.tempo_range;
                layer.pitch_range = args.pitch_range;
            }
            Command::Plot(args) => {
                layer.jobs = args.jobs.jobs;
                layer.false_positive_rate = args.false_positive_rate;
            }
            Command::Demo(args) => layer.jobs = args.jobs.jobs,
            // The match has no wildcard, so that the compiler requires a decision here about the flags of a new
            // command.
            Command::Monitor(_)
            | Command::Outbox(_)
            | Command::Tracks(_)
            | Command::Doctor(_)
            | Command::Prune(_)
            | Command::Serve(_)
            | Command::Streams(_)
            | Command::Healthcheck(_)
            | Command::Completions(_)
            | Command::Man(_) => {}
        }
        layer
    }
}
