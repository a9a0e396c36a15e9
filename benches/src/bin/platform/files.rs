//! Measurement with hundreds of files that are uploaded to a bucket at once.

use std::path::Path;
use std::process::Command;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use refrain_benches::music::{BenchError, walk};
use serde_json::json;

use super::PlatformOptions;
use super::service::{PlatformSetup, SOURCE};

/// Interval of memory measurements.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Cuts `seconds` out of a file, from second 10 on, as MP3.
fn clip(file: &Path, seconds: f64) -> Result<Vec<u8>, BenchError> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-ss", "10", "-t", &seconds.to_string(), "-i"]).arg(file);
    let made = command.args(["-b:a", "128k", "-f", "mp3", "-"]).output()?;
    if made.status.success() {
        Ok(made.stdout)
    } else {
        Err(format!("ffmpeg cannot cut {}", file.display()).into())
    }
}

/// Uploads the files, starts the service, and prints the time, the processor time and the memory for checking them.
pub(crate) fn run(options: &PlatformOptions) -> Result<(), BenchError> {
    let clips: Vec<Vec<u8>> =
        walk(&options.music)?.iter().map(|file| clip(file, options.clip)).collect::<Result<_, _>>()?;
    let setup = PlatformSetup::new(options)?;
    let key = |number: usize| format!("songs_to_check/{number:04}.mp3");
    for number in 0..options.files {
        let bytes = clips.get(number % clips.len()).ok_or("no music")?;
        setup.moto.put(SOURCE, &key(number), bytes)?;
        let event = json!({ "version": "0", "id": format!("e{number}"), "detail-type": "Object Created",
            "source": "aws.s3", "time": "2026-03-01T10:23:43Z", "region": "eu-west-1",
            "detail": { "bucket": { "name": SOURCE }, "reason": "PutObject",
                "object": { "key": key(number), "size": bytes.len(), "sequencer": format!("{number:016X}") } } });
        setup.moto.send(&setup.check, &event.to_string())?;
    }
    let service = setup.serve("check", "http://127.0.0.1:1", "")?;
    let (began, processor) = (Instant::now(), service.processor()?);
    let reports = || Ok::<_, BenchError>(setup.moto.keys(SOURCE, "songs_to_check/")?.len() - options.files);
    let mut own = 0.0_f64;
    while setup.moto.depth(&setup.check)? != (0, 0) {
        own = own.max(service.memory()?.0);
        sleep(POLL_INTERVAL);
    }
    let (wall, spent) = (began.elapsed().as_secs_f64(), service.processor()? - processor);
    let sound: f64 = service.metric("refrain_files_audio_seconds_total")?.iter().sum();
    let cores = available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    println!("{} of {} files have a report after {wall:.1} s", reports()?, options.files);
    println!(
        "{sound:.0} s of audio: {:.0} x real time per core by wall-clock time, {:.0} by processor time",
        sound / wall / cores,
        sound / spent
    );
    println!("at most {:.0} MB not mapped from files, at most {:.0} MB resident", own, service.memory()?.1);
    println!("ended in {:.1?}", service.end()?);
    Ok(())
}
