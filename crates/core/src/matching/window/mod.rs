//! One window of a query: what is found in it.

mod alignments;
mod copies;
mod judge;
mod passes;

use std::sync::Arc;

use crate::fingerprint::landmark::Depth;
use crate::index::{Candidate, Home, IndexError, Session};

use super::cover::Cover;
use super::line::{Line, Outcome};
use super::places::Places;
use super::reference::{Reference, References};
use super::rivals::Repeats;
use super::screen::Screen;
use super::search::{Lookup, Search};
use super::settings::{Effort, MatchSettings};
use super::significance::Chance;
use super::sweep::{Scale, ladder};
use super::verify::{FINE, Ground, Rough, Verified, Window};

use alignments::Alignments;
pub(crate) use judge::{Explanation, Found};

/// Clean and slightly worn sound: the outstanding peaks of both sides are the same ones.
pub(crate) const SHALLOW: Depth = Depth { rank_limit: 5, fan_out: 3, gap_reach: 1 };
/// Under noise and speech the track's peaks are anywhere among the query's; those of the lowest ranks are
/// noise nearly always, and drown the votes of the others.
pub(crate) const DEEP: Depth = Depth { rank_limit: 12, fan_out: 40, gap_reach: 1 };
/// Between the two, for sound that is worn and changed.
pub(crate) const MIDDLE: Depth = Depth { rank_limit: 8, fan_out: 12, gap_reach: 1 };

/// Candidates of the first pass that are verified.
const MOST_CANDIDATES: usize = 32;
/// An alignment is obvious if its quick bound on the logarithm of the probability of chance is below this.
const OBVIOUS: f64 = -100.0;
/// The fewest votes worth a verification at the plain scale.
const FEWEST_VOTES: u32 = 3;
/// Candidates that tell at a glance whether there is anything: a song that is heard well leads by votes.
const MOST_GLANCED: usize = 6;
/// Part of the limit that the best of them must reach by its quick bound, which underrates true ones.
const PROMISING: f64 = 0.5;
/// Offsets that a second of track holds apart: nearer ones fit nearly as well, as notes last. Set by hand; the
/// null in the README shows how far the probabilities that follow from it are true.
const OFFSETS_PER_SECOND: f64 = 1.0;
/// Part of the accepted probability that all changed scales have together; the rest is for sound that was not
/// changed. The likelier has to prove less (a weighted Bonferroni correction).
const CHANGED_SHARE: f64 = 0.01;
/// The unchanged scale is tried twice.
const PLAIN_TRIES: f64 = 2.0;

/// What searches of one catalogue use again and again.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) references: References,
    search: Search,
    screen: Screen,
    chance: Chance,
    places: Places,
    cover: Cover,
    outcomes: Vec<Outcome>,
}

impl Buffers {
    /// Measures a window, whatever was measured before.
    fn measure(&mut self, window: &Window<'_>) {
        self.chance.measure(window.own_peaks(), window.to - window.from, FINE);
        self.places.map(window);
        self.cover.clear();
    }

    fn ground(&self) -> Ground<'_> {
        Ground { chance: &self.chance, places: &self.places }
    }
}

/// Searches windows.
pub(crate) struct WindowSearch<'a> {
    home: &'a dyn Home,
    session: Box<dyn Session + 'a>,
    settings: &'a MatchSettings,
    ladder: Vec<Scale>,
    buffers: Buffers,
    /// Logarithm of the probability by which an alignment must beat chance.
    limit: f64,
    /// What other places of the same track take off a match.
    repeats: Repeats,
    /// Looks for the copies of all that is found, also where a window shows none.
    always_complete: bool,
}

/// Natural logarithm of the number of alignments that a search of so many windows tries at one scale.
pub(crate) fn log_hypotheses(home: &dyn Home, windows: usize) -> f64 {
    let offsets = (home.seconds() * OFFSETS_PER_SECOND).max(1.0);
    (offsets * windows as f64).ln()
}

impl<'a> WindowSearch<'a> {
    pub(crate) fn new(home: &'a dyn Home, settings: &'a MatchSettings, limit: f64) -> Self {
        Self::with(Buffers::default(), home, settings, (limit, Repeats::IN_FILES))
    }

