//! Reads the packets of one audio track from the containers that symphonia supports.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::codec::Codec;
use super::demux::{DemuxEvent, SelectedTrack, TimedPacket};
use super::error::AudioError;
use super::guard::guarded;
use super::limits::Limits;
use super::sniff;
use super::source::{ByteSource, FirstError};
use super::tags::Tags;

/// Number of bytes that a demuxer can seek back in a stream. Must be a power of two. A stream whose demuxer seeks back
/// further cannot be opened. At twice this value, each open reader takes 256 KiB more memory.
const SEEK_BACK_BYTES: usize = 256 << 10;

/// An open file or stream in a container that symphonia reads.
pub(super) struct Container {
    reader: Box<dyn FormatReader>,
    track: u32,
    time_base: Option<TimeBase>,
    first_error: FirstError,
    /// Title of a Matroska file, which symphonia does not return. `None` for other containers and without a title.
    title: Option<String>,
}

impl Container {
    /// Detects the container and reads its header. `head` contains a copy of the first bytes of the source, and `name`
    /// is the name of the source in errors.
    pub(super) fn open(
        source: ByteSource,
        head: &[u8],
        name: &str,
        limits: &Limits,
    ) -> Result<Self, AudioError> {
        let first_error = source.first_error();
        let options = MediaSourceStreamOptions { buffer_len: SEEK_BACK_BYTES };
        let stream = MediaSourceStream::new(Box::new(source), options);
        // Larger tags would be read into memory before `Tags::read` could cut them.
        let metadata = MetadataOptions::default().limit_tag_bytes(Limit::Maximum(limits.max_tag_bytes));
        let probe = || {
            let (hint, format) = (Hint::new(), FormatOptions::default());
            symphonia::default::get_probe().probe(&hint, stream, format, metadata)
        };
        let opened = guarded(probe).unwrap_or(Err(Error::DecodeError("the demuxer crashed on its header")));
        match opened {
            Ok(reader) => {
                let title = sniff::matroska_title(head);
                let container = Self { reader, track: 0, time_base: None, first_error, title };
                // The probe of symphonia accepts any bytes that contain a frame header, also in programs and pictures.
                if sniff::has_frames(head, container.name()) {
                    return Ok(container);
                }
                Err(AudioError::NotAudio { name: name.to_owned() })
            }
            Err(Error::Unsupported(_) | Error::DecodeError(_) | Error::IoError(_))
                // A failed read also ends the probe. It must be reported as a read error, and not as a file that is not
                // audio.
                if !sniff::looks_like_audio(head) && first_error.is_empty() =>
            {
                Err(AudioError::NotAudio { name: name.to_owned() })
            }
            Err(error) => Err(open_error(&error, &first_error, name)),
        }
    }

    /// Returns the [`FirstError`] that keeps the first I/O error of the source.
    pub(super) fn first_error(&self) -> &FirstError {
        &self.first_error
    }

