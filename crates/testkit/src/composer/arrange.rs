//! The form of a song: the order of its sections, and the players and the theme of each section.

use super::SongSection;
use super::harmony::Progression;
use super::melody::{self, Motif};
use super::performance::Performance;
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

/// The players that play in a section, and the energy of the section from 0 (quiet) to 1 (full).
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

/// Returns the score of a song of at least `seconds` seconds, and the sections of the song.
pub(super) fn write(
    style: &Style,
    clock: &SongClock,
    seconds: f64,
    rng: &mut Rng,
) -> (Score, Vec<SongSection>) {
    let verse = Theme::draw(style, rng);
    let chorus = Theme::draw(style, rng);
    let bridge = Theme::draw(style, rng);
    // Sections last about 8 to 16 s at every tempo.
    let unit = if clock.bar(1) - clock.bar(0) > 2.1 { 4 } else { 8 };
    let (mut score, mut sections) = (Score::default(), Vec::new());
    let (mut bar, mut tonic, mut round) = (0, i32::from(style.key.tonic), 0_usize);
    let mut form = form(rng).into_iter();
    while clock.bar(bar) < seconds {
        // Songs that are longer than the form continue with choruses and verses.
        let name = form.next().unwrap_or(if round % 2 == 0 { "chorus" } else { "verse" });
        let theme = match name {
            "intro" | "verse" => &verse,
            "chorus" => &chorus,
            _ => &bridge,
        };
        // Late choruses can be a semitone or two higher, as in many songs.
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
    // Each player has its own generator, so that a change of one does not change the notes of the others.
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
