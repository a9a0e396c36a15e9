//! Division of segments into the parts of Low-Latency HLS.

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;

use super::encode::{Clips, EncodeError};
use super::live::Clip;

/// Size of an MPEG-TS packet in bytes.
const PACKET_BYTES: usize = 188;

/// Duration of a fragment in microseconds: 15 AAC frames at 48 kHz. A whole number of frames gives all fragments the
/// same duration.
const FRAGMENT_MICROSECONDS: u32 = 320_000;

/// Returns the byte offsets at which a segment can be cut into parts: between packets of MPEG-TS, or before fragments
/// of MP4.
pub fn seams(segment: &[u8]) -> Vec<usize> {
    if segment.first() == Some(&0x47) {
        return (PACKET_BYTES..segment.len()).step_by(PACKET_BYTES).collect();
    }
    let starts = boxes(segment).into_iter().filter(|(name, at, _)| name == b"moof" && *at > 0);
    starts.map(|(_, at, _)| at).collect()
}

/// Cuts a segment at the byte offsets `places`, which must be in ascending order. Each part's duration is proportional
/// to its bytes.
pub fn cut(clip: &Clip, places: &[usize]) -> Vec<Clip> {
    let length = clip.bytes.len();
    let mut edges = vec![0];
    edges.extend(places.iter().copied().filter(|place| (1..length).contains(place)));
    edges.push(length);
    let part = |pair: &[usize]| match *pair {
        [from, to] if from < to => {
            let seconds = clip.seconds * (to - from) as f64 / length as f64;
            Some(Clip { bytes: clip.bytes.slice(from..to), seconds })
        }
        _ => None,
    };
    edges.windows(2).filter_map(part).collect()
}

/// Encodes an audio file to MP4 segments with `fragments` fragments of 0.32 s each: AAC with 96 kbit/s at 48 kHz.
///
/// # Errors
/// Fails if ffmpeg is missing or fails, or if a file cannot be read.
pub fn encode_fragments(audio: &Path, fragments: usize) -> Result<Clips, EncodeError> {
    let folder = tempfile::tempdir()?;
    let length = FRAGMENT_MICROSECONDS.to_string();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .current_dir(folder.path())
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(fs::canonicalize(audio)?);
    // Decoders fill bands of perceptual noise substitution with random noise, which could not be compared.
    ffmpeg.args(["-vn", "-c:a", "aac", "-b:a", "96k", "-aac_pns", "0", "-ar", "48000"]);
    ffmpeg.args([
        "-movflags",
        "empty_moov+default_base_moof",
        "-frag_duration",
        &length,
        "-f",
        "mp4",
        "all.mp4",
    ]);
    let output = ffmpeg.output()?;
    if !output.status.success() {
        return Err(EncodeError::of_ffmpeg(&output));
    }
    let all = Bytes::from(fs::read(folder.path().join("all.mp4"))?);
    let found = boxes(&all);
    let starts: Vec<usize> =
        found.iter().filter(|(name, ..)| name == b"moof").map(|(_, at, _)| *at).collect();
    let end = found
        .iter()
        .filter(|(name, ..)| name == b"mdat")
        .map(|(.., end)| *end)
        .next_back()
        .unwrap_or(all.len());
    let seconds = f64::from(FRAGMENT_MICROSECONDS) / 1e6;
    let clips = starts.chunks(fragments.max(1)).scan(0, |index, group| {
        *index += group.len();
        let to = starts.get(*index).copied().unwrap_or(end);
        Some(Clip { bytes: all.slice(group.first().copied()?..to), seconds: seconds * group.len() as f64 })
    });
    Ok(Clips { clips: clips.collect(), init: starts.first().map(|first| all.slice(..*first)) })
}

/// Returns the name, and the byte offsets of the start and the end, of each top-level MP4 box.
fn boxes(bytes: &[u8]) -> Vec<([u8; 4], usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(&[a, b, c, d, ref name @ ..]) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let Ok(name) = <[u8; 4]>::try_from(name) else { break };
        found.push((name, at, at + size));
        // A header has 8 bytes. A smaller size would not advance.
        at += size.max(8);
    }
    found
}
