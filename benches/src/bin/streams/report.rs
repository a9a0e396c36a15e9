//! Report of the measurements.

use std::time::Duration;

use refrain_benches::score::Numbers;
use refrain_monitor::{StageTimes, StreamHandle, StreamPhase, StreamStatus};
use refrain_stream::GapReason;

use super::process::Spent;
use super::stages::Decoding;

/// Length in seconds of the first and the last part of a measurement. The lags of these two parts are compared.
const ENDS: usize = 15;

/// State of all streams at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct StatusSample {
    /// Time from the newest processed audio of each stream to now, in seconds.
    lag: Numbers,
    /// Length of the media of each stream that waits for a thread, in seconds.
    queued: Numbers,
    /// Total processed audio of all streams in seconds.
    processed: f64,
    times: StageTimes,
    live: usize,
    songs: usize,
    segments: u64,
    bytes: u64,
    retries: u64,
    dropped: f64,
    gaps: f64,
    errors: u64,
    last_error: Option<String>,
}

impl StatusSample {
    pub(crate) fn of(handles: &[StreamHandle]) -> Self {
        let mut this = Self::default();
        for handle in handles {
            let status = handle.status();
            let status = status.borrow();
            if let Some(lag) = status.lag() {
                this.lag.push(lag);
            }
            this.queued.push(status.queued_seconds);
            this.processed += status.position;
            add(&mut this.times, status.times);
            this.live += usize::from(status.state == StreamPhase::Live);
            this.songs += usize::from(!status.airings.is_empty());
            this.segments += status.source.pieces;
            this.bytes += status.source.bytes;
            this.retries += status.source.retries + status.source.playlist_errors;
            this.dropped += status.decoder.gaps.of(GapReason::Dropped).seconds;
            this.gaps += status.decoder.gaps.total().seconds;
            this.errors += status.decoder.decode_errors + status.index_errors;
            if status.source.last_error.is_some() {
                this.last_error.clone_from(&status.source.last_error);
            }
        }
        this
    }
}

fn add(sum: &mut StageTimes, one: StageTimes) {
    sum.decode += one.decode;
    sum.fingerprint += one.fingerprint;
    sum.matching += one.matching;
}

/// A measurement of live streams.
pub(crate) struct Measured {
    pub(crate) decoding: Decoding,
    pub(crate) streams: usize,
    pub(crate) seconds: f64,
    pub(crate) spent: Spent,
    pub(crate) first: StatusSample,
    pub(crate) samples: Vec<StatusSample>,
    pub(crate) starts: usize,
    pub(crate) finals: usize,
    /// Number of songs that began during the measurement.
    pub(crate) expected: f64,
    /// Memory in bytes, without streams and with streams. Each is a pair: total, and the part that is not mapped from
    /// files.
    pub(crate) memory: ((u64, u64), (u64, u64)),
}

/// Prints a measurement of live streams.
pub(crate) fn live(measured: &Measured) {
    let Measured { decoding, streams, seconds, spent, first, samples, starts, finals, expected, memory } =
        measured;
    let Some(last) = samples.last() else { return };
    let (n, processed) = (*streams as f64, last.processed - first.processed);
    println!("\n{streams} streams for {seconds:.0} s; {} live, {} play a known song", last.live, last.songs);
    println!(
        "processed {:.1} % of the time; about {expected:.0} songs began, starts reported {starts}, finals {finals}",
        100.0 * processed / seconds / n
    );
    let all = spent.sound + spent.network;
    println!(
        "\nprocessor: {:.1} % of a core, {:.1} % of it by other threads",
        100.0 * (all + spent.other) / seconds,
        100.0 * spent.other / (all + spent.other)
    );
    println!("streams per core: {:.0}\n", processed / all.max(f64::MIN_POSITIVE));
    stages(&times_since(last.times, first.times), *spent, processed, *decoding);
    println!("\nlag in seconds, from a moment of the stream to its processing (segments are 2 s)");
    for (name, part) in [
        ("first", &samples[..ENDS.min(samples.len())]),
        ("last ", &samples[samples.len().saturating_sub(ENDS)..]),
    ] {
        let (mut lag, mut queued) = (Numbers::default(), Numbers::default());
        part.iter().for_each(|sample| (lag.extend(&sample.lag), queued.extend(&sample.queued)).0);
        println!("  {name} {ENDS} s: {lag}; waiting for a thread: {queued}");
    }
    println!(
        "dropped {:.1} s, missing in total {:.1} s, repeated requests {}, errors {}",
        last.dropped - first.dropped,
        last.gaps - first.gaps,
        last.retries,
        last.errors
    );
    if let Some(error) = &last.last_error {
        println!("last error: {error}");
    }
    let ((_, empty), (all, full)) = memory;
    let each = full.saturating_sub(*empty) as f64 / n / 1e6;
    println!(
        "memory: {:.0} MB, {:.0} MB of it not mapped from files; {each:.2} MB per stream beyond the initial {:.0} MB",
        *all as f64 / 1e6,
        *full as f64 / 1e6,
        *empty as f64 / 1e6
    );
}

/// Prints a measurement of a recorded stream.
pub(crate) fn recorded(
    status: &StreamStatus,
    (wall, spent): (Duration, Spent),
    decoding: Decoding,
    (starts, finals, expected): (usize, usize, f64),
) {
    let wall = wall.as_secs_f64();
    println!(
        "\n{:.0} s of a recorded stream in {wall:.2} s: {:.0} times real time ({})",
        status.position,
        status.position / wall,
        status.state
    );
    println!(
        "songs about {expected:.0}, starts {starts}, finals {finals}; missing {:.1} s\n",
        status.decoder.gaps.total().seconds
    );
    stages(&status.times, spent, status.position, decoding);
}

/// Prints the cost of each stage. `times` contains the wall-clock time of each stage. The processor time of the audio
/// threads is divided among the stages in the ratio of these times.
fn stages(times: &StageTimes, spent: Spent, processed: f64, share: Decoding) {
    let [decode, fingerprint, matching] =
        [times.decode, times.fingerprint, times.matching].map(|time| time.as_secs_f64());
    let walls = (decode + fingerprint + matching).max(f64::MIN_POSITIVE);
    let scale = 1000.0 * spent.sound / walls / processed.max(f64::MIN_POSITIVE);
    let row = |name: &str, ms: f64| println!("| {name} | {ms:.3} |");
    println!("| stage | ms per second of stream |\n|---|--:|");
    row("fetch", 1000.0 * spent.network / processed.max(f64::MIN_POSITIVE));
    row("demux", scale * decode * share.demux);
    row("decode", scale * decode * (1.0 - share.demux - share.resample));
    row("resample", scale * decode * share.resample);
    row("fingerprint", scale * fingerprint);
    row("match", scale * matching);
    println!("(audio threads: {:.1} s of processor time; {walls:.1} s of wall-clock time)", spent.sound);
}

fn times_since(now: StageTimes, before: StageTimes) -> StageTimes {
    StageTimes {
        decode: now.decode - before.decode,
        fingerprint: now.fingerprint - before.fingerprint,
        matching: now.matching - before.matching,
    }
}
