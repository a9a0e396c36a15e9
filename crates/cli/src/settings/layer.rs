//! A layer of settings: the settings from one source.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use refrain_catalog::Rule;
use serde::Deserialize;

use super::SearchBackend;
use super::database::DatabaseLayer;
use super::sinks::SinkVariables;
use super::tables::{
    AwsTable, BucketTable, HttpTable, IvsTable, KeepTable, LogTable, MediaLiveTable, MetricsTable,
    MonitorTable, OutboxTable, QueuesTable, SecretText, ServiceTable, SinkTable, StreamTable,
};
use super::url::CatalogUrl;
use crate::args::{Cli, Command, EffortArg};

/// Unchecked settings from flags, the environment or the file. A setting that is `None` is taken from the next lower layer.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Layer {
    pub(super) catalog: Option<CatalogUrl>,
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) search: Option<SearchBackend>,
    pub(super) jobs: Option<NonZeroUsize>,
    pub(super) false_positive_rate: Option<f64>,
    pub(super) effort: Option<EffortArg>,
    pub(super) speed_range: Option<f64>,
    pub(super) tempo_range: Option<f64>,
    pub(super) pitch_range: Option<f64>,
    pub(super) rule: Option<Rule>,
    pub(super) database: DatabaseLayer,
    pub(super) service: ServiceTable,
    pub(super) aws: AwsTable,
    pub(super) queues: QueuesTable,
    pub(super) bucket: BucketTable,
    pub(super) monitor: MonitorTable,
    pub(super) ivs: IvsTable,
    pub(super) outbox: OutboxTable,
    pub(super) keep: KeepTable,
    pub(super) http: HttpTable,
    pub(super) log: LogTable,
    pub(super) metrics: MetricsTable,
    /// `[medialive]`, in files only.
    pub(super) medialive: MediaLiveTable,
    /// `[[streams]]`, in files only.
    pub(super) streams: Vec<StreamTable>,
    /// `[[sinks]]`, in files only.
    pub(super) sinks: Vec<SinkTable>,
    /// Variables of sinks, in the environment only.
    #[serde(skip)]
    pub(super) sink_variables: SinkVariables,
    /// Secrets, in the environment only.
    #[serde(skip)]
    pub(super) secrets: Secrets,
}

/// Secrets from environment variables.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Secrets {
    /// Value of `REFRAIN_IVS_PRIVATE_KEY`.
    pub(super) ivs_private_key: Option<SecretText>,
    /// Value of `REFRAIN_HTTP_API_TOKEN`.
    pub(super) http_api_token: Option<SecretText>,
}

impl Secrets {
    fn with_fallback(self, below: Self) -> Self {
        Self {
            ivs_private_key: self.ivs_private_key.or(below.ivs_private_key),
            http_api_token: self.http_api_token.or(below.http_api_token),
        }
    }
}

impl Layer {
    /// Returns this layer with missing settings taken from the layer `below`.
    pub(super) fn with_fallback(self, below: Self) -> Self {
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
            database: self.database.with_fallback(below.database),
            service: self.service.with_fallback(below.service),
            aws: self.aws.with_fallback(below.aws),
            queues: self.queues.with_fallback(below.queues),
            bucket: self.bucket.with_fallback(below.bucket),
            monitor: self.monitor.with_fallback(below.monitor),
            ivs: self.ivs.with_fallback(below.ivs),
            outbox: self.outbox.with_fallback(below.outbox),
            keep: self.keep.with_fallback(below.keep),
            http: self.http.with_fallback(below.http),
            log: self.log.with_fallback(below.log),
            metrics: self.metrics.with_fallback(below.metrics),
            medialive: if self.medialive.channels.is_empty() { below.medialive } else { self.medialive },
            streams: if self.streams.is_empty() { below.streams } else { self.streams },
            sinks: if self.sinks.is_empty() { below.sinks } else { self.sinks },
            sink_variables: self.sink_variables.with_fallback(below.sink_variables),
            secrets: self.secrets.with_fallback(below.secrets),
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
            | Command::Prune(_)
            | Command::Serve(_)
            | Command::Streams(_)
            | Command::Healthcheck(_) => {}
        }
        layer
    }
}
