//! Simulated live streams: a list of segments and a clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::encrypt::encrypt;
use super::options::LiveOptions;
use super::progress::{PublishProgress, part_name};

/// A segment, or a part of a segment for Low-Latency HLS.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Encoded audio.
    pub bytes: Bytes,
    /// Duration in seconds.
    pub seconds: f64,
}

/// A live stream. Clones share one stream.
///
/// In the stream's folder, an [`Origin`](super::Origin) serves `index.m3u8`, segments (`seg0.ts`, `seg1.ts` and so on,
/// or `all.ts` if they are byte ranges), `init.mp4` if the stream has one, and `key`.
#[derive(Debug, Clone)]
pub struct LiveStream {
    inner: Arc<StreamInner>,
}

#[derive(Debug)]
struct StreamInner {
    clips: Arc<[Clip]>,
    /// Start of each clip, and the end of the last one, in seconds.
    starts: Vec<f64>,
    init: Option<Bytes>,
    /// Parts of each clip, for Low-Latency HLS; empty if the stream has no parts.
    parts: Vec<Vec<Clip>>,
    extension: &'static str,
    options: Mutex<LiveOptions>,
    clock: PublishClock,
}

#[derive(Debug)]
enum PublishClock {
    /// Publishes a segment when the end of the segment, counted from this start, has passed. The list repeats without
    /// end.
    Real(Instant),
    /// Publishes a segment when the test calls [`LiveStream::publish`].
    Manual(watch::Sender<PublishProgress>),
}

impl LiveStream {
    /// Creates a stream that repeats `clips` in real time, starting now, with `head` seconds already published.
    pub fn real_time(clips: impl Into<Arc<[Clip]>>, head: f64, options: LiveOptions) -> Self {
        let now = Instant::now();
        let start = now.checked_sub(Duration::from_secs_f64(head)).unwrap_or(now);
        Self::new(clips.into(), options, PublishClock::Real(start))
    }

    /// Creates a stream that repeats `clips`. The first `published` segments are published from the start;
    /// [`publish`](Self::publish) publishes more.
    pub fn manual(clips: impl Into<Arc<[Clip]>>, published: u64, options: LiveOptions) -> Self {
        Self::new(
            clips.into(),
            options,
            PublishClock::Manual(watch::Sender::new(PublishProgress { segments: published, parts: 0 })),
        )
    }

    fn new(clips: Arc<[Clip]>, options: LiveOptions, clock: PublishClock) -> Self {
        let mut starts = vec![0.0];
        let mut at = 0.0;
        for clip in clips.iter() {
            at += clip.seconds;
            starts.push(at);
        }
        let options = Mutex::new(options);
        let (init, parts, extension) = (None, Vec::new(), "ts");
        let inner = StreamInner { clips, starts, init, parts, extension, options, clock };
        Self { inner: Arc::new(inner) }
    }

