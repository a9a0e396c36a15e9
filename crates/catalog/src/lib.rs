//! Storage of the catalog: tracks with their metadata, rules and constellations, behind one trait ([`Catalog`]).
//!
//! The SQL database is authoritative. Constellations are stored packed; the search index is derived from them and can
//! be deleted at any time (`refrain_index_sync` keeps an index in step with the catalog). [`open`] opens the catalog of
//! a URL. The same database stores the records of the live monitor: streams, detections and messages to deliver
//! ([`Journal`]). Every implementation passes the contract suite in `tests/it/contract`.

mod catalog;
mod clock;
mod error;
mod health;
mod journal;
mod model;
pub mod postgres;
mod row;
mod search;
mod settings;
mod sqlite;
mod url;

pub use catalog::{Catalog, ChangeFeed, NearDuplicates, TrackReader, TrackWriter};
pub use error::CatalogError;
pub use health::{Fact, HealthLevel};
pub use journal::{
    ARCHIVE, AfterFailure, Attempts, Backlog, DeliveryStatus, Detection, DetectionId, DetectionRecord,
    DetectionSource, Detections, Journal, MAX_DEATHS, MAX_WORKER_DEATHS, NewOutboxMessage, NewStream,
    ObjectAttempts, ObjectVersion, Outbox, OutboxFilter, OutboxMessage, OutboxUpkeep, PageCursor,
    PruneCounts, RetentionLimits, SUSPECT_DEATHS, SessionKey, SessionRecords, SessionUpdate, SinkBacklog,
    StartOutcome, StoredDetection, Stream, StreamFilter, StreamHeaders, StreamHealth, StreamLeases,
    StreamRegistry, StreamReport, StreamState, WAITING_AFTER_EXPIRY, new_owner, worker_name,
};
pub use model::{
    AddOutcome, Change, ChangeKind, ContentHash, Metadata, NearDuplicate, NewTrack, Rule, RuleError, Track,
    TrackFilter, TrackId, TrackUpdate,
};
pub use refrain_core::index::TrackNumber;
pub use settings::{OpenSettings, PostgresSettings};
pub use url::{Address, address, default_cache_prefix, open, open_existing, open_with};
