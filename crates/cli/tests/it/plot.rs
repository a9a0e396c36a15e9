//! Tests of `refrain plot`.

use std::collections::HashSet;
use std::f64::consts::TAU;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use refrain_core::fingerprint::warp_hertz;
use refrain_testkit::effects::{MixClip, mix};

use crate::support::{CommandOutput, Sandbox, music};

/// A decoded picture.
struct Image {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Image {
    fn read(path: impl AsRef<Path>) -> Self {
        let decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        let pixels: Vec<_> = bytes.as_chunks().0.to_vec();
        Self { width: info.width as usize, height: info.height as usize, pixels }
    }

    fn column(&self, part: f64) -> Vec<[u8; 3]> {
        let x = (part * self.width as f64) as usize;
        self.pixels.iter().skip(x).step_by(self.width).copied().collect()
    }

    fn colours(&self) -> usize {
        self.pixels.iter().collect::<HashSet<_>>().len()
    }
}

fn lines(output: &CommandOutput) -> Vec<&str> {
    output.stdout.lines().collect()
}

#[test]
fn plot_draws_spectrogram_and_match_of_a_known_clip() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &music().known[0], 4.0, 8.0);
    let output = sandbox.run(&["plot", "clip.wav"]).expect(0);
    assert_eq!(
        (lines(&output), output.stderr.as_str()),
        (vec!["clip.spectrogram.png", "clip.match-1.png"], "")
    );
    for (name, colours) in [("clip.spectrogram.png", 500), ("clip.match-1.png", 50)] {
        let image = Image::read(sandbox.path(name));
        assert_eq!((image.width, image.height), (1600, 900), "{name}");
        assert!(image.colours() > colours, "{name} has {} colours", image.colours());
    }
    // The picture of the match has many pixels in the colour of found peaks, and few in that of missing peaks.
    let image = Image::read(sandbox.path("clip.match-1.png"));
    let of = |colour: [u8; 3]| image.pixels.iter().filter(|pixel| **pixel == colour).count();
    assert!(of([0x00, 0x72, 0xb2]) > 5000 && of([0xd5, 0x5e, 0x00]) < 500);
    let again = sandbox.run(&["plot", "clip.wav", "--width", "640", "--height", "400"]).expect(0);
    assert_eq!(again.stdout, output.stdout);
    for name in lines(&output) {
        let image = Image::read(sandbox.path(name));
        assert_eq!((image.width, image.height), (640, 400), "{name}");
    }
}

#[test]
fn tone_is_drawn_at_its_time_and_frequency() {
    let sandbox = Sandbox::with_catalog();
    let tone: Vec<f32> = (0..176_400)
        .map(|k| if k < 88_200 { 0.5 * (TAU * 1000.0 * f64::from(k) / 44_100.0).sin() as f32 } else { 0.0 })
        .collect();
    sandbox.wav("tone.wav", &tone);
    let output = sandbox
        .run(&["plot", "tone.wav"])
        .expect(1)
        .stderr_contains("tone.wav: no match; only the spectrogram is");
    assert_eq!(lines(&output), ["tone.spectrogram.png"]);
    let image = Image::read(sandbox.path("tone.spectrogram.png"));
    // In the silent half, all pixels between the upper and the lower end of the chart are dark.
    let silent = image.column(0.75);
    let dark = |pixel: &[u8; 3]| pixel.iter().all(|part| *part < 0x30);
    let (top, height) =
        (silent.iter().position(dark).unwrap(), silent.iter().filter(|pixel| dark(pixel)).count());
    assert!(height > 600, "{height}");
    // Loud frequencies are drawn with a strong red part. The white rings of peaks are excluded.
    let sounding = image.column(0.3);
    let hot: Vec<usize> =
        (0..image.height).filter(|y| sounding[*y][0] > 0xe0 && sounding[*y] != [255; 3]).collect();
    let part = |hertz| (warp_hertz(hertz) - warp_hertz(60.0)) / (warp_hertz(5000.0) - warp_hertz(60.0));
    let y = top as f64 + (1.0 - part(1000.0)) * height as f64;
    let middle = hot.iter().sum::<usize>() as f64 / hot.len() as f64;
    assert!((1..60).contains(&hot.len()) && (middle - y).abs() < 8.0, "{hot:?} instead of {y}");
}

