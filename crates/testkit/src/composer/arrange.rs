//! The form of a song: the order of its sections, and the players and the theme of each section.

use super::SongSection;
use super::harmony::{BarChords, Progression};
use super::melody::{self, Motif};
use super::score::{Score, SongClock};
use super::style::Style;
use super::{beat, players};
use crate::rng::Rng;

/// Musical material of a section. Every performance of the section varies it.
#[derive(Debug)]
struct Theme {
    progression: Progression,
    first: Motif,
    second: Motif,
    comp: players::Comp,
    arp: players::ArpShape,
    bass: players::BassShape,
    beat: beat::Pattern,
}

impl Theme {
    fn draw(style: &Style, rng: &mut Rng) -> Self {
        let length = if rng.chance(0.6) { 4 } else { 8 };
        Self {
            progression: Progression::draw(style.key, length, rng),
            first: melody::draw(style.beats_per_bar, style.density, rng),
            second: melody::draw(
                style.beats_per_bar,
                (style.density + rng.range(-0.3, 0.3)).clamp(0.0, 1.0),
                rng,
            ),
            comp: players::Comp::draw(rng),
            arp: players::ArpShape::draw(rng),
            bass: players::BassShape::draw(rng),
            beat: beat::Pattern::draw(style.groove, style.beats_per_bar * 4, rng),
        }
    }
}

/// The players of a section, and its energy from 0 (quiet) to 1 (full).
#[derive(Debug, Clone, Copy, Default)]
struct Band {
    drums: bool,
    bass: bool,
    chords: bool,
    pad: bool,
    arp: bool,
    lead: bool,
    second_lead: bool,
    energy: f64,
}

/// One performance of a section.
pub(super) struct Performance<'a> {
    pub(super) style: &'a Style,
    pub(super) clock: &'a SongClock,
    pub(super) first_bar: usize,
    pub(super) bars: usize,
    pub(super) chords: &'a [BarChords],
    /// Pitch class of the tonic, including modulations.
    pub(super) tonic: i32,
    /// Energy from 0 (quiet) to 1 (full).
    pub(super) energy: f64,
}

impl Performance<'_> {
    /// Returns the time in seconds of sixteenth `step` in the section's bar `bar`, with a random deviation.
    pub(super) fn at(&self, bar: usize, step: f64, rng: &mut Rng) -> f64 {
        (self.clock.time(self.first_bar + bar, step) + rng.normal() * self.style.looseness).max(0.0)
    }

    /// Returns the length of `steps` sixteenths in the section's bar `bar` in seconds.
    pub(super) fn seconds(&self, bar: usize, steps: f64) -> f64 {
        self.clock.step_seconds(self.first_bar + bar) * steps
    }

    /// Returns a random velocity around `mean`, which is lower in sections with less energy.
    pub(super) fn velocity(&self, mean: f64, rng: &mut Rng) -> f64 {
        ((mean + rng.normal() * 0.08) * (0.75 + 0.25 * self.energy)).clamp(0.08, 1.0)
    }
}

/// Writes the score of a song of at least `seconds`.
pub(super) fn write(
    style: &Style,
    clock: &SongClock,
    seconds: f64,
    rng: &mut Rng,
) -> (Score, Vec<SongSection>) {
    let verse = Theme::draw(style, rng);
    let chorus = Theme::draw(style, rng);
    let bridge = Theme::draw(style, rng);
    let unit = if clock.bar(1) - clock.bar(0) > 2.1 { 4 } else { 8 };
    let (mut score, mut sections) = (Score::default(), Vec::new());
    let (mut bar, mut tonic, mut round) = (0, i32::from(style.key.tonic), 0_usize);
    let mut form = form(rng).into_iter();
    while clock.bar(bar) < seconds {
        let name = form.next().unwrap_or(if round % 2 == 0 { "chorus" } else { "verse" });
        let theme = match name {
            "intro" | "verse" => &verse,
            "chorus" => &chorus,
            _ => &bridge,
        };
        if name == "chorus" && round > 3 && rng.chance(0.4) {
            tonic = (tonic + rng.int(1, 2)) % 12;
        }
        let bars = if name == "intro" { unit / 2 } else { unit };
        let chords = theme.progression.perform(style.key, bars, clock.steps_per_bar, rng);
        let band = band(name, round, rng);
        let performance =
            Performance { style, clock, first_bar: bar, bars, chords: &chords, tonic, energy: band.energy };
        perform(&performance, theme, band, &mut score, rng);
        sections.push(SongSection { name, start: clock.bar(bar) });
        bar += bars;
        round += 1;
    }
    (score, sections)
}

fn form(rng: &mut Rng) -> Vec<&'static str> {
    match rng.below(4) {
        0 => vec!["intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus"],
        1 => vec!["verse", "chorus", "bridge", "verse", "chorus"],
        2 => vec!["intro", "chorus", "verse", "chorus", "bridge", "chorus"],
        _ => vec!["intro", "verse", "bridge", "chorus", "verse", "bridge", "chorus"],
    }
}

fn band(name: &str, round: usize, rng: &mut Rng) -> Band {
    let full = Band { drums: true, bass: true, chords: true, energy: 0.8, ..Band::default() };
    match name {
        "intro" => {
            // Chords alone would leave the upper half of the spectrum empty.
            let arp = rng.chance(0.6);
            let second_lead = !arp || rng.chance(0.3);
            Band { drums: rng.chance(0.4), bass: rng.chance(0.5), arp, second_lead, energy: 0.45, ..full }
        }
        "verse" => Band { lead: true, pad: rng.chance(0.3), arp: rng.chance(0.25), energy: 0.65, ..full },
        "chorus" => Band {
            lead: true,
            pad: rng.chance(0.85),
            arp: rng.chance(0.5),
            second_lead: round > 2 && rng.chance(0.5),
            energy: 1.0,
            ..full
        },
        _ => Band {
            drums: rng.chance(0.6),
            chords: rng.chance(0.5),
            pad: true,
            arp: true,
            second_lead: true,
            energy: 0.55,
            ..full
        },
    }
}

fn perform(performance: &Performance<'_>, theme: &Theme, band: Band, score: &mut Score, rng: &mut Rng) {
    use super::score::Voice;
    if band.drums {
        beat::play(performance, &theme.beat, score, &mut rng.fork());
    }
    if band.bass {
        players::bass(performance, theme.bass, score, &mut rng.fork());
    }
    if band.chords {
        players::comp(performance, theme.comp, score, &mut rng.fork());
    }
    if band.pad {
        players::pad(performance, score, &mut rng.fork());
    }
    if band.arp {
        players::arp(performance, theme.arp, score, &mut rng.fork());
    }
    let motifs = (&theme.first, &theme.second);
    if band.lead {
        players::lead(performance, Voice::Lead, motifs, score, &mut rng.fork());
    }
    if band.second_lead {
        // The second voice swaps the motifs of the section, so that it answers the lead instead of doubling it.
        players::lead(performance, Voice::SecondLead, (motifs.1, motifs.0), score, &mut rng.fork());
    }
}
