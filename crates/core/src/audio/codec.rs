//! Decodes the packets of one track to mono, for all supported codecs.

use symphonia::core::audio::{Channels, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known as id;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::packet::PacketRef;

use super::aac_config;
use super::aac_track::AacTrack;
use super::ac3::Ac3Track;
use super::bits::MsbBitReader;
use super::mix;
use super::opus::{OPUS_RATE, OpusTrack};

/// Format of the audio of a decoded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Sample rate in hertz.
    pub(super) rate: u32,
    /// Number of channels before mixing.
    pub(super) channels: usize,
}

/// Name of AAC, the same as that of symphonia's decoder, so that a change of the number of channels does not change it.
const AAC_NAME: &str = "Advanced Audio Coding";

enum DecoderKind {
    Symphonia {
        decoder: Box<dyn AudioDecoder>,
        /// True if [`Codec::decode`] drops the encoder delay and padding, and false if `decoder` drops them.
        trim: bool,
    },
    Opus(Box<OpusTrack>),
    Aac(Box<AacTrack>),
    Ac3(Box<Ac3Track>),
}

/// A decoder for one track.
pub(super) struct Codec {
    kind: DecoderKind,
    name: String,
}

impl Codec {
    /// Creates a decoder for a track with these parameters. An error describes the codec or variant that is not
    /// supported.
    pub(super) fn new(parameters: &AudioCodecParameters) -> Result<Self, String> {
        let mut parameters = parameters.clone();
        match parameters.codec {
            id::CODEC_ID_OPUS => {
                let track = OpusTrack::new(parameters.extra_data.as_deref())?;
                return Ok(Self { kind: DecoderKind::Opus(Box::new(track)), name: "Opus".to_owned() });
            }
            id::CODEC_ID_AAC => {
                if let Some(track) = other_aac(&mut parameters)? {
                    return Ok(Self { kind: DecoderKind::Aac(Box::new(track)), name: AAC_NAME.to_owned() });
                }
            }
            id::CODEC_ID_AC3 | id::CODEC_ID_EAC3 => {
                let name = if parameters.codec == id::CODEC_ID_AC3 { "AC-3" } else { "E-AC-3" };
                let track = Box::new(Ac3Track::new());
                return Ok(Self { kind: DecoderKind::Ac3(track), name: name.to_owned() });
            }
            _ => {}
        }
        let mpeg = matches!(parameters.codec, id::CODEC_ID_MP1 | id::CODEC_ID_MP2 | id::CODEC_ID_MP3);
        // The decoder must not trim MPEG audio: if the length is an estimate, it would cut real audio. So `decode`
        // trims it.
        let options = AudioDecoderOptions::default().gapless(!mpeg);
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &options)
            .map_err(|error| unsupported(parameters.codec, &error))?;
        let name = decoder.codec_info().long_name.to_owned();
        Ok(Self { kind: DecoderKind::Symphonia { decoder, trim: mpeg }, name })
    }

    /// Returns the name of the codec, such as "Opus".
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Resets the decoder, so that the next packet is decoded without the state of earlier packets.
    pub(super) fn reset(&mut self) {
        match &mut self.kind {
            DecoderKind::Opus(track) => track.reset(),
            DecoderKind::Aac(track) => track.reset(),
            DecoderKind::Ac3(track) => track.reset(),
            DecoderKind::Symphonia { decoder, .. } => decoder.reset(),
        }
    }

    /// Decodes a packet and appends its samples, mixed to mono, to `mono`. Returns their sample rate and the number of
    /// channels before mixing. Also replaces the content of `planes` by the channels before mixing; Opus, AC-3
    /// and E-AC-3 are mixed by their decoders and have one channel there.
    pub(super) fn decode(
        &mut self,
        packet: &PacketRef<'_>,
        mono: &mut Vec<f32>,
        planes: Option<&mut mix::Planes>,
    ) -> Result<Shape, Error> {
        let frames = |duration: u64| usize::try_from(duration).unwrap_or(usize::MAX);
        match &mut self.kind {
            DecoderKind::Opus(track) => {
                let (drop, start) = (frames(packet.trim_end.get()), mono.len());
                track.decode(packet.data, drop, mono).map_err(|_| Error::DecodeError("opus packet"))?;
                if let Some(planes) = planes {
                    planes.copy_interleaved(mono.get(start..).unwrap_or_default(), 1);
                }
                Ok(Shape { rate: OPUS_RATE, channels: track.channels() })
            }
            DecoderKind::Aac(track) => {
                track.decode(packet.data, mono, planes).map_err(Error::DecodeError)?;
                let (rate, channels) = track.shape();
                Ok(Shape { rate, channels })
            }
            DecoderKind::Ac3(track) => {
                let start = mono.len();
                track.decode(packet.data, mono).map_err(Error::DecodeError)?;
                if let Some(planes) = planes {
                    planes.copy_interleaved(mono.get(start..).unwrap_or_default(), 1);
                }
                let (rate, channels) = track.shape();
                Ok(Shape { rate, channels })
            }
            DecoderKind::Symphonia { decoder, trim } => {
                let buffer = decoder.decode_ref(packet)?;
                let (mut skip, mut drop) = (0, 0);
                if *trim {
                    skip = frames(packet.trim_start.get());
                    // A packet that is entirely beyond the declared end is kept: it belongs to a second file that was
                    // appended to the first, or the declared length was an estimate.
                    drop = frames(packet.trim_end.get());
                    drop = if drop < buffer.frames() { drop } else { 0 };
                }
                mix::mix_to_mono(&buffer, skip, drop, mono);
                if let Some(planes) = planes {
                    planes.copy(&buffer, skip, drop);
                }
                Ok(Shape { rate: buffer.spec().rate(), channels: channels(&buffer) })
            }
        }
    }
}