#[test]
fn plot_draws_each_song_of_a_mix_inside_the_time_range() {
    let sandbox = Sandbox::with_catalog();
    let known = &music().known;
    let play = |song: usize, from| MixClip { samples: &known[song].samples, from, seconds: 12.0, fade: 1.0 };
    sandbox.wav("mix.wav", &mix(&[play(2, 3.0), play(0, 0.0), play(1, 8.0)]).samples);
    let output = sandbox.run(&["plot", "--out", "new/pictures", "mix.wav"]).expect(0);
    let name = |what: &str| format!("new/pictures/mix.{what}.png");
    assert_eq!(lines(&output), ["spectrogram", "match-1", "match-2", "match-3"].map(name));
    assert!(lines(&output).iter().all(|file| Image::read(sandbox.path(file)).colours() > 50));
    let output = sandbox.run(&["plot", "mix.wav", "--from", "0:14", "--to", "20"]).expect(0);
    assert_eq!(lines(&output), ["mix.spectrogram.png", "mix.match-2.png"]);
    output
        .stderr_contains("mix.wav: 2 of 3 pictures (match) are outside of --from and --to and are not drawn");
}

#[test]
fn plot_all_draws_rejected_candidates() {
    let sandbox = Sandbox::with_catalog();
    // The number of candidates of an unknown song depends on the matcher. Each candidate must have a picture.
    let unknown = sandbox.clip("unknown.wav", &music().unknown, 3.0, 10.0);
    let (_, answers) = sandbox.identify(&["--all", unknown.to_str().unwrap()]);
    let rejected = answers[0]["rejected"].as_array().unwrap().len();
    let plain = sandbox.run(&["plot", "unknown.wav"]).expect(1);
    assert_eq!(lines(&plain), ["unknown.spectrogram.png"]);
    let all = sandbox.run(&["plot", "--all", "unknown.wav"]).expect(1);
    assert_eq!(lines(&all).len(), 1 + rejected);
    for k in 1..=rejected {
        assert_eq!(lines(&all)[k], format!("unknown.rejected-{k}.png"));
        assert!(Image::read(sandbox.path(lines(&all)[k])).colours() > 50);
    }
}

#[test]
fn pictures_of_inputs_with_equal_names_are_not_overwritten() {
    let sandbox = Sandbox::with_catalog();
    let clip = sandbox.clip("clip.wav", &music().known[0], 6.0, 4.0);
    sandbox.clip("b/clip.wav", &music().known[1], 6.0, 4.0);
    let mut command =
        sandbox.command(&["--catalog", &sandbox.catalog(), "plot", "clip.wav", "-", "b/clip.wav"]);
    let output = CommandOutput::from(command.stdin(File::open(clip).unwrap()).output().unwrap()).expect(0);
    let stems: Vec<_> = output.stdout.lines().map(|line| line.split('.').next().unwrap()).collect();
    assert_eq!(stems, ["clip", "clip", "stdin", "stdin", "clip-2", "clip-2"], "{output:#?}");
    let pixels = |name: &str| Image::read(sandbox.path(name)).pixels;
    assert!(pixels("clip.spectrogram.png") != pixels("clip-2.spectrogram.png"));
}

#[test]
fn plot_reports_failed_inputs_and_draws_the_others() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &music().known[0], 4.0, 5.0);
    sandbox.file("text.mp3", "This is not music. ".repeat(500));
    sandbox.wav("silence.wav", &[0.0; 44_100]);
    let output = sandbox
        .run(&["plot", "text.mp3", "clip.wav", "silence.wav"])
        .expect(3)
        .stderr_contains("text.mp3 is not an audio file");
    assert_eq!(lines(&output).len(), 3);
    sandbox.run(&["plot", "text.mp3"]).expect(2);
    let output = sandbox
        .run(&["plot", "--from", "60", "clip.wav"])
        .expect(2)
        .stderr_contains("clip.wav: the input ends at 0:05.0");
    assert_eq!(output.stdout, "");
    sandbox
        .run(&["plot", "clip.wav", "--from", "5", "--to", "5"])
        .expect(2)
        .stderr_contains("--from 5 and --to 5");
    sandbox.run(&["plot", "clip.wav", "--from", "1:99"]).expect(2).stderr_contains("below 60");
    sandbox.run(&["plot", "clip.wav", "--width", "9"]).expect(2).stderr_contains("640..=4096");
    sandbox.run(&["plot", "https://example.com/live.m3u8"]).expect(2).stderr_contains("| refrain plot -");
    sandbox
        .run(&["plot", "clip.wav", "--out", "text.mp3"])
        .expect(2)
        .stderr_contains("cannot create folder text.mp3");
    std::fs::create_dir_all(sandbox.path("out/clip.match-1.png")).unwrap();
    let output = sandbox.run(&["plot", "clip.wav", "--out", "out"]).expect(2);
    assert_eq!(lines(&output), ["out/clip.spectrogram.png"]);
    output.stderr_contains("cannot write out/clip.match-1.png");
    Sandbox::new().run(&["plot", "clip.wav"]).expect(2).stderr_contains("not found; create it with");
}
