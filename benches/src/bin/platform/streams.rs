//! Measurement with hundreds of live streams: from events in a queue to JSON in a bucket.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use refrain_benches::music::BenchError;
use refrain_benches::score::Numbers;
use refrain_testkit::channels::Ivs;
use serde_json::json;

use super::PlatformOptions;
use super::service::{PlatformSetup, RESULTS};

/// Warm-up time: starting to follow a stream takes more work than continuing.
const WARM_UP: Duration = Duration::from_secs(30);

/// The process that serves the streams over HTTP (`streams origin`).
struct OriginProcess(Child);

impl Drop for OriginProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn origin(options: &PlatformOptions) -> Result<(OriginProcess, String), BenchError> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name("streams"));
    command
        .arg("origin")
        .arg("--music")
        .arg(&options.music)
        .args(["--streams", &options.streams.to_string()]);
    let mut origin = OriginProcess(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(origin.0.stdout.take().ok_or("the origin has no output")?).read_line(&mut line)?;
    let address = line.split(' ').next().filter(|address| !address.is_empty());
    Ok((origin, address.ok_or("the origin did not start")?.to_owned()))
}

fn arn(number: usize) -> String {
    format!("arn:aws:ivs:eu-west-1:123456789012:channel/{number}")
}

/// Starts the service with many live streams, and prints its cost after the warm-up.
pub(crate) fn run(options: &PlatformOptions) -> Result<(), BenchError> {
    let (_origin, address) = origin(options)?;
    let setup = PlatformSetup::new(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ivs = runtime.block_on(Ivs::start())?;
    let service =
        setup.serve("monitor", &ivs.url(), &format!("[service]\ncapacity = {}\n", options.streams))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let began = Instant::now();
    for number in 0..options.streams {
        ivs.add_channel(&arn(number), &format!("{address}/{number}/index.m3u8"));
        ivs.start_stream_at(&arn(number), &format!("st-{number}"), now * 1000);
        let event = json!({ "version": "0", "id": format!("e{number}"), "detail-type": "IVS Stream State Change",
            "source": "aws.ivs", "time": "2026-03-01T10:23:43Z", "region": "eu-west-1", "resources": [arn(number)],
            "detail": { "event_name": "Stream Start", "channel_name": "", "stream_id": format!("st-{number}") } });
        setup.moto.send(&setup.streams, &event.to_string())?;
    }
    let sent = began.elapsed();
    let live = || Ok(service.metric("refrain_stream_lag_seconds")?.len() >= options.streams);
    service.until("following all streams", live)?;
    println!(
        "{} streams: events sent in {sent:.1?}, all processed after {:.1?}",
        options.streams,
        began.elapsed()
    );
    sleep(WARM_UP);
    let (processor, objects_before) = (service.processor()?, results(&setup)?);
    setup.count_statements()?;
    let lag = lags(&service.metric("refrain_stream_lag_seconds")?);
    println!("lag at the start, seconds: {lag}");
    sleep(Duration::from_secs_f64(options.seconds));
    let minutes = options.seconds / 60.0;
    let each = setup.statements()? as f64 / minutes / options.streams as f64;
    let busy = (service.processor()? - processor) / options.seconds;
    let (own, max_resident) = service.memory()?;
    println!("lag at the end, seconds:   {}", lags(&service.metric("refrain_stream_lag_seconds")?));
    println!("{busy:.2} cores; {own:.0} MB not mapped from files, at most {max_resident:.0} MB resident");
    println!("{each:.2} statements per stream and minute; the most frequent:\n{}", setup.busiest()?);
    let all = results(&setup)?;
    println!("{all} objects in the bucket, {} of them during the measurement", all - objects_before);
    let waiting = "SELECT count(*) FROM refrain.outbox WHERE delivered_at IS NULL";
    println!(
        "{} detections, {} pending deliveries",
        setup.sql("SELECT count(*) FROM refrain.detections")?,
        setup.sql(waiting)?
    );
    println!(
        "dropped seconds: {}",
        service.metric("refrain_stream_dropped_seconds_total")?.iter().sum::<f64>()
    );
    println!("ended in {:.1?}", service.end()?);
    Ok(())
}

fn results(setup: &PlatformSetup) -> Result<usize, BenchError> {
    Ok(setup.moto.keys(RESULTS, "")?.len())
}

fn lags(values: &[f64]) -> Numbers {
    let mut lags = Numbers::default();
    values.iter().for_each(|lag| lags.push(*lag));
    lags
}
