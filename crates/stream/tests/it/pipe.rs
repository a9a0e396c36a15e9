//! Piped input, with files in place of standard input.

use std::fs::File;

use refrain_stream::{Delivery, PipeContent, PipeError, PipeSource};

use crate::decode::{assert_same, process};
use crate::media::{MediaFiles, reference_audio};

async fn deliveries(
    files: &MediaFiles,
    name: &str,
    content: PipeContent,
) -> (Vec<Delivery>, Result<(), PipeError>) {
    let mut source = PipeSource::open(File::open(files.path(name)).unwrap(), content).unwrap();
    let mut all = Vec::new();
    while let Some(delivery) = source.next().await {
        all.push(delivery);
    }
    (all, source.outcome().await)
}

#[tokio::test]
async fn piped_containers_decode_like_files() {
    let files = MediaFiles::new(30, 3.0);
    let options = [
        ("song.flac", ""),
        ("song.mp3", "-c:a libmp3lame"),
        ("song.ogg", "-c:a libvorbis"),
        ("song.opus", "-c:a libopus"),
        ("song.mka", "-c:a aac"),
        ("song.ts", "-c:a aac -ar 48000"),
        ("song.aac", "-c:a aac"),
    ];
    for (name, options) in options {
        files.ffmpeg(format!("-i song.wav {options} {name}").replace("  ", " ").as_str());
        let (all, outcome) = deliveries(&files, name, PipeContent::Container).await;
        outcome.unwrap();
        assert!(all.len() > 1, "{name} must be delivered in several pieces");
        let decoded = process(all);
        let reference_audio = reference_audio(&files.path(name));
        assert!(reference_audio.len() > 120_000, "{name}");
        assert_same(&decoded.sound, &reference_audio);
        assert_eq!((decoded.gaps.len(), decoded.times[0]), (0, (0.0, 1.6e9)));
    }
}

#[tokio::test]
async fn raw_pcm_decodes_to_the_original_in_every_encoding() {
    let files = MediaFiles::new(31, 3.0);
    files.ffmpeg("-i song.wav -ar 48000 -c:a pcm_f32le song48.wav");
    let reference_audio = reference_audio(&files.path("song48.wav"));
    for encoding in ["s16le", "s24be", "s32le", "f32le", "f32be"] {
        files.ffmpeg(&format!("-i song48.wav -f {encoding} -c:a pcm_{encoding} song.raw"));
        let format = format!("{encoding}:48000:2").parse().unwrap();
        let (all, outcome) = deliveries(&files, "song.raw", PipeContent::Pcm(format)).await;
        outcome.unwrap();
        let decoded = process(all);
        assert_eq!(decoded.sound.len(), reference_audio.len());
        let off = decoded.sound.iter().zip(&reference_audio).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let steps = if encoding == "s16le" { 32_768.0 } else { 4e6 };
        assert!(off <= 2.0 / steps, "{encoding}: {off}");
    }
}

#[tokio::test]
async fn unreadable_input_is_reported() {
    let files = MediaFiles::empty();
    std::fs::write(files.path("page"), "<html>no sound</html>").unwrap();
    let (all, outcome) = deliveries(&files, "page", PipeContent::Container).await;
    assert!(all.is_empty());
    assert!(outcome.unwrap_err().to_string().contains("not an audio file"));
    std::fs::write(files.path("nothing"), "").unwrap();
    let (_, outcome) = deliveries(&files, "nothing", PipeContent::Container).await;
    assert!(outcome.unwrap_err().to_string().contains("empty"));
}
