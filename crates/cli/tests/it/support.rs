//! Folders, songs and a catalog for tests of the binary.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use refrain_testkit::effects::crop;
use refrain_testkit::{RATE, Song, compose, write_wav};
use serde_json::Value;
use tempfile::TempDir;

/// Length of the songs in seconds: the shortest that all tests can use.
pub(crate) const SONG_SECONDS: f64 = 24.0;

/// A temporary folder for a catalog and other files.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// Result of a run of the binary.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Creates a folder with a copy of the shared catalog of three songs.
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

    /// Writes a WAV file with an excerpt of a song. Returns its path.
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

    /// Returns a command that runs the binary in this folder, with `HOME` as its only environment variable.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refrain"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path());
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs the binary with this folder's catalog.
    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> CommandOutput {
        let mut command = self.command(&["--catalog", &self.catalog()]);
        CommandOutput::from(command.args(args).output().unwrap())
    }

    /// Runs `identify --json`. Returns its result, and the parsed lines.
    pub(crate) fn identify(&self, inputs: &[impl AsRef<OsStr>]) -> (CommandOutput, Vec<Value>) {
        let mut command = self.command(&["--catalog", &self.catalog(), "identify", "--json"]);
        let output = CommandOutput::from(command.args(inputs).output().unwrap());
        let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output, lines)
    }

    /// Runs an SQL statement in the catalog's file, for changes that no command makes.
    pub(crate) fn sql(&self, statement: &'static str) {
        use sqlx::Connection;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&self.catalog()).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// Returns the number of links between near-duplicates in an export.
    pub(crate) fn links(&self) -> usize {
        self.run(&["tracks", "export", "links.jsonl"]).expect(0);
        let export = std::fs::read_to_string(self.path("links.jsonl")).unwrap();
        let _ = std::fs::remove_file(self.path("links.jsonl"));
        export.lines().filter(|line| line.contains("\"of\":")).count()
    }

    /// Returns the parsed lines of `tracks list --json`.
    pub(crate) fn tracks(&self) -> Vec<Value> {
        let output = self.run(&["tracks", "list", "--json"]).expect(0);
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl CommandOutput {
    /// Checks the exit status.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }

    /// Checks that a line of `doctor` contains `name` and `part`.
    #[track_caller]
    pub(crate) fn has_check(&self, name: &str, part: &str) {
        assert!(self.stdout.lines().any(|line| line.contains(name) && line.contains(part)), "{self:#?}");
    }

    /// Checks that standard output contains `part`.
    #[track_caller]
    pub(crate) fn stdout_contains(&self, part: &str) {
        assert!(self.stdout.contains(part), "no {part:?}: {self:#?}");
    }

    /// Checks that standard error contains `part`.
    #[track_caller]
    pub(crate) fn stderr_contains(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is not in {self:#?}");
        self
    }
}

/// Songs that all tests share.
pub(crate) struct Music {
    /// Folder with the known songs in `songs`, and their catalog.
    pub(crate) folder: PathBuf,
    /// Songs in the catalog, in the order of their file names.
    pub(crate) known: Vec<Song>,
    /// A song that is not in the catalog.
    pub(crate) unknown: Song,
}

/// Names of the shared songs' files.
pub(crate) const NAMES: [&str; 3] = ["one.wav", "three.wav", "two.wav"];

/// Returns the shared songs. The first call composes and indexes them.
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
        let done = CommandOutput::from(done).expect(0);
        assert!(done.stdout.starts_with("3 added, 0 unchanged, 0 replaced, 0 failed, 1.2 min"), "{done:#?}");
        assert_eq!(done.stderr, "");
        Music { folder, known: songs, unknown }
    })
}

/// Returns the file name of the best match's reference.
pub(crate) fn best(answer: &Value) -> Option<&str> {
    answer["matches"][0]["evidence"]["reference"].as_str()?.rsplit('/').next()
}
