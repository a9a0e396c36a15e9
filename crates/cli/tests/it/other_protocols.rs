//! Streams of SRT, RTMP and RTSP, which ffmpeg converts for `refrain monitor`, as the guide shows.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serve::free_port;
use crate::stage::{Running, TIMEOUT};
use crate::support::{SONG_SECONDS, Sandbox, music};

/// Arguments of the ffmpeg that receives a stream, and of the one that sends it.
const PROTOCOLS: [(&str, &str); 3] = [
    ("-i srt://127.0.0.1:PORT?mode=listener", "-f mpegts srt://127.0.0.1:PORT"),
    ("-listen 1 -i rtmp://127.0.0.1:PORT/app/key", "-f flv rtmp://127.0.0.1:PORT/app/key"),
    (
        "-rtsp_flags listen -i rtsp://127.0.0.1:PORT/live",
        "-rtsp_transport tcp -f rtsp rtsp://127.0.0.1:PORT/live",
    ),
];

/// An ffmpeg, which is killed when the value is dropped.
struct Ffmpeg(Child);

impl Ffmpeg {
    fn start(arguments: &str, stdout: Stdio) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args("-v error -nostdin".split(' ')).args(arguments.split(' '));
        Self(command.stdout(stdout).stderr(Stdio::null()).spawn().expect("ffmpeg is needed for these tests"))
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends the file `song` at four times its speed. Tries again until the receiver listens.
fn send(song: &str, arguments: &str) {
    let began = Instant::now();
    let arguments = format!("-readrate 4 -i {song} -c:a aac -b:a 128k {arguments}");
    while !Ffmpeg::start(&arguments, Stdio::null()).0.wait().unwrap().success() {
        assert!(began.elapsed() < TIMEOUT, "the receiver does not listen: {arguments}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn follow(sandbox: &Sandbox, song: &str, (receive, sent): (&str, &str)) {
    let port = free_port().to_string();
    let with_port = |arguments: &str| arguments.replace("PORT", &port);
    let mut receiver = Ffmpeg::start(&format!("{} -f wav -", with_port(receive)), Stdio::piped());
    let catalog = sandbox.catalog();
    let mut command = sandbox.command(&["--catalog", &catalog, "monitor", "-", "--id", "x", "--json"]);
    let monitor = Running::start(command.stdin(receiver.0.stdout.take().unwrap()));
    send(song, &with_port(sent));
    let output = monitor.end().expect(0);
    let events = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let finals: Vec<_> = events.filter(|event| event["matches"][0]["evidence"]["event"] == "final").collect();
    assert_eq!(finals.len(), 1, "{receive}: {output:?}");
    let seconds = finals[0]["matches"][0]["matchDurationInUnknown"].as_f64().unwrap();
    assert!((seconds - SONG_SECONDS).abs() < 1.0, "{receive}: {seconds}");
}

#[test]
fn srt_rtmp_and_rtsp_are_followed_through_ffmpeg() {
    let sandbox = Sandbox::with_catalog();
    let song = sandbox.wav("song.wav", &music().known[0].samples);
    std::thread::scope(|scope| {
        for protocol in PROTOCOLS {
            let (sandbox, song) = (&sandbox, song.to_str().unwrap());
            scope.spawn(move || follow(sandbox, song, protocol));
        }
    });
}
