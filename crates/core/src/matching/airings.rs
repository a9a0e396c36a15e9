//! Airings: combines the results of the windows and reports each play of a recording once, as the track that explains it
//! best.
//!
//! Each track is followed separately. Stretches of a track that continue each other form a chain; chains of one recording at
//! the same time are versions of one airing. Recordings then compete for the query's peaks, the best one first.

use std::collections::VecDeque;

use super::copies::{Recordings, agreement, is_same_sound};
use super::line::Outcome;
use super::primary::choose;
use super::trace::{Query, Trace};
use super::verify::{Verified, Window};
use super::window::Found;
use crate::index::TrackNumber;

/// Additional evidence (natural logarithm) that a song needs if it plays at the same time as another one for most of its
/// length: it is a thousand times less likely than a song alone.
const BESIDE: f64 = -6.9;
/// Minimum fraction of the shorter of two chains that they share if they are versions of one airing.
const SAME_TIME: f64 = 0.5;

/// An alignment that a window accepted, with its log-probability of chance.
#[derive(Debug, Clone, Copy)]
struct Seed<'a> {
    one: &'a Verified,
    log_p: f64,
    window: &'a Window<'a>,
}

/// A stretch along one line, with the alignment from which it was followed.
#[derive(Debug, Clone)]
pub(crate) struct Piece<'a> {
    pub(crate) trace: Trace,
    seed: Seed<'a>,
}

/// One play of a track: stretches in order of time, each of which continues the one before it.
#[derive(Debug, Clone)]
pub(crate) struct Chain<'a> {
    pub(crate) pieces: Vec<Piece<'a>>,
}

/// One play of a recording.
#[derive(Debug)]
pub(crate) struct Airing<'a> {
    pub(crate) primary: Chain<'a>,
    /// The same play as explained by other tracks.
    pub(crate) versions: Vec<Chain<'a>>,
}

impl Chain<'_> {
    pub(crate) fn track(&self) -> TrackNumber {
        self.pieces[0].trace.reference.number
    }

    pub(crate) fn from(&self) -> f64 {
        self.pieces[0].trace.from
    }

    pub(crate) fn to(&self) -> f64 {
        self.pieces[self.pieces.len() - 1].trace.to
    }

    /// Returns the log-probability of chance of the best stretch.
    pub(crate) fn log_p(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.trace.log_p()).fold(0.0, f64::min)
    }

    /// Returns the query's peaks that the chain explains.
    fn explained(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.iter().flat_map(|piece| piece.trace.outcomes.iter().filter_map(|o| o.query))
    }

    /// Returns true if two chains of different tracks play the same recording at the same place while they overlap.
    fn plays_the_same(&self, other: &Self, outcomes: &mut Vec<Outcome>) -> bool {
        let pairs = self.pieces.iter().flat_map(|one| other.pieces.iter().map(move |other| (one, other)));
        let shared = |(one, other): &(&Piece<'_>, &Piece<'_>)| {
            one.trace.to.min(other.trace.to) - one.trace.from.max(other.trace.from)
        };
        let longest = pairs.max_by(|a, b| shared(a).total_cmp(&shared(b)));
        self.is_beside(other)
            && longest.is_some_and(|(Piece { trace: one, .. }, Piece { trace: other, .. })| {
                let span = (one.from.max(other.from), one.to.min(other.to));
                let (one, other) = ((&*one.reference, &one.line), (&*other.reference, &other.line));
                is_same_sound(agreement(one, other, span, outcomes))
            })
    }

    fn length(&self) -> f64 {
        self.to() - self.from()
    }

    /// Returns the time that two chains share, in ticks; negative if there is a gap between them.
    fn shared(&self, other: &Self) -> f64 {
        self.to().min(other.to()) - self.from().max(other.from())
    }

    /// Returns true if another chain covers most of the time of this one.
    fn is_within(&self, other: &Self) -> bool {
        self.shared(other) >= SAME_TIME * self.length()
    }

    /// Returns true if two chains share most of the time of the shorter one.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.shared(other) >= SAME_TIME * self.length().min(other.length())
    }
}

