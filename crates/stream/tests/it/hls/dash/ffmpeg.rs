//! Streams that ffmpeg writes, which are decoded.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refrain_stream::{DecoderSettings, StreamDecoder};

use super::*;
use crate::media::MediaFiles;

/// Copies the files that ffmpeg has written to `folder` to the server, until the flag is set. The manifest is copied
/// last, so that it lists only segments that are served.
async fn publish(origin: &Origin, folder: &std::path::Path, is_over: &AtomicBool) {
    loop {
        let over = is_over.load(Ordering::Relaxed);
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".m4s") || name.ends_with(".mp4") || name.ends_with(".mpd"))
            .collect();
        names.sort_by_key(|name| name.ends_with(".mpd"));
        for name in names {
            // The manifest is replaced by a new file at each update.
            let Ok(bytes) = std::fs::read(folder.join(&name)) else { continue };
            origin.put(&format!("/f/{name}"), bytes, "application/octet-stream");
        }
        if over {
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Decodes all deliveries of a source. Returns the seconds of audio and the decoder.
async fn decode(source: &mut HlsSource) -> (f64, StreamDecoder) {
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    while let Some(delivery) = next(source).await {
        decoder.process(delivery, |_| ());
    }
    decoder.finish(|_| ());
    (decoder.report().seconds, decoder)
}

#[tokio::test]
async fn recordings_of_ffmpeg_are_decoded_completely() {
    let (origin, files) = (origin().await, MediaFiles::new(3, 11.0));
    for options in [
        "-use_template 1 -use_timeline 1",
        "-use_template 1 -use_timeline 0",
        "-use_template 1 -use_timeline 1 -streaming 1",
        "-use_template 0",
        "-single_file 1",
        "-single_file 1 -global_sidx 1",
    ] {
        files.ffmpeg(&format!("-i song.wav -c:a aac -b:a 96k -f dash -seg_duration 2 {options} song.mpd"));
        publish(&origin, files.path("song.mpd").parent().unwrap(), &AtomicBool::new(true)).await;
        let mut source = open(&origin.url("/f/song.mpd"));
        let (seconds, decoder) = decode(&mut source).await;
        let report = decoder.report();
        assert!((seconds - 11.0).abs() < 0.1, "{options}: {seconds} s, {report:?}");
        assert_eq!((report.decode_errors, report.gaps.total().count), (0, 0), "{options}: {report:?}");
        assert_eq!(status(&source).state, SourceState::Ended(EndReason::EndList), "{options}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_streams_of_ffmpeg_are_decoded_without_gaps() {
    for options in ["-use_timeline 1 -window_size 5", "-use_timeline 0"] {
        let origin = Arc::new(origin().await);
        let files = MediaFiles::new(3, 6.0);
        let folder = files.path("song.wav").parent().unwrap().to_owned();
        let arguments = format!(
            "-v error -nostdin -re -i song.wav -c:a aac -b:a 96k -f dash -seg_duration 1 {options} song.mpd"
        );
        let mut ffmpeg = Command::new("ffmpeg")
            .args(arguments.split(' '))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("ffmpeg is needed for these tests");
        let is_over = Arc::new(AtomicBool::new(false));
        let publishing = {
            let (origin, folder, is_over) = (origin.clone(), folder.clone(), is_over.clone());
            tokio::spawn(async move { publish(&origin, &folder, &is_over).await })
        };
        let encoding = tokio::task::spawn_blocking(move || ffmpeg.wait().unwrap());
        // An encoder on a busy machine starts late and writes late.
        let settings = HlsSettings {
            reload: (Duration::from_millis(10), Duration::from_millis(500)),
            segment_timeout: Duration::from_secs(10),
            give_up_after: Duration::from_secs(20),
            ..fast_settings()
        };
        let mut source = HlsSource::open(&origin.url("/f/song.mpd"), &client(), settings).unwrap();
        let mut decoder = StreamDecoder::new(DecoderSettings::default());
        // The end is in the manifest within 30 s; 4 s of audio are sufficient.
        while decoder.report().seconds < 4.0 {
            let delivery = next(&mut source).await.expect("the stream ended early");
            decoder.process(delivery, |_| ());
        }
        let report = decoder.report();
        assert_eq!((report.decode_errors, report.gaps.total().count), (0, 0), "{options}: {report:?}");
        assert!(encoding.await.unwrap().success());
        is_over.store(true, Ordering::Relaxed);
        publishing.await.unwrap();
    }
}
