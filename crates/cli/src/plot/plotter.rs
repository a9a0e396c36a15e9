//! Processes one input: decodes it, searches for songs, draws the pictures and writes them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use refrain_app::audio_file::damage;
use refrain_catalog::{Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, PictureBuilder};
use refrain_core::matching::{Match, Matches};

use super::aligned::AlignmentLine;
use super::draw::{Size, minus, png};
use super::lanes::SongBar;
use super::names::PictureName;
use super::plot_range::PlotRange;
use super::{matched, spectrogram};
use crate::context::CommandContext;
use crate::identify::{Input, InputError, title};
use crate::output::{clean, clock};
use crate::search::Searcher;

/// Maximum number of pictures of matches that are written per input. The same limit applies to pictures of rejected
/// candidates. It bounds time and disk space: a mix of a day has hundreds of songs. A user can select a part with
/// `--from` and `--to`.
const MAX_PICTURES: usize = 100;

/// Kind of the pictures of matches, which is a part of their file names.
const MATCH: &str = "match";
/// Kind of the pictures of rejected candidates, which is a part of their file names.
const REJECTED: &str = "rejected";

/// Draws the pictures of inputs. It can be used from several threads.
pub(super) struct Plotter<'a> {
    pub(super) context: &'a CommandContext,
    pub(super) searcher: &'a Searcher<'a>,
    pub(super) plot_range: PlotRange,
    pub(super) size: Size,
    /// True if rejected candidates are drawn too.
    pub(super) rejected: bool,
    /// Maximum probability of being chance that an accepted match can have.
    pub(super) limit: f64,
}

/// Result of processing one input, which can be partial if an error occurred.
#[derive(Debug, Default)]
pub(super) struct PlotResult {
    /// Paths of the pictures that were written.
    pub(super) files: Vec<PathBuf>,
    /// Messages to print on standard error.
    pub(super) notes: Vec<String>,
    pub(super) matched: bool,
    /// Duration of the input in seconds.
    pub(super) seconds: f64,
    pub(super) error: Option<anyhow::Error>,
}

impl PlotResult {
    pub(super) fn failed(error: &InputError) -> Self {
        Self { error: Some(anyhow!("{error}")), ..Self::default() }
    }
}

/// A decoded input with its peaks, its matches, and the tracks of these.
struct PlottedInput<'a> {
    input: &'a Input<'a>,
    name: &'a PictureName,
    query: Constellation,
    matches: Matches,
    tracks: HashMap<TrackNumber, Track>,
}

impl Plotter<'_> {
    /// Processes an input and writes its pictures. `name` is the beginning of their paths.
    pub(super) fn plot(&self, input: &Input<'_>, name: &PictureName) -> PlotResult {
        let mut result = PlotResult::default();
        // If an error occurs, the pictures that were written before it are still listed.
        result.error = self.try_plot(input, name, &mut result).err();
        result
    }

    fn try_plot(&self, input: &Input<'_>, name: &PictureName, result: &mut PlotResult) -> Result<()> {
        let plot_range = self.plot_range.range();
        // The spectrogram has one column per pixel, so its memory does not depend on the length of the input.
        let mut painter = PictureBuilder::new(plot_range.start, plot_range.end, self.size.width as usize);
        // Fingerprint and spectrogram are computed together, because standard input can be read only once.
        let sound =
            input.fingerprint_with(|chunk| painter.push(chunk)).map_err(|error| anyhow!("{error}"))?;
        result.seconds = sound.constellation.seconds;
        result.notes.extend(damage(&sound.report).map(|damage| format!("{}: {damage}", input.name())));
        let Some(shown) = self.plot_range.of_input(result.seconds) else {
            bail!(
                "{}: the input ends at {}, before --from; use an earlier --from",
                input.name(),
                clock(result.seconds)
            );
        };
        let matches = self
            .searcher
            .identify(&sound.constellation)
            .with_context(|| format!("{}: cannot search", input.name()))?;
        result.matched = !matches.found.is_empty();
        let tracks = self.tracks(&matches)?;
        let plotted = PlottedInput { input, name, query: sound.constellation, matches, tracks };
        let songs = plotted.songs();
        let label = clean(&plotted.label());
        let view = spectrogram::SpectrogramView {
            name: &label,
            verdict: &plotted.verdict(),
            shown,
            seconds: result.seconds,
            picture: &painter.finish(),
            peaks: &plotted.query.peaks,
            songs: &songs,
        };
        let picture = png(self.size, |area, theme| spectrogram::draw(area, theme, &view));
        write(&name.of("spectrogram"), picture, result)?;
        let found: Vec<&Match> = plotted.matches.found.iter().collect();
        let rejected = plotted.matches.rejected.iter().filter(|_| self.rejected);
        let rejected: Vec<&Match> = rejected.map(|rejected| &rejected.best).collect();
        if !result.matched {
            let only = if rejected.is_empty() { "; only the spectrogram is drawn" } else { "" };
            result.notes.push(format!("{}: no match{only}", input.name()));
        }
        self.matches(&plotted, MATCH, &found, result)?;
        self.matches(&plotted, REJECTED, &rejected, result)
    }

    /// Reads the tracks of all matches and rejected candidates from the catalog.
    fn tracks(&self, matches: &Matches) -> Result<HashMap<TrackNumber, Track>> {
        let rejected = matches.rejected.iter().map(|rejected| &rejected.best);
        let mut numbers: Vec<_> = matches.found.iter().chain(rejected).map(|found| found.track).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let tracks = self.context.wait(self.context.catalog().by_numbers(&numbers))?;
        Ok(tracks.into_iter().map(|track| (track.number, track)).collect())
    }

    /// Draws the pictures of matches or of rejected candidates. `kind` is [`MATCH`] or [`REJECTED`]. Adds a note to
    /// `result` if some pictures are not drawn.
    fn matches(
        &self,
        plotted: &PlottedInput<'_>,
        kind: &str,
        matches: &[&Match],
        result: &mut PlotResult,
    ) -> Result<()> {
        let (mut outside, mut count) = (0, 0);
        for (index, found) in matches.iter().enumerate() {
            let Some(detail) = self.plot_range.of_match(found.query_start, found.query_end) else {
                outside += 1;
                continue;
            };
            count += 1;
            // Further matches are only counted, for the note about pictures that are not drawn.
            if count > MAX_PICTURES {
                continue;
            }
            // Constellations are read one by one, because that of a track of several hours is large.
            let Some(song) = self.constellation(found.track)? else {
                result
                    .notes
                    .push(format!("{}: a matched track was removed from the catalog", plotted.input.name()));
                continue;
            };
            let (title, facts) = (plotted.title(found, kind, index + 1, self.limit), facts(found));
            let view = matched::MatchView {
                title: &title,
                facts: &facts,
                line: AlignmentLine::from(*found),
                song: &song.peaks,
                input: &plotted.query.peaks,
                detail,
            };
            let picture = png(self.size, |area, theme| matched::draw(area, theme, &view));
            write(&plotted.name.of(&format!("{kind}-{}", index + 1)), picture, result)?;
        }
        let mut note = |count: usize, why: &str| {
            if count > 0 {
                let all = matches.len();
                result
                    .notes
                    .push(format!("{}: {count} of {all} pictures ({kind}) {why}", plotted.input.name()));
            }
        };
        note(outside, "are outside of --from and --to and are not drawn");
        note(count.saturating_sub(MAX_PICTURES), "are not drawn; select a part with --from and --to");
        Ok(())
    }

    /// Reads the constellation of a track from the catalog. Returns `None` if the track was removed.
    fn constellation(&self, track: TrackNumber) -> Result<Option<Constellation>> {
        let packed = self.context.wait(self.context.catalog().constellations(&[track]))?;
        let packed = packed.into_iter().next();
        Ok(packed.map(|(_, bytes)| Constellation::from_bytes(&bytes)).transpose()?)
    }
}

