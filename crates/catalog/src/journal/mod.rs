//! The journal: streams with their leases, detections, and the outbox of messages to deliver.

mod attempts;
mod backlog;
mod delivery;
mod detection;
mod stored;
mod stream;

use std::time::Duration;

use async_trait::async_trait;

use crate::{CatalogError, TrackId};
pub use attempts::{
    LeaseHolder, MAX_DEATHS, MAX_WORKER_DEATHS, ObjectAttempts, ObjectVersion, RecordOutcome, SUSPECT_DEATHS,
    StreamHealth,
};
pub(crate) use backlog::unclaimed_reason;
pub use backlog::{Backlog, SinkBacklog};
pub use delivery::{
    AfterFailure, DeliveryStatus, NewOutboxMessage, OutboxFilter, OutboxMessage, PruneCounts, RetentionLimits,
};
pub use detection::{Detection, DetectionId, DetectionSource, PageCursor};
pub(crate) use stored::{clamp_time, milliseconds, name_fault, text};
pub(crate) use stream::quarantine_reason;
pub use stream::{
    ARCHIVE, NewStream, SessionKey, StartOutcome, Stream, StreamFilter, StreamReport, StreamState,
    WAITING_AFTER_EXPIRY, new_owner, worker_name,
};

/// The records of live monitoring, in the database of the catalog. The guarantees of [`crate::Catalog`] for
/// transactions, shared access and dropped calls apply here too.
///
/// Times are milliseconds since the Unix epoch and come from the caller, with one exception: only the clock of the
/// database decides when the lease of a stream expires and when a message is due. Leases and claims coordinate several
/// machines, and a machine whose own clock is fast would take streams and messages from live workers. A NUL in a text
/// is stored as U+FFFD.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds a stream, or starts a known stream again: as a new session, in state `starting`, without a lease. A
    /// duplicate or late call for the same start changes nothing.
    ///
    /// A known stream starts again only if `started_at` is later than that of the known session. In addition, if both
    /// sessions have names, the names must differ; otherwise the known session must have ended, and `started_at` must
    /// be later than that end. A session whose end was recorded by [`Journal::record_session_end`] does not start
    /// again.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an id that is empty or longer than 2,000 bytes.
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError>;

    /// Ends a stream on behalf of a caller that does not hold its lease, and ends the lease. Returns false and changes
    /// nothing if the stream is unknown, has ended already, started later than `at`, or is in another session than
    /// `session`.
    async fn end_stream(
        &self,
        id: &str,
        session: Option<&str>,
        reason: Option<&str>,
        at: i64,
    ) -> Result<bool, CatalogError>;

    /// Records that a session has ended that is not the one in the row of the stream, so that its start changes nothing
    /// if it arrives late. The row stays as it is.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an id or a session that is empty or longer than 2,000 bytes.
    async fn record_session_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError>;

    /// Returns the number of streams that [`Journal::claim_streams`] could give to a worker: they have not ended, are
    /// not of the origin [`ARCHIVE`], and have no lease or one that expired at least [`WAITING_AFTER_EXPIRY`] ago by
    /// the clock of the database.
    async fn count_waiting_streams(&self) -> Result<u64, CatalogError>;

    /// Returns the stream with this id.
    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError>;

    /// Returns a page of streams that pass the filter, ordered by id (by code point), starting after the given one.
    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Claims at most `limit` streams for the worker named `owner`, oldest first. Candidates are streams that have not
    /// ended and that never had a lease, were released, or whose lease has expired. No two workers get the same stream.
    ///
    /// Each claim counts one death in advance ([`Stream::deaths`]), which [`Journal::confirm_stream`] and
    /// [`Journal::release`] clear. A stream with [`SUSPECT_DEATHS`] is given to a worker only while that worker has no
    /// other such stream that is not confirmed. A stream with [`MAX_WORKER_DEATHS`] is not given to any: see
    /// [`Journal::quarantine_streams`].
    async fn claim_streams(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Fails all streams without a worker that have [`MAX_WORKER_DEATHS`], and returns their ids. Only a new start
    /// makes such a stream claimable again.
    async fn quarantine_streams(&self) -> Result<Vec<String>, CatalogError>;

    /// Claims streams of the origin [`ARCHIVE`] in the same way. [`Journal::claim_streams`] skips them: their audio is
    /// in stored objects, which the workers for live streams cannot follow. Does not count deaths.
    async fn claim_archives(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Extends all leases of a worker to last `lease` from now, in one statement, and returns the ids of the streams
    /// that it still holds, in order. The worker must stop work on every other stream: it has ended, was started again,
    /// or belongs to another worker. An expired lease that no other worker has claimed is still held.
    ///
    /// A worker that cannot reach the database must stop by its own clock, no later than its lease expires. This call
    /// can wait longer than that for a server to return, and can be dropped.
    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError>;

    /// Releases a stream, or all streams of the worker if `id` is `None`, so that other workers can claim them at once.
    /// Returns the number of released streams.
    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError>;

    /// Stores the state of a stream if the worker still holds it in that session, and returns true if so. The states
    /// `ended` and `failed` also end the lease. The state `live` resets the attempts to 0.
    async fn report_stream(&self, owner: &str, report: &StreamReport, now: i64)
    -> Result<bool, CatalogError>;

    /// Clears the deaths that were counted for a stream if the worker still holds it in that session (id and
    /// [`Stream::started_at`]), and returns true if so.
    async fn confirm_stream(
        &self,
        owner: &str,
        session: (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError>;

    /// Counts a death of the decoder of a stream and returns the number of them ([`Stream::decoder_deaths`]), or `None`
    /// if the worker does not hold the stream any more. The worker ends the stream at [`MAX_DEATHS`].
    async fn count_decoder_death(
        &self,
        owner: &str,
        session: (&str, i64),
    ) -> Result<Option<u32>, CatalogError>;

    /// Counts an attempt to process an object before it begins, and returns the number of attempts. Returns `None` and
    /// counts nothing if [`MAX_DEATHS`] attempts have not ended: the object must not be processed.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for names that are empty or longer than 2,000 bytes.
    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError>;

    /// Returns the number of attempts that have begun for this version of an object and have not ended.
    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError>;

    /// Records that processing ended in an orderly way, whatever its result: deletes all attempts for this version of
    /// an object.
    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError>;

    /// Returns objects with at least `at_least` attempts, the latest first.
    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError>;

    /// Deletes attempts that last began, and remembered sessions that ended, before this time, and returns their
    /// number.
    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError>;

    /// Returns true if the caller has to do the periodic job `name`, which only one of all processes does. By the clock
    /// of the database, it returns true to one caller within each period of length `every`; the first call for a name
    /// returns true.
    async fn claim_turn(&self, name: &str, every: Duration) -> Result<bool, CatalogError>;

    /// Stores a detection, as a new row or as the next state of the one with its id, and in the same transaction adds
    /// its messages to the outbox, once per sink and key.
    ///
    /// Returns false and changes nothing if the stored state is newer: it was seen later, or is final and this one is
    /// not. The values of [`Detection::first_seen`] and [`Detection::detected_in`] stay as they were first recorded.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an end before the start, numbers that are not finite, times out of range, and
    /// names that are empty or longer than 2,000 bytes (sink and key together).
    async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError>;

    /// Does the same as [`Journal::record`] unless another worker holds the stream. This prevents a worker that was cut
    /// off from the database from adding to a stream that another worker has taken over.
    ///
    /// # Errors
    /// As for [`Journal::record`].
    async fn record_with_lease(
        &self,
        holder: LeaseHolder<'_>,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<RecordOutcome, CatalogError>;

    /// Returns the detections that are not final, ordered by start. A worker that takes over a stream continues them.
    async fn open_detections(&self, detected_in: &DetectionSource) -> Result<Vec<Detection>, CatalogError>;

    /// Returns detections in streams that are not final, were last seen before `before`, and have no worker left that
    /// could end them: no stream that has not ended is in their session (or has their id, if the session has no name).
    /// Returns the first ones, ordered by start.
    async fn abandoned_detections(&self, before: i64, limit: u32) -> Result<Vec<Detection>, CatalogError>;

    /// Returns final detections with a [`Detection::last_seen`] of at least `since`, which does not depend on the
    /// timestamps in the stream: the latest ones, in no order. A worker that takes over a stream uses them to
    /// deduplicate detections that it makes again.
    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Returns a page of detections that overlap the time from `from` (inclusive) to `to` (exclusive), in the unit of
    /// [`Detection::start_at`], ordered by start, starting after the mark of the previous page
    /// ([`Detection::cursor_by_start`]).
    async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        from: i64,
        to: i64,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Returns a page of detections of a track, whatever its number was, ordered by first seen, latest first, starting
    /// after the mark of the previous page ([`Detection::cursor_by_first_seen`]).
    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Adds messages that belong to no detection to the outbox, once per sink and key. They are due at once, by the
    /// clock of the database; `now` is the time of their creation.
    ///
    /// # Errors
    /// As for [`Journal::record`], for names.
    async fn enqueue(&self, deliveries: &[NewOutboxMessage], now: i64) -> Result<(), CatalogError>;

    /// Returns the counts of the undelivered messages in the outbox.
    async fn backlog(&self) -> Result<Backlog, CatalogError>;

    /// Returns the same counts for each sink that has undelivered messages, ordered by name.
    async fn sink_backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError>;

    /// Claims at most `limit` messages of a sink, those that have been due for longest first, and counts the attempt.
    /// Returns them ordered by id. No two workers get the same message. A message whose delivery is not reported within
    /// the time `claim` becomes due again, because its worker may have died. A sink can therefore receive a message
    /// twice; it recognizes the duplicate by its key.
    async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError>;

    /// Marks as dead at most `limit` messages that have been due for the time `after` without being claimed, because
    /// their sink is in the settings of no process. Returns their number.
    async fn expire_unclaimed(&self, after: Duration, limit: u32) -> Result<u64, CatalogError>;

    /// Deletes at most `limit` undelivered messages of a sink, including dead ones, and returns their number.
    async fn drop_deliveries(&self, sink: &str, limit: u32) -> Result<u64, CatalogError>;

    /// Marks messages as delivered, even if they have been claimed again or marked as dead in the meantime.
    async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError>;

    /// Reports that an attempt ([`OutboxMessage::attempts`] as claimed) failed, and what to do with the message.
    /// Returns false and changes nothing if the message has been claimed again since, or is delivered or dead.
    async fn mark_delivery_failed(
        &self,
        id: i64,
        attempt: u32,
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError>;

    /// Returns a page of messages that pass the filter, ordered by id, starting after the given one.
    async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError>;

    /// Makes dead messages due again, with attempts counted from 0, and returns their number.
    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError>;

    /// Deletes one batch of expired records, at most `limit` of each kind. When no more are left, all counts are below
    /// `limit`. A later start of a deleted stream adds it as a new one.
    async fn prune(&self, expired: RetentionLimits, limit: u32) -> Result<PruneCounts, CatalogError>;
}
