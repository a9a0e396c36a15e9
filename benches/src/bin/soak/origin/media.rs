//! Segments of the programme in each format. All streams of a format share them.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use refrain_benches::broadcast::{Broadcast, BroadcastPiece, MusicLibrary};
use refrain_benches::music::BenchError;
use refrain_core::audio::SAMPLE_RATE;
use refrain_testkit::origin::{Clip, Clips, SegmentContainer, cut, encode, encode_fragments, seams};
use refrain_testkit::write_wav;
use serde_json::json;

use crate::records::{JsonLines, PIECES};

/// Length of a segment in seconds.
const SEGMENT_SECONDS: f64 = 2.0;
/// Shortest last segment in seconds. A shorter one, which can have a single frame, is left out.
const MIN_LAST_SECONDS: f64 = 1.0;
/// Silence at the end of the programme, in seconds, so that no music is left out with the last segment.
const END_SECONDS: usize = 2;
/// Fragments of 0.32 s in a segment of a Low-Latency stream: 1.92 s.
const FRAGMENTS: usize = 6;

/// Format of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flavor {
    pub(crate) name: &'static str,
    container: Container,
    pub(crate) has_dates: bool,
    pub(crate) is_encrypted: bool,
    /// True if the parts of a Low-Latency stream are byte ranges.
    pub(crate) has_ranges: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Whole(SegmentContainer),
    Parts,
}

const fn flavor(name: &'static str, container: Container) -> Flavor {
    Flavor { name, container, has_dates: true, is_encrypted: false, has_ranges: false }
}

const TS: Flavor = flavor("ts", Container::Whole(SegmentContainer::Ts));
const TS_UNDATED: Flavor = Flavor { name: "ts, no dates", has_dates: false, ..TS };
const TS_ENCRYPTED: Flavor = Flavor { name: "ts, AES-128", is_encrypted: true, ..TS };
const FMP4: Flavor = flavor("fmp4", Container::Whole(SegmentContainer::Fmp4));
const PACKED: Flavor = flavor("packed", Container::Whole(SegmentContainer::Packed));
const PACKED_UNDATED: Flavor = Flavor { name: "packed, no dates", has_dates: false, ..PACKED };
const PARTS: Flavor = flavor("low latency", Container::Parts);
const PART_RANGES: Flavor = Flavor { name: "low latency, ranges", has_ranges: true, ..PARTS };

/// Formats of consecutive streams. Only an eighth of the streams is Low-Latency, because each of these needs the
/// requests of six other streams.
pub(crate) const FLAVORS: [Flavor; 16] = [
    TS,
    FMP4,
    TS_ENCRYPTED,
    PACKED,
    TS_UNDATED,
    PARTS,
    TS,
    FMP4,
    PACKED_UNDATED,
    TS,
    TS_ENCRYPTED,
    PART_RANGES,
    PACKED,
    TS,
    FMP4,
    TS_UNDATED,
];

impl Flavor {
    pub(crate) fn of(stream: usize) -> Self {
        FLAVORS[stream % FLAVORS.len()]
    }

    pub(crate) fn is_low_latency(self) -> bool {
        self.container == Container::Parts
    }
}

/// The programme in one format, as music and as silence of the same length.
#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) music: Clips,
    pub(crate) silence: Clips,
    pub(crate) music_parts: Vec<Vec<Clip>>,
    pub(crate) silence_parts: Vec<Vec<Clip>>,
    pub(crate) extension: &'static str,
    /// Start of each segment in seconds, and the end of the last one.
    starts: Vec<f64>,
}

