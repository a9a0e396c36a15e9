//! Folders, songs and a catalogue to run the binary on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use refrain_testkit::effects::crop;
use refrain_testkit::{RATE, Song, compose, write_wav};
use serde_json::Value;
use tempfile::TempDir;

/// Length of the songs in seconds: as short as still has everything that is asked of them.
pub(crate) const SONG_SECONDS: f64 = 24.0;

/// A temporary folder with a catalogue's place in it.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// What the binary did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with a copy of the shared catalogue of three songs.
    pub(crate) fn with_catalog() -> Self {
        let sandbox = Self::new();
        for entry in std::fs::read_dir(&music().folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("catalog.db") {
                std::fs::copy(&path, sandbox.path(name)).unwrap();
            }
        }
        sandbox
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A WAV file of a stretch of a song.
    pub(crate) fn clip(&self, name: &str, song: &Song, from: f64, seconds: f64) -> PathBuf {
        self.wav(name, &crop(&song.samples, from, seconds))
    }

    pub(crate) fn wav(&self, name: &str, samples: &[f32]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_wav(&path, samples, RATE).unwrap();
        path
    }

    pub(crate) fn catalog(&self) -> String {
        format!("sqlite:{}", self.path("catalog.db").display())
    }

    /// The binary in this folder, with nothing in its environment but a home.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refrain"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path());
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs the binary on this folder's catalogue.
    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> Ran {
        let mut command = self.command(&["--catalog", &self.catalog()]);
        Ran::from(command.args(args).output().unwrap())
    }

    /// `identify --json`: status and lines.
    pub(crate) fn identify(&self, inputs: &[impl AsRef<OsStr>]) -> (Ran, Vec<Value>) {
        let mut command = self.command(&["--catalog", &self.catalog(), "identify", "--json"]);
        let ran = Ran::from(command.args(inputs).output().unwrap());
        let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (ran, lines)
    }

    /// Does something to the catalogue's file that no command does.
    pub(crate) fn sql(&self, statement: &'static str) {
        use sqlx::Connection;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&self.catalog()).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// `tracks list --json`.
    /// Number of links between near-duplicates, as an export has them.
    pub(crate) fn links(&self) -> usize {
        self.run(&["tracks", "export", "links.jsonl"]).expect(0);
        let export = std::fs::read_to_string(self.path("links.jsonl")).unwrap();
        let _ = std::fs::remove_file(self.path("links.jsonl"));
        export.lines().filter(|line| line.contains("\"of\":")).count()
    }

    pub(crate) fn tracks(&self) -> Vec<Value> {
        let ran = self.run(&["tracks", "list", "--json"]).expect(0);
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Checks the exit status.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }

    /// Checks that a line of `doctor` says something.
    #[track_caller]
    pub(crate) fn finds(&self, name: &str, part: &str) {
        assert!(self.stdout.lines().any(|line| line.contains(name) && line.contains(part)), "{self:#?}");
    }

    /// Checks that standard error says something.
    #[track_caller]
    /// Checks that standard output has this part.
    pub(crate) fn out_has(&self, part: &str) {
        assert!(self.stdout.contains(part), "no {part:?}: {self:#?}");
    }

    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is not in {self:#?}");
        self
    }
}

/// Songs that all tests share.
pub(crate) struct Music {
    /// Holds `songs/one.wav` …, and the catalogue of them.
    pub(crate) folder: PathBuf,
    /// In the catalogue, in order of file name.
    pub(crate) known: Vec<Song>,
    pub(crate) unknown: Song,
}

/// Names of the shared songs' files.
pub(crate) const NAMES: [&str; 3] = ["one.wav", "three.wav", "two.wav"];

/// Composes and indexes once a test run.
pub(crate) fn music() -> &'static Music {
    static MUSIC: OnceLock<Music> = OnceLock::new();
    MUSIC.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("music");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("songs")).unwrap();
        let mut songs: Vec<Song> = std::thread::scope(|scope| {
            let threads = [1, 5, 9, 13].map(|seed| scope.spawn(move || compose(seed, SONG_SECONDS)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let unknown = songs.pop().unwrap();
        for (name, song) in NAMES.iter().zip(&songs) {
            write_wav(folder.join("songs").join(name), &song.samples, RATE).unwrap();
        }
        let done = Command::new(env!("CARGO_BIN_EXE_refrain"))
            .env_clear()
            .arg("--catalog")
            .arg(format!("sqlite:{}", folder.join("catalog.db").display()))
            .arg("index")
            .arg(folder.join("songs"))
            .output()
            .unwrap();
        let done = Ran::from(done).expect(0);
        assert!(done.stdout.starts_with("3 added, 0 unchanged, 0 replaced, 0 failed, 1.2 min"), "{done:#?}");
        assert_eq!(done.stderr, "");
        Music { folder, known: songs, unknown }
    })
}

/// File name of the best match's reference.
pub(crate) fn best(answer: &Value) -> Option<&str> {
    answer["matches"][0]["evidence"]["reference"].as_str()?.rsplit('/').next()
}
