//! Decodes the segments of a stream and reports its events, on a thread of the pool.

use std::io::Read;
use std::sync::Arc;

use refrain_catalog::Detection;
use refrain_core::audio::AudioError;
use refrain_core::audio::ts::looks_like_ts;
use refrain_core::matching::live::{LiveBuffers, LiveSettings};
use refrain_isolation::open_seekable;
use refrain_stream::{DecoderSettings, Delivery, Gap, GapReason};

use crate::files::reader::ObjectSource;
use crate::files::shared::FilesContext;
use refrain_app::audio_file;
use refrain_monitor::StreamWorker;

/// Number of bytes at the start of a segment by which its format is detected. MPEG-TS has a sync byte every 188 bytes,
/// so 4 KiB contain 21 of them. Half of them would still be enough; more bytes do not make the detection more reliable.
const HEAD_BYTES: u64 = 4 << 10;

/// Number of bytes that are decoded at a time. The value limits the memory for undecoded bytes and does not change the
/// result. At half this value, the decoder is called twice as often; at twice this value, each thread needs twice the
/// memory.
const PIECE_BYTES: usize = 256 << 10;

/// Decodes and searches a stream from a position in a session on. The times of its events are seconds from that
/// position. The times of day of its events are also seconds from that position, because segments contain no time of
/// day.
pub(super) struct SegmentDecoder {
    /// Name of the stream, which identifies the stream in the log.
    id: Arc<str>,
    worker: StreamWorker,
    buffers: LiveBuffers,
    events: Vec<Detection>,
}

impl SegmentDecoder {
    /// Creates the decoder. `airings` are the airings that continue at its start position, with times relative to that
    /// position.
    pub(super) fn new(id: &str, settings: LiveSettings, airings: Vec<Detection>) -> Self {
        let decoder_settings = DecoderSettings { wall_clock: || 0.0 };
        let id: Arc<str> = id.into();
        let worker = StreamWorker::new(Arc::clone(&id), decoder_settings, settings)
            .with_airings(airings)
            .with_media_time();
        Self { id, worker, buffers: LiveBuffers::default(), events: Vec::new() }
    }

    /// Returns the duration of the audio that was processed so far, in seconds, including gaps.
    pub(super) fn position(&self) -> f64 {
        self.worker.position()
    }

    /// Returns the detections since the last call.
    pub(super) fn take_detections(&mut self) -> Vec<Detection> {
        std::mem::take(&mut self.events)
    }

    /// Processes a gap of `seconds` seconds.
    pub(super) fn process_gap(&mut self, seconds: f64, reason: GapReason, shared: &FilesContext) {
        self.process(Delivery::Gap(Gap { seconds, reason, program_date_time: None }), shared);
    }

    /// Decodes a segment in pieces. MPEG-TS continues where the previous segment ended; every other format is decoded
    /// as a separate file.
    ///
    /// # Errors
    /// [`AudioError`] if the segment cannot be decoded. If reading from the bucket failed, [`ObjectSource::failure`]
    /// returns the reason.
    pub(super) fn segment(&mut self, source: &ObjectSource, shared: &FilesContext) -> Result<(), AudioError> {
        let mut reader = source.open();
        let mut head = Vec::new();
        let name = source.name().to_string();
        let failed = |source| AudioError::Read { name: name.clone(), source };
        reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
        // Only MPEG-TS can continue across segments. The decoder of other formats needs the whole file, with its
        // header.
        if !looks_like_ts(&head) {
            return self.decode_file(source, shared);
        }
        let mut piece = head;
        while !piece.is_empty() {
            self.process(Delivery::Bytes(piece.into()), shared);
            piece = Vec::with_capacity(PIECE_BYTES);
            reader.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(failed)?;
        }
        Ok(())
    }

    fn decode_file(&mut self, source: &ObjectSource, shared: &FilesContext) -> Result<(), AudioError> {
        let name = source.name().to_string();
        let open = || Ok(source.searchable());
        let mut reader = open_seekable(open, source.size(), &name, &audio_file::limits())?;
        while let Some(chunk) = reader.next_chunk()? {
            // The reader reuses its buffer for the next chunk.
            let chunk = chunk.to_vec();
            self.process(Delivery::Decoded(chunk), shared);
        }
        Ok(())
    }

    /// Ends the stream: every open airing gets its final event.
    pub(super) fn finish(&mut self, shared: &FilesContext) {
        let snapshot = shared.index.snapshot();
        if let Err(error) = self.worker.finish(&snapshot, &mut self.buffers, &mut self.events) {
            tracing::warn!(stream = %self.id, %error, "search in the index failed at the end of the stream, a song at its end can be missed");
            shared.index.report_damage(&snapshot, &error);
        }
    }

    fn process(&mut self, delivery: Delivery, shared: &FilesContext) {
        let (snapshot, position) = (shared.index.snapshot(), self.position());
        if let Err(error) = self.worker.process(delivery, &snapshot, &mut self.buffers, &mut self.events) {
            tracing::warn!(stream = %self.id, decoder_position_seconds = position, %error, "search in the index failed, a song at this position can be found late or missed");
            shared.index.report_damage(&snapshot, &error);
        }
    }
}

/// The decoder, and the result of decoding a segment.
pub(super) type DecodedSegment = (Box<SegmentDecoder>, Result<(), AudioError>);

/// Decodes a segment after a gap of `missing` seconds (0: no gap). A segment that cannot be decoded becomes a gap of
/// `mean_seconds` seconds.
pub(super) fn decode_segment(
    mut decoder: Box<SegmentDecoder>,
    missing: f64,
    mean_seconds: f64,
    source: &ObjectSource,
    shared: &Arc<FilesContext>,
) -> DecodedSegment {
    // The gap comes before the segment, so that the times of later airings stay right.
    if missing > 0.0 {
        decoder.process_gap(missing, GapReason::Missed, shared);
    }
    let result = decoder.segment(source, shared);
    if result.is_err() && mean_seconds > 0.0 {
        decoder.process_gap(mean_seconds, GapReason::Unreadable, shared);
    }
    (decoder, result)
}

/// Processes a gap of `seconds` in place of a segment that is in quarantine.
pub(super) fn skip_segment(
    mut decoder: Box<SegmentDecoder>,
    seconds: f64,
    shared: &Arc<FilesContext>,
) -> Box<SegmentDecoder> {
    if seconds > 0.0 {
        decoder.process_gap(seconds, GapReason::Unreadable, shared);
    }
    decoder
}
