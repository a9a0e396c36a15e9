//! Bars with the titles of the songs that were found, above the time axis.

use std::ops::Range;

use anyhow::Result;
use plotters::element::Rectangle;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, WHITE};

use super::draw::{Area, PictureTheme, mark};

/// Maximum number of lanes for bars. Songs overlap in cross-fades, and if the catalog has several versions of a song,
/// so two lanes are usually sufficient. Four lanes take 120 of 900 pixels; with eight, the spectrogram would be too low
/// to read. Songs without a lane are counted in the heading.
const MAX_LANES: usize = 4;
/// Height of a lane, in pixels at the natural size of a picture (1600 × 900), like all lengths below.
const LANE_HEIGHT: f64 = 30.0;
/// Height of a bar in a lane, in pixels at the natural size.
const BAR_HEIGHT: f64 = 26.0;
/// Height of the text in a bar, in pixels at the natural size.
const TEXT_HEIGHT: f64 = 17.0;
/// Distance of the text from the left end of the bar, in pixels at the natural size.
const INDENT: f64 = 8.0;

/// The bar of a song that was found.
#[derive(Debug, Clone)]
pub(super) struct SongBar {
    pub(super) title: String,
    /// Start of the song in the input, in seconds.
    pub(super) from: f64,
    /// End of the song in the input, in seconds.
    pub(super) to: f64,
}

/// Assigns the bars of songs to lanes, so that bars in one lane do not overlap.
#[derive(Debug)]
pub(super) struct Lanes<'a> {
    shown: Range<f64>,
    /// For each visible bar: the index of its song (which determines the colour), its lane, and the song.
    bars: Vec<(usize, usize, &'a SongBar)>,
    lanes: usize,
    hidden: usize,
}

impl<'a> Lanes<'a> {
    /// Assigns the songs that overlap the time range `shown` to lanes. `songs` has to be in order of start times.
    pub(super) fn new(songs: &'a [SongBar], shown: &Range<f64>) -> Self {
        let mut ends: Vec<f64> = Vec::new();
        let mut lanes = Self { shown: shown.clone(), bars: Vec::new(), lanes: 0, hidden: 0 };
        let is_visible = |song: &SongBar| song.from < shown.end && song.to > shown.start;
        for (index, song) in songs.iter().enumerate().filter(|(_, song)| is_visible(song)) {
            // A song gets the first free lane. Because the songs are in order of start, this needs the minimum number
            // of lanes.
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

    /// Returns the number of songs in the time range that are not drawn, because no lane was free.
    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// Returns the total height of the used lanes in pixels of the picture.
    pub(super) fn height(&self, theme: &PictureTheme) -> i32 {
        self.lanes as i32 * theme.px(LANE_HEIGHT)
    }

    /// Draws the lanes downwards from the vertical position `top`. `across` is the horizontal range of the chart below,
    /// in pixels.
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
            // Bars are at least one pixel wide. Otherwise, short songs in a long input would be invisible.
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
