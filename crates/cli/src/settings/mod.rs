//! Settings of all commands. Flags override environment variables, environment variables override the settings file,
//! and the settings file overrides the defaults. The combined settings are checked in one step.

mod database;
mod declare;
mod default_paths;
mod environment;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod keys;
mod layer;
mod limit;
mod network;
#[cfg(test)]
mod render;
mod secret;
mod service;
mod sinks;
mod source;
mod stream_entries;
mod tables;
mod url;
mod variable;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use refrain_catalog::{OpenSettings, Rule};
use refrain_core::matching::live::LiveSettings;
use refrain_core::matching::{Effort, MatchSettings, Ranges};
use refrain_net::PrivateHost;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use declare::{Declared, Fallback};
pub(crate) use layer::Layer;
use network::EnvironmentProxies;
pub(crate) use service::{check_id, check_url};
use sinks::SinkVariables;
pub(crate) use source::SettingsSource;
pub(crate) use stream_entries::{check_audio_pid, check_language};
pub(crate) use tables::{Role, SearchBackend, SearchEffort};
pub(crate) use url::CatalogUrl;

/// Names of command-line options in messages. They differ between `refrain` and `identifyStream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionNames {
    /// Name of the option that selects the catalog.
    pub(crate) catalog: &'static str,
    /// Name of the option that selects the local index.
    pub(crate) local_search: &'static str,
}

/// Names of the options in messages of `refrain`.
const FLAGS: OptionNames =
    OptionNames { catalog: "--catalog", local_search: "--search local (REFRAIN_SEARCH=local)" };

/// Names of the options in messages of `identifyStream`. This program has only the flags of Audible Magic's
/// `identifyStream`, so messages name environment variables and keys of the settings file.
const NO_FLAGS: OptionNames = OptionNames {
    catalog: "REFRAIN_CATALOG, or with `catalog` in the file of -c",
    local_search: "REFRAIN_SEARCH=local, or `search = \"local\"` in the file of -c",
};

/// Format and levels of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// True to write each log entry as a JSON object, false to write it as text.
    pub(crate) json: bool,
    /// Minimum levels of the log entries, by part of the program.
    pub(crate) targets: Targets,
}

impl LogSettings {
    /// Creates the settings of the log. `level` is a list separated by commas. In it, `LEVEL` applies to all parts of
    /// Refrain, and `PART=LEVEL` applies to one part.
    fn new(json: bool, level: &str) -> Result<Self> {
        let mut targets = Targets::new();
        for part in level.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            // A level without a part applies only to Refrain, because libraries would write far more lines than Refrain
            // itself.
            let (target, level) = part.split_once('=').unwrap_or(("refrain", part));
            let level: LevelFilter = level.trim().parse().ok().with_context(|| {
                format!(
                    "log.level: {part:?} is invalid; use error, warn, info, debug or trace, or PART=LEVEL"
                )
            })?;
            targets = targets.with_target(target.trim(), level);
        }
        Ok(Self { json, targets })
    }
}

/// The combined and checked settings of all commands. Only [`Settings::resolve`] and [`Settings::resolve_loosely`]
/// create them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// Names of the options in messages.
    pub(crate) names: OptionNames,
    /// Path of the settings file that was read; `None` if there was none.
    pub(crate) config: Option<PathBuf>,
    /// URL of the catalog.
    pub(crate) catalog: CatalogUrl,
    /// Folder of index caches; `None` if it is not set.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Default folder for index caches of catalogs that are not files. `None` if the environment does not define it.
    default_cache_dir: Option<PathBuf>,
    /// The index that is searched: local files, or rows in the database.
    pub(crate) search: SearchBackend,
    /// Settings of database connections.
    pub(crate) database: OpenSettings,
    /// Maximum number of files or streams that are processed in parallel; by default one per core.
    pub(crate) jobs: usize,
    /// Accepted probability that a match is chance.
    pub(crate) false_positive_rate: f64,
    /// Search effort for audio that is not found immediately.
    pub(crate) effort: Effort,
    /// Ranges of speed, tempo and pitch in which matches are searched.
    pub(crate) ranges: Ranges,
    /// Rule for indexed tracks that have no rule; `None` if none exists.
    pub(crate) rule: Option<Rule>,
    /// Proxies in the environment, which are used only if `network.proxy` selects them.
    environment_proxies: EnvironmentProxies,
    /// The combined settings before the check. The settings of the service are created from these when they are needed.
    layer: Layer,
}

impl Settings {
    /// Combines and checks the settings from flags, environment variables and the settings file. `config` is the path
    /// of the file. If it is `None`, the environment names the file, or the default path is used if it exists.
    pub(crate) fn resolve(
        flags: Layer,
        config: Option<&Path>,
        variables: &[(OsString, OsString)],
    ) -> Result<Self> {
        let environment = environment::read(variables)?;
        let named = config.map(Path::to_owned).or(environment.config);
        let (config, file) = match (named, environment.text) {
            (Some(_), Some(_)) => bail!(
                "both REFRAIN_CONFIG_TOML and a settings file are set; the variable replaces the file, so remove one \
                 of them"
            ),
            (None, Some(text)) => (None, file::parse(&text, "the text in REFRAIN_CONFIG_TOML")?),
            (named, None) => {
                let config =
                    named.or_else(|| default_paths::config_file(variables).filter(|path| path.exists()));
                let file = config.as_deref().map(file::read).transpose()?.unwrap_or_default();
                (config, file)
            }
        };
        let below = environment::fallback(variables);
        let layers = flags.with_fallback(environment.layer).with_fallback(file).with_fallback(below);
        Ok(Self { config, ..layers.check(variables)? })
    }

