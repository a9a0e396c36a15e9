//! The journal: streams and who works on them, what was heard, and what is still to be delivered.

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
    Holder, MAX_DEATHS, MAX_WORKER_DEATHS, ObjectAttempts, ObjectVersion, Recorded, SUSPECT_DEATHS,
    StreamHealth,
};
pub(crate) use backlog::unclaimed;
pub use backlog::{Backlog, SinkBacklog};
pub use delivery::{AfterFailure, Delivery, DeliveryFilter, DeliveryStatus, Expired, NewDelivery, Pruned};
pub use detection::{Detection, DetectionId, HeardIn, PageMark};
pub(crate) use stored::{milliseconds, moment, name_fault, text};
pub(crate) use stream::quarantine_reason;
pub use stream::{
    ARCHIVE, NewStream, StartOutcome, Stream, StreamFilter, StreamReport, StreamState, WAITING_AFTER,
    new_owner, worker_name,
};

/// What is written down while streams are listened to. It lives in the catalogue's database, and what
/// [`crate::Catalog`] says of transactions, processes and dropped calls holds here too.
///
/// Times are milliseconds since the Unix epoch and come from the caller, with one exception: only the database's clock
/// decides when a lease of a stream ends and when a message is due. A claim is a promise between machines, and a machine
/// whose own clock is ahead would take streams and messages from workers that live. A NUL in a text is stored as U+FFFD.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Takes a stream in, or starts a known one again: as a new session, in state starting, without a lease. To be
    /// told of the same start twice, or late, changes nothing.
    ///
    /// A known stream starts again only if it is told to have started later than the known session. If both
    /// sessions have names, these have to differ; else the known one has to be over, and the start to be later
    /// than that end.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an id that is empty or longer than 2,000 bytes.
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError>;

    /// Ends a stream from outside, and its lease with it. False, and nothing is done, if it is not known, over
    /// already, started later than `at`, or in another session than the one named.
    async fn end_stream(
        &self,
        id: &str,
        session: Option<&str>,
        reason: Option<&str>,
        at: i64,
    ) -> Result<bool, CatalogError>;

    /// Remembers that a session is over that is not the one in the stream's row, so that its start changes nothing when it
    /// arrives late. The row stays as it is.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an id or a session that is empty or longer than 2,000 bytes.
    async fn remember_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError>;

    /// Returns the number of streams that [`Journal::claim_streams`] could give to a worker: not over, not of the origin
    /// [`ARCHIVE`], and without a lease or with one that expired [`WAITING_AFTER`] ago by the database's clock.
    async fn waiting_streams(&self) -> Result<u64, CatalogError>;

    /// The stream of this id.
    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError>;

    /// A page of streams that pass the filter, in order of id (by code point), after the given one.
    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Gives the worker named `owner` at most `most` streams that are not over and that nobody works on: the
    /// ones that never had a lease, were handed back, or whose lease has run out; oldest first. No two workers
    /// get the same one.
    ///
    /// Each claim counts one death in advance ([`Stream::deaths`]), which [`Journal::confirm_stream`] and
    /// [`Journal::release`] clear. A stream with [`SUSPECT_DEATHS`] is given to a worker only while that worker has no other
    /// one that is not confirmed. A stream with [`MAX_WORKER_DEATHS`] is not given to any: see [`Journal::quarantine_streams`].
    async fn claim_streams(
        &self,
        owner: &str,
        most: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Fails the streams without a worker that have [`MAX_WORKER_DEATHS`], and returns their ids. Only a new start makes such a
    /// stream claimable again.
    async fn quarantine_streams(&self) -> Result<Vec<String>, CatalogError>;

    /// The same as [`Journal::claim_streams`] for streams of the origin [`ARCHIVE`], which [`Journal::claim_streams`] passes over: their sound is in
    /// objects, and whoever follows live streams cannot follow them.
    async fn claim_archives(
        &self,
        owner: &str,
        most: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Makes all leases of a worker last this long from now, in one statement; gives the ids that it still
    /// holds, in order. Work on any other stream has to stop: it is over, started anew, or another's. A lease
    /// that has run out and that nobody has taken is still held.
    ///
    /// A worker that cannot reach the database has to stop by its own clock, no later than its lease runs out;
    /// this call itself may wait longer than that for a server to come back, and may be dropped.
    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError>;

    /// Hands a stream back, or with no id all that the worker holds, so that others may claim it at once; how
    /// many there were.
    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError>;

    /// Writes down how a stream is, if the worker still holds it and it is still in that session; whether so.
    /// Ended and failed also end the lease. Live sets the attempts back to 0.
    async fn report_stream(&self, owner: &str, report: &StreamReport, now: i64)
    -> Result<bool, CatalogError>;

    /// Clears the deaths that were counted for a stream, if the worker still holds it in that session (id and
    /// [`Stream::started_at`]); returns true if so.
    async fn confirm_stream(
        &self,
        owner: &str,
        session: (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError>;

    /// Counts a death of the decoder of a stream, and returns the number of them ([`Stream::decoder_deaths`]). `None` if the
    /// worker does not hold the stream any more. The worker ends the stream at [`MAX_DEATHS`].
    async fn count_decoder_death(
        &self,
        owner: &str,
        session: (&str, i64),
    ) -> Result<Option<u32>, CatalogError>;

    /// Counts an attempt to process an object, before it begins, and returns the number of attempts. `None`, and nothing is
    /// counted, if [`MAX_DEATHS`] of them did not end: the object must not be processed.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for names that are empty or longer than 2,000 bytes.
    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError>;

    /// The number of attempts that have begun for this content of an object and have not ended.
    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError>;

    /// Notes that processing ended in an orderly way, whatever its result: forgets all attempts for this content.
    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError>;

    /// Objects with at least this number of attempts, the latest first.
    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError>;

    /// Deletes attempts and remembered ends of sessions that are older than this time; returns their number.
    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError>;

    /// Whether it is the caller's turn to do what only one process of all is to do, at most once in that time. It is for one
    /// caller in each such time, by the database's clock, and for the first one ever.
    async fn turn(&self, name: &str, every: Duration) -> Result<bool, CatalogError>;

    /// Writes a detection down, new or as the next state of the one with its id, and in the same transaction
    /// puts what is to be delivered of it into the outbox, each sink and key once.
    ///
    /// False, and nothing is done, if what is known is newer: it was seen later, or is final and this one is
    /// not. First seen, and what it was heard in, stay as first told.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an end before the start, numbers that are none, and names that are empty or
    /// longer than 2,000 bytes (sink and key together).
    async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewDelivery],
        now: i64,
    ) -> Result<bool, CatalogError>;

    /// Does the same as [`Journal::record`] while no other worker holds the stream. A worker that was cut off from the database
    /// cannot add to a stream that another one has taken over.
    ///
    /// # Errors
    /// As [`Journal::record`].
    async fn record_held(
        &self,
        holder: Holder<'_>,
        detection: &Detection,
        deliveries: &[NewDelivery],
        now: i64,
    ) -> Result<Recorded, CatalogError>;

    /// Detections that are not final, in order of start: what a worker that takes a stream over goes on with.
    async fn open_detections(&self, heard_in: &HeardIn) -> Result<Vec<Detection>, CatalogError>;

    /// Detections that are not final, were last seen before that time, and were heard in no stream that goes on in that
    /// session (or, where sessions have no names, under that id): nobody is left who would end them. The first in order of
    /// start.
    async fn left_open(&self, before: i64, limit: u32) -> Result<Vec<Detection>, CatalogError>;

    /// Detections that are final and were last seen no earlier than that time, whatever time of day the stream itself
    /// tells: the latest ones, in no order. What a worker that takes a stream over hears of them once more is not news.
    async fn lately_final(
        &self,
        heard_in: &HeardIn,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// A page of detections that overlap the time from `from` (included) to `to` (excluded), in the unit of
    /// [`Detection::start_at`], in order of start, after the mark of the page before
    /// ([`Detection::mark_by_start`]).
    async fn detections_of(
        &self,
        heard_in: &HeardIn,
        from: i64,
        to: i64,
        after: Option<PageMark>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// A page of detections of a track, whatever its number was, the last first seen first, before the mark of
    /// the page before ([`Detection::mark_by_first_seen`]).
    async fn airings_of(
        &self,
        track: TrackId,
        before: Option<PageMark>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Puts messages that belong to no detection into the outbox, each sink and key once. They are due at once, by the
    /// database's clock; `now` is when they were made.
    ///
    /// # Errors
    /// As [`Journal::record`], for names.
    async fn enqueue(&self, deliveries: &[NewDelivery], now: i64) -> Result<(), CatalogError>;

    /// How full the outbox is.
    async fn backlog(&self) -> Result<Backlog, CatalogError>;

    /// The same for each sink that has undelivered messages, in order of name.
    async fn backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError>;

    /// Claims at most `most` messages of a sink, the ones that are due for longest, and counts the attempt; gives
    /// them in order of id. No two workers get the same one. A message whose delivery is not reported within the time
    /// `claim` is due again after it: its claimant is taken to be dead. So a sink may see a message twice, and knows it by
    /// its key.
    async fn claim_deliveries(
        &self,
        sink: &str,
        most: u32,
        claim: Duration,
    ) -> Result<Vec<Delivery>, CatalogError>;

    /// Gives up at most `most` messages that have been due for this time without being claimed: their sink is in the
    /// settings of no process. Returns the number of messages.
    async fn expire_unclaimed(&self, after: Duration, most: u32) -> Result<u64, CatalogError>;

    /// Deletes at most `most` undelivered messages of a sink, dead ones as well; returns their number.
    async fn drop_deliveries(&self, sink: &str, most: u32) -> Result<u64, CatalogError>;

    /// Marks messages as delivered, also ones that were claimed again or given up meanwhile.
    async fn delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError>;

    /// Says that an attempt ([`Delivery::attempts`] as claimed) failed, and what follows. False, and nothing is
    /// done, if the message was claimed again since, or is delivered or dead.
    async fn delivery_failed(
        &self,
        id: i64,
        attempt: u32,
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError>;

    /// A page of messages that pass the filter, in order of id, after the given one.
    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, CatalogError>;

    /// Makes dead messages due again, with attempts counted from 0; how many there were.
    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError>;

    /// Deletes one batch, at most `most` of each kind, of what has expired. All counts are below `most` when no more
    /// is left. Whoever tells of a stream again that was deleted starts it.
    async fn prune(&self, expired: Expired, most: u32) -> Result<Pruned, CatalogError>;
}
