//! Tests of the effects.

use refrain_testkit::effects::{
    MixClip, Noise, add_babble, add_noise, babble, clip, crop, gain, mix, noise, overlay, phone, reverb,
    speed,
};
use refrain_testkit::{RATE, compose, write_wav};

const RATE_F: f64 = 44_100.0;

fn sine(hz: f64, seconds: f64) -> Vec<f32> {
    let total = (seconds * RATE_F) as usize;
    (0..total).map(|i| (0.5 * (std::f64::consts::TAU * hz * i as f64 / RATE_F).sin()) as f32).collect()
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>() / samples.len() as f64).sqrt()
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// Returns the difference of `dirty` and `clean`.
fn added(clean: &[f32], dirty: &[f32]) -> Vec<f32> {
    dirty.iter().zip(clean).map(|(d, c)| d - c).collect()
}

/// Returns the power in the octave above `hz`, from DFT bins of Hann windows of 4,096 samples.
fn octave_power(samples: &[f32], hz: f64) -> f64 {
    let n = 4096_usize;
    let mut power = 0.0;
    for window in samples.chunks_exact(n).step_by(4) {
        let mut bin = (hz * n as f64 / RATE_F).ceil();
        while bin < 2.0 * hz * n as f64 / RATE_F {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, s) in window.iter().enumerate() {
                let angle = std::f64::consts::TAU * i as f64 / n as f64;
                let x = f64::from(*s) * (0.5 - 0.5 * angle.cos());
                re += x * (angle * bin).cos();
                im += x * (angle * bin).sin();
            }
            power += re * re + im * im;
            bin += 1.0;
        }
    }
    power
}

#[test]
fn noise_and_babble_have_the_requested_level() {
    let song = compose(3, 6.0).samples;
    for snr in [-6.0, 0.0, 12.0] {
        let noisy = [
            add_noise(&song, Noise::White, snr, 1),
            add_noise(&song, Noise::Pink, snr, 1),
            add_babble(&song, snr, 1),
        ];
        for dirty in &noisy {
            let measured = db(rms(&song) / rms(&added(&song, dirty)));
            assert!((measured - snr).abs() < 0.05, "asked {snr}, got {measured}");
        }
    }
    let silence = vec![0.0; 1000];
    assert_eq!(add_noise(&silence, Noise::White, 0.0, 1), silence);
    assert!(add_noise(&[], Noise::Pink, 0.0, 1).is_empty());
}

#[test]
fn noise_spectra_match_their_colours() {
    let white = noise(Noise::White, 200_000, 4);
    let pink = noise(Noise::Pink, 200_000, 4);
    let step = |samples: &[f32]| 10.0 * (octave_power(samples, 800.0) / octave_power(samples, 200.0)).log10();
    let (white, pink) = (step(&white), step(&pink));
    assert!((white - 6.0).abs() < 1.0, "two octaves up, white noise has {white} dB more");
    assert!(pink.abs() < 1.5, "two octaves up, pink noise has {pink} dB more");
}

#[test]
fn effects_are_deterministic_per_seed() {
    let song = compose(4, 2.0).samples;
    for seed in [1, 2] {
        assert_eq!(add_noise(&song, Noise::Pink, 3.0, seed), add_noise(&song, Noise::Pink, 3.0, seed));
        assert_eq!(babble(9000, seed), babble(9000, seed));
        assert_eq!(reverb(&song, 1.0, 0.4, seed), reverb(&song, 1.0, 0.4, seed));
    }
    assert_ne!(babble(9000, 1), babble(9000, 2));
    assert_ne!(reverb(&song, 1.0, 0.4, 1), reverb(&song, 1.0, 0.4, 2));
}

/// Speech has frequencies between 100 Hz and 4 kHz, and consists of syllables.
#[test]
fn babble_has_the_band_and_syllables_of_speech() {
    let talk = babble(10 * RATE as usize, 8);
    assert!((rms(&talk) - 0.1).abs() < 1e-3);
    let in_band = phone(&talk);
    assert!(db(rms(&in_band) / rms(&talk)) > -6.0, "too little between 300 and 3,400 Hz");
    let levels: Vec<f64> = talk.chunks_exact(2205).map(rms).collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    let spread = (levels.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / levels.len() as f64).sqrt();
    assert!(spread > 0.15 * mean, "as even as noise: {}", spread / mean);
}

#[test]
fn gain_clip_and_crop_are_exact() {
    let tone = sine(440.0, 1.0);
    assert!((db(rms(&gain(&tone, -7.5)) / rms(&tone)) + 7.5).abs() < 1e-3);
    let hard = clip(&tone, 12.0);
    let clipped = hard.iter().filter(|s| s.abs() >= 1.0).count();
    // A sine of amplitude 1.99 is beyond 1 for two thirds of the time.
    assert!((clipped as f64 / tone.len() as f64 - 0.665).abs() < 0.01);
    assert_eq!(crop(&tone, 0.25, 0.5), tone[11_025..33_075]);
    assert_eq!(crop(&tone, 0.9, 5.0).len(), 4410);
    assert!(crop(&tone, 7.0, 5.0).is_empty());
}

#[test]
fn telephone_passes_only_its_band() {
    let through = |hz: f64| {
        let tone = sine(hz, 0.5);
        db(rms(&phone(&tone)[4410..]) / rms(&tone[4410..]))
    };
    for (hz, low, high) in [
        (75.0, -60.0, -40.0),
        (300.0, -3.5, -2.5),
        (1000.0, -0.5, 0.1),
        (3400.0, -3.5, -2.5),
        (9000.0, -60.0, -33.0),
    ] {
        let got = through(hz);
        assert!((low..=high).contains(&got), "{hz} Hz passes at {got} dB");
    }
}

