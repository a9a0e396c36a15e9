//! The drummer: patterns by probability, ghost notes, fills and crashes.

use super::performance::Performance;
use super::score::{Drum, Score, Stroke};
use super::style::Groove;
use crate::rng::Rng;

/// A bar of a drum pattern: probability and velocity of a stroke on each sixteenth, for each drum.
#[derive(Debug)]
pub(super) struct Pattern {
    lanes: Vec<DrumLane>,
    /// Probability that the last bar of a phrase ends with a fill.
    fills: f64,
}

#[derive(Debug)]
struct DrumLane {
    drum: Drum,
    /// Probability of a stroke on each sixteenth.
    steps: Vec<f64>,
    velocity: f64,
}

impl Pattern {
    pub(super) fn draw(groove: Groove, steps: u32, rng: &mut Rng) -> Self {
        let mut lanes = Vec::new();
        let mut lane = |drum, velocity, chance: &dyn Fn(u32) -> f64| {
            lanes.push(DrumLane { drum, steps: (0..steps).map(chance).collect(), velocity });
        };
        let back = if steps == 12 { [4, 8] } else { [4, 12] };
        let extra = [rng.int(1, 15) as u32, rng.int(1, 15) as u32, rng.int(5, 11) as u32];
        let hat = rng.pick(&[Drum::ClosedHat, Drum::ClosedHat, Drum::Ride, Drum::Shaker]);
        let hat_grid = rng.pick(&[1, 2, 2, 2, 4]);
        let snare = rng.pick(&[Drum::Snare, Drum::Snare, Drum::Clap]);
        match groove {
            Groove::None => return Self { lanes: Vec::new(), fills: 0.0 },
            Groove::FourOnFloor => {
                lane(Drum::Kick, 0.95, &|s| if s % 4 == 0 { 1.0 } else { 0.02 });
                lane(snare, 0.75, &|s| if back.contains(&s) { 0.97 } else { 0.02 });
                lane(Drum::OpenHat, 0.5, &|s| if s % 4 == 2 { 0.92 } else { 0.0 });
                lane(Drum::ClosedHat, 0.35, &|s| if s % 4 == 2 { 0.0 } else { 0.7 });
            }
            Groove::HalfTime => {
                lane(Drum::Kick, 0.95, &|s| if s == 0 || s == extra[2] { 0.97 } else { 0.05 });
                lane(snare, 0.9, &|s| if s == 8 { 1.0 } else { 0.02 });
                lane(hat, 0.45, &|s| if s % hat_grid == 0 { 0.94 } else { 0.08 });
            }
            Groove::Broken => {
                lane(Drum::Kick, 0.9, &|s| if s == 0 || s == 10 || s == extra[0] { 0.95 } else { 0.06 });
                lane(Drum::Snare, 0.85, &|s| if back.contains(&s) { 0.95 } else { 0.12 });
                lane(hat, 0.45, &|s| if s % 2 == 0 { 0.95 } else { 0.3 });
            }
            Groove::Bossa => {
                lane(Drum::Kick, 0.7, &|s| if s % 8 == 0 || s % 8 == 6 { 0.97 } else { 0.0 });
                lane(Drum::Rim, 0.6, &|s| if [0, 3, 6, 10, 13].contains(&s) { 0.95 } else { 0.02 });
                lane(Drum::Shaker, 0.4, &|_| 0.9);
            }
            Groove::Brushes => {
                lane(Drum::Kick, 0.55, &|s| if s == 0 { 0.95 } else { 0.03 });
                lane(Drum::Shaker, 0.5, &|s| if back.contains(&s) { 0.97 } else { 0.3 });
                lane(Drum::Ride, 0.4, &|s| {
                    if s % 4 == 0 {
                        0.95
                    } else if s % 4 == 3 {
                        0.35
                    } else {
                        0.02
                    }
                });
            }
            Groove::Rock => {
                lane(Drum::Kick, 0.92, &|s| if s == 0 || s == 8 || extra.contains(&s) { 0.93 } else { 0.03 });
                lane(snare, 0.85, &|s| if back.contains(&s) { 0.98 } else { 0.05 });
                lane(hat, 0.45, &|s| if s % hat_grid == 0 { 0.96 } else { 0.06 });
            }
        }
        Self { lanes, fills: rng.range(0.3, 0.9) }
    }
}

pub(super) fn play(performance: &Performance<'_>, pattern: &Pattern, score: &mut Score, rng: &mut Rng) {
    if pattern.lanes.is_empty() {
        return;
    }
    // Loud sections begin with a crash.
    if performance.energy > 0.6 {
        let start = performance.at(0, 0.0, rng);
        score.strokes.push(Stroke { drum: Drum::Crash, start, velocity: 0.6 });
    }
    let steps = performance.clock.steps_per_bar;
    for bar in 0..performance.bars {
        // Fills separate phrases, so they are only at the end of four bars or of a section.
        let last_of_phrase = bar % 4 == 3 || bar + 1 == performance.bars;
        let fill_from =
            if last_of_phrase && rng.chance(pattern.fills) { steps - rng.pick(&[2, 4, 4, 8]) } else { steps };
        for lane in &pattern.lanes {
            for step in 0..fill_from {
                if !rng.chance(lane.steps[step as usize]) {
                    continue;
                }
                let accent = if step % 4 == 0 { 1.0 } else { 0.8 };
                // A stroke with a low probability is a ghost note.
                let ghost = if lane.steps[step as usize] < 0.2 { 0.35 } else { 1.0 };
                let velocity = performance.velocity(lane.velocity * accent, rng) * ghost;
                let start = performance.at(bar, f64::from(step), rng);
                score.strokes.push(Stroke { drum: lane.drum, start, velocity });
            }
        }
        fill(performance, bar, fill_from..steps, score, rng);
    }
}

fn fill(
    performance: &Performance<'_>,
    bar: usize,
    steps: std::ops::Range<u32>,
    score: &mut Score,
    rng: &mut Rng,
) {
    let length = steps.len().max(1) as f64;
    for (i, step) in steps.enumerate() {
        if !rng.chance(0.85) {
            continue;
        }
        let progress = i as f64 / length;
        // The fill descends from the snare to the low tom.
        let drum = if progress < 0.4 {
            Drum::Snare
        } else if progress < 0.7 {
            Drum::HighTom
        } else {
            Drum::LowTom
        };
        let velocity = performance.velocity(0.55 + 0.3 * progress, rng);
        let start = performance.at(bar, f64::from(step), rng);
        score.strokes.push(Stroke { drum, start, velocity });
    }
}
