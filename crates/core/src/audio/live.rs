//! Decodes the frames of a live stream, one by one, to 44.1 kHz mono.

use std::io::Cursor;

use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use thiserror::Error;

use super::codec::Codec;
use super::container::Container;
use super::error::AudioError;
use super::guard::guarded;
use super::health::{HealthBlock, HealthMeter};
use super::limits::{Limits, MIN_SAMPLE_RATE};
use super::mix;
use super::output::ResamplingBuffer;
use super::source::ByteSource;
use super::ts::{self, FrameFormat};

/// An error while decoding a frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The codec, its variant or the sample rate of the frame is not supported. No frame of the same format can be
    /// decoded.
    #[error("cannot decode {0}; provide the stream as AAC or MP3")]
    Unsupported(String),
    /// The frame is damaged. The next frame may be valid.
    #[error("damaged audio frame: {0}")]
    Damaged(String),
}

/// An audio track of MP4, as described by an initialization section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mp4Track {
    /// Id of the track, which fragments use to refer to it.
    pub id: u32,
    /// Ticks per second of the time stamps in the fragments.
    pub timescale: u32,
}

/// The format for which the current decoder was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecoderFormat {
    Frames(FrameFormat),
    Mp4,
}

/// A decoder with a resampler for a live stream, which may run for days and change its codec.
///
/// Decoding a frame allocates no memory. [`LiveDecoder::ready`] returns the decoded samples until
/// [`LiveDecoder::clear`] discards them. The last samples of the input are still buffered in the resampler;
/// [`LiveDecoder::buffered`] returns their number.
///
/// # Examples
///
/// ```
/// use refrain_core::audio::{LiveDecoder, SAMPLE_RATE};
///
/// // A second of 48 kHz stereo becomes a second of 44.1 kHz mono.
/// let mut decoder = LiveDecoder::new();
/// decoder.push(&[0.25; 2 * 48_000], 2, 48_000)?;
/// decoder.finish();
/// assert_eq!(decoder.ready().len(), SAMPLE_RATE as usize);
/// assert!((decoder.ready()[22_050] - 0.25).abs() < 1e-3);
/// decoder.clear();
/// # Ok::<(), refrain_core::audio::FrameError>(())
/// ```
#[derive(Default)]
pub struct LiveDecoder {
    codec: Option<(DecoderFormat, Codec)>,
    rate: u32,
    channels: usize,
    mono: Vec<f32>,
    output: ResamplingBuffer,
    replaced: u64,
    /// Measures the channels before they are mixed; `None` if they are not measured.
    health: Option<Box<HealthMeter>>,
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
    /// Creates a decoder without a format. [`LiveDecoder::use_frames`] or [`LiveDecoder::use_mp4`] sets it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Prepares for frames of this format. Returns true if a new decoder was created, and false if the format is
    /// already in use.
    ///
    /// # Errors
    /// [`FrameError::Unsupported`] if the format cannot be decoded. The decoder has no format after an error.
    pub fn use_frames(&mut self, format: FrameFormat) -> Result<bool, FrameError> {
        let decoder_format = DecoderFormat::Frames(format);
        if let Some((DecoderFormat::Frames(current), _)) = &self.codec
            && current.has_same_decoder(&format)
        {
            return Ok(false);
        }
        // The old decoder is dropped first, so that after an error no frame of the new format reaches it.
        self.codec = None;
        let make = || ts::parameters(format).and_then(|parameters| Codec::new(&parameters));
        let codec = guarded(make).unwrap_or_else(|| Err("a format that crashes the decoder".to_owned()));
        self.codec = Some((decoder_format, codec.map_err(FrameError::Unsupported)?));
        Ok(true)
    }

    /// Prepares for the packets of an MP4 track: the first supported audio track in the initialization section `init`
    /// (`ftyp` and `moov`). Returns the properties of this track.
    ///
    /// # Errors
    /// [`FrameError::Unsupported`] if the codec cannot be decoded, [`FrameError::Damaged`] if the section is invalid.
    /// The decoder has no format after an error.
    pub fn use_mp4(&mut self, init: &[u8]) -> Result<Mp4Track, FrameError> {
        /// An empty `mdat` box, which the demuxer expects after the header.
        const EMPTY_DATA: &[u8] = b"\0\0\0\x08mdat";
        self.codec = None;
        let bytes = [init, EMPTY_DATA].concat();
        let open = || {
            let source = ByteSource::stream(Box::new(Cursor::new(bytes)));
            let mut container = Container::open(source, init, "the section", &Limits::default())?;
            container.select_track("the section").map(|selected| (container.track(), selected.codec))
        };
        let opened = guarded(open).unwrap_or_else(|| {
            Err(AudioError::Damaged {
                name: String::new(),
                reason: "the demuxer crashed on its header".to_owned(),
            })
        });
        let ((id, timescale), codec) = opened.map_err(|error| match error {
            AudioError::UnsupportedCodec { codec, .. } => FrameError::Unsupported(codec),
            other => FrameError::Damaged(other.to_string()),
        })?;
        let timescale =
            timescale.ok_or_else(|| FrameError::Damaged("the track has no timescale".to_owned()))?;
        self.codec = Some((DecoderFormat::Mp4, codec));
        Ok(Mp4Track { id, timescale })
    }