impl PlottedInput<'_> {
    /// Returns the file name of the input, or `standard input`.
    fn label(&self) -> String {
        let name = self.input.name();
        if name == "-" {
            "standard input".to_owned()
        } else {
            Path::new(name)
                .file_name()
                .map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned())
        }
    }

    fn track(&self, found: &Match) -> String {
        clean(&self.tracks.get(&found.track).map_or_else(|| "a removed track".to_owned(), title))
    }

    fn title(&self, found: &Match, kind: &str, number: usize, limit: f64) -> String {
        // A candidate that is not chance was rejected because a better match explains the same audio.
        let copy = kind != MATCH && found.false_positive_probability <= limit;
        let why = if copy { " (same sound as a match)" } else { "" };
        format!("{} – {kind} {number}{why}: {}", clean(&self.label()), self.track(found))
    }

    /// Returns the bars of all matches. Each title starts with the number of the picture of the match.
    fn songs(&self) -> Vec<SongBar> {
        let song = |(index, found): (usize, &Match)| SongBar {
            title: format!("{}  {}", index + 1, self.track(found)),
            from: found.query_start,
            to: found.query_end,
        };
        self.matches.found.iter().enumerate().map(song).collect()
    }

    fn verdict(&self) -> String {
        match self.matches.found.as_slice() {
            [] => "no match".to_owned(),
            [found] => self.track(found),
            found => format!("{} songs", found.len()),
        }
    }
}

/// Returns the values of a match as one line of text.
fn facts(found: &Match) -> String {
    let chance = match found.false_positive_probability {
        p if p >= 0.001 => format!("{p:.3}"),
        p if p > 0.0 => format!("{p:.1e}"),
        _ => "below 1e-308".to_owned(),
    };
    // Adding 0 converts -0 to 0.
    let signed = |number: f64, unit: f64| (number / unit).round() * unit + 0.0;
    minus(&format!(
        "chance {chance}   ·   {} of {} peaks found   ·   speed {:.4} ({:+.2} %)   ·   pitch {:+.0} cents   ·   \
         from {} to {}, in the song from {}",
        found.matched_peaks,
        found.expected_peaks,
        found.speed,
        signed(100.0 * (found.speed - 1.0), 0.01),
        signed(found.pitch_cents, 1.0),
        clock(found.query_start),
        clock(found.query_end),
        clock(found.reference_start),
    ))
}

fn write(path: &Path, picture: Result<Vec<u8>>, result: &mut PlotResult) -> Result<()> {
    let picture = picture.with_context(|| format!("cannot draw {}", path.display()))?;
    std::fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))?;
    result.files.push(path.to_owned());
    Ok(())
}
