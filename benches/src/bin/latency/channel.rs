//! A live stream, and the process that monitors it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use refrain_benches::broadcast::{Broadcast, MusicLibrary, PlayedAiring, time};
use refrain_benches::music::BenchError;
use refrain_benches::score::{DetectionScore, ReportedAiring};
use refrain_core::audio::SAMPLE_RATE;
use refrain_testkit::origin::{
    Clip, Clips, LiveOptions, LiveStream, LoggedRequest, Origin, SegmentContainer, cut, encode, seams,
};
use refrain_testkit::write_wav;

use super::response_file::ResponseFile;

/// Silence before and after a programme in seconds, because the monitoring process starts after the stream and can stop
/// before its end.
const MARGIN_SECONDS: f64 = 12.0;
/// Length of a segment in seconds.
const SEGMENT_SECONDS: f64 = 2.0;
/// Target duration that packagers declare for segments of 2 s, although whole frames make them slightly longer.
const TARGET: &str = "2";
/// Offset between two consecutive streams as a share of a segment. The golden ratio distributes any number of streams evenly.
const STREAM_OFFSET: f64 = 0.618;
/// Number of segments in a playlist, as in IVS.
const WINDOW: usize = 14;
/// The playlist is ended this many seconds before the programme ends, because the list of segments would then start
/// again.
const BEFORE_END: f64 = 1.0;
/// Maximum time from the end of a stream until its monitoring process exits. After this time, the process is killed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A programme encoded to segments.
pub(crate) struct Encoded {
    clips: Clips,
    airings: Vec<PlayedAiring>,
    names: Vec<String>,
    pub(crate) seconds: f64,
}

impl Encoded {
    /// Encodes a programme to segments.
    pub(crate) fn new(
        broadcast: &Broadcast,
        library: &MusicLibrary,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let margin = (MARGIN_SECONDS * f64::from(SAMPLE_RATE)) as usize;
        let (mut samples, mut airings) = (vec![0.0; margin], Vec::new());
        for piece in &broadcast.pieces {
            let (sound, airing) = piece.sound(library)?;
            samples.extend(sound);
            airings.extend(airing);
        }
        samples.resize(samples.len() + margin, 0.0);
        let file = folder.join("programme.wav");
        write_wav(&file, &samples, SAMPLE_RATE)?;
        let clips = encode(&file, SegmentContainer::Ts, SEGMENT_SECONDS)?;
        let mut ends = Vec::new();
        for clip in &clips.clips {
            ends.push(ends.last().copied().unwrap_or(0.0) + clip.seconds);
        }
        for airing in &mut airings {
            airing.start += time(margin);
            airing.end += time(margin);
            // The first audible second is available when the playlist contains the segment with its end.
            let second = airing.ready + time(margin) + 1.0;
            airing.ready = ends.iter().copied().find(|end| *end >= second).unwrap_or(second);
        }
        let name =
            |(path, _): &(PathBuf, f64)| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = library.songs.iter().map(name).collect();
        Ok(Self { seconds: ends.last().copied().unwrap_or(0.0), clips, airings, names })
    }
}

/// Cuts the segment `clip` into `parts` parts of about the same length. Returns no parts if `parts` is 0.
fn pieces(clip: &Clip, parts: usize) -> Vec<Clip> {
    let places = seams(&clip.bytes);
    let at = |part: usize| places.get(part * places.len() / parts.max(1)).copied();
    if parts == 0 { Vec::new() } else { cut(clip, &(1..parts).filter_map(at).collect::<Vec<_>>()) }
}

pub(crate) struct MonitoredChannel {
    pub(crate) number: usize,
    broadcast: Encoded,
    stream: LiveStream,
    /// Start of the stream's first segment.
    began: Instant,
    /// Start of the stream's first segment, in seconds since 1970.
    epoch: f64,
    child: Child,
    status: Option<std::process::ExitStatus>,
    log: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) seen: Vec<ResponseFile>,
}

