//! One place that settings come from.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use refrain_catalog::Rule;
use serde::Deserialize;

use super::SearchHome;
use super::database::DatabaseLayer;
use super::url::CatalogUrl;
use crate::args::{Cli, Command, EffortArg};

/// Settings as flags, environment or file have them; `None` leaves a setting to the place below.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Layer {
    pub(super) catalog: Option<CatalogUrl>,
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) search: Option<SearchHome>,
    pub(super) jobs: Option<NonZeroUsize>,
    pub(super) false_positive_rate: Option<f64>,
    pub(super) effort: Option<EffortArg>,
    pub(super) speed_range: Option<f64>,
    pub(super) tempo_range: Option<f64>,
    pub(super) pitch_range: Option<f64>,
    pub(super) rule: Option<Rule>,
    pub(super) database: DatabaseLayer,
}

impl Layer {
    /// This layer, and what it leaves open from the one below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            catalog: self.catalog.or(below.catalog),
            cache_dir: self.cache_dir.or(below.cache_dir),
            search: self.search.or(below.search),
            jobs: self.jobs.or(below.jobs),
            false_positive_rate: self.false_positive_rate.or(below.false_positive_rate),
            effort: self.effort.or(below.effort),
            speed_range: self.speed_range.or(below.speed_range),
            tempo_range: self.tempo_range.or(below.tempo_range),
            pitch_range: self.pitch_range.or(below.pitch_range),
            rule: self.rule.or(below.rule),
            database: self.database.over(below.database),
        }
    }

    pub(super) fn from_flags(cli: &Cli) -> Self {
        let global = &cli.global;
        let mut layer = Self {
            catalog: global.catalog.clone(),
            cache_dir: global.cache_dir.clone(),
            search: global.search,
            ..Self::default()
        };
        match &cli.command {
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
            Command::Monitor(_)
            | Command::Outbox(_)
            | Command::Tracks(_)
            | Command::Doctor(_)
            | Command::Prune(_) => {}
        }
        layer
    }
}
