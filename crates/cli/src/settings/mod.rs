//! Settings: flags over environment over the TOML file over defaults, checked in one step.

mod database;
mod environment;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod layer;
mod places;
mod secret;
mod service;
mod sinks;
mod tables;
mod url;
mod variable;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use refrain_catalog::{OpenSettings, Rule};
use refrain_core::matching::live::LiveSettings;
use refrain_core::matching::{Effort, MatchSettings, Ranges};
use refrain_stream::http::PrivateHost;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::args::Cli;
use layer::Layer;
pub(crate) use service::{check_id, check_url};
pub(crate) use tables::Role;
pub(crate) use url::CatalogUrl;

/// What messages call the settings that a user can change, which differs between the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionNames {
    /// Where the catalog is.
    pub(crate) catalog: &'static str,
    /// The search in the index of this machine.
    pub(crate) local_search: &'static str,
}

/// Of `refrain`.
const FLAGS: OptionNames =
    OptionNames { catalog: "--catalog", local_search: "--search local (REFRAIN_SEARCH=local)" };

/// Of `identifyStream`, whose flags are those of the program that it replaces.
const NO_FLAGS: OptionNames = OptionNames {
    catalog: "REFRAIN_CATALOG, or with `catalog` in the file of -c",
    local_search: "REFRAIN_SEARCH=local, or `search = \"local\"` in the file of -c",
};

/// More threads than this are a mistake, not a machine.
const MOST_JOBS: usize = 1024;

/// Where the search index is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchHome {
    /// In files of this machine, built from the catalogue: the fastest
    #[default]
    Local,
    /// In the catalogue's own PostgreSQL database: nothing is kept here
    Database,
}

/// How the log is written.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// One JSON object a line.
    pub(crate) json: bool,
    /// What is told, by part.
    pub(crate) targets: Targets,
}

impl LogSettings {
    /// `level` is a level of all our parts, or several by part, separated by commas.
    fn new(json: bool, level: &str) -> Result<Self> {
        let mut targets = Targets::new();
        for part in level.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (target, level) = part.split_once('=').unwrap_or(("refrain", part));
            let level: LevelFilter = level.trim().parse().ok().with_context(|| {
                format!("log.level has {part:?}; use error, warn, info, debug or trace, or PART=LEVEL")
            })?;
            targets = targets.with_target(target.trim(), level);
        }
        Ok(Self { json, targets })
    }
}

/// What every command works with; only [`Settings::resolve`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// What messages call settings.
    pub(crate) names: OptionNames,
    /// The settings file that was read, if any.
    pub(crate) config: Option<PathBuf>,
    /// Where the catalogue is.
    pub(crate) catalog: CatalogUrl,
    /// Folder of index caches, if somebody named one.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Folder of the caches of catalogues that are no file, if the environment tells of one.
    cache_home: Option<PathBuf>,
    /// Where the search index is.
    pub(crate) search: SearchHome,
    /// How databases are used.
    pub(crate) database: OpenSettings,
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
    /// What the service's settings are made of when somebody wants them.
    layer: Layer,
}

impl Settings {
    /// Checks the flags, the given environment and the settings file, and makes one set of settings of them.
    pub(crate) fn resolve(cli: &Cli, variables: &[(OsString, OsString)]) -> Result<Self> {
        let environment = environment::read(variables)?;
        let named = cli.global.config.clone().or(environment.config);
        let (config, file) = match (named, environment.text) {
            (Some(_), Some(_)) => bail!(
                "both REFRAIN_CONFIG_TOML and a settings file are named; the variable takes the file's place, so \
                 take one of them away"
            ),
            (None, Some(text)) => (None, file::parse(&text, "the text in REFRAIN_CONFIG_TOML")?),
            (named, None) => {
                let config = named.or_else(|| places::config_file(variables).filter(|path| path.exists()));
                let file = config.as_deref().map(file::read).transpose()?.unwrap_or_default();
                (config, file)
            }
        };
        let below = environment::fallback(variables);
        let layers = Layer::from_flags(cli).over(environment.layer).over(file).over(below);
        Ok(Self { config, ..layers.check(variables)? })
    }

