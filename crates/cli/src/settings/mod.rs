//! Settings: flags over environment over the TOML file over defaults, checked in one step.

mod environment;
mod file;
mod places;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use refrain_catalog::Rule;
use refrain_core::matching::{Effort, MatchSettings, Ranges};
use serde::Deserialize;

use crate::args::{Cli, Command, EffortArg};

/// More threads than this are a mistake, not a machine.
const MOST_JOBS: usize = 1024;

/// Half and one and a half times the speed or tempo: beyond that little of the time-frequency pattern is left.
const WIDEST_RANGE: f64 = 0.5;
/// The same for the pitch, cents.
const WIDEST_PITCH: f64 = 700.0;

/// What every command works with; only [`Settings::resolve`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// URL of the catalogue.
    pub(crate) catalog: String,
    /// Files worked on at once.
    pub(crate) jobs: usize,
    /// Accepted probability that a match is chance.
    pub(crate) false_positive_rate: f64,
    /// How hard to look.
    pub(crate) effort: Effort,
    /// Changes of speed, tempo and pitch that are looked for.
    pub(crate) ranges: Ranges,
    /// Rule of newly indexed tracks.
    pub(crate) rule: Option<Rule>,
}

/// One place that settings come from; `None` leaves a setting to the place below.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Layer {
    catalog: Option<String>,
    jobs: Option<NonZeroUsize>,
    false_positive_rate: Option<f64>,
    effort: Option<EffortArg>,
    speed_range: Option<f64>,
    tempo_range: Option<f64>,
    pitch_range: Option<f64>,
    rule: Option<Rule>,
}

impl Layer {
    /// This layer, and what it leaves open from the one below.
    fn over(self, below: Self) -> Self {
        Self {
            catalog: self.catalog.or(below.catalog),
            jobs: self.jobs.or(below.jobs),
            false_positive_rate: self.false_positive_rate.or(below.false_positive_rate),
            effort: self.effort.or(below.effort),
            speed_range: self.speed_range.or(below.speed_range),
            tempo_range: self.tempo_range.or(below.tempo_range),
            pitch_range: self.pitch_range.or(below.pitch_range),
            rule: self.rule.or(below.rule),
        }
    }

    fn from_flags(cli: &Cli) -> Self {
        let mut layer = Self { catalog: cli.global.catalog.clone(), ..Self::default() };
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
            Command::Tracks(_) => {}
        }
        layer
    }
}

impl Settings {
    /// Checks the flags, the given environment and the settings file, and makes one set of settings of them.
    pub(crate) fn resolve(cli: &Cli, variables: &[(OsString, OsString)]) -> Result<Self> {
        let environment = environment::read(variables)?;
        let file = match cli.global.config.clone().or(environment.config) {
            Some(path) => file::read(&path)?,
            None => match places::config_file(variables).filter(|path| path.exists()) {
                Some(path) => file::read(&path)?,
                None => Layer::default(),
            },
        };
        Layer::from_flags(cli).over(environment.layer).over(file).check(variables)
    }

    /// The part of the settings that the matcher takes.
    pub(crate) fn matching(&self) -> MatchSettings {
        MatchSettings {
            false_positive_rate: self.false_positive_rate,
            effort: self.effort,
            ranges: self.ranges,
            ..MatchSettings::default()
        }
    }
}

impl Layer {
    fn check(self, variables: &[(OsString, OsString)]) -> Result<Settings> {
        let ranges = self.ranges()?;
        let catalog = match self.catalog {
            Some(url) => url,
            None => default_catalog(variables)?,
        };
        let jobs =
            self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        if jobs > MOST_JOBS {
            bail!("jobs is {jobs}; use at most {MOST_JOBS}");
        }
        let false_positive_rate =
            self.false_positive_rate.unwrap_or(MatchSettings::default().false_positive_rate);
        if !(false_positive_rate > 0.0 && false_positive_rate < 1.0) {
            bail!("false_positive_rate is {false_positive_rate}; use a probability above 0 and below 1");
        }
        let effort = self.effort.map_or_else(Effort::default, Effort::from);
        Ok(Settings { catalog, jobs, false_positive_rate, effort, ranges, rule: self.rule })
    }

