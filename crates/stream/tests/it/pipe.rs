//! Piped input, with files in place of standard input.

use std::fs::File;

use refrain_stream::{Delivery, PipeContent, PipeError, PipeSource};

use crate::ear::{assert_same, hear};
use crate::media::{Studio, whole};

async fn deliveries(
    studio: &Studio,
    name: &str,
    content: PipeContent,
) -> (Vec<Delivery>, Result<(), PipeError>) {
    let mut source = PipeSource::open(File::open(studio.path(name)).unwrap(), content).unwrap();
    let mut all = Vec::new();
    while let Some(delivery) = source.next().await {
        all.push(delivery);
    }
    (all, source.outcome().await)
}

#[tokio::test]
async fn piped_containers_decode_like_files() {
    let studio = Studio::new(30, 3.0);
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
        studio.ffmpeg(format!("-i song.wav {options} {name}").replace("  ", " ").as_str());
        let (all, outcome) = deliveries(&studio, name, PipeContent::Container).await;
        outcome.unwrap();
        assert!(all.len() > 1, "{name} must be delivered in several pieces");
        let heard = hear(all);
        let whole = whole(&studio.path(name));
        assert!(whole.len() > 120_000, "{name}");
        assert_same(&heard.sound, &whole);
        assert_eq!((heard.gaps.len(), heard.times[0]), (0, (0.0, 1.6e9)));
    }
}

#[tokio::test]
async fn raw_pcm_decodes_to_the_original_in_every_encoding() {
    let studio = Studio::new(31, 3.0);
    studio.ffmpeg("-i song.wav -ar 48000 -c:a pcm_f32le song48.wav");
    let whole = whole(&studio.path("song48.wav"));
    for encoding in ["s16le", "s24be", "s32le", "f32le", "f32be"] {
        studio.ffmpeg(&format!("-i song48.wav -f {encoding} -c:a pcm_{encoding} song.raw"));
        let format = format!("{encoding}:48000:2").parse().unwrap();
        let (all, outcome) = deliveries(&studio, "song.raw", PipeContent::Pcm(format)).await;
        outcome.unwrap();
        let heard = hear(all);
        assert_eq!(heard.sound.len(), whole.len());
        let off = heard.sound.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let steps = if encoding == "s16le" { 32_768.0 } else { 4e6 };
        assert!(off <= 2.0 / steps, "{encoding}: {off}");
    }
}

#[tokio::test]
async fn unreadable_input_is_reported() {
    let studio = Studio::empty();
    std::fs::write(studio.path("page"), "<html>no sound</html>").unwrap();
    let (all, outcome) = deliveries(&studio, "page", PipeContent::Container).await;
    assert!(all.is_empty());
    assert!(outcome.unwrap_err().to_string().contains("not an audio file"));
    std::fs::write(studio.path("nothing"), "").unwrap();
    let (_, outcome) = deliveries(&studio, "nothing", PipeContent::Container).await;
    assert!(outcome.unwrap_err().to_string().contains("empty"));
}
