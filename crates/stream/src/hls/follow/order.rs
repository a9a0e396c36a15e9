//! Conversion of fetched items, in their order, to deliveries.
//!
//! A segment that is fetched by parts is delivered part by part. If a part cannot be fetched, the rest of the segment is
//! delivered after the segment is complete and was fetched whole, without the bytes at its start that were already
//! delivered. So every byte is delivered once.

use std::hash::{DefaultHasher, Hasher as _};

use super::plan::Due;
use crate::delivery::{Delivery, Gap, GapReason, Segment};

/// Longest duration that is treated as a rounding error of the playlist, seconds. It does not become a gap.
const ROUNDING: f64 = 0.001;

/// A planned item with the result of fetching it.
#[derive(Debug)]
pub(super) enum Fetched {
    /// A whole segment or a gap. The flag is true if time stamps restart with it (EXT-X-DISCONTINUITY).
    Whole(Delivery, bool),
    /// A part of a segment.
    Part(Box<Due>, Result<Segment, GapReason>),
    /// The segment of the preceding parts is complete. `all` is true if the preceding parts are the whole segment.
    Complete { due: Box<Due>, all: bool },
    /// The segment of the preceding parts will not be completed, or the plan has ended.
    Abandoned,
}

/// The next action of the fetcher.
#[derive(Debug)]
pub(super) enum Next {
    Deliver(Option<Delivery>),
    /// Fetch this segment before anything else is delivered.
    Fetch(Box<Due>),
    /// A segment was delivered completely as parts. `ad` is true if it is an advertisement.
    Done {
        ad: bool,
    },
}

/// Converts fetched items to deliveries.
#[derive(Debug, Default)]
pub(super) struct Order {
    heard: Option<Heard>,
    /// True if a discontinuity fell on a gap; the segment after the gap is then marked with it.
    owed: bool,
}

/// The delivered parts of a segment.
#[derive(Debug, Default)]
struct Heard {
    sequence: u64,
    ad: bool,
    /// Length in bytes and hash of each delivered part.
    pieces: Vec<(usize, u64)>,
    seconds: f64,
    /// True if a part could not be fetched; the parts after it are not delivered.
    broken: bool,
    /// Total duration of the parts that were not delivered, seconds.
    lacking: f64,
    /// True if a part was delivered as a gap, so that the delivered bytes are not the start of the whole segment.
    with_gap: bool,
}

impl Order {
    /// Processes the next fetched item and returns the next action.
    pub(super) fn take(&mut self, fetched: Fetched) -> Next {
        match fetched {
            Fetched::Part(due, result) => Next::Deliver(self.part(&due, result)),
            Fetched::Abandoned => Next::Deliver(self.heard.take().and_then(Heard::abandon)),
            Fetched::Complete { due, all } => match self.heard.take() {
                Some(heard) if all && !heard.broken => Next::Done { ad: due.segment.ad },
                heard => {
                    self.heard = heard;
                    Next::Fetch(due)
                }
            },
            Fetched::Whole(delivery, breaks) => match self.heard.take().filter(Heard::is_something) {
                None => Next::Deliver(Some(self.with_break(delivery, breaks))),
                Some(heard) => match heard.rest(delivery) {
                    Some(rest) => Next::Deliver(Some(self.with_break(rest, false))),
                    None => Next::Done { ad: heard.ad },
                },
            },
        }
    }

    fn part(&mut self, due: &Due, result: Result<Segment, GapReason>) -> Option<Delivery> {
        let piece = &due.segment;
        let mut heard =
            self.heard.take().filter(|heard| heard.sequence == piece.sequence).unwrap_or_default();
        (heard.sequence, heard.ad) = (piece.sequence, piece.ad);
        let delivery = match result {
            _ if heard.broken => None,
            Ok(part) => {
                heard.pieces.push((part.bytes.len(), hash(&part.bytes)));
                Some(Delivery::Segment(part))
            }
            Err(GapReason::Marked) => {
                heard.with_gap = true;
                let date = piece.program_date_time;
                Some(Delivery::Gap(Gap {
                    seconds: piece.seconds,
                    reason: GapReason::Marked,
                    program_date_time: date,
                }))
            }
            Err(_) => None,
        };
        match &delivery {
            Some(_) => heard.seconds += piece.seconds,
            None => {
                heard.broken = true;
                heard.lacking += piece.seconds;
            }
        }
        self.heard = Some(heard);
        delivery.map(|delivery| self.with_break(delivery, piece.discontinuity))
    }

    fn with_break(&mut self, mut delivery: Delivery, breaks: bool) -> Delivery {
        match &mut delivery {
            Delivery::Segment(segment) => segment.discontinuity |= std::mem::take(&mut self.owed),
            _ => self.owed |= breaks,
        }
        delivery
    }
}

impl Heard {
    /// Returns true if a part of the segment was delivered.
    fn is_something(&self) -> bool {
        self.with_gap || !self.pieces.is_empty()
    }

    /// Returns the undelivered rest of the segment, given the whole segment or the gap in its place; `None` if nothing
    /// is left. If the whole segment does not begin with the delivered parts, it is unknown which of its bytes were delivered,
    /// so the rest becomes a gap.
    fn rest(&self, whole: Delivery) -> Option<Delivery> {
        let (seconds, date, reason) = match whole {
            Delivery::Segment(segment) => {
                let seconds = (segment.seconds - self.seconds).max(0.0);
                match self.cut(&segment) {
                    Some(rest) if rest.is_empty() => return None,
                    Some(bytes) => {
                        let (discontinuity, program_date_time) = (false, None);
                        let rest = Segment { bytes, seconds, discontinuity, program_date_time, ..segment };
                        return Some(Delivery::Segment(rest));
                    }
                    None => (seconds, segment.program_date_time, GapReason::NotFetched),
                }
            }
            Delivery::Gap(gap) => (gap.seconds - self.seconds, gap.program_date_time, gap.reason),
            other => return Some(other),
        };
        let program_date_time = date.map(|date| date + self.seconds);
        (seconds > ROUNDING).then_some(Delivery::Gap(Gap { seconds, reason, program_date_time }))
    }

    /// Returns the bytes after the delivered parts, or `None` if `whole` does not begin with these parts.
    fn cut(&self, whole: &Segment) -> Option<bytes::Bytes> {
        let mut rest = whole.bytes.clone();
        for &(length, known) in &self.pieces {
            let piece = (length <= rest.len()).then(|| rest.split_to(length))?;
            if hash(&piece) != known {
                return None;
            }
        }
        (!self.with_gap).then_some(rest)
    }

    /// Returns a gap for the undelivered parts of a segment that will not be completed, if there are any.
    fn abandon(self) -> Option<Delivery> {
        let gap = Gap { seconds: self.lacking, reason: GapReason::NotFetched, program_date_time: None };
        (self.lacking > ROUNDING).then_some(Delivery::Gap(gap))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
