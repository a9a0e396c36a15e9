//! What of a playlist is new.
//!
//! A playlist is known by its media sequence numbers, but not all servers keep to them: some serve an older copy for a
//! while, some forget to count, lose the tag, or begin anew. So each segment that was taken is remembered for a time
//! with its number, its name and its date; where the numbers do not fit, those decide.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use url::Url;

use crate::delivery::{Gap, GapReason};
use crate::hls::playlist::{ByteRange, MediaPlaylist, MediaSegment};

/// How many segments are remembered: more than a live playlist lists, so that an older copy of one is known again.
const MEMORY: usize = 256;

/// Most segments that can be missed: a larger step in the numbers is another numbering (a day of 2-s segments).
const MOST_MISSED: u64 = 43_200;

/// How much further than its window an older copy may move on before it is taken for another stream, loads.
const OLDER_SLACK: usize = 3;

/// The next thing of a playlist.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Segment(MediaSegment),
    Gap(Gap),
}

/// What a playlist brought.
#[derive(Debug, Default)]
pub(super) struct Advance {
    /// What is new, in order.
    pub(super) steps: Vec<Step>,
    /// What is to be added to the playlist's numbers to get ours.
    pub(super) shift: i128,
    /// Whether it began anew.
    pub(super) reset: bool,
    /// Whether it is an older copy than the last one.
    pub(super) stale: bool,
}

/// The segments that were taken so far.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    taken: VecDeque<Taken>,
    /// Date of what follows the last one taken.
    next_date: Option<f64>,
    /// Of older copies in a row: the end of the last one, and how often it moved on.
    older: Option<(u64, usize)>,
}

/// A segment that was taken.
#[derive(Debug, Clone)]
struct Taken {
    sequence: u64,
    name: u64,
    date: Option<f64>,
    seconds: f64,
    discontinuity_sequence: u64,
}

/// Where the new segments of a playlist begin.
enum Place {
    /// At this index, with this added to their numbers.
    From(usize, i128),
    /// At its first, after so many that were missed.
    Missed(u64),
    /// Nowhere: it is no newer than the last one.
    Old,
    /// It began anew.
    Reset,
}

impl Timeline {
    /// Takes what is new of `list`. `back`: with how many segments to begin, if this is the first; `moved`: whether it
    /// comes from another URL than the last one, so that names tell nothing.
    pub(super) fn advance(&mut self, list: &MediaPlaylist, back: usize, moved: bool) -> Advance {
        let mut advance = Advance::default();
        let mut from = 0;
        match self.place(list, back, moved) {
            Place::From(index, shift) => {
                (from, advance.shift) = (index, shift);
                if self.taken.is_empty() {
                    // What we begin after is known too: an older copy of the playlist may end with it.
                    list.segments.iter().take(from).for_each(|segment| drop(self.take(segment.clone())));
                }
            }
            Place::Missed(count) => advance.steps.extend(self.missed(list, count).map(Step::Gap)),
            Place::Old if !list.segments.is_empty() && self.is_another(list) => {
                *self = Self::default();
                advance.reset = true;
            }
            Place::Old => {
                advance.stale = list.segments.last().is_some_and(|newest| !self.is_last(newest));
                return advance;
            }
            Place::Reset => advance.reset = true,
        }
        self.older = None;
        let after_gap = !advance.steps.is_empty();
        let mut begins = advance.reset;
        for (nth, segment) in list.segments.iter().skip(from).enumerate() {
            if advance.reset
                && self.taken.iter().any(|taken| taken.is(segment) && taken.sequence == segment.sequence)
            {
                continue;
            }
            let mut segment = segment.clone();
            segment.sequence = shifted(segment.sequence, advance.shift);
            let last = self.taken.back().map_or(0, |last| last.discontinuity_sequence);
            let unseen = nth == 0 && after_gap && segment.discontinuity_sequence > last;
            segment.discontinuity |= begins || unseen;
            begins = false;
            advance.steps.push(self.take(segment));
        }
        advance
    }

    /// The segment of `list` that is being made, if it comes right after the last one taken.
    pub(super) fn open(&self, list: &MediaPlaylist) -> Option<MediaSegment> {
        let last = self.taken.back()?;
        let open =
            list.open.as_ref().filter(|_| list.segments.last().is_some_and(|newest| last.is(newest)))?;
        let date = open.program_date_time.or(self.next_date.filter(|_| !open.discontinuity));
        let sequence = last.sequence.saturating_add(1);
        Some(MediaSegment { sequence, program_date_time: date, ..(**open).clone() })
    }

