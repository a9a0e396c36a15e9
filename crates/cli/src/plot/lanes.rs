//! Bars of the songs that were found, above a time axis.

use std::ops::Range;

use anyhow::Result;
use plotters::element::Rectangle;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, WHITE};

use super::draw::{Area, PictureTheme, mark};

/// Maximum number of lanes. Songs overlap in cross-fades and where the catalog has several versions, so two are usually
/// enough. Four take 120 of 900 pixels; at twice this value, the spectrogram of a mashup would be too low to read.
/// Further songs are counted in the heading.
const MAX_LANES: usize = 4;
/// Height of a lane.
const LANE_HEIGHT: f64 = 30.0;
/// Height of a bar in a lane.
const BAR_HEIGHT: f64 = 26.0;
/// Height of the text in a bar.
const TEXT_HEIGHT: f64 = 17.0;
/// Distance of the text from the left end of its bar.
const INDENT: f64 = 8.0;

/// A song that was found.
#[derive(Debug, Clone)]
pub(super) struct SongBar {
    pub(super) title: String,
    /// Start in the input, in seconds.
    pub(super) from: f64,
    /// End in the input, in seconds.
    pub(super) to: f64,
}

/// Songs in lanes, so that their bars do not overlap.
#[derive(Debug)]
pub(super) struct Lanes<'a> {
    shown: Range<f64>,
    /// For each bar, the index of its song, which selects the colour, its lane and the song.
    bars: Vec<(usize, usize, &'a SongBar)>,
    lanes: usize,
    hidden: usize,
}

impl<'a> Lanes<'a> {
    /// Assigns the visible songs to lanes. `songs` has to be in order of start times.
    pub(super) fn new(songs: &'a [SongBar], shown: &Range<f64>) -> Self {
        let mut ends: Vec<f64> = Vec::new();
        let mut lanes = Self { shown: shown.clone(), bars: Vec::new(), lanes: 0, hidden: 0 };
        let is_visible = |song: &SongBar| song.from < shown.end && song.to > shown.start;
        for (index, song) in songs.iter().enumerate().filter(|(_, song)| is_visible(song)) {
            // The first lane that is free. With songs in order of their start this needs the fewest lanes.
            let free = ends.iter().position(|end| *end <= song.from);
            match free {
                Some(lane) => ends[lane] = song.to,
                None if ends.len() < MAX_LANES => ends.push(song.to),
                None => {
                    lanes.hidden += 1;
                    continue;
                }
            }
            lanes.bars.push((index, free.unwrap_or(ends.len() - 1), song));
        }
        lanes.lanes = ends.len();
        lanes
    }

    /// Returns the number of visible songs for which no lane was free.
    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// Returns the height of all lanes in pixels.
    pub(super) fn height(&self, theme: &PictureTheme) -> i32 {
        self.lanes as i32 * theme.px(LANE_HEIGHT)
    }

    /// Draws the lanes from `top` on. `across` is the horizontal pixel range of the chart below them.
    pub(super) fn draw(
        &self,
        area: &Area<'_>,
        theme: &PictureTheme,
        across: &Range<i32>,
        top: i32,
    ) -> Result<()> {
        let span = self.shown.end - self.shown.start;
        let x = |seconds: f64| {
            let part = ((seconds - self.shown.start) / span).clamp(0.0, 1.0);
            across.start + (part * f64::from(across.end - across.start)).round() as i32
        };
        for (index, lane, song) in &self.bars {
            // At least one pixel, or short songs of a long input would be invisible.
            let (left, right) = (x(song.from), x(song.to).max(x(song.from) + 1));
            let upper = top + *lane as i32 * theme.px(LANE_HEIGHT);
            let bar = [(left, upper), (right, upper + theme.px(BAR_HEIGHT))];
            area.draw(&Rectangle::new(bar, mark(*index).filled()))?;
            let (at, width) =
                ((left + theme.px(INDENT), upper + theme.px((BAR_HEIGHT - TEXT_HEIGHT) / 2.0)), right - left);
            theme.write(
                area,
                &song.title,
                (TEXT_HEIGHT, WHITE, HPos::Left),
                at,
                width - 2 * theme.px(INDENT),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_songs_are_in_different_lanes() {
        let song = |from, to| SongBar { title: String::new(), from, to };
        let songs = [song(0.0, 10.0), song(8.0, 20.0), song(10.0, 15.0), song(40.0, 50.0)];
        let lanes = Lanes::new(&songs, &(5.0..30.0));
        let bars: Vec<_> = lanes.bars.iter().map(|(index, lane, _)| (*index, *lane)).collect();
        assert_eq!((bars, lanes.lanes, lanes.hidden()), (vec![(0, 0), (1, 1), (2, 0)], 2, 0));
        let many = vec![song(0.0, 10.0); MAX_LANES + 3];
        assert_eq!(Lanes::new(&many, &(0.0..5.0)).hidden(), 3);
    }
}