    /// A search that goes on with the buffers of another one of the same catalogue.
    pub(crate) fn with(
        buffers: Buffers,
        home: &'a dyn Home,
        settings: &'a MatchSettings,
        (limit, repeats): (f64, Repeats),
    ) -> Self {
        Self {
            home,
            session: home.session(),
            settings,
            ladder: ladder(settings),
            buffers,
            limit,
            repeats,
            always_complete: false,
        }
    }

    /// Looks for the copies of all that is found, also where a window shows none: in streams, where the sound that would
    /// show them may be explained already.
    pub(crate) fn with_all_copies(self) -> Self {
        Self { always_complete: true, ..self }
    }

    /// The buffers, for the next search.
    pub(crate) fn into_buffers(self) -> Buffers {
        self.buffers
    }

    /// Finds what a window holds: the cheap way first, until something obvious is found. Something less may
    /// be a wrong place in the right track, which shows at another scale.
    pub(crate) fn find(&mut self, window: &Window<'_>) -> Result<Found, IndexError> {
        self.buffers.measure(window);
        self.find_measured(window)
    }

    fn find_measured(&mut self, window: &Window<'_>) -> Result<Found, IndexError> {
        let mut found = self.find_passes(window)?;
        self.complete(&mut found, window)?;
        Ok(found)
    }

    fn find_passes(&mut self, window: &Window<'_>) -> Result<Found, IndexError> {
        let mut verified = Alignments::default();
        self.shallow(window, &mut verified)?;
        let mut found = self.judge(&verified, window);
        if found.is_obvious() || self.settings.effort == Effort::Fast {
            return Ok(found);
        }
        self.deep(window, &mut verified)?;
        found = self.judge(&verified, window);
        if !found.is_at_this_scale() && self.sweep(window, &mut verified)? {
            found = self.judge(&verified, window);
            if let Some(line) = found.doubtful() {
                self.look_beside(line, window, &mut verified)?;
                found = self.judge(&verified, window);
            }
        }
        Ok(found)
    }

    /// Finds what is heard well in a window, at its own speed; gives up early where nothing shows at once.
    pub(crate) fn glance(&mut self, window: &Window<'_>) -> Result<Found, IndexError> {
        self.buffers.measure(window);
        let candidates = self.candidates(window, SHALLOW, Scale::PLAIN, MOST_CANDIDATES)?;
        let mut verified = Alignments::default();
        for (i, candidate) in candidates.iter().enumerate() {
            if i == MOST_GLANCED && !verified.any_below(PROMISING * self.limit) {
                return Ok(Found::default());
            }
            let (reference, line) = self.line(candidate, Scale::PLAIN, window)?;
            let near = Verified::near(&reference, self.plain(line), window, self.buffers.ground());
            verified.add(near, window);
        }
        let mut found = self.judge(&verified, window);
        // What is not obvious may have rivals that only a closer look shows.
        if found.accepted.iter().any(|one| one.log_p >= OBVIOUS) {
            return self.find_measured(window);
        }
        self.complete(&mut found, window)?;
        Ok(found)
    }

    fn candidates(
        &mut self,
        window: &Window<'_>,
        depth: Depth,
        scale: Scale,
        most: usize,
    ) -> Result<Vec<Candidate>, IndexError> {
        let found = self.look_up(window, &[Lookup { depth, scale, least: FEWEST_VOTES }], most)?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn look_up(
        &mut self,
        window: &Window<'_>,
        lookups: &[Lookup],
        most: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let Self { home, session, buffers: Buffers { search, .. }, .. } = self;
        let peaks = (window.own_peaks(), window.from as u32);
        search.candidates(&mut **session, home.groups(), peaks, lookups, most)
    }

    /// The track of a candidate and its line.
    fn line(
        &mut self,
        candidate: &Candidate,
        Scale { speed, pitch }: Scale,
        window: &Window<'_>,
    ) -> Result<(Arc<Reference>, Line), IndexError> {
        let (reference, offset) = self.buffers.references.of(&mut *self.session, candidate)?;
        Ok((reference, Line { offset: offset - speed * window.from.floor(), speed, pitch }))
    }

    fn plain(&self, line: Line) -> Rough {
        Rough { line, tried: (PLAIN_TRIES / (1.0 - CHANGED_SHARE)).ln() }
    }

    fn changed(&self, line: Line) -> Rough {
        let scales = self.ladder.len() * Scale::PLAIN.fine().len();
        Rough { line, tried: (scales as f64 / CHANGED_SHARE).ln() }
    }
}