impl MonitoredChannel {
    /// Serves the programme `broadcast` on `origin`, with `parts` parts per segment, and starts the program `refrain`
    /// to monitor the stream with the database `catalog`. The program writes its responses to `folder`.
    pub(crate) fn start(
        number: usize,
        broadcast: Encoded,
        origin: &Origin,
        parts: usize,
        (refrain, catalog): (&Path, &Path),
        folder: PathBuf,
    ) -> Result<Self, BenchError> {
        // Streams publish segments at different times, and their processes poll at different times.
        let head = (3.0 + (number as f64 * STREAM_OFFSET).fract()) * SEGMENT_SECONDS;
        let (now, clock) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH)?);
        let began = now.checked_sub(Duration::from_secs_f64(head)).ok_or("this machine has just started")?;
        let epoch = clock.as_secs_f64() - head;
        let target = Some(TARGET.to_owned());
        let options =
            LiveOptions { window: WINDOW, epoch, target, low_latency: parts > 0, ..LiveOptions::default() };
        let clips = &broadcast.clips.clips;
        let pieces = clips.iter().map(|clip| pieces(clip, parts)).collect();
        let stream = LiveStream::real_time(clips.clone(), head, options).parts(pieces);
        let url = origin.live(&format!("/{number}"), &stream);
        let log = folder.with_extension("log");
        let child = Command::new(refrain)
            .arg("--catalog")
            .arg(format!("sqlite:{}", catalog.display()))
            .args(["monitor", &url, "--id", &format!("stream{number}"), "--out"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("{}: {error}", refrain.display()))?;
        Ok(Self {
            number,
            broadcast,
            stream,
            began,
            epoch,
            child,
            status: None,
            log,
            folder,
            seen: Vec::new(),
        })
    }

    /// Ends the playlist [`BEFORE_END`] before the end of the programme, and kills the monitoring process if it runs
    /// for more than [`EXIT_TIMEOUT`] after that end. Returns true if the process has exited.
    pub(crate) fn is_over(&mut self) -> bool {
        let left = self.broadcast.seconds - self.began.elapsed().as_secs_f64();
        if left < BEFORE_END && !self.stream.options().end {
            self.stream.change(|options| options.end = true);
        }
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        if self.status.is_none() && left < -EXIT_TIMEOUT.as_secs_f64() {
            // The process did not exit by itself. The report shows its status.
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
        self.status.is_some()
    }

    /// Returns the exit status and the last 5 lines of the log if the monitoring process failed.
    pub(crate) fn failure(&self) -> Option<String> {
        let status = self.status.filter(|status| !status.success())?;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        Some(format!("{status}: {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | ")))
    }

    /// Returns the score of the detections. Times are relative to the start of the stream's first segment.
    pub(crate) fn score(&self, name: &dyn Fn(usize) -> String) -> DetectionScore {
        let mut score = DetectionScore::of(&self.broadcast.airings, &self.reported(), name);
        score
            .remarks
            .iter_mut()
            .for_each(|remark| remark.insert_str(0, &format!("stream {}, ", self.number)));
        score
    }

    fn reported(&self) -> Vec<ReportedAiring> {
        let mut reported: Vec<(&str, ReportedAiring)> = Vec::new();
        for seen in &self.seen {
            let from = seen.time - self.epoch;
            let (span, ended) = ((from, from + seen.seconds), seen.event == "final");
            match reported.iter_mut().find(|(airing, _)| *airing == seen.airing) {
                Some((_, reported)) => (reported.span, reported.ended) = (span, ended),
                None => {
                    let song = self.broadcast.names.iter().position(|name| *name == seen.song);
                    let reported_at = (seen.at - self.began).as_secs_f64();
                    reported.push((&seen.airing, ReportedAiring { song, reported_at, span, ended }));
                }
            }
        }
        reported.into_iter().map(|(_, reported)| reported).collect()
    }

    /// Returns the three parts of the latency of each reported start, in seconds: from the time at which the playlist
    /// contained the first audible second until the end of the last segment that was needed, from there until the
    /// request for that segment, and from the request until the response file. `request` contains the requests of all
    /// streams.
    pub(crate) fn latency_parts(&self, request: &[LoggedRequest]) -> Vec<[f64; 3]> {
        let folder = format!("/{}/seg", self.number);
        let number = |request: &LoggedRequest| {
            request.path.strip_prefix(&folder)?.strip_suffix(".ts")?.parse::<u64>().ok()
        };
        let requests: Vec<(f64, u64)> = request
            .iter()
            .filter_map(|request| Some(((request.at - self.began).as_secs_f64(), number(request)?)))
            .collect();
        let reported = self.reported();
        let term = |airing: &PlayedAiring| {
            let mine = |one: &&ReportedAiring| {
                one.song == Some(airing.song) && one.span.0 < airing.end && one.span.1 > airing.start
            };
            let reported_at = reported.iter().find(mine)?.reported_at;
            let (at, segment) =
                requests.iter().filter(|(at, _)| *at < reported_at).max_by_key(|(_, segment)| *segment)?;
            let published = self.stream.start_of(segment + 1);
            Some([published - airing.ready, at - published, reported_at - at])
        };
        self.broadcast.airings.iter().filter_map(term).collect()
    }
}

impl Drop for MonitoredChannel {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
