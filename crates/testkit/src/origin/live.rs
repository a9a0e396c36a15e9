//! A live stream that is a list of segments and a clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;

use super::options::LiveOptions;
use super::playlist;
use super::told::{Told, part_name};

/// A segment's bytes and its duration.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its duration, seconds.
    pub seconds: f64,
}

/// A live stream. Clones are the same stream.
///
/// Under its place in an [`Origin`](super::Origin) it serves `index.m3u8`, segments (`seg0.ts` …, or `all.ts` where they are
/// ranges), `init.mp4` if it has one, and `key`.
#[derive(Debug, Clone)]
pub struct LiveStream {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clips: Arc<[Clip]>,
    /// Start of each clip, and the end of the last, seconds.
    starts: Vec<f64>,
    init: Option<Bytes>,
    /// Parts of each clip, for streams of low latency.
    parts: Vec<Vec<Clip>>,
    extension: &'static str,
    options: Mutex<LiveOptions>,
    clock: Clock,
}

#[derive(Debug)]
enum Clock {
    /// A segment is there when its time is over; the list repeats for ever.
    Real(Instant),
    /// A segment is there when a test says so.
    Manual(watch::Sender<Told>),
}

impl LiveStream {
    /// A stream of `clips` in a loop, in real time from now on, with `head` seconds of them told already.
    pub fn real_time(clips: impl Into<Arc<[Clip]>>, head: f64, options: LiveOptions) -> Self {
        let now = Instant::now();
        let start = now.checked_sub(std::time::Duration::from_secs_f64(head)).unwrap_or(now);
        Self::new(clips.into(), options, Clock::Real(start))
    }

    /// A stream of `clips` in a loop, of which the first `published` are told, and each other when [`publish`](Self::publish) says so.
    pub fn manual(clips: impl Into<Arc<[Clip]>>, published: u64, options: LiveOptions) -> Self {
        Self::new(
            clips.into(),
            options,
            Clock::Manual(watch::Sender::new(Told { segments: published, parts: 0 })),
        )
    }

    fn new(clips: Arc<[Clip]>, options: LiveOptions, clock: Clock) -> Self {
        let mut starts = vec![0.0];
        let mut at = 0.0;
        for clip in clips.iter() {
            at += clip.seconds;
            starts.push(at);
        }
        let options = Mutex::new(options);
        let (init, parts, extension) = (None, Vec::new(), "ts");
        let inner = Inner { clips, starts, init, parts, extension, options, clock };
        Self { inner: Arc::new(inner) }
    }

