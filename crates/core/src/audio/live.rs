//! Frames of a live stream to 44.1 kHz mono, one by one.

use std::io::Cursor;

use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use thiserror::Error;

use super::codec::Codec;
use super::container::Container;
use super::error::AudioError;
use super::guard::guarded;
use super::limits::{Limits, MIN_SAMPLE_RATE};
use super::mix;
use super::output::Output;
use super::source::Source;
use super::ts::{self, FrameFormat};

/// Why a frame gives no sound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Its codec, or a variant of it, cannot be decoded: no frame like it can.
    #[error("cannot decode {0}; give the stream as stereo AAC or MP3")]
    Unsupported(String),
    /// It is damaged; the next one may be good.
    #[error("a damaged frame: {0}")]
    Damaged(String),
}

/// An audio track of MP4, as its initialization section describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mp4Track {
    /// Track id that its fragments name.
    pub id: u32,
    /// Ticks per second of its fragments.
    pub timescale: u32,
}

/// What a decoder was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Frames(FrameFormat),
    Mp4,
}

/// One decoder and one resampler for a stream that may last for days and change its codec on the way.
///
/// Nothing is allocated per frame. What is ready stands in [`LiveDecoder::ready`] until it is
/// [cleared](LiveDecoder::clear); [`LiveDecoder::held`] samples more belong to what was taken.
#[derive(Default)]
pub struct LiveDecoder {
    codec: Option<(Origin, Codec)>,
    rate: u32,
    channels: usize,
    mono: Vec<f32>,
    output: Output,
    replaced: u64,
}

impl std::fmt::Debug for LiveDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveDecoder")
            .field("codec", &self.codec())
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl LiveDecoder {
    /// A decoder that waits for a format.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Prepares for frames of this format. Returns whether another decoder was made for that.
    ///
    /// # Errors
    /// [`FrameError::Unsupported`], after which the decoder waits for another format.
    pub fn use_frames(&mut self, format: FrameFormat) -> Result<bool, FrameError> {
        let origin = Origin::Frames(format);
        if self.codec.as_ref().is_some_and(|(of, _)| *of == origin) {
            return Ok(false);
        }
        self.codec = None;
        let make = || ts::parameters(format).and_then(|parameters| Codec::new(&parameters));
        let codec = guarded(make).unwrap_or_else(|| Err("a format that breaks the decoder".to_owned()));
        self.codec = Some((origin, codec.map_err(FrameError::Unsupported)?));
        Ok(true)
    }

    /// Prepares for the packets of the first audio track that an initialization section of MP4 (`ftyp`, `moov`)
    /// describes.
    ///
    /// # Errors
    /// [`FrameError::Unsupported`] or [`FrameError::Damaged`], after which the decoder waits for another format.
    pub fn use_mp4(&mut self, init: &[u8]) -> Result<Mp4Track, FrameError> {
        /// An empty `mdat`: what a demuxer waits for behind the header.
        const EMPTY_DATA: &[u8] = b"\0\0\0\x08mdat";
        self.codec = None;
        let bytes = [init, EMPTY_DATA].concat();
        let open = || {
            let source = Source::stream(Box::new(Cursor::new(bytes)));
            let mut container = Container::open(source, init, "the section", &Limits::default())?;
            container.choose("the section").map(|chosen| (container.track(), chosen.codec))
        };
        let opened = guarded(open).unwrap_or_else(|| {
            Err(AudioError::Damaged {
                name: String::new(),
                reason: "its header breaks the demuxer".to_owned(),
            })
        });
        let ((id, timescale), codec) = opened.map_err(|error| match error {
            AudioError::UnsupportedCodec { codec, .. } => FrameError::Unsupported(codec),
            other => FrameError::Damaged(other.to_string()),
        })?;
        let timescale =
            timescale.ok_or_else(|| FrameError::Damaged("a track without a timescale".to_owned()))?;
        self.codec = Some((Origin::Mp4, codec));
        Ok(Mp4Track { id, timescale })
    }

    /// Decodes a frame or packet.
    ///
    /// # Errors
    /// [`FrameError`]; then nothing of it is in the sound, and how long it was the caller must know.
    pub fn decode(&mut self, data: &[u8]) -> Result<(), FrameError> {
        let Some((_, codec)) = &mut self.codec else {
            return Err(FrameError::Unsupported("frames of an unknown format".to_owned()));
        };
        self.mono.clear();
        let packet = PacketRef::new(0, Timestamp::new(0), Duration::new(0), data);
        let shape = match guarded(|| codec.decode(&packet, &mut self.mono)) {
            Some(Ok(shape)) => shape,
            Some(Err(error)) => return Err(FrameError::Damaged(error.to_string())),
            None => {
                self.codec = None;
                return Err(FrameError::Damaged("it breaks the decoder".to_owned()));
            }
        };
        if !(MIN_SAMPLE_RATE..=Limits::default().max_sample_rate).contains(&shape.rate) {
            return Err(FrameError::Unsupported(format!("{} at {} Hz", self.codec(), shape.rate)));
        }
        (self.rate, self.channels) = (shape.rate, shape.channels);
        self.replaced += mix::clean(&mut self.mono);
        self.output.push(&self.mono, shape.rate).map_err(FrameError::Damaged)
    }

    /// Takes sound that is decoded already, its channels interleaved.
    ///
    /// # Errors
    /// [`FrameError::Unsupported`] for a rate that there is no resampler for, or no channels.
    pub fn push(&mut self, samples: &[f32], channels: usize, rate: u32) -> Result<(), FrameError> {
        let fits = (MIN_SAMPLE_RATE..=Limits::default().max_sample_rate).contains(&rate) && channels > 0;
        if !fits {
            return Err(FrameError::Unsupported(format!("{channels} channels at {rate} Hz")));
        }
        self.mono.clear();
        mix::mix_interleaved(samples, channels, &mut self.mono);
        (self.rate, self.channels) = (rate, channels);
        self.replaced += mix::clean(&mut self.mono);
        self.output.push(&self.mono, rate).map_err(FrameError::Unsupported)
    }

    /// Forgets what earlier frames left in the decoder; the sound itself goes on without a break. For a splice.
    pub fn reset(&mut self) {
        if let Some((_, codec)) = &mut self.codec
            && guarded(|| codec.reset()).is_none()
        {
            self.codec = None;
        }
    }

    /// Brings out what the resampler holds back. What comes next does not continue it.
    pub fn finish(&mut self) {
        // It fails only on wrong buffer sizes, which are its own; then the last milliseconds are missing.
        _ = self.output.finish();
    }

    /// Sound that is ready: 44.1 kHz mono, nominally within ±1.
    #[must_use]
    pub fn ready(&self) -> &[f32] {
        &self.output.ready
    }

    /// Drops the sound that was ready.
    pub fn clear(&mut self) {
        self.output.ready.clear();
    }

    /// Samples at 44.1 kHz that were taken and are not ready yet.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.output.held()
    }

    /// Whether there is a decoder. There is none before the first format, and after one that broke.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.codec.is_some()
    }

    /// The codec's name; empty before the first.
    #[must_use]
    pub fn codec(&self) -> &str {
        self.codec.as_ref().map_or("", |(_, codec)| codec.name())
    }

    /// Sample rate and channels of what was decoded last; 0 before the first.
    #[must_use]
    pub fn shape(&self) -> (u32, usize) {
        (self.rate, self.channels)
    }

    /// Samples so far that were NaN, infinite or absurdly large and were replaced by 0.
    #[must_use]
    pub fn replaced_samples(&self) -> u64 {
        self.replaced
    }
}