fn channels(buffer: &GenericAudioBufferRef<'_>) -> usize {
    buffer.num_planes()
}

/// Returns the decoder parameters for an AAC core. Formats such as ADTS and LATM need them, because no container
/// provides a configuration.
pub(super) fn aac_parameters(core: aac_config::Core) -> AudioCodecParameters {
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(id::CODEC_ID_AAC).with_sample_rate(core.rate);
    // With the configuration 0, the layout is in the frames, and a configuration without a layout would be invalid.
    if core.configuration != 0 {
        parameters.with_extra_data(aac_config::write_core(core));
    }
    parameters
}

/// Returns a decoder for a variant of AAC that symphonia does not decode. Returns `None` for mono and stereo of low
/// complexity, and changes `parameters` so that symphonia accepts them. An error names a variant that cannot be decoded.
fn other_aac(parameters: &mut AudioCodecParameters) -> Result<Option<AacTrack>, String> {
    let Some(config) = &parameters.extra_data else {
        // Without a configuration, the parameters are those of an ADTS header.
        let rate = parameters.sample_rate.ok_or("AAC without a sample rate")?;
        let configuration = match parameters.channels.as_ref().map(Channels::count) {
            Some(1 | 2) => return Ok(None),
            Some(channels @ 3..=6) => channels as u8,
            Some(8) => 7,
            Some(channels) => return Err(format!("AAC with {channels} channels")),
            None => 0,
        };
        return AacTrack::low_complexity(rate, configuration).map(Some);
    };
    match aac_config::read_core(&mut MsbBitReader::new(config)) {
        // Only the core is decoded, so the decoder gets a configuration without the extensions (SBR and PS).
        Ok(core) if core.is_mono_or_stereo() => {
            *parameters = aac_parameters(core);
            Ok(None)
        }
        Ok(core) => AacTrack::low_complexity(core.rate, core.configuration).map(Some),
        Err(reason) => AacTrack::new(config).map(Some).map_err(|_| reason),
    }
}

fn unsupported(codec: AudioCodecId, error: &Error) -> String {
    let name = codec_name(codec);
    match error {
        // A reason such as "unsupported codec" would repeat the text of the error message.
        Error::Unsupported(what) if !what.contains("codec") => format!("{name} ({what})"),
        Error::DecodeError(what) => format!("{name} ({what})"),
        _ => name,
    }
}

/// Returns the name of a codec for the error message about an unsupported codec.
pub(super) fn codec_name(codec: AudioCodecId) -> String {
    match codec {
        id::CODEC_ID_AC4 => "Dolby AC-4".to_owned(),
        id::CODEC_ID_TRUEHD => "Dolby TrueHD".to_owned(),
        id::CODEC_ID_DCA => "DTS".to_owned(),
        id::CODEC_ID_WMA => "Windows Media Audio".to_owned(),
        id::CODEC_ID_SPEEX => "Speex".to_owned(),
        id::CODEC_ID_WAVPACK => "WavPack".to_owned(),
        id::CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio".to_owned(),
        id::CODEC_ID_TTA => "True Audio".to_owned(),
        id::CODEC_ID_MUSEPACK => "Musepack".to_owned(),
        id::CODEC_ID_AAC => "AAC".to_owned(),
        id::CODEC_ID_ALAC => "Apple Lossless".to_owned(),
        id::CODEC_ID_FLAC => "FLAC".to_owned(),
        id::CODEC_ID_VORBIS => "Vorbis".to_owned(),
        id::CODEC_ID_MP3 => "MP3".to_owned(),
        id::CODEC_ID_ADPCM_G722 => "G.722".to_owned(),
        id::CODEC_ID_ADPCM_G726 | id::CODEC_ID_ADPCM_G726LE => "G.726".to_owned(),
        other => format!("the unknown codec {other}"),
    }
}
