//! Decodes one input, searches for songs in it, and draws and writes its pictures.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use refrain_app::audio_file::damage;
use refrain_catalog::{Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, Painter};
use refrain_core::matching::{Match, Matches};

use super::aligned::Line;
use super::draw::{Size, minus, png};
use super::lanes::Song;
use super::names::Name;
use super::stretch::Stretch;
use super::{matched, spectrogram};
use crate::identify::{Input, InputError, title};
use crate::output::{clean, clock};
use crate::search::Searcher;
use crate::store::Store;

/// Maximum number of pictures of matches of one input, and of pictures of rejected candidates.
const MOST_MATCHES: usize = 100;

/// Name of the pictures of matches.
const MATCH: &str = "match";
/// Name of the pictures of rejected candidates.
const REJECTED: &str = "rejected";

/// Draws inputs, on any thread.
pub(super) struct Plotter<'a> {
    pub(super) store: &'a Store,
    pub(super) searcher: &'a Searcher<'a>,
    pub(super) stretch: Stretch,
    pub(super) size: Size,
    /// True if rejected candidates are drawn too.
    pub(super) rejected: bool,
    /// Accepted probability that a match is chance.
    pub(super) limit: f64,
}

/// Result of the processing of one input.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// Paths of the pictures that were written.
    pub(super) files: Vec<PathBuf>,
    /// Messages for standard error.
    pub(super) notes: Vec<String>,
    pub(super) matched: bool,
    /// Duration of the input in seconds.
    pub(super) seconds: f64,
    pub(super) error: Option<anyhow::Error>,
}

impl Drawn {
    pub(super) fn failed(error: &InputError) -> Self {
        Self { error: Some(anyhow!("{error}")), ..Self::default() }
    }
}

/// An input and its matches.
struct Scene<'a> {
    input: &'a Input<'a>,
    name: &'a Name,
    query: Constellation,
    matches: Matches,
    tracks: HashMap<TrackNumber, Track>,
}

impl Plotter<'_> {
    /// Processes an input and writes its pictures.
    pub(super) fn plot(&self, input: &Input<'_>, name: &Name) -> Drawn {
        let mut drawn = Drawn::default();
        drawn.error = self.try_plot(input, name, &mut drawn).err();
        drawn
    }

    fn try_plot(&self, input: &Input<'_>, name: &Name, drawn: &mut Drawn) -> Result<()> {
        let stretch = self.stretch.range();
        let mut painter = Painter::new(stretch.start, stretch.end, self.size.width as usize);
        let sound =
            input.fingerprint_with(|chunk| painter.push(chunk)).map_err(|error| anyhow!("{error}"))?;
        drawn.seconds = sound.constellation.seconds;
        drawn.notes.extend(damage(&sound.report).map(|damage| format!("{}: {damage}", input.name())));
        let Some(shown) = self.stretch.of_input(drawn.seconds) else {
            bail!("{}: the input ends at {}, before --from", input.name(), clock(drawn.seconds));
        };
        let matches = self
            .searcher
            .identify(&sound.constellation)
            .with_context(|| format!("{}: cannot search", input.name()))?;
        drawn.matched = !matches.found.is_empty();
        let tracks = self.tracks(&matches)?;
        let scene = Scene { input, name, query: sound.constellation, matches, tracks };
        let songs = scene.songs();
        let label = clean(&scene.label());
        let view = spectrogram::View {
            name: &label,
            verdict: &scene.verdict(),
            shown,
            seconds: drawn.seconds,
            picture: &painter.finish(),
            peaks: &scene.query.peaks,
            songs: &songs,
        };
        let picture = png(self.size, |area, look| spectrogram::draw(area, look, &view));
        write(&name.of("spectrogram"), picture, drawn)?;
        let found: Vec<&Match> = scene.matches.found.iter().collect();
        let rejected = scene.matches.rejected.iter().filter(|_| self.rejected);
        let rejected: Vec<&Match> = rejected.map(|rejected| &rejected.best).collect();
        if !drawn.matched {
            let only = if rejected.is_empty() { "; only the spectrogram is drawn" } else { "" };
            drawn.notes.push(format!("{}: no match{only}", input.name()));
        }
        self.matches(&scene, MATCH, &found, drawn)?;
        self.matches(&scene, REJECTED, &rejected, drawn)
    }

    /// Reads the tracks of all matches and rejected candidates from the catalog.
    fn tracks(&self, matches: &Matches) -> Result<HashMap<TrackNumber, Track>> {
        let rejected = matches.rejected.iter().map(|rejected| &rejected.best);
        let mut numbers: Vec<_> = matches.found.iter().chain(rejected).map(|found| found.track).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let tracks = self.store.wait(self.store.catalog().by_numbers(&numbers))?;
        Ok(tracks.into_iter().map(|track| (track.number, track)).collect())
    }

    /// Draws matches or rejected candidates. Adds a note about pictures that are not drawn.
    fn matches(&self, scene: &Scene<'_>, kind: &str, matches: &[&Match], drawn: &mut Drawn) -> Result<()> {
        let (mut outside, mut count) = (0, 0);
        for (index, found) in matches.iter().enumerate() {
            let Some(detail) = self.stretch.of_match(found.query_start, found.query_end) else {
                outside += 1;
                continue;
            };
            count += 1;
            if count > MOST_MATCHES {
                continue;
            }
            let Some(song) = self.constellation(found.track)? else {
                drawn
                    .notes
                    .push(format!("{}: a matched track was removed from the catalog", scene.input.name()));
                continue;
            };
            let (title, facts) = (scene.title(found, kind, index + 1, self.limit), facts(found));
            let view = matched::View {
                title: &title,
                facts: &facts,
                line: Line::from(*found),
                song: &song.peaks,
                input: &scene.query.peaks,
                detail,
            };
            let picture = png(self.size, |area, look| matched::draw(area, look, &view));
            write(&scene.name.of(&format!("{kind}-{}", index + 1)), picture, drawn)?;
        }
        let mut note = |count: usize, why: &str| {
            if count > 0 {
                let all = matches.len();
                drawn.notes.push(format!("{}: {count} of {all} pictures ({kind}) {why}", scene.input.name()));
            }
        };
        note(outside, "are outside of --from and --to and are not drawn");
        note(count.saturating_sub(MOST_MATCHES), "are not drawn; select a part with --from and --to");
        Ok(())
    }

    /// Reads the constellation of a track. Returns `None` if the track was removed.
    fn constellation(&self, track: TrackNumber) -> Result<Option<Constellation>> {
        let packed = self.store.wait(self.store.catalog().constellations(&[track]))?;
        let packed = packed.into_iter().next();
        Ok(packed.map(|(_, bytes)| Constellation::from_bytes(&bytes)).transpose()?)
    }
}

impl Scene<'_> {
    /// Returns the file name of the input.
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

    /// Returns the matches as bars with the numbers of their pictures.
    fn songs(&self) -> Vec<Song> {
        let song = |(index, found): (usize, &Match)| Song {
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

/// Returns the values of a match as one line.
fn facts(found: &Match) -> String {
    let chance = match found.false_positive_probability {
        p if p >= 0.001 => format!("{p:.3}"),
        p if p > 0.0 => format!("{p:.1e}"),
        _ => "below 1e-308".to_owned(),
    };
    // Adding 0 turns -0 into 0.
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

fn write(path: &Path, picture: Result<Vec<u8>>, drawn: &mut Drawn) -> Result<()> {
    let picture = picture.with_context(|| format!("cannot draw {}", path.display()))?;
    std::fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))?;
    drawn.files.push(path.to_owned());
    Ok(())
}