impl Media {
    fn new(mut music: Clips, mut silence: Clips, container: Container) -> Result<Self, BenchError> {
        if music.clips.last().is_some_and(|last| last.seconds < MIN_LAST_SECONDS) {
            music.clips.pop();
            silence.clips.pop();
        }
        if music.clips.len() != silence.clips.len() {
            return Err(format!(
                "{} segments of music, {} of silence",
                music.clips.len(),
                silence.clips.len()
            )
            .into());
        }
        let mut starts = vec![0.0];
        let mut at = 0.0;
        for clip in &music.clips {
            at += clip.seconds;
            starts.push(at);
        }
        let parts = |clips: &[Clip]| match container {
            Container::Parts => clips.iter().map(|clip| cut(clip, &seams(&clip.bytes))).collect(),
            Container::Whole(_) => Vec::new(),
        };
        let extension = match container {
            Container::Whole(container) => container.extension(),
            Container::Parts => SegmentContainer::Fmp4.extension(),
        };
        let (music_parts, silence_parts) = (parts(&music.clips), parts(&silence.clips));
        Ok(Self { music, silence, music_parts, silence_parts, extension, starts })
    }

    /// Returns the number of segments of the programme.
    pub(crate) fn count(&self) -> u64 {
        self.music.clips.len() as u64
    }

    /// Returns the length of the programme in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Returns the start of segment `number` of the repeated programme, in seconds.
    pub(crate) fn start_of(&self, number: u64) -> f64 {
        let loops = number / self.count().max(1);
        let within = usize::try_from(number % self.count().max(1)).unwrap_or_default();
        loops as f64 * self.seconds() + self.starts.get(within).copied().unwrap_or_default()
    }
}

/// The programme in all formats.
pub(crate) struct Programme(Vec<(Container, Arc<Media>)>);

impl Programme {
    /// Renders and encodes a programme, and writes its excerpts to a file in `folder`.
    ///
    /// # Errors
    /// Fails if ffmpeg fails, or if a file cannot be read or written.
    pub(crate) fn create(
        broadcast: &Broadcast,
        library: &MusicLibrary,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let work = tempfile::tempdir()?;
        let (music, silence) = (work.path().join("music.wav"), work.path().join("silence.wav"));
        let mut samples = Vec::with_capacity(broadcast.length);
        let mut pieces = JsonLines::create(folder, PIECES)?;
        for piece in &broadcast.pieces {
            samples.extend(write_piece(piece, library, &mut pieces)?);
        }
        samples.resize(samples.len() + END_SECONDS * SAMPLE_RATE as usize, 0.0);
        write_wav(&music, &samples, SAMPLE_RATE)?;
        samples.fill(0.0);
        write_wav(&silence, &samples, SAMPLE_RATE)?;
        drop(samples);
        let whole =
            [SegmentContainer::Ts, SegmentContainer::Fmp4, SegmentContainer::Packed].map(Container::Whole);
        let containers: Vec<Container> = whole.into_iter().chain([Container::Parts]).collect();
        let encoded = containers.into_par_iter().map(|container| {
            let clips = |file: &Path| match container {
                Container::Whole(container) => encode(file, container, SEGMENT_SECONDS),
                Container::Parts => encode_fragments(file, FRAGMENTS),
            };
            Ok((container, Arc::new(Media::new(clips(&music)?, clips(&silence)?, container)?)))
        });
        Ok(Self(encoded.collect::<Result<_, BenchError>>()?))
    }

    /// Returns the segments for a format.
    pub(crate) fn media(&self, flavor: Flavor) -> Option<Arc<Media>> {
        self.0
            .iter()
            .find(|(container, _)| *container == flavor.container)
            .map(|(_, media)| Arc::clone(media))
    }
}

/// Renders an excerpt, and writes its record if it is a song of the catalog.
fn write_piece(
    piece: &BroadcastPiece,
    library: &MusicLibrary,
    pieces: &mut JsonLines,
) -> Result<Vec<f32>, BenchError> {
    let (sound, airing) = piece.sound(library)?;
    if let Some(airing) = airing {
        pieces.write(&json!({
            "song": airing.song, "start": airing.start, "end": airing.end,
            "offset": piece.from as f64 / f64::from(SAMPLE_RATE),
            "quiet_start": airing.quiet.0, "quiet_end": airing.quiet.1,
        }))?;
    }
    Ok(sound)
}
