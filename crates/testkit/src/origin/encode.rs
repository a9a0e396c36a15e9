//! Creation of segments with ffmpeg.

use std::path::Path;
use std::process::{Command, Output};
use std::{fmt, fs, io};

use bytes::Bytes;

use super::live::Clip;

/// Container format of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentContainer {
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4 with an EXT-X-MAP section.
    Fmp4,
    /// ADTS frames after an ID3 tag with the timestamp (RFC 8216 section 3.4).
    Packed,
}

impl SegmentContainer {
    /// Returns the extension of segment names, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::Fmp4 => "m4s",
            Self::Packed => "aac",
        }
    }
}

/// The segments that were made from one audio file.
#[derive(Debug, Clone)]
pub struct Clips {
    /// The segments, in order.
    pub clips: Vec<Clip>,
    /// The EXT-X-MAP section; `None` if the segments do not need one.
    pub init: Option<Bytes>,
}

/// Error of creating segments.
#[derive(Debug)]
pub struct EncodeError(String);

impl EncodeError {
    pub(super) fn of_ffmpeg(output: &Output) -> Self {
        Self(format!("ffmpeg failed: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}

impl From<io::Error> for EncodeError {
    fn from(error: io::Error) -> Self {
        Self(format!("cannot create segments; is ffmpeg installed? {error}"))
    }
}

/// Encodes an audio file to segments of about `seconds` seconds: AAC with 96 kbit/s at 48 kHz.
///
/// # Errors
/// Fails if ffmpeg is missing or fails, or if a file cannot be read.
pub fn encode(audio: &Path, container: SegmentContainer, seconds: f64) -> Result<Clips, EncodeError> {
    let folder = tempfile::tempdir()?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        // ffmpeg writes the segments to its current folder, so the path of the input has to be absolute.
        .current_dir(folder.path())
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(fs::canonicalize(audio)?);
    ffmpeg.args(["-vn", "-c:a", "aac", "-b:a", "96k", "-ar", "48000"]);
    if container == SegmentContainer::Packed {
        ffmpeg.args(["-f", "adts", "all.aac"]);
    } else {
        let kind = if container == SegmentContainer::Ts { "mpegts" } else { "fmp4" };
        let length = seconds.to_string();
        ffmpeg.args([
            "-f",
            "hls",
            "-hls_list_size",
            "0",
            "-hls_time",
            &length,
            "-hls_segment_type",
            kind,
            "list.m3u8",
        ]);
    }
    let output = ffmpeg.output()?;
    if !output.status.success() {
        return Err(EncodeError::of_ffmpeg(&output));
    }
    if container == SegmentContainer::Packed {
        let clips = pack(&fs::read(folder.path().join("all.aac"))?, seconds)?;
        return Ok(Clips { clips, init: None });
    }
    let list = fs::read_to_string(folder.path().join("list.m3u8"))?;
    let init = folder.path().join("init.mp4");
    let init = if init.exists() { Some(fs::read(init)?.into()) } else { None };
    Ok(Clips { clips: listed(&list, folder.path())?, init })
}

/// Reads the segments that `list`, the text of a playlist that ffmpeg wrote in `folder`, contains.
fn listed(list: &str, folder: &Path) -> Result<Vec<Clip>, EncodeError> {
    let mut clips = Vec::new();
    let mut seconds = 0.0;
    for line in list.lines() {
        if let Some(inf) = line.strip_prefix("#EXTINF:") {
            seconds = inf.trim_end_matches(',').parse().unwrap_or_default();
        } else if !line.starts_with('#') && !line.is_empty() {
            clips.push(Clip { bytes: fs::read(folder.join(line))?.into(), seconds });
        }
    }
    Ok(clips)
}

/// Samples per AAC frame.
const FRAME_SAMPLES: f64 = 1024.0;
/// Sample rate of the segments in Hz.
const SAMPLE_RATE_HZ: f64 = 48_000.0;
/// Frequency of the MPEG clock in Hz.
const MPEG_CLOCK_HZ: f64 = 90_000.0;

/// Divides ADTS frames of 48 kHz into packed segments of about `seconds` seconds, each with an ID3 tag that contains
/// its timestamp. Does not use ffmpeg.
///
/// # Errors
/// Fails if a frame is invalid.
pub fn pack(adts: &[u8], seconds: f64) -> Result<Vec<Clip>, EncodeError> {
    let per_segment = (seconds * SAMPLE_RATE_HZ / FRAME_SAMPLES).round().max(1.0) as usize;
    let mut frames = Vec::new();
    let mut rest = adts;
    while let [0xff, _, _, high, middle, low, ..] = *rest {
        let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
        let split = rest.split_at_checked(length).filter(|_| length > 7);
        let (frame, behind) = split.ok_or_else(|| EncodeError("invalid ADTS frame".to_owned()))?;
        frames.push(frame);
        rest = behind;
    }
    let mut clips = Vec::new();
    for (index, group) in frames.chunks(per_segment).enumerate() {
        let start = (index * per_segment) as f64 * FRAME_SAMPLES / SAMPLE_RATE_HZ;
        let mut bytes = id3((start * MPEG_CLOCK_HZ).round() as u64);
        bytes.extend(group.iter().copied().flatten());
        clips
            .push(Clip { bytes: bytes.into(), seconds: group.len() as f64 * FRAME_SAMPLES / SAMPLE_RATE_HZ });
    }
    Ok(clips)
}

/// Creates an ID3v2.4 tag with one PRIV frame: the timestamp of the first sample, in ticks of 90 kHz.
fn id3(ticks: u64) -> Vec<u8> {
    let owner = b"com.apple.streaming.transportStreamTimestamp\0";
    let content = (owner.len() + 8) as u8;
    let mut tag = vec![b'I', b'D', b'3', 4, 0, 0, 0, 0, 0, content + 10];
    tag.extend_from_slice(&[b'P', b'R', b'I', b'V', 0, 0, 0, content, 0, 0]);
    tag.extend_from_slice(owner);
    tag.extend_from_slice(&(ticks & 0x1_ffff_ffff).to_be_bytes());
    tag
}
