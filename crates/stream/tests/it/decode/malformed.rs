//! Malformed input: a few hundred cases of the kind that the fuzz target `decoder` tries for hours.

use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use refrain_stream::{Delivery, Gap, GapReason, HlsSegment, InitSection};

use super::chain;
use crate::media::{MediaFiles, segment};

/// Valid segments of every container, to be corrupted.
static REAL: LazyLock<Vec<HlsSegment>> = LazyLock::new(|| {
    let files = MediaFiles::new(16, 3.0);
    let encoded = [
        ("song.aac", "-c:a aac -b:a 64k -ar 32000 -f adts", &["ts", "m4s", "aac"][..]),
        ("song.mp3", "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0", &["ts", "mp3"]),
        ("opus.mp4", "-c:a libopus -b:a 64k", &["m4s"]),
        ("flac.mp4", "-c:a flac -strict -2", &["m4s"]),
    ];
    let mut all = Vec::new();
    for (name, arguments, extensions) in encoded {
        files.encode(name, arguments);
        all.extend(extensions.iter().flat_map(|extension| files.segments(name, 1.0, extension)));
    }
    files.ffmpeg("-i song.wav -c:a aac -f latm song.latm");
    all.push(segment(files.read("song.latm"), 0, 3.0));
    all
});

/// A corruption of a segment.
#[derive(Debug, Clone)]
enum Corruption {
    Flip(Index, u8),
    /// Sets the four bytes at this place to their maximum.
    Saturate(Index),
    Cut(Index),
    /// Copies the bytes from the first place to the end, and inserts them at the second place.
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
    /// Replaces the init section with that of another segment.
    Init(Index),
    /// Appends the bytes of another segment.
    Append(Index),
    Mark {
        discontinuity: bool,
        part: bool,
        seconds: f64,
    },
}

fn corruption() -> impl Strategy<Value = Corruption> {
    let at = any::<Index>;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, value)| Corruption::Flip(at, value)),
        2 => at().prop_map(Corruption::Saturate),
        2 => at().prop_map(Corruption::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Corruption::Repeat(from, to)),
        1 => (at(), vec(any::<u8>(), 0..300)).prop_map(|(at, bytes)| Corruption::Insert(at, bytes)),
        1 => at().prop_map(Corruption::Init),
        1 => at().prop_map(Corruption::Append),
        1 => (any::<bool>(), any::<bool>(), any::<f64>())
            .prop_map(|(discontinuity, part, seconds)| Corruption::Mark { discontinuity, part, seconds }),
    ]
}

fn corrupted((which, corruptions, init_too): (Index, Vec<Corruption>, bool)) -> HlsSegment {
    let mut segment = which.get(&REAL).clone();
    let mut init = segment.init.as_ref().map(|init| init.bytes.to_vec()).unwrap_or_default();
    let mut bytes = segment.bytes.to_vec();
    for corruption in corruptions {
        // The init section determines how the media is parsed, so it is corrupted too.
        let target = if init_too && !init.is_empty() { &mut init } else { &mut bytes };
        let end = target.len();
        match corruption {
            Corruption::Flip(at, value) if end > 0 => target[at.index(end)] ^= value,
            Corruption::Saturate(at) if end > 4 => target[at.index(end - 4)..][..4].fill(0xFF),
            Corruption::Cut(at) => target.truncate(at.index(end + 1)),
            Corruption::Repeat(from, to) => {
                let again = target[from.index(end + 1)..].to_vec();
                drop(target.splice(to.index(end + 1)..to.index(end + 1), again));
            }
            Corruption::Insert(at, more) => drop(target.splice(at.index(end + 1)..at.index(end + 1), more)),
            Corruption::Init(of) => {
                init = of.get(&REAL).init.as_ref().map(|init| init.bytes.to_vec()).unwrap_or_default();
            }
            Corruption::Append(of) => bytes.extend_from_slice(&of.get(&REAL).bytes),
            Corruption::Mark { discontinuity, part, seconds } => {
                (segment.discontinuity, segment.part, segment.seconds) = (discontinuity, part, seconds);
            }
            Corruption::Flip(..) | Corruption::Saturate(_) => {}
        }
    }
    segment.init = (!init.is_empty()).then(|| Arc::new(InitSection { bytes: init.into() }));
    HlsSegment { bytes: bytes.into(), ..segment }
}

/// Generates a delivery: a corrupted segment, the bytes of one, a gap or a reconnect.
fn delivery() -> impl Strategy<Value = Delivery> {
    let segment = (any::<Index>(), vec(corruption(), 0..8), any::<bool>()).prop_map(corrupted);
    (segment, 0..10_u8, any::<f64>()).prop_map(|(segment, kind, seconds)| match kind {
        0 => Delivery::Gap(Gap { seconds, reason: GapReason::Missed, program_date_time: Some(seconds) }),
        1 => Delivery::Reconnected,
        2 | 3 => Delivery::Bytes(segment.bytes),
        _ => Delivery::HlsSegment(segment),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_do_not_break_the_decoder(bytes in vec(any::<u8>(), 0..3_000)) {
        chain::process(chain::parse(&bytes));
    }

    #[test]
    fn corrupted_segments_do_not_break_the_decoder(chain in vec(delivery(), 1..8)) {
        chain::process(chain);
    }
}

#[test]
fn damaged_duration_does_not_cause_a_gap_of_days() {
    let real = REAL.iter().find(|segment| segment.init.is_some()).unwrap();
    let mut bytes = real.bytes.to_vec();
    let header = bytes.windows(4).position(|name| name == b"tfhd").unwrap();
    // Flags: the default sample duration is the only field after the track ID.
    bytes[header + 4..header + 8].copy_from_slice(&0x2_0008_u32.to_be_bytes());
    bytes[header + 12..header + 16].fill(0xFF);
    let data = bytes.windows(4).position(|name| name == b"mdat").unwrap();
    let mut undecodable = 0;
    for fill in 0..=u8::MAX {
        bytes[data + 4..].fill(fill);
        let damaged = HlsSegment { bytes: bytes.clone().into(), ..real.clone() };
        let report = super::process_segments(&[real.clone(), damaged, real.clone()]).report;
        let missing = report.gaps.total().seconds;
        assert!(missing <= 2.0 * real.seconds + 1.5, "{missing} s");
        undecodable += report.decode_errors;
    }
    assert!(undecodable > 0);
}

/// If runs that all refer to the same bytes were decoded each time, the output would grow with the square of the
/// segment's length.
#[test]
fn bytes_of_a_fragment_are_decoded_once() {
    let make =
        |name: &[u8; 4], body: &[u8]| [&(8 + body.len() as u32).to_be_bytes(), &name[..], body].concat();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let real = REAL.iter().find(|segment| segment.init.is_some()).unwrap();
    let run = make(b"trun", &words(&[1, u32::MAX, 8]));
    let runs = [make(b"tfhd", &words(&[0x2_0018, 1, 1024, 1])), run.repeat(4_000)].concat();
    let bytes = [make(b"moof", &make(b"traf", &runs)), make(b"mdat", &[1; 4_000])].concat();
    chain::process(vec![Delivery::HlsSegment(HlsSegment { bytes: bytes.into(), ..real.clone() })]);
}