    /// The same for a program without flags of ours, whose file may hold anything: what of it is not ours is given back
    /// as names.
    pub(crate) fn resolve_loosely(
        config: Option<&Path>,
        variables: &[(OsString, OsString)],
    ) -> Result<(Self, Vec<String>)> {
        let environment = environment::read(variables)?;
        let named = config.map(Path::to_owned).or(environment.config);
        if let (None, Some(text)) = (&named, &environment.text) {
            let file = file::parse(text, "the text in REFRAIN_CONFIG_TOML")?;
            let settings = environment.layer.over(file).check(variables)?;
            return Ok((Self { names: NO_FLAGS, ..settings }, Vec::new()));
        }
        let config = named.or_else(|| places::config_file(variables).filter(|path| path.exists()));
        let (file, ignored) = config.as_deref().map(file::read_loosely).transpose()?.unwrap_or_default();
        let settings = environment.layer.over(file).check(variables)?;
        Ok((Self { names: NO_FLAGS, config, ..settings }, ignored))
    }

    /// The hosts of `monitor.private_hosts`.
    pub(crate) fn private_hosts(&self) -> Result<Vec<PrivateHost>> {
        let hosts = self.layer.monitor.private_hosts.iter().flatten();
        hosts.map(|host| host.parse::<PrivateHost>().context("monitor.private_hosts")).collect()
    }

    /// Settings for another catalogue, which is a file with its cache beside it.
    pub(crate) fn with_file(&self, path: &str) -> Self {
        Self {
            catalog: format!("sqlite:{path}").into(),
            cache_dir: None,
            search: SearchHome::Local,
            ..self.clone()
        }
    }

    /// Where the files of the index cache are: each begins with this.
    pub(crate) fn cache_prefix(&self) -> Result<PathBuf> {
        let url = self.catalog.expose();
        let beside = refrain_catalog::default_cache_prefix(url);
        let folder = match (&self.cache_dir, beside, &self.cache_home) {
            (Some(folder), _, _) => folder,
            (None, Some(beside), _) => return Ok(beside),
            (None, None, Some(home)) => home,
            (None, None, None) => bail!(
                "no place is known for the index cache, because neither HOME nor XDG_CACHE_HOME is set; name one \
                 with --cache-dir"
            ),
        };
        Ok(folder.join(places::cache_name(&refrain_catalog::address(url)?)).join("index"))
    }

    /// The part of the settings that the matcher of streams takes.
    pub(crate) fn live(&self) -> LiveSettings {
        LiveSettings { effort: self.effort, ranges: self.ranges, ..LiveSettings::default() }
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
        let layer = self.clone();
        let catalog = match self.catalog.or_else(|| environment::database_url(variables)) {
            Some(url) => url,
            None => default_catalog(variables)?,
        };
        let (cache_dir, cache_home) = (self.cache_dir, places::cache_folder(variables));
        let database = self.database.check()?;
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
        let rule = self.rule;
        Ok(Settings {
            names: FLAGS,
            config: None,
            search: self.search.unwrap_or_default(),
            catalog,
            cache_dir,
            cache_home,
            database,
            jobs,
            false_positive_rate,
            effort,
            ranges,
            rule,
            layer,
        })
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
            speed: within("speed_range", self.speed_range, usual.speed, Ranges::MAX_CHANGE)?,
            tempo: within("tempo_range", self.tempo_range, usual.tempo, Ranges::MAX_CHANGE)?,
            pitch_cents: within("pitch_range", self.pitch_range, usual.pitch_cents, Ranges::MAX_PITCH_CENTS)?,
        })
    }
}

fn default_catalog(variables: &[(OsString, OsString)]) -> Result<CatalogUrl> {
    let path = places::catalog_file(variables)
        .unwrap_or_else(|| PathBuf::from("refrain.db"))
        .into_os_string()
        .into_string()
        .ok()
        .context("the user's data folder has a name that is not UTF-8; set REFRAIN_CATALOG to sqlite:PATH")?;
    Ok(format!("sqlite:{path}").into())
}

#[cfg(test)]
mod tests;
