//! Inputs that exceed the limits of decoders, together with intact ones.

use std::time::Duration;

use refrain_testkit::effects::crop;

#[cfg(unix)]
use crate::stage::Running;
use crate::support::{Sandbox, best, music};

/// Bytes that hide a structure from checks of a file's start.
const PADDING: usize = 40_000;

/// Encodes a number like sizes in ID3v2: seven bits per byte.
fn synchsafe(number: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (number >> shift & 127) as u8)
}

fn id3_frame(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [name.as_slice(), &synchsafe(body.len()), &[0, 0], body].concat()
}

/// Creates an ID3v2.4 tag with chapters that are nested `depth` levels deep, after a private frame of `padding` bytes.
fn nested_chapters(depth: usize, padding: usize) -> Vec<u8> {
    let mut chapter = Vec::new();
    for _ in 0..depth {
        let body = [b"A\0".as_slice(), &[0; 16], &chapter].concat();
        chapter = id3_frame(b"CHAP", &body);
    }
    let private = id3_frame(b"PRIV", &vec![b'x'; padding]);
    let tag = [if padding > 0 { private } else { Vec::new() }, chapter].concat();
    [b"ID3\x04\0\0".as_slice(), &synchsafe(tag.len()), &tag].concat()
}

fn ogg_crc(page: &[u8]) -> u32 {
    page.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04C1_1DB7 }
        })
    })
}

/// Creates an Ogg page with complete packets.
fn page(sequence: u32, flags: u8, packets: &[&[u8]]) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
    }
    let mut page = [b"OggS\0".as_slice(), &[flags], &[0; 8], &1u32.to_le_bytes()].concat();
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(lacing.len() as u8);
    page.extend(lacing);
    packets.iter().for_each(|packet| page.extend_from_slice(packet));
    let crc = ogg_crc(&page);
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// A bit writer, which starts at the lowest bit of each byte.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        self.0.chunks(8).map(byte).collect()
    }
}

/// Creates an Ogg Vorbis stream whose setup header has this number of codebooks with 131,072 entries of 31 dimensions.
fn vorbis_codebooks(count: u32, padding: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(count - 1, 8);
    for _ in 0..count {
        let fields = [
            (0x56_43_42, 24),
            (31, 16),
            (131_072, 24),
            (1, 1),
            (16, 5),
            (131_072, 18),
            (1, 4),
            (0, 32),
            (0, 32),
        ];
        fields.iter().for_each(|(value, width)| bits.put(*value, *width));
        [(0, 4), (0, 1), (0, 1)].iter().for_each(|(value, width)| bits.put(*value, *width));
    }
    let identification =
        [b"\x01vorbis\0\0\0\0\x02\x44\xAC\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xB8\x01".as_slice()].concat();
    let vendor = vec![b'v'; padding];
    let length = (padding as u32).to_le_bytes();
    let comment = [b"\x03vorbis".as_slice(), &length, &vendor, &[0, 0, 0, 0, 1]].concat();
    let setup = [b"\x05vorbis".as_slice(), &bits.bytes(), &[0; 200]].concat();
    [page(0, 2, &[&identification]), page(1, 0, &[&comment, &setup]), page(2, 0, &[[0; 50].as_slice(); 50])]
        .concat()
}

fn mp3() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/cbr.mp3")).unwrap()
}

#[test]
fn inputs_over_a_limit_fail_without_affecting_others() {
    let sandbox = Sandbox::with_catalog();
    let good = sandbox.wav("good.wav", &crop(&music().known[0].samples, 4.0, 8.0));
    let untrusted_input = [
        (sandbox.file("shallow.mp3", [nested_chapters(2_000, 0), mp3()].concat()), "nested too deeply"),
        (
            sandbox.file("deep.mp3", [nested_chapters(40_000, PADDING), mp3()].concat()),
            "decoding was stopped",
        ),
        (sandbox.file("books.ogg", vorbis_codebooks(16, 0)), "codebooks are too large"),
        (sandbox.file("hidden.ogg", vorbis_codebooks(64, PADDING)), "MiB of memory"),
    ];
    let mut inputs: Vec<_> = untrusted_input.iter().map(|(path, _)| path.clone()).collect();
    inputs.push(good);
    let (output, answers) = sandbox.identify(&inputs);
    output.expect(3);
    assert_eq!(answers.len(), inputs.len());
    for ((path, reason), answer) in untrusted_input.iter().zip(&answers) {
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(reason), "{}: {answer}", path.display());
    }
    assert_eq!(best(answers.last().unwrap()), Some("one.wav"));
}

#[test]
fn indexing_continues_after_an_input_over_a_limit() {
    let sandbox = Sandbox::new();
    sandbox.file("songs/deep.mp3", [nested_chapters(40_000, PADDING), mp3()].concat());
    sandbox.wav("songs/good.wav", &music().known[0].samples);
    sandbox.run(&["index", "songs"]).expect(3).stderr_contains("decoding was stopped");
    assert_eq!(sandbox.tracks().len(), 1);
}

#[test]
fn control_characters_of_file_names_do_not_reach_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.file("songs/\u{1b}[2Jred\r.mp3", "no audio");
    sandbox.wav("songs/a\u{7}.wav", &music().known[0].samples);
    sandbox.wav("songs/b\u{1b}[31m.wav", &music().known[0].samples);
    let output = sandbox.run(&["index", "songs"]).expect(3).stderr_contains("sounds like");
    let is_shown = |character: char| !character.is_control() || character == '\n';
    assert!(output.stderr.chars().all(is_shown) && output.stdout.chars().all(is_shown), "{output:#?}");
}