    /// Returns the short name of the container, such as "mp4" or "ogg".
    pub(super) fn name(&self) -> &'static str {
        match self.reader.format_info().short_name {
            "isomp4" => "mp4",
            "aac" => "adts",
            name => name,
        }
    }

    /// Reads the tags of the file and of the selected track.
    pub(super) fn tags(&mut self, limits: &Limits) -> Tags {
        let mut tags = Tags::read(self.reader.as_mut(), self.track, limits);
        tags.title = tags.title.or_else(|| self.title.take());
        tags
    }

    /// Selects the first audio track that can be decoded. `name` is the name of the source in errors.
    pub(super) fn select_track(&mut self, name: &str) -> Result<SelectedTrack, AudioError> {
        let mut unsupported_codec = None;
        for track in self.reader.tracks() {
            let Some(parameters) = track.codec_params.as_ref().and_then(|p| p.audio()) else { continue };
            match Codec::new(parameters) {
                Ok(codec) => {
                    // Fragmented MP4 declares a length of 0, because the header is written before the audio.
                    let seconds = self.declared_seconds(track, parameters).filter(|&seconds| seconds > 0.0);
                    let rate = parameters.sample_rate.unwrap_or(0);
                    let channels = parameters.channels.as_ref().map_or(0, Channels::count);
                    (self.track, self.time_base) = (track.id, track.time_base);
                    return Ok(SelectedTrack { codec, rate, channels, seconds });
                }
                // A later track may be supported, so this error is returned only if no track is.
                Err(codec) => unsupported_codec = unsupported_codec.or(Some(codec)),
            }
        }
        let name = name.to_owned();
        Err(match unsupported_codec {
            Some(codec) => AudioError::UnsupportedCodec { name, codec },
            None => AudioError::NoAudioTrack { name, container: self.name().to_owned() },
        })
    }

    /// Returns the id of the selected track, and the ticks per second of its time stamps. The latter is `None` if
    /// unknown or not an integer.
    pub(super) fn track(&self) -> (u32, Option<u32>) {
        let base = self.time_base.filter(|base| base.numer.get() == 1);
        (self.track, base.map(|base| base.denom.get()))
    }

    /// Returns the next event of the selected track. Packets of other tracks are skipped.
    pub(super) fn next(&mut self) -> DemuxEvent {
        loop {
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => {
                    return DemuxEvent::Packet(self.timed(packet));
                }
                Ok(Some(_)) => {}
                Ok(None) => return DemuxEvent::End,
                Err(Error::ResetRequired) => return DemuxEvent::TracksChanged,
                // Demuxers report the end of a file within a packet as an I/O error. `TrackDemuxer::read_error`
                // distinguishes failed reads.
                Err(Error::IoError(error)) => return DemuxEvent::Truncated(error.to_string()),
                Err(Error::DecodeError(what)) => return DemuxEvent::Damaged(what.to_owned()),
                Err(error) => return DemuxEvent::Truncated(error.to_string()),
            }
        }
    }

    /// Returns the length in seconds that the container declares. Returns `None` if it declares none, or only an
    /// estimate or a placeholder.
    fn declared_seconds(&self, track: &Track, parameters: &AudioCodecParameters) -> Option<f64> {
        let by_frames = || {
            let rate = parameters.sample_rate.filter(|&rate| rate > 0)?;
            Some(track.num_frames? as f64 / f64::from(rate))
        };
        match self.name() {
            // For these formats, symphonia estimates the length from the bit rate, unless a header of the encoder
            // contains it.
            "adts" => None,
            "mp1" | "mp2" | "mp3" if track.delay.is_none() => None,
            // Programs that write to a pipe write the largest possible size into the header, because they do not know
            // the length.
            "wave" | "aiff" | "caf" => {
                let bits = u64::from(parameters.bits_per_sample.unwrap_or(16));
                let channels = parameters.channels.as_ref().map_or(1, Channels::count) as u64;
                let bytes = track.num_frames?.saturating_mul(channels * bits.div_ceil(8));
                if bytes > 0x7FFF_0000 { None } else { by_frames() }
            }
            // The declared length is that of the whole file. With several tracks, it may be the length of the video.
            "matroska" if self.reader.tracks().len() == 1 => {
                let media = self.reader.media_info();
                Some(in_seconds(media.time_base?, media.duration?.get() as f64))
            }
            "matroska" => None,
            _ => {
                let by_time = || Some(in_seconds(track.time_base?, track.duration?.get() as f64));
                by_time().or_else(by_frames)
            }
        }
    }

    fn timed(&self, packet: Packet) -> TimedPacket {
        let Some(base) = self.time_base else { return TimedPacket { packet, start: None, seconds: 0.0 } };
        let start = in_seconds(base, packet.pts.get() as f64);
        let seconds = in_seconds(base, packet.block_dur().get() as f64);
        TimedPacket { packet, start: Some(start), seconds }
    }
}

/// Converts a length or time stamp from ticks of `base` to seconds.
fn in_seconds(base: TimeBase, ticks: f64) -> f64 {
    ticks * f64::from(base.numer.get()) / f64::from(base.denom.get())
}

fn open_error(error: &Error, first_error: &FirstError, name: &str) -> AudioError {
    let name = name.to_owned();
    if let Some(source) = first_error.take() {
        return AudioError::Read { name, source };
    }
    match error {
        Error::Unsupported(what) if what.contains("probe") => AudioError::NotAudio { name },
        Error::Unsupported(what) if what.contains("missing") => {
            AudioError::Damaged { name, reason: (*what).to_owned() }
        }
        Error::Unsupported(what) => AudioError::UnsupportedCodec { name, codec: (*what).to_owned() },
        Error::IoError(_) => AudioError::Damaged { name, reason: "it ends within its header".to_owned() },
        other => AudioError::Damaged { name, reason: other.to_string() },
    }
}