    /// Decodes a frame, or a packet of MP4, and appends its samples to [`LiveDecoder::ready`].
    ///
    /// # Errors
    /// [`FrameError`] if the frame cannot be decoded. No samples are appended then, so the caller must account for the
    /// missing length.
    pub fn decode(&mut self, data: &[u8]) -> Result<(), FrameError> {
        let Some((_, codec)) = &mut self.codec else {
            return Err(FrameError::Unsupported("frames of an unknown format".to_owned()));
        };
        self.mono.clear();
        // The decoders do not use the times of packets, so they are 0. The caller knows the time stamps of the frames.
        let packet = PacketRef::new(0, Timestamp::new(0), Duration::new(0), data);
        let planes = self.health.as_mut().map(|meter| meter.planes());
        let shape = match guarded(|| codec.decode(&packet, &mut self.mono, planes)) {
            Some(Ok(shape)) => shape,
            Some(Err(error)) => return Err(FrameError::Damaged(error.to_string())),
            None => {
                // A decoder that panicked is in an unknown state and must not be used again.
                self.codec = None;
                return Err(FrameError::Damaged("the decoder crashed on it".to_owned()));
            }
        };
        // The decoder reports the rate of each frame, which can differ from the rate of the format that the stream
        // announced.
        if !(MIN_SAMPLE_RATE..=Limits::default().max_sample_rate).contains(&shape.rate) {
            return Err(FrameError::Unsupported(format!("{} at {} Hz", self.codec(), shape.rate)));
        }
        (self.rate, self.channels) = (shape.rate, shape.channels);
        if let Some(meter) = &mut self.health {
            meter.measure(Some(data), shape.rate);
        }
        self.replaced += mix::replace_invalid(&mut self.mono);
        self.output.push(&self.mono, shape.rate).map_err(FrameError::Damaged)
    }

    /// Mixes and resamples audio that is already decoded, with interleaved channels and a sample rate of `rate` hertz,
    /// and appends it to [`LiveDecoder::ready`].
    ///
    /// # Errors
    /// [`FrameError::Unsupported`] if the sample rate is out of range or `channels` is 0.
    pub fn push(&mut self, samples: &[f32], channels: usize, rate: u32) -> Result<(), FrameError> {
        let fits = (MIN_SAMPLE_RATE..=Limits::default().max_sample_rate).contains(&rate) && channels > 0;
        if !fits {
            return Err(FrameError::Unsupported(format!("{channels} channels at {rate} Hz")));
        }
        self.mono.clear();
        mix::mix_interleaved(samples, channels, &mut self.mono);
        (self.rate, self.channels) = (rate, channels);
        if let Some(meter) = &mut self.health {
            meter.planes().copy_interleaved(samples, channels);
            meter.measure(None, rate);
        }
        self.replaced += mix::replace_invalid(&mut self.mono);
        self.output.push(&self.mono, rate).map_err(FrameError::Unsupported)
    }

    /// Begins to measure the audio before it is mixed. Has no effect on a decoder that measures already.
    pub fn measure_health(&mut self) {
        self.health.get_or_insert_default();
    }

    /// Sets the position of the measured blocks that were completed since the last call: `end` is the end of the audio,
    /// in samples at 44.1 kHz since the first sample of the stream.
    pub fn place_health(&mut self, end: u64) {
        if let Some(meter) = &mut self.health {
            meter.place(end);
        }
    }

    /// Moves the measured blocks to `out`. Audio is only measured after [`LiveDecoder::measure_health`].
    pub fn take_health(&mut self, out: &mut Vec<HealthBlock>) {
        if let Some(meter) = &mut self.health {
            meter.take(out);
        }
    }

    /// Resets the decoder for a splice, so that the next frame is decoded without the state of earlier frames. The
    /// resampler is not reset, so no samples are added or lost.
    pub fn reset(&mut self) {
        if let Some((_, codec)) = &mut self.codec
            && guarded(|| codec.reset()).is_none()
        {
            self.codec = None;
        }
    }

    /// Appends the samples that are buffered in the resampler to [`LiveDecoder::ready`]. Later input begins new audio.
    pub fn finish(&mut self) {
        // An error is possible only for wrong buffer sizes, which the resampler itself sets. The last milliseconds
        // would be missing then.
        _ = self.output.finish();
    }

    /// Returns the decoded samples since the last [`LiveDecoder::clear`]: 44.1 kHz mono, nominally within ±1.
    #[must_use]
    pub fn ready(&self) -> &[f32] {
        &self.output.ready
    }

    /// Discards the samples of [`LiveDecoder::ready`].
    pub fn clear(&mut self) {
        self.output.ready.clear();
    }

    /// Returns the number of samples, counted at 44.1 kHz, that are still buffered in the resampler and not in
    /// [`LiveDecoder::ready`].
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.output.buffered()
    }

    /// Returns true if a format is set. Returns false before the first format, after an unsupported format, and after
    /// the decoder crashed on a frame.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.codec.is_some()
    }

    /// Returns the name of the codec, or an empty string if the decoder has no format.
    #[must_use]
    pub fn codec(&self) -> &str {
        self.codec.as_ref().map_or("", |(_, codec)| codec.name())
    }

    /// Returns the sample rate in hertz and the number of channels of the last input. Both are 0 before the first
    /// input.
    #[must_use]
    pub fn shape(&self) -> (u32, usize) {
        (self.rate, self.channels)
    }

    /// Returns the number of samples that were replaced by 0 so far because they were NaN, infinite or far out of
    /// range.
    #[must_use]
    pub fn replaced_samples(&self) -> u64 {
        self.replaced
    }
}