#[test]
fn line_ends_in_names_do_not_add_lines_to_messages() {
    let sandbox = Sandbox::new();
    sandbox.wav("songs/a\nforged.wav", &music().known[0].samples);
    sandbox.file("songs/b\nforged.wav", "no audio");
    sandbox.file("t\nforged.csv", "file,title\n\"x\nforged\",\n\"x\nforged\",\n");
    sandbox.file("t\nforged.jsonl", "{\"format\":\"refrain-tracks\",\"version\":2}\n{}\n");
    sandbox.file("t\nforged.ts", "This is no music at all. ".repeat(1000));
    for (args, status) in [
        (&["index", "songs", "--metadata", "t\nforged.csv"][..], 3),
        (&["index", "songs", "--metadata", "no\nforged.csv"], 2),
        (&["tracks", "import", "t\nforged.jsonl"], 3),
        (&["tracks", "import", "no\nforged.jsonl"], 2),
        (&["monitor", "t\nforged.ts", "--id", "x\nforged"], 2),
        (&["monitor", "no\nforged.ts"], 2),
        (&["identify", "songs/b\nforged.wav"], 2),
    ] {
        let output = sandbox.run(args).expect(status).stderr_contains("forged");
        assert!(!output.stderr.lines().any(|line| line.starts_with("forged")), "{output:#?}");
    }
}

#[cfg(unix)]
#[test]
fn endless_files_are_rejected() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["--config", "/dev/zero", "tracks", "list"]).expect(2);
    output.stderr_contains("cannot read settings file /dev/zero: the file has more than 1 MiB");
    let output = sandbox.run(&["tracks", "import", "/dev/zero"]).expect(2);
    output.stderr_contains("/dev/zero: not an export of tracks");
}

#[cfg(unix)]
#[test]
fn commands_that_wait_for_the_writer_of_a_pipe_can_be_stopped() {
    let sandbox = Sandbox::with_catalog();
    sandbox.wav("songs/a.wav", &music().known[0].samples);
    let pipe = sandbox.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for args in [
        &["identify", "pipe.csv"][..],
        &["index", "songs", "--metadata", "pipe.csv"],
        &["tracks", "import", "pipe.csv"],
        &["monitor", "pipe.csv"],
        &["--config", "pipe.csv", "tracks", "list"],
    ] {
        let mut command = sandbox.command(&["--catalog", &sandbox.catalog()]);
        let mut running = Running::start(command.args(args));
        std::thread::sleep(Duration::from_millis(500));
        assert!(!running.is_over(), "{args:?} did not wait for a writer");
        running.terminate();
        // The signal ended the process, so it has no exit status.
        assert_eq!(running.end().status, None, "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn dev_stdin_is_the_standard_input_of_the_command() {
    let sandbox = Sandbox::with_catalog();
    let clip = sandbox.clip("clip.wav", &music().known[0], 4.0, 6.0);
    std::os::unix::fs::symlink("/dev/stdin", sandbox.path("link.wav")).unwrap();
    for input in ["/dev/stdin", "link.wav"] {
        let file = std::fs::File::open(&clip).unwrap();
        let (pipe, mut writer) = std::io::pipe().unwrap();
        let bytes = std::fs::read(&clip).unwrap();
        let written = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
        for stdin in [std::process::Stdio::from(file), std::process::Stdio::from(pipe)] {
            let mut command =
                sandbox.command(&["--catalog", &sandbox.catalog(), "identify", "--json", input]);
            let output =
                crate::support::CommandOutput::from(command.stdin(stdin).output().unwrap()).expect(0);
            assert_eq!(best(&serde_json::from_str(&output.stdout).unwrap()), Some("one.wav"));
        }
        written.join().unwrap().unwrap();
    }
}

/// Returns the decoder processes that are children of a process.
#[cfg(target_os = "linux")]
fn decoders_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_decoder = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.nth(1) == Some(&parent.to_string()) && command.contains("__decode")
    };
    numbers.filter(is_decoder).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn stream_continues_after_a_decoder_kill() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let sandbox = Sandbox::with_catalog();
    let song = &music().known[0].samples;
    let pcm: Vec<u8> = song.iter().flat_map(|sample| ((sample * 32_000.0) as i16).to_le_bytes()).collect();
    let arguments =
        ["--catalog", &sandbox.catalog(), "monitor", "-", "--id", "x", "--pcm", "s16le:44100:1", "--json"];
    let mut monitor = sandbox.command(&arguments);
    let mut monitor = monitor.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to = monitor.stdin.take().unwrap();
    let (first, second) = pcm.split_at(pcm.len() / 2);
    to.write_all(first).unwrap();
    let mut killed = Vec::new();
    for _ in 0..600 {
        killed = decoders_of(monitor.id());
        if !killed.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for decoder in &killed {
        Command::new("kill").args(["-9", &decoder.to_string()]).status().unwrap();
    }
    to.write_all(second).unwrap();
    drop(to);
    let output = monitor.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let finals: Vec<&str> = text.lines().filter(|line| line.contains("final")).collect();
    assert!(!killed.is_empty(), "no decoder process was found");
    assert_eq!(finals.len(), 1, "{text}");
}