    /// With an EXT-X-MAP section. Only before the stream is shared.
    #[must_use]
    pub fn init(mut self, init: Option<Bytes>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.init = init;
        }
        self
    }

    /// With the parts of each clip, told where the options say so. Only before the stream is shared.
    #[must_use]
    pub fn parts(mut self, parts: Vec<Vec<Clip>>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.parts = parts;
        }
        self
    }

    /// With another extension of segment names than `ts`. Only before the stream is shared.
    #[must_use]
    pub fn extension(mut self, extension: &'static str) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.extension = extension;
        }
        self
    }

    /// Changes how it is told.
    pub fn change(&self, change: impl FnOnce(&mut LiveOptions)) {
        change(&mut self.lock());
        if let Clock::Manual(published) = &self.inner.clock {
            published.send_modify(|_| {});
        }
    }

    /// Tells `count` more segments, of which the first may be told in part. Without effect on a real clock.
    pub fn publish(&self, count: u64) {
        if let Clock::Manual(published) = &self.inner.clock {
            published.send_modify(|told| *told = Told { segments: told.segments + count, parts: 0 });
        }
    }

    /// Tells `count` more parts; with its last one a segment is complete. Without effect on a real clock.
    pub fn publish_parts(&self, count: usize) {
        let Clock::Manual(published) = &self.inner.clock else { return };
        published.send_modify(|told| {
            for _ in 0..count {
                told.parts += 1;
                if told.parts >= self.parts_of(told.segments).len() {
                    *told = Told { segments: told.segments + 1, parts: 0 };
                }
            }
        });
    }

    /// How it is told now.
    pub fn options(&self) -> LiveOptions {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LiveOptions> {
        self.inner.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of segments that were told until now, those that have left the window included.
    pub fn published(&self) -> u64 {
        self.told().segments
    }

    pub(super) fn told(&self) -> Told {
        match &self.inner.clock {
            Clock::Manual(published) => *published.borrow(),
            Clock::Real(start) => {
                let elapsed = start.elapsed().as_secs_f64();
                let segments = self.ended_by(elapsed);
                let mut end = self.start_of(segments);
                let ended = self.parts_of(segments).iter().take_while(|part| {
                    end += part.seconds;
                    end <= elapsed
                });
                Told { segments, parts: ended.count() }
            }
        }
    }

    fn ended_by(&self, elapsed: f64) -> u64 {
        let length = self.loop_seconds();
        if length <= 0.0 {
            return 0;
        }
        let loops = (elapsed / length).floor();
        let within = elapsed - loops * length;
        let ended = self.inner.starts.iter().skip(1).filter(|end| **end <= within).count();
        loops as u64 * self.inner.clips.len() as u64 + ended as u64
    }

    fn loop_seconds(&self) -> f64 {
        self.inner.starts.last().copied().unwrap_or_default()
    }

    /// Segment `index`, counted from 0; the list repeats.
    pub fn clip(&self, index: u64) -> Option<&Clip> {
        let count = self.inner.clips.len() as u64;
        self.inner.clips.get(usize::try_from(index.checked_rem(count)?).ok()?)
    }

    /// The parts of segment `index`; none where the stream has none.
    pub fn parts_of(&self, index: u64) -> &[Clip] {
        let count = self.inner.clips.len() as u64;
        let within = index.checked_rem(count).and_then(|within| usize::try_from(within).ok());
        within.and_then(|within| self.inner.parts.get(within)).map_or(&[], Vec::as_slice)
    }

    /// Start of segment `index`, seconds since the first.
    pub fn start_of(&self, index: u64) -> f64 {
        let count = self.inner.clips.len().max(1) as u64;
        let within = usize::try_from(index % count).unwrap_or_default();
        (index / count) as f64 * self.loop_seconds()
            + self.inner.starts.get(within).copied().unwrap_or_default()
    }

    /// Number of clips before they start again.
    pub(super) fn clips(&self) -> u64 {
        self.inner.clips.len() as u64
    }

    /// Longest segment, seconds.
    pub(super) fn longest(&self) -> f64 {
        self.inner.clips.iter().map(|clip| clip.seconds).fold(0.0, f64::max)
    }

    /// Whether the list of segments starts again with segment `index`.
    pub(super) fn loops_at(&self, index: u64) -> bool {
        index > 0 && index.is_multiple_of(self.inner.clips.len().max(1) as u64)
    }

    /// How often the list starts again before segment `index`.
    pub(super) fn loops_before(&self, index: u64) -> u64 {
        index.saturating_sub(1) / self.inner.clips.len().max(1) as u64
    }

    pub(super) fn has_init(&self) -> bool {
        self.inner.init.is_some()
    }

    pub(super) fn extension_name(&self) -> &'static str {
        self.inner.extension
    }

    /// The playlist as of now.
    pub fn playlist(&self) -> String {
        playlist::write(self, &self.options(), self.told())
    }

    /// Waits until this part of the segment of media sequence number `sequence` is told, or all of it, at most three target
    /// durations.
    pub(super) async fn wait_for(&self, sequence: u64, part: Option<usize>) {
        let wanted = sequence.saturating_sub(self.lock().first_sequence);
        let before = Told { segments: wanted, parts: part.unwrap_or(usize::MAX) };
        let longest = std::time::Duration::from_secs_f64(3.0 * self.longest().max(1.0));
        let told = async {
            match &self.inner.clock {
                Clock::Manual(published) => {
                    let mut published = published.subscribe();
                    let _ = published.wait_for(|told| *told > before).await;
                }
                Clock::Real(start) => {
                    let parts = self.parts_of(wanted);
                    let end = match part.filter(|part| *part < parts.len()) {
                        Some(part) => {
                            let length: f64 = parts.iter().take(part + 1).map(|part| part.seconds).sum();
                            self.start_of(wanted) + length
                        }
                        None => self.start_of(wanted + 1),
                    };
                    tokio::time::sleep_until((*start + std::time::Duration::from_secs_f64(end)).into()).await;
                }
            }
        };
        let _ = tokio::time::timeout(longest, told).await;
    }

    /// The resource of this name, if it is one of this stream's other than the playlist.
    pub(super) fn resource(&self, name: &str) -> Option<Bytes> {
        let options = self.options();
        if name == "init.mp4" {
            return self.inner.init.clone();
        }
        if name == "key" {
            return Some(Bytes::copy_from_slice(&options.key?));
        }
        let stem = name.strip_suffix(self.inner.extension)?.strip_suffix('.')?;
        if stem == "all" && options.ranges {
            return Some(self.inner.clips.iter().flat_map(|clip| clip.bytes.iter().copied()).collect());
        }
        if let Some((index, part)) = stem.strip_prefix(options.part_names.as_str()).and_then(part_name) {
            let is_told = Told { segments: index, parts: part } < self.told();
            let gap = options.part_gaps.contains(&(index, part));
            return self.parts_of(index).get(part).filter(|_| is_told && !gap).map(|part| part.bytes.clone());
        }
        self.segment(stem.strip_prefix(options.names.as_str())?.parse().ok()?, &options)
    }

    /// What is there of segment `index`.
    fn segment(&self, index: u64, options: &LiveOptions) -> Option<Bytes> {
        let told = self.told();
        if index == told.segments && options.part_ranges && told.parts > 0 {
            let parts = self.parts_of(index).iter().take(told.parts);
            return Some(parts.flat_map(|part| part.bytes.iter().copied()).collect());
        }
        let gap = options.marks.get(&index).is_some_and(|marks| marks.gap);
        let clip = self.clip(index).filter(|_| index < told.segments && !gap)?;
        Some(match options.key {
            Some(key) => playlist::encrypt(&clip.bytes, key, options.iv, options.first_sequence + index),
            None => clip.bytes.clone(),
        })
    }
}
