//! Songs of the testkit in all containers that streams use, encoded by ffmpeg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use refrain_core::audio::{AudioReader, Limits};
use refrain_stream::{HlsSegment, InitSection};
use refrain_testkit::{WavEncoding, compose_stereo, write_wav_stereo};
use tempfile::TempDir;

/// A temporary folder with a song in it.
pub(crate) struct MediaFiles {
    folder: TempDir,
}

impl MediaFiles {
    /// Creates a folder with a composed song in `song.wav`.
    pub(crate) fn new(seed: u64, seconds: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let song = compose_stereo(seed, seconds);
        write_wav_stereo(folder.path().join("song.wav"), &song.left, &song.right, 44_100, WavEncoding::Int16)
            .unwrap();
        Self { folder }
    }

    /// Creates a folder without a song.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs ffmpeg in the folder; arguments are separated by spaces.
    pub(crate) fn ffmpeg(&self, arguments: &str) {
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y"])
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .expect("ffmpeg is needed for these tests");
        assert!(run.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Encodes the song and returns the samples of the decoded file.
    pub(crate) fn encode(&self, name: &str, arguments: &str) -> Vec<f32> {
        self.ffmpeg(&format!("-i song.wav {arguments} {name}"));
        reference_audio(&self.path(name))
    }

    /// Splits an encoded file into HLS segments without encoding it again. `extension` is ts, m4s, aac or mp3.
    pub(crate) fn segments(&self, from: &str, seconds: f64, extension: &str) -> Vec<HlsSegment> {
        let kind = match extension {
            "m4s" if from.ends_with(".aac") => {
                "-bsf:a aac_adtstoasc -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4"
            }
            "m4s" => "-strict -2 -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4",
            _ => "-hls_segment_type mpegts",
        };
        let name = format!("{}-{extension}", from.replace('.', "-"));
        let options = format!("-c copy -f hls -hls_time {seconds} -hls_list_size 0 {kind}");
        self.ffmpeg(&format!(
            "-i {from} {options} -hls_segment_filename {name}-%03d.{extension} {name}.m3u8"
        ));
        let playlist = fs::read_to_string(self.path(&format!("{name}.m3u8"))).unwrap();
        let init = self.path("init.mp4");
        let init =
            (extension == "m4s").then(|| Arc::new(InitSection { bytes: fs::read(init).unwrap().into() }));
        let mut length = 0.0;
        let mut segments = Vec::new();
        for line in playlist.lines() {
            if let Some(info) = line.strip_prefix("#EXTINF:") {
                length = info.trim_end_matches(',').parse().unwrap();
            } else if !line.starts_with('#') {
                segments.push(HlsSegment {
                    init: init.clone(),
                    ..segment(self.read(line), segments.len() as u64, length)
                });
            }
        }
        segments
    }
}

/// Returns a segment with default values for everything else.
pub(crate) fn segment(bytes: Vec<u8>, sequence: u64, seconds: f64) -> HlsSegment {
    HlsSegment {
        bytes: bytes.into(),
        init: None,
        sequence,
        seconds,
        rendition: 0,
        discontinuity: false,
        program_date_time: None,
        first_listed: 1_700_000_000.0 + seconds * (sequence + 1) as f64,
        backlog: Some(0.0),
        ad: false,
        part: false,
    }
}

/// Decodes a file and returns its samples.
pub(crate) fn reference_audio(path: &Path) -> Vec<f32> {
    let mut reader = AudioReader::open(path, &Limits::default()).unwrap();
    let mut sound = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        sound.extend_from_slice(chunk);
    }
    sound
}