    fn ranges(&self) -> Result<Ranges> {
        let usual = Ranges::default();
        let within = |name: &str, value: Option<f64>, usual: f64, most: f64| {
            let value = value.unwrap_or(usual);
            if !(0.0..=most).contains(&value) {
                bail!("{name} is {value}; use 0 to {most}");
            }
            Ok(value)
        };
        Ok(Ranges {
            speed: within("speed_range", self.speed_range, usual.speed, WIDEST_RANGE)?,
            tempo: within("tempo_range", self.tempo_range, usual.tempo, WIDEST_RANGE)?,
            pitch_cents: within("pitch_range", self.pitch_range, usual.pitch_cents, WIDEST_PITCH)?,
        })
    }
}

fn default_catalog(variables: &[(OsString, OsString)]) -> Result<String> {
    let path = places::catalog_file(variables)
        .unwrap_or_else(|| PathBuf::from("refrain.db"))
        .into_os_string()
        .into_string()
        .ok()
        .context("the user's data folder has a name that is not UTF-8; say where the catalogue is: --catalog sqlite:PATH")?;
    Ok(format!("sqlite:{path}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn resolve(words: &[&str], variables: &[(&str, &str)]) -> Result<Settings> {
        let cli = Cli::try_parse_from([&["refrain"], words].concat()).unwrap();
        let variables: Vec<_> = variables.iter().map(|(k, v)| (k.into(), v.into())).collect();
        Settings::resolve(&cli, &variables)
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = file("catalog = 'sqlite:file.db'\njobs = 3\nfalse_positive_rate = 0.03\n");
        let config = file.path().to_str().unwrap();
        let variables =
            [("REFRAIN_CONFIG", config), ("REFRAIN_CATALOG", "sqlite:env.db"), ("REFRAIN_JOBS", "4")];
        let settings = resolve(&["--catalog", "sqlite:flag.db", "identify", "x"], &variables).unwrap();
        assert_eq!(settings.catalog, "sqlite:flag.db");
        assert_eq!((settings.jobs, settings.false_positive_rate), (4, 0.03));
        let variables = [("REFRAIN_EFFORT", "thorough"), ("REFRAIN_TEMPO_RANGE", "0"), variables[0]];
        let settings = resolve(&["identify", "x", "--speed-range", "0.3"], &variables).unwrap();
        assert_eq!(settings.effort, Effort::Thorough);
        assert_eq!(settings.ranges, Ranges { speed: 0.3, tempo: 0.0, pitch_cents: 200.0 });
        let variables =
            [("REFRAIN_CONFIG", config), ("REFRAIN_CATALOG", "sqlite:env.db"), ("REFRAIN_JOBS", "4")];
        let settings = resolve(&["identify", "x", "--jobs", "5"], &variables).unwrap();
        assert_eq!((settings.catalog.as_str(), settings.jobs), ("sqlite:env.db", 5));
        let settings = resolve(&["identify", "x"], &[("HOME", "/home/a")]).unwrap();
        assert_eq!(settings.catalog, "sqlite:/home/a/.local/share/refrain/catalog.db");
        assert_eq!(settings.false_positive_rate, MatchSettings::default().false_positive_rate);
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_stand() {
        let file = file("catalogue = 'sqlite:x.db'\n");
        let error = resolve(&["--config", file.path().to_str().unwrap(), "demo"], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("catalogue"), "{error:#}");
        let error = resolve(&["demo"], &[("REFRAIN_CATALOGUE", "x")]).unwrap_err();
        assert!(format!("{error:#}").contains("REFRAIN_CATALOGUE"), "{error:#}");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (words, part) in [
            (&["identify", "x", "--false-positive-rate", "1.5"][..], "false_positive_rate is 1.5"),
            (&["identify", "x", "--false-positive-rate", "NaN"], "false_positive_rate is NaN"),
            (&["identify", "x", "--jobs", "5000"], "jobs is 5000"),
            (&["identify", "x", "--speed-range", "0.6"], "speed_range is 0.6"),
            (&["identify", "x", "--pitch-range", "900"], "pitch_range is 900"),
        ] {
            let error = resolve(words, &[]).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        let error = resolve(&["demo"], &[("REFRAIN_JOBS", "many")]).unwrap_err();
        assert!(format!("{error:#}").contains("REFRAIN_JOBS"), "{error:#}");
    }
}
