//! What was fetched, in its order, to deliveries.
//!
//! A segment that is followed by parts is heard part by part. When one cannot be had, the rest of the segment waits until
//! the segment is complete and fetched whole; what was heard is cut off its start. So every byte comes once.

use std::hash::{DefaultHasher, Hasher as _};

use super::plan::Due;
use crate::delivery::{Delivery, Gap, GapReason, Segment};

/// Lengths below this are roundings of a playlist, seconds: no gap is made of them.
const ROUNDING: f64 = 0.001;

/// Something that was planned, when its turn has come.
#[derive(Debug)]
pub(super) enum Fetched {
    /// A whole segment or a gap, and whether time stamps begin anew with it.
    Whole(Delivery, bool),
    /// A part of a segment.
    Part(Box<Due>, Result<Segment, GapReason>),
    /// The segment whose parts came before is complete; `all`: those were all of it.
    Complete { due: Box<Due>, all: bool },
    /// Nothing more is known of the segment whose parts came before.
    Abandoned,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    Deliver(Option<Delivery>),
    /// Fetch this segment before anything else is delivered.
    Fetch(Box<Due>),
    /// A segment was delivered by its parts; whether it is an advertisement.
    Done {
        ad: bool,
    },
}

/// Puts what was fetched together.
#[derive(Debug, Default)]
pub(super) struct Order {
    heard: Option<Heard>,
    /// Whether a break fell on a gap: it holds for the segment after it.
    owed: bool,
}

/// The parts of a segment that were delivered.
#[derive(Debug, Default)]
struct Heard {
    sequence: u64,
    ad: bool,
    /// Length and hash of each.
    pieces: Vec<(usize, u64)>,
    seconds: f64,
    /// Whether a part could not be had: those behind it are not delivered.
    broken: bool,
    /// Seconds of parts that were not delivered.
    lacking: f64,
    /// Whether one of them was a gap, so that they are not the start of the whole.
    with_gap: bool,
}

impl Order {
    /// Takes what comes next.
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
    /// Whether anything of the segment was delivered.
    fn is_something(&self) -> bool {
        self.with_gap || !self.pieces.is_empty()
    }

    /// What is left of the segment that came whole, or as a gap. Where the whole does not begin with the parts, nobody can
    /// say which of its bytes were heard: the rest is a gap.
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

    /// The bytes behind those that were heard.
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

    /// What is missing of a segment of which no more will come.
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