    /// Like [`Self::resolve`], but without flags, and the settings file can contain unknown settings. Also returns the
    /// names of the unknown settings.
    pub(crate) fn resolve_loosely(
        config: Option<&Path>,
        variables: &[(OsString, OsString)],
    ) -> Result<(Self, Vec<String>)> {
        let environment = environment::read(variables)?;
        let named = config.map(Path::to_owned).or(environment.config);
        // The text in `REFRAIN_CONFIG_TOML` contains only settings of Refrain, so unknown settings are errors.
        if let (None, Some(text)) = (&named, &environment.text) {
            let file = file::parse(text, "the text in REFRAIN_CONFIG_TOML")?;
            let settings = environment.layer.with_fallback(file).check(variables)?;
            return Ok((Self { names: NO_FLAGS, ..settings }, Vec::new()));
        }
        let config = named.or_else(|| default_paths::config_file(variables).filter(|path| path.exists()));
        let (file, ignored) = config.as_deref().map(file::read_loosely).transpose()?.unwrap_or_default();
        let settings = environment.layer.with_fallback(file).check(variables)?;
        Ok((Self { names: NO_FLAGS, config, ..settings }, ignored))
    }

    /// Returns true if these settings and `other` are equal, or differ only in those that a running service can change.
    pub(crate) fn differs_in_reloadable_settings_only(&self, other: &Self) -> bool {
        let without = |layer: &Layer| Layer {
            streams: Vec::new(),
            sinks: Vec::new(),
            sink_variables: SinkVariables::default(),
            ..layer.clone()
        };
        without(&self.layer) == without(&other.layer)
    }

    /// Returns the hosts in `monitor.private_hosts`, whose private addresses are allowed. An error names the setting.
    pub(crate) fn private_hosts(&self) -> Result<Vec<PrivateHost>> {
        let hosts = self.layer.monitor.private_hosts.iter().flatten();
        hosts.map(|host| host.parse::<PrivateHost>().context("monitor.private_hosts")).collect()
    }

    /// Returns these settings for another catalog, which is the SQLite file `path`. Its index cache is next to the
    /// file.
    pub(crate) fn with_file(&self, path: &str) -> Self {
        Self {
            catalog: format!("sqlite:{path}").into(),
            cache_dir: None,
            search: SearchBackend::Local,
            ..self.clone()
        }
    }

    /// Returns the path prefix of the files of the index cache, which is the beginning of all their names.
    pub(crate) fn cache_prefix(&self) -> Result<PathBuf> {
        let url = self.catalog.expose();
        let next_to_catalog = refrain_catalog::default_cache_prefix(url);
        let folder = match (&self.cache_dir, next_to_catalog, &self.default_cache_dir) {
            (Some(folder), _, _) => folder,
            (None, Some(next_to_catalog), _) => return Ok(next_to_catalog),
            (None, None, Some(default_dir)) => default_dir,
            (None, None, None) => bail!(
                "no folder for the index cache, because neither HOME nor XDG_CACHE_HOME is set; set the \
                 folder with --cache-dir"
            ),
        };
        // Several catalogs can share the folder, so each of them has its own subfolder.
        Ok(folder.join(default_paths::cache_name(&refrain_catalog::address(url)?)).join("index"))
    }

    /// Returns the settings of the matcher for live streams.
    pub(crate) fn live(&self) -> LiveSettings {
        LiveSettings { effort: self.effort, ranges: self.ranges, ..LiveSettings::default() }
    }

    /// Returns the settings of the matcher for files.
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
        let checked = self.checked()?;
        let catalog = match self.catalog.clone().or_else(|| environment::database_url(variables)) {
            Some(url) => url,
            None => default_catalog(variables)?,
        };
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok());
        Ok(Settings {
            names: FLAGS,
            config: None,
            search: checked.search(),
            catalog,
            cache_dir: self.cache_dir.clone(),
            default_cache_dir: default_paths::cache_folder(variables),
            database: self.database.open_settings()?,
            jobs: jobs.map_or(1, NonZeroUsize::get),
            false_positive_rate: checked.false_positive_rate(),
            effort: checked.effort().into(),
            ranges: Ranges {
                speed: checked.speed_range(),
                tempo: checked.tempo_range(),
                pitch_cents: checked.pitch_range(),
            },
            rule: self.rule.clone(),
            environment_proxies: environment::proxies(variables),
            // The settings of the service are checked only when they are needed, so that an invalid sink does not
            // affect `identify`.
            layer: self,
        })
    }
}

fn default_catalog(variables: &[(OsString, OsString)]) -> Result<CatalogUrl> {
    let path = default_paths::catalog_file(variables)
        .unwrap_or_else(|| PathBuf::from("refrain.db"))
        .into_os_string()
        .into_string()
        .ok()
        .context("the path of the user's data folder is not UTF-8; set REFRAIN_CATALOG to sqlite:PATH")?;
    Ok(format!("sqlite:{path}").into())
}

#[cfg(test)]
mod tests;
