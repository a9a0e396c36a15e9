//! Selection of the segments and parts of a playlist that are fetched.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::open::OpenSegment;
use super::timeline::{SegmentTimeline, Step};
use crate::delivery::{Gap, GapReason};
use crate::hls::playlist::{MediaPlaylist, MediaSegment};
use crate::hls::settings::HlsSettings;

/// An item of the plan, which the poller sends to the fetcher.
#[derive(Debug)]
pub(super) enum PlanItem {
    HlsSegment(Box<PlannedSegment>),
    /// A part of the open segment, which the server is still producing.
    Part(Box<PlannedSegment>),
    /// The open segment is complete. `all` is true if the planned parts are the whole segment.
    Complete {
        due: Box<PlannedSegment>,
        all: bool,
    },
    /// The open segment will not be completed.
    Abandoned,
    Gap(Gap),
    /// No further items follow.
    End,
}

/// A segment or part to be fetched.
#[derive(Debug)]
pub(super) struct PlannedSegment {
    pub(super) segment: MediaSegment,
    /// Time at which a loaded playlist first listed the segment or part, seconds since 1970.
    pub(super) first_listed: f64,
    /// Seconds of media that the playlist listed after the segment or part at the time `first_listed`; `None` for a
    /// recording.
    pub(super) backlog: Option<f64>,
    /// Latest time at which fetching may begin; `None` if the playlist is complete.
    pub(super) drop_after: Option<Instant>,
    /// True for a whole segment without planned parts, and for the first part of a segment.
    pub(super) begins: bool,
    /// Number of changes of the rendition before this segment.
    pub(super) rendition: u64,
}

impl PlannedSegment {
    /// Checks that the segment or part can still be fetched.
    ///
    /// # Errors
    /// Returns the reason of the gap that replaces the segment or part.
    pub(super) fn check(&self) -> Result<(), GapReason> {
        if self.segment.gap {
            return Err(GapReason::Marked);
        }
        let is_late = self.drop_after.is_some_and(|late| Instant::now() > late);
        if is_late { Err(GapReason::Dropped) } else { Ok(()) }
    }
}

/// Times and backlog of the next planned item.
#[derive(Debug, Clone, Copy)]
struct ItemTiming {
    first_listed: f64,
    /// Seconds of media listed after the current position in the playlist; `None` for a recording.
    backlog: Option<f64>,
    drop_after: Option<Instant>,
}

impl ItemTiming {
    fn due(self, segment: MediaSegment, begins: bool) -> Box<PlannedSegment> {
        let Self { first_listed, backlog, drop_after } = self;
        // The poller sets the rendition.
        Box::new(PlannedSegment { segment, first_listed, backlog, drop_after, begins, rendition: 0 })
    }

    /// Moves the position in the playlist forward by `seconds` of listed media.
    fn after(self, seconds: f64) -> Self {
        Self { backlog: self.backlog.map(|backlog| (backlog - seconds).max(0.0)), ..self }
    }
}

/// Result of processing a playlist.
#[derive(Debug)]
pub(super) struct PlaylistUpdate {
    pub(super) planned: Vec<PlanItem>,
    /// Same as [`Advance::shift`](super::timeline::Advance::shift).
    pub(super) shift: i128,
    /// True if the playlist restarted: its segments do not continue the earlier ones.
    pub(super) reset: bool,
    /// True if the playlist is an older copy of the last one.
    pub(super) stale: bool,
}

/// Decides which segments of a playlist are fetched, and whether they are fetched whole or by parts.
///
/// A segment that is complete when it is first listed is fetched whole. The open segment, which the server is still
/// producing, is fetched by parts. When it is complete, the plan contains its remaining parts and then a
/// [`PlanItem::Complete`].
#[derive(Debug)]
pub(super) struct SegmentPlanner {
    settings: Arc<HlsSettings>,
    timeline: SegmentTimeline,
    /// The open segment; `None` if no parts are planned.
    opened: Option<OpenSegment>,
}

impl SegmentPlanner {
    pub(super) fn new(settings: Arc<HlsSettings>) -> Self {
        Self { settings, timeline: SegmentTimeline::default(), opened: None }
    }

