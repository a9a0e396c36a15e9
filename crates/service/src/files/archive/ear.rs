//! Decodes the segments of a stream and reports its events, on a thread of the pool.

use std::io::Read;
use std::sync::Arc;

use refrain_core::audio::AudioError;
use refrain_core::audio::ts::looks_like_ts;
use refrain_core::matching::live::{LiveBuffers, LiveSettings};
use refrain_isolation::open_searchable;
use refrain_stream::{Delivery, EarSettings, Gap, GapReason};

use crate::files::reader::ObjectSource;
use crate::files::shared::Shared;
use refrain_app::audio_file;
use refrain_monitor::{OpenAiring, StreamEvent, StreamWorker};

/// Number of bytes at the start of a segment by which its format is detected.
const HEAD: u64 = 4 << 10;

/// Number of bytes that are decoded at a time.
const PIECE: usize = 256 << 10;

/// Decodes and searches a stream from some position in a session on. Times of its events are seconds from that position. So
/// is their time of day, because segments do not contain the time of day.
pub(super) struct Hearing {
    worker: StreamWorker,
    buffers: LiveBuffers,
    events: Vec<StreamEvent>,
}

impl Hearing {
    /// Creates the decoder. `airings` are those that continue at its position, with times relative to the position.
    pub(super) fn new(id: &str, settings: LiveSettings, airings: Vec<OpenAiring>) -> Self {
        let ear = EarSettings { wall_clock: || 0.0 };
        let worker = StreamWorker::new(id.into(), ear, settings).resuming(airings).in_media_time();
        Self { worker, buffers: LiveBuffers::default(), events: Vec::new() }
    }

    /// Returns the duration of the processed audio in seconds, gaps included.
    pub(super) fn position(&self) -> f64 {
        self.worker.position()
    }

    /// Returns the events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    /// Processes a gap of this duration.
    pub(super) fn miss(&mut self, seconds: f64, reason: GapReason, shared: &Shared) {
        self.hear(Delivery::Gap(Gap { seconds, reason, program_date_time: None }), shared);
    }

    /// Decodes a segment in pieces. MPEG-TS continues where the previous segment ended; every other format is decoded as a
    /// separate file.
    ///
    /// # Errors
    /// [`AudioError`] if the segment cannot be decoded. If reading from the bucket failed, [`ObjectSource::failure`]
    /// returns the reason.
    pub(super) fn segment(&mut self, source: &ObjectSource, shared: &Shared) -> Result<(), AudioError> {
        let mut reader = source.open();
        let mut head = Vec::new();
        let name = source.name().to_string();
        let failed = |source| AudioError::Read { name: name.clone(), source };
        reader.by_ref().take(HEAD).read_to_end(&mut head).map_err(failed)?;
        if !looks_like_ts(&head) {
            return self.whole(source, shared);
        }
        let mut piece = head;
        while !piece.is_empty() {
            self.hear(Delivery::Bytes(piece.into()), shared);
            piece = Vec::with_capacity(PIECE);
            reader.by_ref().take(PIECE as u64).read_to_end(&mut piece).map_err(failed)?;
        }
        Ok(())
    }

    fn whole(&mut self, source: &ObjectSource, shared: &Shared) -> Result<(), AudioError> {
        let name = source.name().to_string();
        let open = || Ok(source.searchable());
        let mut reader = open_searchable(open, source.size(), &name, &audio_file::limits())?;
        while let Some(chunk) = reader.next_chunk()? {
            let chunk = chunk.to_vec();
            self.hear(Delivery::Decoded(chunk), shared);
        }
        Ok(())
    }

    /// Ends the stream: every airing gets its final event.
    pub(super) fn finish(&mut self, shared: &Shared) {
        let snapshot = shared.index.snapshot();
        if let Err(error) = self.worker.finish(&snapshot, &mut self.buffers, &mut self.events) {
            shared.index.is_damaged(&snapshot, &error);
        }
    }

    fn hear(&mut self, delivery: Delivery, shared: &Shared) {
        let snapshot = shared.index.snapshot();
        if let Err(error) = self.worker.hear(delivery, &snapshot, &mut self.buffers, &mut self.events) {
            tracing::warn!(%error, "search failed");
            shared.index.is_damaged(&snapshot, &error);
        }
    }
}

/// The decoder, and the result of decoding a segment.
pub(super) type Heard = (Box<Hearing>, Result<(), AudioError>);

/// Decodes a segment after a gap of `missing` seconds. A segment that cannot be decoded becomes a gap of `usual` seconds.
pub(super) fn hear(
    mut hearing: Box<Hearing>,
    missing: f64,
    usual: f64,
    source: &ObjectSource,
    shared: &Arc<Shared>,
) -> Heard {
    if missing > 0.0 {
        hearing.miss(missing, GapReason::Missed, shared);
    }
    let heard = hearing.segment(source, shared);
    if heard.is_err() && usual > 0.0 {
        hearing.miss(usual, GapReason::Unreadable, shared);
    }
    (hearing, heard)
}

/// Processes a gap of `seconds` in place of a segment that must not be decoded.
pub(super) fn leave_out(mut hearing: Box<Hearing>, seconds: f64, shared: &Arc<Shared>) -> Box<Hearing> {
    if seconds > 0.0 {
        hearing.miss(seconds, GapReason::Unreadable, shared);
    }
    hearing
}