/// After the sound ends, the reverberation falls by 60 dB in the given time.
#[test]
fn reverberation_decays_in_the_given_time() {
    for seconds in [0.5, 1.5] {
        let mut burst = noise(Noise::White, RATE as usize / 2, 3);
        burst.resize(4 * RATE as usize, 0.0);
        let wet = reverb(&burst, seconds, 1.0, 9);
        let level = |at: f64| rms(&crop(&wet, at, 0.05));
        let fall = db(level(0.6) / level(0.6 + seconds / 2.0));
        assert!((24.0..48.0).contains(&fall), "falls by {fall} dB in half its time");
        assert!((db(rms(&wet) / rms(&burst))).abs() < 0.1);
    }
    let song = compose(2, 1.0).samples;
    assert_eq!(reverb(&song, 1.0, 0.0, 1), song);
}

#[test]
fn speed_changes_only_length_and_pitch() {
    for factor in [0.92, 1.0, 1.02, 1.5] {
        let tone = sine(1000.0, 1.0);
        let fast = speed(&tone, factor);
        assert!((fast.len() as f64 - tone.len() as f64 / factor).abs() <= 1.0);
        let expected = sine(1000.0 * factor, 1.0 / factor);
        let inner = 500..fast.len() - 500;
        let error = added(&expected[inner.clone()], &fast[inner.clone()]);
        let distance = db(rms(&error) / rms(&expected[inner]));
        assert!(distance < -80.0, "factor {factor}: error at {distance} dB");
    }
    // Frequencies that cannot be represented after speeding up are removed and do not cause aliasing.
    assert!(rms(&speed(&sine(20_000.0, 0.5), 1.3)[500..15_000]) < 1e-4);
}

#[test]
fn mixes_report_the_exact_times_of_clips() {
    let (a, b) = (compose(6, 8.0).samples, compose(7, 8.0).samples);
    let mixed = mix(&[
        MixClip { samples: &a, from: 1.0, seconds: 4.0, fade: 0.0 },
        MixClip { samples: &b, from: 2.0, seconds: 4.0, fade: 1.0 },
        MixClip { samples: &a, from: 5.0, seconds: 30.0, fade: -0.5 },
    ]);
    let truth: Vec<_> = mixed.airings.iter().map(|r| (r.clip, r.start, r.seconds, r.song_start)).collect();
    assert_eq!(truth, [(0, 0.0, 4.0, 1.0), (1, 3.0, 4.0, 2.0), (2, 7.5, 3.0, 5.0)]);
    assert_eq!(mixed.airings[0].fades, (0.0, 1.0));
    assert_eq!(mixed.airings[1].fades, (1.0, 0.0));
    assert_eq!(mixed.samples.len(), (10.5 * RATE_F) as usize);
    let loudest = mixed.samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!(loudest <= 1.0);
    // Outside the fades each song is unchanged (this mix needs no scaling).
    assert_eq!(crop(&mixed.samples, 0.0, 2.9), crop(&a, 1.0, 2.9));
    assert_eq!(crop(&mixed.samples, 4.1, 2.8), crop(&b, 3.1, 2.8));
    assert!(crop(&mixed.samples, 7.05, 0.4).iter().all(|s| *s == 0.0));
    // Equal power: the fade is as loud as its surroundings.
    let fade = rms(&crop(&mixed.samples, 3.0, 1.0));
    let both = (rms(&crop(&a, 4.0, 1.0)).powi(2) + rms(&crop(&b, 2.0, 1.0)).powi(2)) / 2.0;
    assert!(db(fade / both.sqrt()).abs() < 1.5);
    assert!(mix(&[]).samples.is_empty());
}

#[test]
fn fades_longer_than_their_clips_are_shortened() {
    let tone = sine(300.0, 1.0);
    let clip = MixClip { samples: &tone, from: 0.0, seconds: 1.0, fade: 60.0 };
    let mixed = mix(&[clip, clip]);
    assert_eq!(mixed.airings[1].start, 0.5);
    assert_eq!(mixed.samples.len(), 66_150);
}

#[test]
fn overlays_start_at_the_given_time() {
    let (base, top) = (sine(300.0, 2.0), sine(800.0, 5.0));
    let both = overlay(&base, &top, 1.0, -6.0);
    assert_eq!(both.len(), base.len());
    assert_eq!(crop(&both, 0.0, 1.0), crop(&base, 0.0, 1.0));
    let difference = added(&crop(&base, 1.0, 1.0), &crop(&both, 1.0, 1.0));
    assert!((db(rms(&difference) / rms(&top)) + 6.0).abs() < 0.01);
}

#[test]
fn wav_files_contain_the_written_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let samples = [0.0, 0.5, -0.5, 1.0, -1.0, 3.0, f32::NAN];
    write_wav(&path, &samples, 8000).unwrap();
    let mut reader = hound::WavReader::open(&path).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (8000, 1));
    let read: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(read, [0, 16_384, -16_384, 32_767, -32_767, 32_767, 0]);
    let error = write_wav(folder.path().join("no/such/folder.wav"), &samples, 8000).unwrap_err();
    assert!(error.to_string().contains("folder.wav"));
}
