//! What is to be fetched, decided by what playlists bring.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::open::Opened;
use super::timeline::{Step, Timeline};
use crate::delivery::{Gap, GapReason};
use crate::hls::playlist::{MediaPlaylist, MediaSegment};
use crate::hls::settings::HlsSettings;

/// Something to be fetched or told.
#[derive(Debug)]
pub(super) enum Planned {
    Segment(Box<Due>),
    /// A part of the segment that is being made.
    Part(Box<Due>),
    /// That segment is complete; `all`: the parts that were planned are all of it.
    Complete {
        due: Box<Due>,
        all: bool,
    },
    /// That segment will never be.
    Abandoned,
    Gap(Gap),
    /// That was all.
    End,
}

/// A segment, or a part of one, that is to be fetched.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) segment: MediaSegment,
    /// When it was seen, seconds since 1970.
    pub(super) seen: f64,
    /// Seconds that the playlist listed behind it then; `None` in a recording.
    pub(super) backlog: Option<f64>,
    /// When it is too late to begin with it; `None` for what is not live.
    pub(super) drop_after: Option<Instant>,
    /// Whether it is the start of a segment.
    pub(super) begins: bool,
}

impl Due {
    /// Whether it is to be fetched at all; else why it is a gap.
    pub(super) fn check(&self) -> Result<(), GapReason> {
        if self.segment.gap {
            return Err(GapReason::Marked);
        }
        let is_late = self.drop_after.is_some_and(|late| Instant::now() > late);
        if is_late { Err(GapReason::Dropped) } else { Ok(()) }
    }
}

/// When something was planned.
#[derive(Debug, Clone, Copy)]
struct When {
    seen: f64,
    /// Seconds listed behind what is planned next; `None` in a recording.
    backlog: Option<f64>,
    drop_after: Option<Instant>,
}

impl When {
    fn due(self, segment: MediaSegment, begins: bool) -> Box<Due> {
        let Self { seen, backlog, drop_after } = self;
        Box::new(Due { segment, seen, backlog, drop_after, begins })
    }

    /// The same after `seconds` that were listed.
    fn after(self, seconds: f64) -> Self {
        Self { backlog: self.backlog.map(|backlog| (backlog - seconds).max(0.0)), ..self }
    }
}

/// What a playlist brought.
#[derive(Debug)]
pub(super) struct News {
    pub(super) planned: Vec<Planned>,
    /// As [`Advance`](super::timeline::Advance) has them.
    pub(super) shift: i128,
    pub(super) reset: bool,
    pub(super) stale: bool,
}

/// Decides what of a playlist is to be fetched, and whether whole or by parts.
///
/// Whatever is complete when it is first seen comes whole. The segment that is being made comes by its parts, and
/// when it is complete the parts that are still lacking and then the word that those were all, or that they were not.
#[derive(Debug)]
pub(super) struct Planner {
    settings: Arc<HlsSettings>,
    timeline: Timeline,
    /// The segment that is being made, if some of its parts are planned.
    opened: Option<Opened>,
}

impl Planner {
    pub(super) fn new(settings: Arc<HlsSettings>) -> Self {
        Self { settings, timeline: Timeline::default(), opened: None }
    }

    /// Whether nothing was taken yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.timeline.is_empty()
    }

    /// Takes what is new of a playlist. `moved`: it comes from another URL than the last one; `changed`: it is of another
    /// rendition.
    pub(super) fn take(&mut self, list: &MediaPlaylist, moved: bool, changed: bool) -> News {
        let recorded = list.end && self.is_at_start();
        let advance = self.timeline.advance(list, self.settings.segments_back(list), moved);
        let open = list.open.as_ref().map_or(0.0, |open| open.seconds);
        let new: f64 = advance.steps.iter().map(listed).sum();
        let mut when = When {
            backlog: (!recorded).then_some(open + new),
            seen: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            drop_after: (!list.end).then(|| Instant::now() + self.settings.max_behind),
        };
        let mut planned = Vec::new();
        if let Some(opened) = self.opened.as_mut().filter(|_| changed) {
            opened.spoil();
        }
        if advance.reset {
            self.abandon(&mut planned);
        }
        for step in advance.steps {
            when = when.after(listed(&step));
            self.step(step, when, &mut planned);
        }
        let with_parts = !advance.stale && self.part_target(list).is_some();
        if let Some(open) = self.timeline.open(list).filter(|_| with_parts) {
            let opened = self.opened.get_or_insert_with(|| Opened::new(open.sequence));
            planned.extend(parts(opened, &open, when.after(open.seconds)));
        }
        News { planned, shift: advance.shift, reset: advance.reset, stale: advance.stale }
    }

    /// How long parts are, if `list` has any that help.
    pub(super) fn part_target(&self, list: &MediaPlaylist) -> Option<Duration> {
        let newest = list.open.as_deref().or(list.segments.last())?;
        // AES-128 is one chain of blocks through the whole segment with its padding at the end: no part of it can be
        // decrypted for itself.
        let helps = self.settings.low_latency && newest.encryption.is_none();
        list.low_latency.part_target.filter(|_| helps).map(Duration::from_secs_f64)
    }

    fn step(&mut self, step: Step, when: When, planned: &mut Vec<Planned>) {
        match step {
            Step::Segment(segment) => {
                let is_it =
                    |opened: &mut Opened| opened.sequence == segment.sequence && !opened.is_at_start();
                if let Some(mut opened) = self.opened.take_if(is_it) {
                    planned.extend(parts(&mut opened, &segment, when));
                    let all = opened.is_all_of(&segment);
                    return planned.push(Planned::Complete { due: when.due(segment, false), all });
                }
                self.abandon(planned);
                planned.push(Planned::Segment(when.due(segment, true)));
            }
            Step::Gap(mut gap) => {
                // The segment that was being made is one of those that were missed.
                let told = self.opened.as_ref().map_or(0.0, |opened| opened.seconds);
                gap.seconds = (gap.seconds - told).max(0.0);
                gap.program_date_time = gap.program_date_time.map(|date| date + told);
                self.abandon(planned);
                planned.push(Planned::Gap(gap));
            }
        }
    }

    /// The segment that was being made will not come.
    fn abandon(&mut self, planned: &mut Vec<Planned>) {
        let begun = self.opened.take().filter(|opened| !opened.is_at_start());
        planned.extend(begun.map(|_| Planned::Abandoned));
    }
}

/// Seconds that the playlist lists for a step: a gap is not listed.
fn listed(step: &Step) -> f64 {
    match step {
        Step::Segment(segment) => segment.seconds,
        Step::Gap(_) => 0.0,
    }
}

/// The parts of a segment that were not planned yet.
fn parts(opened: &mut Opened, segment: &MediaSegment, when: When) -> impl Iterator<Item = Planned> {
    let starts = opened.is_at_start();
    let taken = opened.take(segment);
    let new: f64 = taken.iter().map(|part| part.seconds).sum();
    // `when` is that of the segment's end, which is the end of its last part.
    let mut when = When { backlog: when.backlog.map(|backlog| backlog + new), ..when };
    taken.into_iter().enumerate().map(move |(index, part)| {
        when = when.after(part.seconds);
        Planned::Part(when.due(part, starts && index == 0))
    })
}
