//! Parts of real segments decode to the same audio as the whole segments, for any behavior of the server.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use refrain_testkit::origin::{
    Blocking, Clips, Fault, SegmentContainer, Times, cut, encode, encode_fragments, seams,
};

use super::*;
use crate::decode::{DecodedStream, assert_same, process};
use crate::media::MediaFiles;

/// Twelve seconds of a song as MPEG-TS segments of 2 s, and as segments of six MP4 fragments each.
static SONG: LazyLock<[Clips; 2]> = LazyLock::new(|| {
    let files = MediaFiles::new(60, 12.0);
    let wav = files.path("song.wav");
    [encode(&wav, SegmentContainer::Ts, 2.0).unwrap(), encode_fragments(&wav, 6).unwrap()]
});

/// Decoded samples of both when delivered as whole segments.
static REFERENCE_AUDIO: LazyLock<[Vec<f32>; 2]> = LazyLock::new(|| SONG.each_ref().map(reference_audio));

fn reference_audio(song: &Clips) -> Vec<f32> {
    let init = song.init.clone().map(|bytes| std::sync::Arc::new(refrain_stream::InitSection { bytes }));
    let segments = song.clips.iter().enumerate().map(|(index, clip)| {
        let segment = crate::media::segment(clip.bytes.to_vec(), index as u64, clip.seconds);
        Delivery::HlsSegment(HlsSegment { init: init.clone(), ..segment })
    });
    process(segments).sound
}

/// Returns the song as a low-latency stream of which three segments are published.
fn live(song: &Clips, parts: Vec<Vec<Clip>>, options: LiveOptions) -> LiveStream {
    let options = LiveOptions { low_latency: true, ..options };
    let extension = if song.init.is_some() { "m4s" } else { "ts" };
    LiveStream::manual(song.clips.clone(), 3, options)
        .init(song.init.clone())
        .extension(extension)
        .parts(parts)
}

/// The test waits for each part before it publishes the next one.
#[tokio::test]
async fn parts_decode_to_the_audio_of_their_segments() {
    for (song, reference_audio) in SONG.iter().zip(&*REFERENCE_AUDIO) {
        for part_ranges in [false, true] {
            let parts: Vec<Vec<Clip>> = song.clips.iter().map(evenly).collect();
            let count: usize = parts.iter().skip(3).map(Vec::len).sum();
            assert!(count >= 6, "{count}");
            let options = LiveOptions { part_ranges, ..LiveOptions::default() };
            let (origin, live) = (origin().await, live(song, parts, options));
            let mut source = open(&origin.live("/a", &live));
            let mut all = Vec::new();
            for _ in 0..3 {
                all.push(Delivery::HlsSegment(segment(&mut source).await));
            }
            for _ in 0..count {
                live.publish_parts(1);
                let part = segment(&mut source).await;
                assert!(part.part);
                all.push(Delivery::HlsSegment(part));
            }
            let decoded = process(all);
            assert_same(&decoded.sound, reference_audio);
            assert_eq!((decoded.gaps.len(), decoded.report.unreadable_segments), (0, 0));
        }
    }
}

/// Splits a clip into up to four parts.
fn evenly(clip: &Clip) -> Vec<Clip> {
    let seams = seams(&clip.bytes);
    let places: Vec<_> = (1..4).filter_map(|part| seams.get(part * seams.len() / 4).copied()).collect();
    cut(clip, &places)
}

/// Behavior of the server in one test case.
#[derive(Debug, Clone)]
struct Script {
    fragments: bool,
    /// Places at which each segment is split into parts.
    cuts: Vec<Vec<prop::sample::Index>>,
    /// Parts that fail: segment, part, number of failures.
    lost: Vec<(usize, usize, Times)>,
    /// Number of parts that are published at once, and the pause after them in milliseconds.
    steps: Vec<(usize, u64)>,
    ranges: bool,
    blocking: Blocking,
}

fn scripts() -> impl Strategy<Value = Script> {
    let index = any::<prop::sample::Index>();
    let blocking = prop_oneof![Just(Blocking::Honoured), Just(Blocking::Ignored), Just(Blocking::Absent)];
    let cuts = prop::collection::vec(prop::collection::vec(index, 0..8), 7);
    let times = prop_oneof![Just(Times::First(1)), Just(Times::Always)];
    let lost = prop::collection::vec((3..7_usize, 0..8_usize, times), 0..4);
    let steps = prop::collection::vec((1..5_usize, 0..30_u64), 1..6);
    (any::<bool>(), cuts, lost, steps, any::<bool>(), blocking).prop_map(
        |(fragments, cuts, lost, steps, ranges, blocking)| Script {
            fragments,
            cuts,
            lost,
            steps,
            ranges,
            blocking,
        },
    )
}

/// Plays the song as the script describes. Returns the decoded output and the last status.
async fn play(script: &Script) -> (DecodedStream, SourceStatus) {
    let song = &SONG[usize::from(script.fragments)];
    let cut_at = |(clip, cuts): (&Clip, &Vec<prop::sample::Index>)| {
        let seams = seams(&clip.bytes);
        let mut places: Vec<_> =
            cuts.iter().filter(|_| !seams.is_empty()).map(|cut| *cut.get(&seams)).collect();
        places.sort_unstable();
        cut(clip, &places)
    };
    let parts: Vec<_> = song.clips.iter().zip(&script.cuts).map(cut_at).collect();
    let (part_ranges, blocking) = (script.ranges, script.blocking);
    // A window of 0 is unlimited: no segment is removed from the playlist.
    let options = LiveOptions { part_ranges, blocking, window: 0, ..LiveOptions::default() };
    let origin = origin().await;
    let live = live(song, parts, options);
    let url = origin.live("/a", &live);
    for (segment, part, times) in &script.lost {
        origin.fault(&format!("/a/part{segment}.{part}.*"), Fault::Status(404), *times);
    }
    let mut source = open(&url);
    let first = next(&mut source).await;
    let publishing = async {
        let all = song.clips.len() as u64;
        for (count, pause) in script.steps.iter().cycle() {
            (0..*count).for_each(|_| live.publish_parts(usize::from(live.published() < all)));
            if live.published() == all {
                break;
            }
            tokio::time::sleep(Duration::from_millis(*pause)).await;
        }
        live.change(|options| options.end = true);
    };
    let (rest, ()) = tokio::join!(rest(&mut source), publishing);
    (process(first.into_iter().chain(rest)), status(&source))
}

/// For any split into parts, any lost parts and any handling of blocking reloads, every sample is decoded once, in its
/// place and at its time.
fn check(script: &Script) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (decoded, status) = runtime.block_on(play(script));
    let song = &SONG[usize::from(script.fragments)];
    let reference_audio = &REFERENCE_AUDIO[usize::from(script.fragments)];
    prop_assert!(decoded.gaps.is_empty(), "{:?} {:?}", decoded.gaps, status);
    prop_assert_eq!(decoded.sound.len(), reference_audio.len());
    prop_assert!(decoded.sound == *reference_audio);
    prop_assert_eq!(decoded.report.repeated_seconds, 0.0);
    prop_assert_eq!(decoded.report.unreadable_segments, 0);
    prop_assert!(decoded.times.iter().all(|(at, epoch)| (epoch - at - 1.7e9).abs() < 0.05));
    prop_assert_eq!((status.segments, status.gaps.total().count), (song.clips.len() as u64, 0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_into_parts_decodes_the_same(script in scripts()) {
        check(&script)?;
    }
}