    /// Whether nothing was taken yet.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// How many segments are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.taken.len()
    }

    fn place(&self, list: &MediaPlaylist, back: usize, moved: bool) -> Place {
        let Some(first) = list.segments.first() else { return Place::Old };
        let Some(last) = self.taken.back() else {
            return Place::From(list.segments.len().saturating_sub(back), 0);
        };
        let ahead = last.sequence.checked_sub(first.sequence).and_then(|index| usize::try_from(index).ok());
        let same_number = ahead.and_then(|index| Some((index, list.segments.get(index)?)));
        if let Some((index, segment)) = same_number
            && last.is_at_its_number(segment, moved)
        {
            return Place::From(index + 1, 0);
        }
        if first.sequence > last.sequence {
            return Self::place_ahead(last, list, moved);
        }
        if let Some(index) = list.segments.iter().rposition(|segment| last.is(segment)) {
            return Place::From(index + 1, shift_to(last.sequence, list, index));
        }
        let newest_known = list.segments.last().is_some_and(|newest| self.knows(newest));
        if newest_known {
            return Place::Old;
        }
        if moved { self.place_by_date(list).unwrap_or(Place::Reset) } else { Place::Reset }
    }

    /// The list begins after the last segment taken, by its numbers.
    fn place_ahead(last: &Taken, list: &MediaPlaylist, moved: bool) -> Place {
        let dated =
            |segment: &MediaSegment| last.same_date(segment) == Some(true) && (moved || last.is(segment));
        if let Some(index) = list.segments.iter().rposition(dated) {
            return Place::From(index + 1, shift_to(last.sequence, list, index));
        }
        match list.media_sequence.saturating_sub(last.sequence).saturating_sub(1) {
            0 => Place::From(0, 0),
            missed if missed > MOST_MISSED => Place::Reset,
            missed => Place::Missed(missed),
        }
    }

    /// After another rendition's or another server's numbering: by dates, if there are any.
    fn place_by_date(&self, list: &MediaPlaylist) -> Option<Place> {
        let next = self.next_date?;
        let newer = |segment: &MediaSegment| {
            segment.program_date_time.map(|date| date > next - segment.seconds / 2.0)
        };
        let index = list.segments.iter().position(|segment| newer(segment) == Some(true));
        match index {
            Some(index) => Some(Place::From(index, 0)),
            None => newer(list.segments.last()?).map(|_| Place::Old),
        }
    }

    /// The gap before a playlist that has moved past us.
    fn missed(&self, list: &MediaPlaylist, count: u64) -> Option<Gap> {
        let first = list.segments.first()?;
        let total: f64 = list.segments.iter().map(|segment| segment.seconds).sum();
        let counted = count as f64 * total / list.segments.len() as f64;
        let dated = first.program_date_time.zip(self.next_date).map(|(date, next)| date - next);
        // Dates that jump say nothing of what is missing.
        let plausible = dated.filter(|dated| (counted / 4.0..=counted * 4.0).contains(dated));
        let seconds = plausible.unwrap_or(counted);
        (seconds > 0.0).then_some(Gap {
            seconds,
            reason: GapReason::Missed,
            program_date_time: self.next_date,
        })
    }

    fn take(&mut self, mut segment: MediaSegment) -> Step {
        if segment.program_date_time.is_none() && !segment.discontinuity {
            segment.program_date_time = self.next_date;
        }
        self.next_date = segment.program_date_time.map(|date| date + segment.seconds);
        if self.taken.len() >= MEMORY {
            self.taken.pop_front();
        }
        self.taken.push_back(Taken::of(&segment));
        Step::Segment(segment)
    }

    /// Whether `segment` was taken, or is one of those that were missed.
    fn knows(&self, segment: &MediaSegment) -> bool {
        let sequence_of = |taken: Option<&Taken>| taken.map_or(0, |taken| taken.sequence);
        let (oldest, newest) = (sequence_of(self.taken.front()), sequence_of(self.taken.back()));
        match self.taken.iter().find(|taken| taken.sequence == segment.sequence) {
            Some(taken) => taken.is(segment),
            None => (oldest..newest).contains(&segment.sequence),
        }
    }

    /// Whether what looks like an older copy is another stream under the same numbers and names: a server that lags
    /// shows what we have before its window has passed once.
    fn is_another(&mut self, list: &MediaPlaylist) -> bool {
        let end = list.next_sequence();
        let (before, moves) = self.older.unwrap_or((end, 0));
        let moves = moves + usize::from(end > before);
        self.older = Some((end, moves));
        moves > list.segments.len() + OLDER_SLACK
    }

    fn is_last(&self, segment: &MediaSegment) -> bool {
        self.taken.back().is_some_and(|last| last.is(segment))
    }
}

impl Taken {
    fn of(segment: &MediaSegment) -> Self {
        Self {
            sequence: segment.sequence,
            name: name(segment),
            date: segment.program_date_time,
            seconds: segment.seconds,
            discontinuity_sequence: segment.discontinuity_sequence,
        }
    }

    /// Whether `segment` is this one, whatever its number: the same name, and not another date.
    fn is(&self, segment: &MediaSegment) -> bool {
        self.name == name(segment) && self.same_date(segment) != Some(false)
    }

    /// Whether `segment`, which has the number of this one, is this one. The same name is enough, as some servers'
    /// dates waver; after a move numbers may be others', so that dates decide if there are any.
    fn is_at_its_number(&self, segment: &MediaSegment, moved: bool) -> bool {
        match self.same_date(segment) {
            Some(same) if moved => same,
            Some(true) => true,
            _ => moved || self.name == name(segment),
        }
    }

    /// Whether both have the same date, if both have one. Dates that were counted on differ by roundings.
    fn same_date(&self, segment: &MediaSegment) -> Option<bool> {
        let (ours, theirs) = (self.date?, segment.program_date_time?);
        Some((ours - theirs).abs() < self.seconds.max(0.2) / 2.0)
    }
}

fn name(segment: &MediaSegment) -> u64 {
    name_of(&segment.url, segment.range)
}

/// The file name and the byte range: queries hold tokens that change, and hosts and folders differ between edges.
pub(super) fn name_of(url: &Url, range: Option<ByteRange>) -> u64 {
    let mut hasher = DefaultHasher::new();
    url.path().rsplit('/').next().hash(&mut hasher);
    range.hash(&mut hasher);
    hasher.finish()
}

fn shift_to(sequence: u64, list: &MediaPlaylist, index: usize) -> i128 {
    list.segments.get(index).map_or(0, |segment| i128::from(sequence) - i128::from(segment.sequence))
}

pub(super) fn shifted(sequence: u64, shift: i128) -> u64 {
    u64::try_from(i128::from(sequence) + shift).unwrap_or(sequence)
}