/// Returns all airings of a query, in order of time.
pub(crate) fn airings<'a>(
    windows: &'a [Window<'a>],
    found: &'a [Found],
    recordings: &Recordings,
    query: &Query<'_>,
    limit: f64,
) -> Vec<Airing<'a>> {
    let alone = windows.len() == 1;
    let mut tracks: Vec<(TrackNumber, Vec<Seed<'a>>)> = Vec::new();
    for seed in seeds(windows, found) {
        let number = seed.one.reference.number;
        match tracks.iter_mut().find(|(track, _)| *track == number) {
            Some((_, seeds)) => seeds.push(seed),
            None => tracks.push((number, vec![seed])),
        }
    }
    let free = vec![false; query.peaks.len()];
    let mut plays: Vec<Vec<Chain<'a>>> = Vec::new();
    for (number, seeds) in tracks {
        let followed = follow(&seeds, query, alone);
        for chain in chains(followed, query, &free, limit) {
            add_to_plays(&mut plays, chain, |other| recordings.are_one(other, number));
        }
    }
    let plays = merge_versions(plays);
    let mut airings = share_peaks(plays, recordings, query, limit);
    airings.sort_by(|a, b| a.primary.from().total_cmp(&b.primary.from()));
    airings
}

/// Returns the accepted alignments of all windows, including copies, best first.
fn seeds<'a>(windows: &'a [Window<'a>], found: &'a [Found]) -> Vec<Seed<'a>> {
    let mut seeds = Vec::new();
    for (found, window) in found.iter().zip(windows) {
        for explanation in &found.accepted {
            // Copies support each other: the evidence of one applies to the recording.
            let log_p = explanation.log_p;
            seeds.extend(explanation.alignments().map(|one| Seed { one, log_p, window }));
        }
    }
    seeds.sort_by(|a, b| a.log_p.total_cmp(&b.log_p));
    seeds
}

/// Follows the alignments of one track to both ends. Each line is followed once.
fn follow<'a>(seeds: &[Seed<'a>], query: &Query<'_>, alone: bool) -> Vec<Piece<'a>> {
    let free = vec![false; query.peaks.len()];
    let mut followed: Vec<Piece<'a>> = Vec::new();
    for seed in seeds {
        if followed.iter().any(|piece| piece.trace.covers(seed.one, seed.window)) {
            continue;
        }
        if let Some(mut trace) = Trace::follow((seed.one, seed.log_p), seed.window, query, &free) {
            if alone {
                // The only window is the whole query, so its evidence is already corrected for the choice of the ends.
                trace.choices = 1.0;
            }
            followed.push(Piece { trace, seed: *seed });
        }
    }
    followed.sort_by(|a, b| a.trace.log_p().total_cmp(&b.trace.log_p()));
    followed
}

/// Returns the chains of one track. A track plays only once at a time, but a repetitive one also fits a beat too early or too
/// late, by peaks that its sparse constellation leaves out. Peaks marked in `used` belong to other tracks.
fn chains<'a>(followed: Vec<Piece<'a>>, query: &Query<'_>, used: &[bool], limit: f64) -> Vec<Chain<'a>> {
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    for Piece { trace, seed } in followed {
        let mut taken = used.to_vec();
        pieces.iter().for_each(|other| take_stretch(&mut taken, query, (other.trace.from, other.trace.to)));
        let explained =
            |trace: &Trace| trace.outcomes.iter().filter_map(|o| o.query).all(|q| !taken[q as usize]);
        // Followed again without the peaks of others, a stretch may become shorter or disappear.
        let left = if explained(&trace) {
            Some(trace)
        } else {
            Trace::follow((seed.one, seed.log_p), seed.window, query, &taken)
        };
        let Some(trace) = left.filter(|trace| trace.is_airing() && trace.log_p() <= limit) else { continue };
        match pieces.iter_mut().find(|other| other.trace.continues(&trace)) {
            // Only a fade or noise separates the two: they are one stretch.
            Some(other) => other.trace.join(&trace),
            None => pieces.push(Piece { trace, seed }),
        }
    }
    splice(pieces)
}

