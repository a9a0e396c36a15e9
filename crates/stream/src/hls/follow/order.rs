//! Conversion of fetched items to deliveries, in the order of the plan.
//!
//! A segment that is fetched by parts is delivered part by part. If a part cannot be fetched, the rest of the segment
//! is delivered after the segment is complete and was fetched whole, without the bytes at its start that were already
//! delivered. So every byte is delivered once.

use std::hash::{DefaultHasher, Hasher as _};

use super::plan::PlannedSegment;
use crate::delivery::{Delivery, Gap, GapReason, HlsSegment};

/// Longest missing duration that counts as a rounding error of the playlist and not as a gap, seconds. Durations have
/// three to six decimals. At half this value, the sums of rounded parts cause gaps; at twice this value, at most 2 ms
/// of missing audio are not reported.
const ROUNDING_SECONDS: f64 = 0.001;

/// A planned item with the result of fetching it.
#[derive(Debug)]
pub(super) enum Fetched {
    /// A whole segment or a gap. The flag is true if time stamps restart with it (EXT-X-DISCONTINUITY).
    Whole(Delivery, bool),
    /// A part of a segment.
    Part(Box<PlannedSegment>, Result<HlsSegment, GapReason>),
    /// The segment of the preceding parts is complete. `all` is true if these parts are the whole segment.
    Complete { due: Box<PlannedSegment>, all: bool },
    /// The segment of the preceding parts will not be completed, or the plan has ended.
    Abandoned,
}

/// The next action of the fetcher.
#[derive(Debug)]
pub(super) enum FetcherAction {
    /// Deliver this item; `None` if there is nothing to deliver.
    Deliver(Option<Delivery>),
    /// Fetch this segment before anything else is delivered.
    Fetch(Box<PlannedSegment>),
    /// A segment was delivered completely as parts. `ad` is true if it is an advertisement.
    Done { ad: bool },
}

/// Converts fetched items to deliveries.
#[derive(Debug, Default)]
pub(super) struct DeliveryOrder {
    /// The delivered parts of the current segment; `None` if the current segment is not delivered by parts.
    delivered: Option<DeliveredParts>,
    /// True if a gap has the discontinuity flag. The segment after the gap is then marked with this flag.
    pending_discontinuity: bool,
}

/// The delivered parts of a segment.
#[derive(Debug, Default)]
struct DeliveredParts {
    sequence: u64,
    ad: bool,
    /// Length in bytes and hash of each delivered part.
    pieces: Vec<(usize, u64)>,
    seconds: f64,
    /// True if a part could not be fetched; the parts after it are not delivered.
    broken: bool,
    /// Total duration of the parts that were not delivered, seconds.
    missing_seconds: f64,
    /// True if a part was delivered as a gap, so that the delivered bytes are not the start of the whole segment.
    with_gap: bool,
}

impl DeliveryOrder {
    /// Processes the next fetched item and returns the next action.
    pub(super) fn take(&mut self, fetched: Fetched) -> FetcherAction {
        match fetched {
            Fetched::Part(due, result) => FetcherAction::Deliver(self.part(&due, result)),
            Fetched::Abandoned => {
                FetcherAction::Deliver(self.delivered.take().and_then(DeliveredParts::abandon))
            }
            Fetched::Complete { due, all } => match self.delivered.take() {
                Some(delivered) if all && !delivered.broken => FetcherAction::Done { ad: due.segment.ad },
                delivered => {
                    // The delivered parts are kept until the whole segment is fetched, because they determine which
                    // bytes are left.
                    self.delivered = delivered;
                    FetcherAction::Fetch(due)
                }
            },
            Fetched::Whole(delivery, is_discontinuity) => {
                match self.delivered.take().filter(DeliveredParts::has_delivered) {
                    None => FetcherAction::Deliver(Some(self.with_discontinuity(delivery, is_discontinuity))),
                    Some(delivered) => match delivered.rest(delivery) {
                        Some(rest) => FetcherAction::Deliver(Some(self.with_discontinuity(rest, false))),
                        None => FetcherAction::Done { ad: delivered.ad },
                    },
                }
            }
        }
    }

    fn part(&mut self, due: &PlannedSegment, result: Result<HlsSegment, GapReason>) -> Option<Delivery> {
        let piece = &due.segment;
        let mut delivered = self
            .delivered
            .take()
            .filter(|delivered| delivered.sequence == piece.sequence)
            .unwrap_or_default();
        (delivered.sequence, delivered.ad) = (piece.sequence, piece.ad);
        let delivery = match result {
            _ if delivered.broken => None,
            Ok(part) => {
                delivered.pieces.push((part.bytes.len(), hash(&part.bytes)));
                Some(Delivery::HlsSegment(part))
            }
            Err(GapReason::Marked) => {
                delivered.with_gap = true;
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
            Some(_) => delivered.seconds += piece.seconds,
            None => {
                delivered.broken = true;
                delivered.missing_seconds += piece.seconds;
            }
        }
        self.delivered = Some(delivered);
        delivery.map(|delivery| self.with_discontinuity(delivery, piece.discontinuity))
    }

    fn with_discontinuity(&mut self, mut delivery: Delivery, is_discontinuity: bool) -> Delivery {
        match &mut delivery {
            Delivery::HlsSegment(segment) => {
                segment.discontinuity |= std::mem::take(&mut self.pending_discontinuity);
            }
            _ => self.pending_discontinuity |= is_discontinuity,
        }
        delivery
    }
}

impl DeliveredParts {
    /// Returns true if a part of the segment was delivered.
    fn has_delivered(&self) -> bool {
        self.with_gap || !self.pieces.is_empty()
    }

    /// Returns the undelivered rest of the segment, given the whole segment or the gap in its place; `None` if nothing
    /// is left. If the whole segment does not begin with the delivered parts, it is unknown which of its bytes were
    /// delivered, so the rest becomes a gap.
    fn rest(&self, whole: Delivery) -> Option<Delivery> {
        let (seconds, date, reason) = match whole {
            Delivery::HlsSegment(segment) => {
                let seconds = (segment.seconds - self.seconds).max(0.0);
                // Bytes and not durations decide, because a frame can span two parts.
                match self.cut(&segment) {
                    Some(rest) if rest.is_empty() => return None,
                    Some(bytes) => {
                        // Date and discontinuity belong to the start of the segment, which was delivered with its first
                        // part.
                        let (discontinuity, program_date_time) = (false, None);
                        let rest = HlsSegment { bytes, seconds, discontinuity, program_date_time, ..segment };
                        return Some(Delivery::HlsSegment(rest));
                    }
                    None => (seconds, segment.program_date_time, GapReason::NotFetched),
                }
            }
            Delivery::Gap(gap) => (gap.seconds - self.seconds, gap.program_date_time, gap.reason),
            other => return Some(other),
        };
        let program_date_time = date.map(|date| date + self.seconds);
        (seconds > ROUNDING_SECONDS).then_some(Delivery::Gap(Gap { seconds, reason, program_date_time }))
    }

    /// Returns the bytes after the delivered parts, or `None` if `whole` does not begin with these parts.
    fn cut(&self, whole: &HlsSegment) -> Option<bytes::Bytes> {
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
        let gap =
            Gap { seconds: self.missing_seconds, reason: GapReason::NotFetched, program_date_time: None };
        (self.missing_seconds > ROUNDING_SECONDS).then_some(Delivery::Gap(gap))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
