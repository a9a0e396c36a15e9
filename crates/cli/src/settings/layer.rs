//! The type `Layer`: all settings from one source, such as the flags, the environment or the settings file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use refrain_catalog::Rule;
use refrain_core::matching::{MatchSettings, Ranges};

use super::declare::settings;
use super::limit::Limit::{Any, AtMost, Between, Probability};
use super::sinks::SinkVariables;
use super::tables::{
    AwsTable, BucketTable, DatabaseTable, HealthTable, HttpTable, IvsTable, KeepTable, LogTable,
    MediaLiveTable, MetricsTable, MonitorTable, NetworkTable, OutboxTable, QueuesTable, SearchBackend,
    SearchEffort, ServiceTable, SinkTable, StreamTable,
};
use super::url::CatalogUrl;

/// Maximum of `jobs`, far above the number of cores of any machine. Each job can have a thread and a decoder process,
/// so a higher number is a mistake.
const MAX_JOBS: f64 = 1_024.0;

settings! {
    /// Unchecked settings from flags, the environment or the file. A setting that is `None` is taken from the next
    /// lower layer.
    "" Layer {
        /// Use this catalog: sqlite:PATH or postgres://USER@HOST/DATABASE.
        ///
        /// The service also keeps leases, detections and the outbox in it; with sqlite:PATH one process is the complete
        /// service. Keep the password in PGPASSWORD.
        catalog: CatalogUrl, default(none "$DATABASE_URL if it is the URL of a catalog, else refrain/catalog.db in the user's \
            data folder ($XDG_DATA_HOME, else ~/.local/share)"), Any, example "\"postgres://refrain@db.example.org/refrain?sslmode=verify-full\"", flag "--catalog";
        /// Keep index caches in this folder.
        ///
        /// They can be deleted at any time. The folder must be local and writable.
        cache_dir: PathBuf, default(none "the folder of the catalog file; for a catalog in PostgreSQL, refrain/ in the user's \
            cache folder ($XDG_CACHE_HOME, else ~/.cache)"), Any, example "\"/var/cache/refrain\"", flag "--cache-dir";
        /// Use this search index: local or database.
        ///
        /// The local index has files on this machine and is the fastest. The index in the database has rows in the catalog's
        /// PostgreSQL and no local files, for short tasks and for catalogs that are too large for one machine.
        search: SearchBackend, default(SearchBackend::default(), "\"local\""), Any, flag "--search";
        /// Process up to this number of files in parallel.
        ///
        /// In the service it is the number of threads that decode and match, for streams and files together.
        jobs: NonZeroUsize, default(none "one per core"), AtMost(MAX_JOBS), example "2", flag "--jobs";
        /// Set the accepted probability that an unknown input gives a match.
        ///
        /// A lower value finds fewer songs in degraded audio, a higher value gives more wrong matches.
        false_positive_rate: f64, default(MatchSettings::default().false_positive_rate, "0.001"), Probability,
            flag "--false-positive-rate";
        /// Set the search effort for audio that is not found at once: fast, normal or thorough.
        effort: SearchEffort, default(SearchEffort::Normal, "\"normal\""), Any, flag "--effort";
        /// Set the range of the search for changes of the speed.
        ///
        /// 0.5 covers 1/1.5 to 1.5 times the original speed. 0: off.
        speed_range: f64, default(Ranges::default().speed, "0.5"), Between(0.0, Ranges::MAX_CHANGE), flag "--speed-range";
        /// Set the range of the search for changes of the tempo at the original pitch.
        ///
        /// The unit is that of the range of the speed. 0: off.
        tempo_range: f64, default(Ranges::default().tempo, "0.14"), Between(0.0, Ranges::MAX_CHANGE), flag "--tempo-range";
        /// Set the range of the search for changes of the pitch at the original tempo.
        ///
        /// The value is in cents, in both directions. 100 cents are a semitone. 0: off.
        pitch_range: f64, default(Ranges::default().pitch_cents, "200"), Between(0.0, Ranges::MAX_PITCH_CENTS),
            flag "--pitch-range";
        /// Set this rule for the indexed tracks that have no rule: block, allow, …
        rule: Rule, default(none "none"), Any, example "\"block\"", flag "--rule";
    } tables {
        service: ServiceTable,
        aws: AwsTable,
        queues: QueuesTable,
        bucket: BucketTable,
        monitor: MonitorTable,
        health: HealthTable,
        ivs: IvsTable,
        outbox: OutboxTable,
        keep: KeepTable,
        http: HttpTable,
        network: NetworkTable,
        log: LogTable,
        metrics: MetricsTable,
        database: DatabaseTable,
    } lists {
        /// The table `[medialive]`, which only settings files can contain.
        medialive: MediaLiveTable,
        /// The entries of `[[streams]]`, which only settings files can contain.
        streams: Vec<StreamTable>,
        /// The entries of `[[sinks]]` in the settings file.
        sinks: Vec<SinkTable>,
        /// The settings of sinks from environment variables.
        #[serde(skip)]
        sink_variables: SinkVariables,
    }
}