/// Combines stretches of one track into chains.
fn splice(mut pieces: Vec<Piece<'_>>) -> Vec<Chain<'_>> {
    pieces.sort_by(|a, b| a.trace.from.total_cmp(&b.trace.from));
    let mut chains: Vec<Chain<'_>> = Vec::new();
    for piece in pieces {
        let continues = |chain: &&mut Chain<'_>| {
            chain.pieces.last().is_some_and(|Piece { trace: last, .. }| {
                piece.trace.jump_from((&last.line, last.from, last.to)).is_some()
            })
        };
        match chains.iter_mut().rev().find(continues) {
            Some(chain) => chain.pieces.push(piece),
            None => chains.push(Chain { pieces: vec![piece] }),
        }
    }
    chains
}

/// Marks all peaks between two times of the query (ticks).
fn take_stretch(taken: &mut [bool], query: &Query<'_>, (from, to): (f64, f64)) {
    let at = |time: f64| query.peaks.partition_point(|p| f64::from(p.time) < time);
    let (from, to) = (at(from), at(to));
    taken[from..to.max(from)].fill(true);
}

/// Adds a chain to the plays of which it is a version; these become one play. Without such plays, starts a new one.
fn add_to_plays<'a>(
    plays: &mut Vec<Vec<Chain<'a>>>,
    chain: Chain<'a>,
    is_recording: impl Fn(TrackNumber) -> bool,
) {
    let belongs = |play: &Vec<Chain<'a>>| {
        is_recording(play[0].track()) && play.iter().any(|other| other.is_beside(&chain))
    };
    let (mut same, others): (Vec<_>, Vec<_>) = plays.drain(..).partition(belongs);
    *plays = others;
    let mut play: Vec<Chain<'a>> = same.drain(..).flatten().collect();
    play.push(chain);
    plays.push(play);
}

/// Merges plays whose tracks turn out to carry one recording when they are compared along the followed lines. The windows may
/// have missed this if a copy at another speed was not worth fitting.
fn merge_versions(plays: Vec<Vec<Chain<'_>>>) -> Vec<Vec<Chain<'_>>> {
    let mut merged: Vec<Vec<Chain<'_>>> = Vec::new();
    let mut outcomes = Vec::new();
    for play in plays {
        let mut same = |other: &&mut Vec<Chain<'_>>| {
            other.iter().any(|one| play.iter().any(|chain| chain.plays_the_same(one, &mut outcomes)))
        };
        match merged.iter_mut().find(|other| same(other)) {
            Some(other) => other.extend(play),
            None => merged.push(play),
        }
    }
    merged
}

/// Assigns peaks that several recordings explain to the best one. The others are followed again without these peaks, and
/// without the whole time in which their own recording already plays.
fn share_peaks<'a>(
    mut plays: Vec<Vec<Chain<'a>>>,
    recordings: &Recordings,
    query: &Query<'_>,
    limit: f64,
) -> Vec<Airing<'a>> {
    let log_p = |play: &[Chain<'_>]| play.iter().map(Chain::log_p).fold(0.0, f64::min);
    plays.sort_by(|a, b| log_p(a).total_cmp(&log_p(b)));
    let mut used = vec![false; query.peaks.len()];
    let mut airings: Vec<Airing<'a>> = Vec::new();
    let mut plays = VecDeque::from(plays);
    while let Some(play) = plays.pop_front() {
        let recording = recordings.of(play[0].track());
        let mut taken = used.clone();
        let playing = airings.iter().filter(|airing| recordings.of(airing.primary.track()) == recording);
        for chain in playing.flat_map(|airing| std::iter::once(&airing.primary).chain(&airing.versions)) {
            take_stretch(&mut taken, query, (chain.from(), chain.to()));
        }
        let mut left: Vec<Chain<'a>> = Vec::new();
        for chain in play {
            if chain.explained().any(|q| taken[q as usize]) {
                left.extend(chains(chain.pieces, query, &taken, limit));
            } else {
                left.push(chain);
            }
        }
        let Some((airing, rest)) = choose(left) else { continue };
        plays.extend((!rest.is_empty()).then_some(rest));
        let is_beside = airings.iter().any(|other| airing.primary.is_within(&other.primary));
        if is_beside && airing.primary.log_p() > limit + BESIDE {
            continue;
        }
        for chain in std::iter::once(&airing.primary).chain(&airing.versions) {
            chain.explained().for_each(|q| used[q as usize] = true);
        }
        airings.push(airing);
    }
    airings
}
