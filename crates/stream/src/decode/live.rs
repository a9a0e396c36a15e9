//! Streams without segments: the part of [`StreamDecoder`] for pieces with and without arrival times.

use super::StreamDecoder;
use super::clock;
use super::frame::TimeMark;
use super::join::ConnectionStart;
use super::playback::SoundSink;
use crate::delivery::{LiveAudio, LiveChunk};

impl StreamDecoder {
    /// Ends the connection of a live stream without segments and places its audio that is held back.
    pub(super) fn end_live(&mut self, sink: SoundSink<'_>) {
        if std::mem::take(&mut self.playback.is_live) {
            self.playback.place_connection(sink);
            self.playback.join = None;
            self.connected = true;
        }
    }

    /// Decodes a piece of a live stream without segments.
    pub(super) fn live(&mut self, chunk: &LiveChunk, sink: SoundSink<'_>) {
        // Without a valid arrival time, neither the burst nor a gap can be placed.
        if !clock::is_time(chunk.arrived) {
            return;
        }
        if std::mem::take(&mut self.connected) {
            self.playback.join =
                Some(ConnectionStart::new(chunk.arrived, self.playback.last_arrival.map(|last| last.span())));
            self.playback.is_live = true;
        }
        match &chunk.audio {
            LiveAudio::Bytes(bytes) => {
                // Held back samples come before these bytes, but held back frames would be placed first.
                if !bytes.is_empty()
                    && self.playback.join.as_ref().is_some_and(|join| !join.samples.is_empty())
                {
                    self.playback.place_connection(sink);
                }
                self.demux.bytes(bytes, Some(chunk.arrived), &mut self.playback, sink);
            }
            LiveAudio::Samples(samples) => {
                self.demux.end_frames(&mut self.playback, sink);
                self.playback.process_samples(samples, sink);
            }
        }
        self.playback.arrived(chunk.arrived, sink);
    }

    /// Marks the first bytes of a connection with the time of day. This is for streams with neither segments nor
    /// arrival times.
    pub(super) fn connect(&mut self, sink: SoundSink<'_>) {
        self.end_live(sink);
        if std::mem::take(&mut self.connected) {
            let arrival = self.now.unwrap_or_else(self.settings.wall_clock);
            self.playback.mark(TimeMark::connected_at(arrival));
        }
    }
}
