//! Spectrogram pictures.

use std::f64::consts::TAU;

use refrain_core::fingerprint::{
    Density, Fingerprinter, Picture, PictureBuilder, STEPS_PER_HERTZ, TICKS_PER_SECOND,
};
use refrain_testkit::compose;

const RATE: f64 = 44_100.0;

/// Returns a tone of `hertz` at full scale between two times, and silence elsewhere.
fn beep(seconds: f64, hertz: f64, from: f64, to: f64) -> Vec<f32> {
    let sample = |i: usize| {
        let time = i as f64 / RATE;
        if (from..to).contains(&time) { (TAU * hertz * time).sin() as f32 } else { 0.0 }
    };
    (0..(seconds * RATE) as usize).map(sample).collect()
}

fn paint(samples: &[f32], from: f64, to: f64, max_columns: usize) -> Picture {
    let mut builder = PictureBuilder::new(from, to, max_columns);
    builder.push(samples);
    builder.finish()
}

fn power(picture: &Picture, seconds: f64, hertz: f64) -> f32 {
    let column = picture.column_at(seconds).round() as usize;
    picture.column(column)[picture.bin_at(hertz).round() as usize]
}

#[test]
fn a_tone_is_at_its_time_and_frequency() {
    let samples = beep(10.0, 1001.3, 4.0, 6.0);
    for (from, to, max_columns) in
        [(0.0, 10.0, 10_000), (3.0, 8.0, 10_000), (0.0, 10.0, 150), (0.0, f64::MAX, 99)]
    {
        let picture = paint(&samples, from, to, max_columns);
        assert!(
            (max_columns / 2..=max_columns).contains(&picture.columns()) || max_columns == 10_000,
            "{}",
            picture.columns()
        );
        assert!((0.9..1.1).contains(&power(&picture, 5.0, 1001.3)), "{from} {to} {max_columns}");
        assert!(power(&picture, 5.0, 1200.0) < 1e-6);
        assert!(power(&picture, 3.6, 1001.3) < 1e-6 && power(&picture, 6.4, 1001.3) < 1e-6);
    }
}

#[test]
fn pictures_do_not_depend_on_chunks_and_merged_columns_are_maxima() {
    let song = compose(500, 6.0).samples;
    let whole = paint(&song, 1.0, 5.0, 1000);
    let mut builder = PictureBuilder::new(1.0, 5.0, 1000);
    song.chunks(777).for_each(|chunk| builder.push(chunk));
    assert_eq!(builder.finish(), whole);
    let few = paint(&song, 1.0, 5.0, 50);
    let per_column = (0..7).map(|n| 1 << n).find(|n| whole.columns().div_ceil(*n) <= 50).unwrap();
    assert_eq!(few.columns(), whole.columns().div_ceil(per_column));
    for k in 0..few.columns() {
        for bin in 0..few.bins() {
            let many = k * per_column..((k + 1) * per_column).min(whole.columns());
            let maximum = many.map(|c| whole.column(c)[bin]).fold(0.0, f32::max);
            assert_eq!(few.column(k)[bin], maximum, "column {k} bin {bin}");
        }
    }
}

#[test]
fn peaks_of_the_constellation_are_maxima_of_the_picture() {
    let song = compose(500, 6.0).samples;
    let picture = paint(&song, 0.0, 6.0, 1000);
    let peaks = Fingerprinter::fingerprint(Density::Reference, &song).peaks;
    let mut local_maxima = 0;
    for peak in &peaks {
        let (seconds, hertz) =
            (f64::from(peak.time) / TICKS_PER_SECOND, f64::from(peak.frequency) / STEPS_PER_HERTZ);
        let (column, bin) =
            (picture.column_at(seconds).round() as usize, picture.bin_at(hertz).round() as usize);
        let here = picture.column(column).get(bin).copied().unwrap_or_default();
        local_maxima += usize::from(
            [column.saturating_sub(2), column + 2]
                .iter()
                .all(|other| picture.column(*other).get(bin).is_none_or(|power| *power <= here)),
        );
    }
    assert!(local_maxima * 10 >= peaks.len() * 9, "{local_maxima} of {}", peaks.len());
}

#[test]
fn sections_beyond_the_end_of_the_audio_are_empty() {
    let samples = beep(2.0, 500.0, 0.0, 2.0);
    assert_eq!(paint(&samples, 5.0, 9.0, 100).columns(), 0);
    assert_eq!(paint(&[], 0.0, 9.0, 100).columns(), 0);
    assert_eq!(paint(&samples, 0.0, 60.0, 1000).columns(), 87);
    assert!(paint(&samples, 0.0, 60.0, 1000).column(87).is_empty());
}
