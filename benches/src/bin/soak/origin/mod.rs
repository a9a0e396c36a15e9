//! The process that serves the streams and makes the faults.

mod media;
mod served;
mod stream;

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use refrain_benches::broadcast::{Broadcast, BroadcastPlan, MusicLibrary};
use refrain_benches::music::BenchError;
use refrain_testkit::origin::Origin;

use self::media::{Flavor, Programme};
use self::stream::PlayedStream;
use crate::SoakOptions;
use crate::kinds::{FaultKind, Usable};
use crate::records::{FAULTS, JsonLines, MISSING, STREAMS, now};
use crate::schedule::{PlannedFault, draw};

/// Share of the songs with unknown music before them, if there is unknown music.
const UNKNOWN: f64 = 0.2;
/// Time that every stream has published at its start, in seconds: more than a window.
const PUBLISHED_SECONDS: f64 = 30.0;
/// Interval at which faults start and end.
const TICK: Duration = Duration::from_millis(100);

/// Serves the streams until standard input ends. Prints the URL.
pub(crate) fn run(options: &SoakOptions) -> Result<(), BenchError> {
    let folder = options.dir.as_deref().ok_or("the origin needs --dir")?;
    let library = MusicLibrary::open(&options.music, options.unknown.as_ref(), None)?;
    let plan = BroadcastPlan {
        airings: options.airings,
        speech: 0.0,
        unknown: UNKNOWN,
        seed: options.seed,
        ..BroadcastPlan::default()
    };
    let programme = Programme::create(&Broadcast::draw(&library, &plan), &library, folder)?;
    let faults = draw(options.seed, options.streams, options.minutes * 60.0, &can_have);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || {
        // Standard input ends when the parent process closes it, or exits.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopped.store(true, Ordering::Relaxed);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(serve(options, &programme, &faults, &stop, JsonLines::create(folder, FAULTS)?))
}

fn can_have(stream: usize, kind: &FaultKind) -> bool {
    let flavor = Flavor::of(stream);
    match kind.usable {
        Usable::All => true,
        Usable::Encrypted => flavor.is_encrypted,
        Usable::Ranges => flavor.has_ranges,
    }
}

async fn serve(
    options: &SoakOptions,
    programme: &Programme,
    faults: &[PlannedFault],
    stop: &AtomicBool,
    mut log: JsonLines,
) -> Result<(), BenchError> {
    let origin = Origin::start().await?;
    let (clock, began) = (Instant::now(), now());
    let mut streams = Vec::new();
    for number in 0..options.streams {
        let media = programme.media(Flavor::of(number)).ok_or("a format of streams was not encoded")?;
        // The fraction distributes the times at which the streams publish segments.
        let head = PUBLISHED_SECONDS + media.seconds() * number as f64 / options.streams as f64;
        streams.push(PlayedStream::new(number, media, head, &origin, now()));
    }
    println!("{}", origin.url(""));
    let mut next = faults.iter().peekable();
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(TICK).await;
        observe(&origin, &mut streams, (clock, began));
        let now = now();
        for stream in &mut streams {
            stream.end_due(&origin, now, false, &mut log)?;
        }
        while let Some(fault) = next.next_if(|fault| began + fault.from <= now) {
            if let Some(stream) = streams.get_mut(fault.stream) {
                stream.begin(&origin, fault, began + fault.to, now);
            }
        }
    }
    observe(&origin, &mut streams, (clock, began));
    finish(options, &origin, &mut streams, &mut log)
}

/// Passes the new requests to their streams. `clock` is one moment, as an instant and in seconds since 1970.
fn observe(origin: &Origin, streams: &mut [PlayedStream], clock: (Instant, f64)) {
    for request in origin.take_requests() {
        let at = clock.1 + request.at.saturating_duration_since(clock.0).as_secs_f64();
        let Some((number, name)) = request.path.trim_start_matches('/').split_once('/') else { continue };
        let stream = number.parse::<usize>().ok().and_then(|number| streams.get_mut(number));
        if let Some(stream) = stream {
            stream.observe(&request, name, at);
        }
    }
}

fn finish(
    options: &SoakOptions,
    origin: &Origin,
    streams: &mut [PlayedStream],
    log: &mut JsonLines,
) -> Result<(), BenchError> {
    let folder = options.dir.as_deref().ok_or("the origin needs --dir")?;
    let (mut lines, mut missing) = (JsonLines::create(folder, STREAMS)?, JsonLines::create(folder, MISSING)?);
    for stream in streams {
        stream.end_due(origin, now(), true, log)?;
        stream.finish(&mut lines, &mut missing)?;
    }
    Ok(())
}