    /// Sets the EXT-X-MAP section; `None` for no section. Works only before the stream is cloned.
    #[must_use]
    pub fn init(mut self, init: Option<Bytes>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.init = init;
        }
        self
    }

    /// Sets the parts of each clip, which `LiveOptions::low_latency` enables. Works only before the stream is cloned.
    #[must_use]
    pub fn parts(mut self, parts: Vec<Vec<Clip>>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.parts = parts;
        }
        self
    }

    /// Sets the extension of segment names, by default `ts`. Works only before the stream is cloned.
    #[must_use]
    pub fn extension(mut self, extension: &'static str) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.extension = extension;
        }
        self
    }

    /// Changes the options of the running stream.
    pub fn change(&self, change: impl FnOnce(&mut LiveOptions)) {
        change(&mut self.lock());
        if let PublishClock::Manual(published) = &self.inner.clock {
            published.send_modify(|_| {});
        }
    }

    /// Publishes `count` more segments. A partly published segment is the first of them. Has no effect on a real-time
    /// stream.
    pub fn publish(&self, count: u64) {
        if let PublishClock::Manual(published) = &self.inner.clock {
            published.send_modify(|progress| {
                *progress = PublishProgress { segments: progress.segments + count, parts: 0 }
            });
        }
    }

    /// Publishes `count` more parts. The last part completes its segment. Has no effect on a real-time stream.
    pub fn publish_parts(&self, count: usize) {
        let PublishClock::Manual(published) = &self.inner.clock else { return };
        published.send_modify(|progress| {
            for _ in 0..count {
                progress.parts += 1;
                if progress.parts >= self.parts_of(progress.segments).len() {
                    *progress = PublishProgress { segments: progress.segments + 1, parts: 0 };
                }
            }
        });
    }

    /// Returns the current options.
    pub fn options(&self) -> LiveOptions {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LiveOptions> {
        self.inner.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of segments published so far, including those that have left the window.
    pub fn published(&self) -> u64 {
        self.progress().segments
    }

    pub(super) fn progress(&self) -> PublishProgress {
        match &self.inner.clock {
            PublishClock::Manual(published) => *published.borrow(),
            PublishClock::Real(start) => {
                let elapsed = start.elapsed().as_secs_f64();
                let segments = self.ended_by(elapsed);
                let mut end = self.start_of(segments);
                let ended = self.parts_of(segments).iter().take_while(|part| {
                    end += part.seconds;
                    end <= elapsed
                });
                PublishProgress { segments, parts: ended.count() }
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

    /// Returns segment `index`, counted from 0. The list repeats. Returns `None` if the stream has no clips.
    pub fn clip(&self, index: u64) -> Option<&Clip> {
        let count = self.inner.clips.len() as u64;
        self.inner.clips.get(usize::try_from(index.checked_rem(count)?).ok()?)
    }

    /// Returns the parts of segment `index`; empty if the stream has no parts.
    pub fn parts_of(&self, index: u64) -> &[Clip] {
        let count = self.inner.clips.len() as u64;
        let within = index.checked_rem(count).and_then(|within| usize::try_from(within).ok());
        within.and_then(|within| self.inner.parts.get(within)).map_or(&[], Vec::as_slice)
    }

    /// Returns the start of segment `index` in seconds after the start of the first segment.
    pub fn start_of(&self, index: u64) -> f64 {
        let count = self.inner.clips.len().max(1) as u64;
        let within = usize::try_from(index % count).unwrap_or_default();
        (index / count) as f64 * self.loop_seconds()
            + self.inner.starts.get(within).copied().unwrap_or_default()
    }

    /// Returns the number of clips before the list repeats.
    pub(super) fn clips(&self) -> u64 {
        self.inner.clips.len() as u64
    }

    /// Returns the duration of the longest segment in seconds.
    pub(super) fn max_segment_seconds(&self) -> f64 {
        self.inner.clips.iter().map(|clip| clip.seconds).fold(0.0, f64::max)
    }

    /// Returns true if segment `index` starts a repetition of the list.
    pub(super) fn loops_at(&self, index: u64) -> bool {
        index > 0 && index.is_multiple_of(self.inner.clips.len().max(1) as u64)
    }

    /// Returns the number of repetitions that start before segment `index`.
    pub(super) fn loops_before(&self, index: u64) -> u64 {
        index.saturating_sub(1) / self.inner.clips.len().max(1) as u64
    }

    pub(super) fn has_init(&self) -> bool {
        self.inner.init.is_some()
    }

    pub(super) fn extension_name(&self) -> &'static str {
        self.inner.extension
    }

    /// Waits until `part` of the segment with the media sequence number `sequence` is published. Without `part`, waits
    /// until the whole segment is published. Waits at most three target durations.
    pub(super) async fn wait_for(&self, sequence: u64, part: Option<usize>) {
        let wanted = sequence.saturating_sub(self.lock().first_sequence);
        let before = PublishProgress { segments: wanted, parts: part.unwrap_or(usize::MAX) };
        let max_segment_seconds = Duration::from_secs_f64(3.0 * self.max_segment_seconds().max(1.0));
        let progress = async {
            match &self.inner.clock {
                PublishClock::Manual(published) => {
                    let mut published = published.subscribe();
                    let _ = published.wait_for(|progress| *progress > before).await;
                }
                PublishClock::Real(start) => {
                    let parts = self.parts_of(wanted);
                    let end = match part.filter(|part| *part < parts.len()) {
                        Some(part) => {
                            let length: f64 = parts.iter().take(part + 1).map(|part| part.seconds).sum();
                            self.start_of(wanted) + length
                        }
                        None => self.start_of(wanted + 1),
                    };
                    tokio::time::sleep_until((*start + Duration::from_secs_f64(end)).into()).await;
                }
            }
        };
        let _ = tokio::time::timeout(max_segment_seconds, progress).await;
    }

    /// Returns the segment, part, init section or key with this name; `None` if it does not exist or is not published.
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
            let is_published = PublishProgress { segments: index, parts: part } < self.progress();
            let gap = options.part_gaps.contains(&(index, part));
            return self
                .parts_of(index)
                .get(part)
                .filter(|_| is_published && !gap)
                .map(|part| part.bytes.clone());
        }
        self.segment(stem.strip_prefix(options.names.as_str())?.parse().ok()?, &options)
    }

    /// Returns the published bytes of segment `index`, encrypted if the stream has a key; `None` if nothing is
    /// published.
    fn segment(&self, index: u64, options: &LiveOptions) -> Option<Bytes> {
        let progress = self.progress();
        if index == progress.segments && options.part_ranges && progress.parts > 0 {
            let parts = self.parts_of(index).iter().take(progress.parts);
            return Some(parts.flat_map(|part| part.bytes.iter().copied()).collect());
        }
        let gap = options.marks.get(&index).is_some_and(|marks| marks.gap);
        let clip = self.clip(index).filter(|_| index < progress.segments && !gap)?;
        Some(match options.key {
            Some(key) => encrypt(&clip.bytes, key, options.iv, options.first_sequence + index),
            None => clip.bytes.clone(),
        })
    }
}
