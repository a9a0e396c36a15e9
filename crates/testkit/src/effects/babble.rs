//! Synthetic chatter in no real language: several talkers, each a buzzing voice through moving formants.

use crate::RATE_F;
use crate::dsp::{Filter, Oscillator};
use crate::math::rms;
use crate::rng::{Rng, White};

/// Number of talkers. With fewer, single talkers stand out; with many, the sum resembles steady noise.
const TALKER_COUNT: usize = 5;
/// Number of samples between two updates of the formants. 64 samples are 1.5 ms, much shorter than a movement of the
/// mouth.
const BLOCK_SAMPLES: usize = 64;

/// First three formants of some vowels in Hz, for a vocal tract of average length.
const VOWELS: [[f64; 3]; 8] = [
    [290.0, 2250.0, 2900.0],
    [420.0, 2000.0, 2600.0],
    [600.0, 1750.0, 2500.0],
    [750.0, 1250.0, 2550.0],
    [640.0, 950.0, 2500.0],
    [450.0, 820.0, 2450.0],
    [320.0, 760.0, 2300.0],
    [500.0, 1450.0, 2450.0],
];

/// Returns `samples` samples of babble with a root mean square of 0.1.
#[must_use]
pub fn babble(samples: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let mut out = vec![0.0; samples];
    for _ in 0..TALKER_COUNT {
        Talker::new(rng.fork()).talk(&mut out);
    }
    let level = rms(&out);
    if level > 0.0 {
        let gain = (0.1 / level) as f32;
        out.iter_mut().for_each(|s| *s *= gain);
    }
    out
}

/// Adds babble whose root mean square is `snr_db` decibels below that of `samples`.
#[must_use]
pub fn add_babble(samples: &[f32], snr_db: f64, seed: u64) -> Vec<f32> {
    super::add_at(samples, &babble(samples.len(), seed), snr_db)
}

/// Current sound of a talker.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SpeechSound {
    Vowel,
    Hiss,
    Pause,
}

struct Talker {
    rng: Rng,
    white: White,
    voice: Oscillator,
    formants: [Filter; 3],
    hiss: Filter,
    /// Current formants in Hz.
    mouth: [f64; 3],
    /// Formants toward which `mouth` moves, in Hz.
    target: [f64; 3],
    /// Factor of all formants: greater for a shorter vocal tract, 1 for the average one.
    tract: f64,
    /// Average pitch in Hz.
    pitch: f64,
    melody: f64,
    loudness: f32,
}

impl Talker {
    fn new(mut rng: Rng) -> Self {
        let pitch = rng.range(90.0, 230.0);
        // Higher voices tend to have shorter vocal tracts.
        let tract = 0.9 + 0.0012 * (pitch - 90.0) + rng.range(-0.05, 0.05);
        let mouth = VOWELS[7];
        Self {
            white: White::new(&mut rng),
            voice: Oscillator::new(rng.unit(), pitch),
            formants: std::array::from_fn(|_| Filter::default()),
            hiss: Filter::new(rng.range(3000.0, 6000.0), 2.0),
            mouth,
            target: mouth,
            tract,
            pitch,
            melody: 1.0,
            loudness: rng.range(0.5, 1.0) as f32,
            rng,
        }
    }

    /// Adds speech to all samples of `out`.
    fn talk(&mut self, out: &mut [f32]) {
        let mut at = 0;
        let mut previous = SpeechSound::Pause;
        while at < out.len() {
            let (sound, seconds) = self.next_sound(previous);
            let end = (at + (seconds * RATE_F) as usize).min(out.len());
            self.utter(sound, &mut out[at..end]);
            (at, previous) = (end, sound);
        }
    }

    fn next_sound(&mut self, previous: SpeechSound) -> (SpeechSound, f64) {
        let rng = &mut self.rng;
        // A hiss stands for a consonant. It is followed by a vowel, as in most syllables.
        match previous {
            SpeechSound::Vowel if rng.chance(0.12) => (SpeechSound::Pause, rng.range(0.1, 0.6)),
            SpeechSound::Vowel if rng.chance(0.45) => (SpeechSound::Hiss, rng.range(0.03, 0.1)),
            _ => {
                if previous == SpeechSound::Pause {
                    // Sentences start at a high pitch.
                    self.melody = rng.range(1.1, 1.35);
                }
                self.target = rng.pick(&VOWELS);
                (SpeechSound::Vowel, rng.range(0.07, 0.22))
            }
        }
    }

    fn utter(&mut self, sound: SpeechSound, out: &mut [f32]) {
        if sound == SpeechSound::Pause {
            return;
        }
        let total = out.len().max(1) as f32;
        let mut done = 0;
        for block in out.chunks_mut(BLOCK_SAMPLES) {
            self.move_mouth();
            for sample in block {
                let x = done as f32 / total;
                // The loudness rises and falls within the syllable.
                let shape = self.loudness * (4.0 * x * (1.0 - x)).sqrt();
                done += 1;
                *sample += shape * if sound == SpeechSound::Hiss { self.breath() } else { self.buzz() };
            }
        }
    }

    fn move_mouth(&mut self) {
        // The pitch falls slowly during a sentence and varies randomly.
        self.melody = (self.melody * 0.9997 + self.rng.normal() * 0.004).clamp(0.75, 1.5);
        self.voice.tune(self.pitch * self.melody);
        for (i, resonance) in [6.0, 10.0, 14.0].into_iter().enumerate() {
            // Formants move gradually like a mouth. Jumps would sound like clicks.
            self.mouth[i] += 0.06 * (self.target[i] - self.mouth[i]);
            self.formants[i].tune(self.mouth[i] * self.tract, resonance);
        }
    }

    fn breath(&mut self) -> f32 {
        0.25 * self.hiss.split(self.white.next()).1
    }

    fn buzz(&mut self) -> f32 {
        // A little noise, as in the breath of a voice.
        let x = self.voice.saw() + 0.03 * self.white.next();
        // Higher formants are quieter, as in speech.
        let levels = [0.2, 0.1, 0.05];
        self.formants.iter_mut().zip(levels).map(|(formant, level)| level * formant.split(x).1).sum()
    }
}
