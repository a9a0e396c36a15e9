//! Tests of the composer: songs are the same on all machines, differ between seeds, and are not silent anywhere.

use refrain_testkit::{RATE, Song, compose, compose_stereo};

/// Returns the FNV-1a hash of the bits of the samples.
fn hash(samples: &[f32]) -> u64 {
    samples.iter().flat_map(|s| s.to_bits().to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|s| f64::from(s * s)).sum::<f64>() / samples.len() as f64).sqrt()
}

/// Returns the cosine similarity of two excerpts: 1 for equal ones, whatever their level.
fn similarity(a: &[f32], b: &[f32]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum();
    dot / (a.len() as f64 * rms(a) * rms(b)).max(1e-12)
}

/// Returns the mean of every 16 samples. This is precise enough to compare waveforms.
fn thin(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(16).map(|c| c.iter().sum::<f32>() / 16.0).collect()
}

/// Returns the greatest similarity of `part` to any excerpt of `whole`, except for those that start in `except`.
fn best_match(part: &[f32], whole: &[f32], except: std::ops::Range<usize>) -> f64 {
    let starts = (0..whole.len() - part.len()).filter(|start| !except.contains(start));
    starts.map(|start| similarity(part, &whole[start..start + part.len()])).fold(0.0, f64::max)
}

/// These hashes are the same on every machine. If a change of the composer changes them, the commit must mention it,
/// because it changes all measurements with composed songs.
#[test]
fn songs_match_golden_hashes() {
    let golden = [
        (1, 0xab25_6e11_2366_ab63),
        (2, 0x23d3_8ec9_6270_9813),
        (77, 0xe4ae_70eb_3f69_292f),
        (u64::MAX, 0x69f5_9559_5ab0_27d1),
    ];
    let got = golden.map(|(seed, _)| (seed, hash(&compose(seed, 6.0).samples)));
    assert_eq!(got, golden, "hashes {got:#x?}");
}

#[test]
fn title_and_artist_match_golden_values() {
    let song = compose(1, 0.5);
    assert_eq!((song.title.as_str(), song.artist.as_str()), ("Salted Telephone", "Jonas Kowalchek"));
    assert_eq!(song.key.to_string(), "C# minor");
}

fn check_sane(song: &Song) {
    let seed = song.seed;
    assert!(song.samples.iter().all(|s| s.is_finite()), "seed {seed}: not a number");
    let peak = song.samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!((0.2..=0.95).contains(&peak), "seed {seed}: peak {peak}");
    let level = 20.0 * rms(&song.samples).log10();
    assert!((-23.0..-14.0).contains(&level), "seed {seed}: level {level} dB");
    let mean = song.samples.iter().map(|&s| f64::from(s)).sum::<f64>() / song.samples.len() as f64;
    assert!(mean.abs() < 0.005, "seed {seed}: DC {mean}");
    assert!((70.0..=170.0).contains(&song.tempo_bpm));
    assert!(!song.title.is_empty() && !song.artist.is_empty());
    // No second except the last one is below −50 dB.
    let seconds: Vec<&[f32]> = song.samples.chunks_exact(RATE as usize).collect();
    for (i, second) in seconds.iter().enumerate().take(seconds.len() - 1) {
        assert!(rms(second) > 0.003, "seed {seed}: second {i} is silent");
    }
}

#[test]
fn songs_have_valid_length_level_and_sections() {
    for seed in 0..12 {
        let song = compose(seed, 15.0);
        assert_eq!(song.samples.len(), 15 * RATE as usize);
        check_sane(&song);
        assert!(!song.sections.is_empty() && song.sections[0].start < 0.2);
        assert!(song.sections.is_sorted_by(|a, b| a.start < b.start));
    }
}

#[test]
fn very_short_songs_have_the_requested_length() {
    for seconds in [0.0, 0.01, 0.7] {
        let song = compose(5, seconds);
        assert_eq!(song.samples.len(), (seconds * f64::from(RATE)).round() as usize);
        assert!(song.samples.iter().all(|s| s.is_finite()));
    }
}

#[test]
fn mono_is_the_mean_of_the_channels() {
    let stereo = compose_stereo(9, 5.0);
    let song = compose(9, 5.0);
    assert_eq!(song.samples, stereo.song.samples);
    for (i, mono) in song.samples.iter().enumerate() {
        assert!((mono - 0.5 * (stereo.left[i] + stereo.right[i])).abs() < 1e-6);
    }
    assert!(similarity(&stereo.left, &stereo.right) < 0.995, "no width");
}

#[test]
fn different_seeds_give_different_songs() {
    let songs: Vec<Vec<f32>> = (20..26).map(|seed| thin(&compose(seed, 8.0).samples)).collect();
    let part = 4000..4000 + 2756;
    for (i, a) in songs.iter().enumerate() {
        for b in &songs[i + 1..] {
            let best = best_match(&a[part.clone()], b, 0..0);
            assert!(best < 0.8, "song {i} resembles another: {best}");
        }
    }
    let titles: std::collections::HashSet<String> = (0..40).map(|s| compose(s, 0.1).title).collect();
    assert!(titles.len() > 36, "titles repeat: {}", titles.len());
}

/// Choruses repeat, but not with equal or nearly equal samples.
#[test]
fn song_excerpts_do_not_repeat_exactly() {
    for seed in [1, 5, 13] {
        let song = thin(&compose(seed, 40.0).samples);
        let second = RATE as usize / 16;
        for from in [10, 18] {
            let start = from * second;
            let near = start - second / 4..start + second / 4;
            let best = best_match(&song[start..start + second], &song, near);
            assert!(best < 0.95, "seed {seed}: second {from} is repeated: {best}");
        }
    }
}
