//! A stream's segments to its events, on a thread for files.

use std::io::Read;
use std::sync::Arc;

use refrain_core::audio::AudioError;
use refrain_core::audio::ts::looks_like_ts;
use refrain_core::matching::live::{LiveBuffers, LiveSettings};
use refrain_isolation::open_searchable;
use refrain_stream::{Delivery, EarSettings, Gap, GapReason};

use crate::files::reader::ObjectSource;
use crate::files::shared::Shared;
use crate::monitor::{OpenAiring, StreamEvent, StreamWorker};
use crate::sound;

/// Bytes that tell what a segment is.
const HEAD: u64 = 4 << 10;

/// Bytes that are heard at a time.
const PIECE: usize = 256 << 10;

/// Hears a stream from some place in a session on. Times of its events are seconds from that place; as is their time of
/// day, which segments do not tell.
pub(super) struct Hearing {
    worker: StreamWorker,
    buffers: LiveBuffers,
    events: Vec<StreamEvent>,
}

impl Hearing {
    /// At that place; airings that go on are given with times from it.
    pub(super) fn new(id: &str, settings: LiveSettings, airings: Vec<OpenAiring>) -> Self {
        let ear = EarSettings { wall_clock: || 0.0 };
        let worker = StreamWorker::new(id.into(), ear, settings).resuming(airings).in_media_time();
        Self { worker, buffers: LiveBuffers::default(), events: Vec::new() }
    }

    /// Seconds from that place that were heard, gaps included.
    pub(super) fn position(&self) -> f64 {
        self.worker.position()
    }

    /// What happened since this was asked last.
    pub(super) fn take_events(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    /// Hears that so much is missing.
    pub(super) fn miss(&mut self, seconds: f64, reason: GapReason, shared: &Shared) {
        self.hear(Delivery::Gap(Gap { seconds, reason, program_date_time: None }), shared);
    }

    /// Hears a segment, in pieces: MPEG-TS goes on where the one before ended, all else is a sound of its own.
    ///
    /// # Errors
    /// Why there is no sound in it. If the bucket does not give it, the source says so.
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
        let mut reader = open_searchable(open, source.size(), &name, &sound::limits())?;
        while let Some(chunk) = reader.next_chunk()? {
            let chunk = chunk.to_vec();
            self.hear(Delivery::Decoded(chunk), shared);
        }
        Ok(())
    }

    /// The stream is over: every airing gets its final event.
    pub(super) fn finish(&mut self, shared: &Shared) {
        let snapshot = shared.index.snapshot();
        if let Err(error) = self.worker.finish(&snapshot, &mut self.buffers, &mut self.events) {
            shared.index.is_damaged(&snapshot, &error);
        }
    }

    fn hear(&mut self, delivery: Delivery, shared: &Shared) {
        let snapshot = shared.index.snapshot();
        if let Err(error) = self.worker.hear(delivery, &snapshot, &mut self.buffers, &mut self.events) {
            tracing::warn!(%error, "a search failed");
            shared.index.is_damaged(&snapshot, &error);
        }
    }
}

/// What a thread gives back.
pub(super) type Heard = (Box<Hearing>, Result<(), AudioError>);

/// Hears a segment after so many seconds that are missing; what cannot be read is missing too, as long as `usual`.
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

/// Leaves out a segment that must not be decoded: it is missing for this number of seconds.
pub(super) fn leave_out(mut hearing: Box<Hearing>, seconds: f64, shared: &Arc<Shared>) -> Box<Hearing> {
    if seconds > 0.0 {
        hearing.miss(seconds, GapReason::Unreadable, shared);
    }
    hearing
}