    /// Returns true if no playlist with a segment was processed yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.timeline.is_empty()
    }

    /// Plans the new segments and parts of a playlist. `moved` is true if the playlist comes from another URL than the
    /// last one, and `changed` if it is another rendition.
    pub(super) fn take(&mut self, list: &MediaPlaylist, moved: bool, changed: bool) -> PlaylistUpdate {
        // Only the first playlist decides: a live stream that ends later was live when its segments were listed.
        let recorded = list.end && self.is_at_start();
        self.timeline.is_other_rendition = changed;
        let advance = self.timeline.advance(list, self.settings.segments_back(list), moved);
        let open = list.open.as_ref().map_or(0.0, |open| open.seconds);
        let new: f64 = advance.steps.iter().map(listed).sum();
        let mut when = ItemTiming {
            backlog: (!recorded).then_some(open + new),
            first_listed: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            // A recording can be fetched at any time, so its segments never become too old.
            drop_after: (!list.end).then(|| Instant::now() + self.settings.max_behind),
        };
        let mut planned = Vec::new();
        if let Some(opened) = self.opened.as_mut().filter(|_| changed) {
            // The parts of the other rendition do not continue the delivered ones.
            opened.stop_planning();
        }
        if advance.reset {
            self.abandon(&mut planned);
        }
        for step in advance.steps {
            when = when.after(listed(&step));
            self.step(step, when, &mut planned);
        }
        // An older copy can list an older open segment, whose parts would precede the planned ones.
        let with_parts = !advance.stale && self.part_target(list).is_some();
        if let Some(open) = self.timeline.open(list).filter(|_| with_parts) {
            let opened = self.opened.get_or_insert_with(|| OpenSegment::new(open.sequence));
            planned.extend(parts(opened, &open, when.after(open.seconds)));
        }
        PlaylistUpdate { planned, shift: advance.shift, reset: advance.reset, stale: advance.stale }
    }

    /// Returns the target duration of the parts of `list`, or `None` if whole segments are fetched instead of parts.
    pub(super) fn part_target(&self, list: &MediaPlaylist) -> Option<Duration> {
        let newest = list.open.as_deref().or(list.segments.last())?;
        // AES-128 is one chain of blocks through the whole segment with its padding at the end, so a part cannot be
        // decrypted separately.
        let helps = self.settings.low_latency && newest.encryption.is_none();
        list.low_latency.part_target.filter(|_| helps).map(Duration::from_secs_f64)
    }

    fn step(&mut self, step: Step, when: ItemTiming, planned: &mut Vec<PlanItem>) {
        match step {
            Step::HlsSegment(segment) => {
                let is_it =
                    |opened: &mut OpenSegment| opened.sequence == segment.sequence && !opened.is_at_start();
                if let Some(mut opened) = self.opened.take_if(is_it) {
                    planned.extend(parts(&mut opened, &segment, when));
                    let all = opened.is_all_of(&segment);
                    return planned.push(PlanItem::Complete { due: when.due(segment, false), all });
                }
                // A complete segment that is not the open one means that the open one was skipped or renumbered.
                self.abandon(planned);
                planned.push(PlanItem::HlsSegment(when.due(segment, true)));
            }
            Step::Gap(mut gap) => {
                // The open segment is one of the missed ones. Its planned parts are not part of the gap.
                let planned_seconds = self.opened.as_ref().map_or(0.0, |opened| opened.seconds);
                gap.seconds = (gap.seconds - planned_seconds).max(0.0);
                gap.program_date_time = gap.program_date_time.map(|date| date + planned_seconds);
                self.abandon(planned);
                planned.push(PlanItem::Gap(gap));
            }
        }
    }

    /// Drops the open segment, and plans [`PlanItem::Abandoned`] if parts of it were planned.
    fn abandon(&mut self, planned: &mut Vec<PlanItem>) {
        let started = self.opened.take().filter(|opened| !opened.is_at_start());
        planned.extend(started.map(|_| PlanItem::Abandoned));
    }
}

/// Returns the duration in seconds that a playlist lists for a step: 0 for a gap, which is not listed.
fn listed(step: &Step) -> f64 {
    match step {
        Step::HlsSegment(segment) => segment.seconds,
        Step::Gap(_) => 0.0,
    }
}

/// Returns the plan items of the parts of `segment` that were not planned yet. `when` is the timing at the end of
/// `segment`.
fn parts(
    opened: &mut OpenSegment,
    segment: &MediaSegment,
    when: ItemTiming,
) -> impl Iterator<Item = PlanItem> {
    let starts = opened.is_at_start();
    let taken = opened.take(segment);
    let new: f64 = taken.iter().map(|part| part.seconds).sum();
    // `when` belongs to the end of the segment, which is the end of its last part.
    let mut when = ItemTiming { backlog: when.backlog.map(|backlog| backlog + new), ..when };
    taken.into_iter().enumerate().map(move |(index, part)| {
        when = when.after(part.seconds);
        PlanItem::Part(when.due(part, starts && index == 0))
    })
}
