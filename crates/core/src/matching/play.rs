//! Plays: the stretches of a query in which one track or one recording is played.

use super::copies::{agreement, is_same_audio};
use super::line::PeakOutcome;
use super::query::Window;
use super::trace::Trace;
use super::verify::Alignment;
use crate::index::TrackNumber;

/// Minimum overlap of two plays of one recording that are versions of one airing, as a fraction of the shorter play. At
/// half this value, two plays that a long fade connects are reported as one airing; near 1, an edit that is shorter
/// than the airing is reported as a second airing.
const MIN_SHARED_TIME: f64 = 0.5;

/// An alignment that a window accepted, with its log-probability of chance.
#[derive(Debug, Clone, Copy)]
pub(super) struct AcceptedAlignment<'a> {
    pub(super) one: &'a Alignment,
    pub(super) log_p: f64,
    pub(super) window: &'a Window<'a>,
}

/// A stretch of the query that matches a track along one line, with the alignment from which the stretch was traced.
#[derive(Debug, Clone)]
pub(crate) struct FollowedTrace<'a> {
    pub(crate) trace: Trace,
    pub(super) seed: AcceptedAlignment<'a>,
}

/// One play of a track: at least one stretch of the query, in order of time. Each stretch continues the one before it.
#[derive(Debug, Clone)]
pub(crate) struct TrackPlay<'a> {
    pub(crate) pieces: Vec<FollowedTrace<'a>>,
}

/// One airing of a recording: the play of its primary track, and the plays of other tracks that carry the recording.
#[derive(Debug)]
pub(crate) struct AiringVersions<'a> {
    pub(crate) primary: TrackPlay<'a>,
    /// Plays of the other tracks, one per track, the longest first; empty if no other track carries the recording.
    pub(crate) versions: Vec<TrackPlay<'a>>,
}

impl TrackPlay<'_> {
    pub(crate) fn track(&self) -> TrackNumber {
        self.pieces[0].trace.reference.number
    }

    pub(crate) fn from(&self) -> f64 {
        self.pieces[0].trace.from
    }

    pub(crate) fn to(&self) -> f64 {
        self.pieces[self.pieces.len() - 1].trace.to
    }

    /// Returns the lowest log-probability of chance among the stretches of the play.
    pub(crate) fn log_p(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.trace.log_p()).fold(0.0, f64::min)
    }

    /// Returns the indices of the query's peaks that the play explains.
    pub(super) fn explained(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.iter().flat_map(|piece| piece.trace.outcomes.iter().filter_map(|o| o.query))
    }

    /// Returns true if two plays of different tracks are simultaneous and have the same audio in their longest common
    /// stretch.
    pub(super) fn plays_the_same(&self, other: &Self, outcomes: &mut Vec<PeakOutcome>) -> bool {
        let pairs = self.pieces.iter().flat_map(|one| other.pieces.iter().map(move |other| (one, other)));
        let shared = |(one, other): &(&FollowedTrace<'_>, &FollowedTrace<'_>)| {
            one.trace.to.min(other.trace.to) - one.trace.from.max(other.trace.from)
        };
        let longest = pairs.max_by(|a, b| shared(a).total_cmp(&shared(b)));
        self.is_simultaneous(other)
            && longest.is_some_and(
                |(FollowedTrace { trace: one, .. }, FollowedTrace { trace: other, .. })| {
                    let span = (one.from.max(other.from), one.to.min(other.to));
                    let (one, other) = ((&*one.reference, &one.line), (&*other.reference, &other.line));
                    is_same_audio(agreement(one, other, span, outcomes))
                },
            )
    }

    fn length(&self) -> f64 {
        self.to() - self.from()
    }

    /// Returns the time that two plays share, in ticks; negative if there is a gap between them.
    fn shared(&self, other: &Self) -> f64 {
        self.to().min(other.to()) - self.from().max(other.from())
    }

    /// Returns true if the play `other` covers at least half of the time of this play.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.shared(other) >= MIN_SHARED_TIME * self.length()
    }

    /// Returns true if two plays share at least half of the time of the shorter play.
    pub(crate) fn is_simultaneous(&self, other: &Self) -> bool {
        self.shared(other) >= MIN_SHARED_TIME * self.length().min(other.length())
    }
}
