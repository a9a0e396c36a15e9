//! Runs the shell blocks of README.md and docs/guide.md in a temporary folder, in their order, and compares the output with the
//! text blocks that follow them.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refrain_testkit::origin::{LiveOptions, LiveStream, Origin, SegmentContainer, encode};
use serde_json::Value;

use crate::postgres;
use crate::stage::{Running, responses};
use crate::support::{CommandOutput, Sandbox};

/// Blocks that are not run, by their first command, because other steps run it: the test of `refrain demo`, and the run of
/// `scripts/test` of which this test is a part.
const NOT_RUN: [&str; 2] = ["cargo run --release -- demo", "scripts/test"];

/// First command of the block that shows why nothing matched, so that its exit status is 1.
const NO_MATCH: &str = "refrain identify --explain";

/// Part of the block that monitors until it is interrupted.
const ENDLESS: &str = "-stream_loop -1";

/// Timeout of waiting for the first response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A code block, with the language and the number of the line at which it starts.
#[derive(Debug)]
struct Block {
    line: usize,
    language: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for (number, line) in std::fs::read_to_string(root().join(document)).unwrap().lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !open => {
                blocks.push(Block { line: number + 1, language: language.to_owned(), text: String::new() });
            }
            None if open => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
        open ^= line.starts_with("```");
    }
    blocks
}

/// The folder in which a reader runs the commands: the testdata of the repository, and nothing else.
struct Reader {
    sandbox: Sandbox,
    /// URL of a stream that ends.
    stream: String,
}

impl Reader {
    fn new(stream: String) -> Self {
        let sandbox = Sandbox::new();
        std::os::unix::fs::symlink(root().join("testdata"), sandbox.path("testdata")).unwrap();
        // `-c FILE` of identifyStream, and the folder of its catalog, which `refrain` uses by default.
        sandbox.file("old.cfg", "");
        Self { sandbox, stream }
    }

    /// Replaces what a reader replaces: addresses, placeholders in capitals, and the port.
    fn filled_in(&self, script: &str) -> String {
        let catalog = self.sandbox.path(".local/share/refrain/catalog.db").display().to_string();
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let id = r#"set "$(refrain tracks list --text avenue | tail -n 1 | cut -d ' ' -f 1)""#;
        let lines = script.lines().filter(|line| !line.starts_with("cargo install "));
        let script: String = lines.map(|line| format!("{line}\n")).collect();
        [
            ("https://example.org/live/master.m3u8", self.stream.as_str()),
            ("8080", &port),
            ("set ID", id),
            ("/srv/catalog.db", &catalog),
            ("-i URL -c FILE -e ID -O DIR -t DIR", "-i clip.ogg -c old.cfg -e st-1 -O out -t tmp"),
        ]
        .iter()
        .fold(script, |script, (from, to)| script.replace(from, to))
    }

    /// A command that runs a script in the folder, in a process group of its own.
    fn bash(&self, script: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_refrain")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-e", "-u", "-o", "pipefail", "-c", script]);
        command.env_clear().env("HOME", self.sandbox.path("")).env("PATH", path);
        command.current_dir(self.sandbox.path("")).stdin(Stdio::null()).process_group(0);
        command
    }

    /// Runs a block and returns its output.
    fn run(&self, block: &Block) -> CommandOutput {
        let script = self.filled_in(&block.text);
        if block.text.contains(ENDLESS) {
            self.run_until_response(&script);
            return CommandOutput { status: Some(0), stdout: String::new(), stderr: String::new() };
        }
        CommandOutput::from(self.bash(&script).output().unwrap())
            .expect(i32::from(block.text.starts_with(NO_MATCH)))
    }

    /// Runs a script that does not end until it has written a response, then ends all its processes.
    fn run_until_response(&self, script: &str) {
        let results = self.sandbox.path("results");
        let _ = std::fs::remove_dir_all(&results);
        let mut command = self.bash(script);
        // Processes in the background would keep pipes open.
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (group, began) = (format!("-{}", child.id()), Instant::now());
        while responses(&results).is_empty() && began.elapsed() < TIMEOUT {
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(Command::new("kill").args(["-TERM", "--", &group]).status().unwrap().success());
        child.wait().unwrap();
        assert!(!responses(&results).is_empty(), "no response was written");
    }

    /// Runs all shell blocks of a document. A text block shows the output of the shell block before it.
    fn run_document(&self, document: &str) {
        let mut output: Option<CommandOutput> = None;
        for block in blocks(document) {
            let place = format!("{document}:{}", block.line);
            match block.language.as_str() {
                "sh" => {
                    let runs = !NOT_RUN.iter().any(|first| block.text.starts_with(first));
                    output = runs.then(|| self.run(&block));
                }
                // The output of a live stream has other times in each run.
                "text" if !block.text.contains("\"event\":") => {
                    if let Some(output) = output.take() {
                        check_text(&place, &block.text, &output);
                    }
                }
                _ => output = None,
            }
        }
    }
}

/// Returns the words of a text, without the measured speed of indexing.
fn words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_speed = |at: usize| words.get(at + 1) == Some(&"x") && words.get(at + 2) == Some(&"real");
    let kept: Vec<&str> = (0..words.len()).filter(|at| !is_speed(*at)).map(|at| words[at]).collect();
    kept.join(" ")
}

/// Checks that each part of a text block, up to an ellipsis, is in the output.
fn check_text(place: &str, text: &str, output: &CommandOutput) {
    let all = words(&format!("{}\n{}", output.stderr, output.stdout));
    for part in text.split('…') {
        assert!(all.contains(&words(part)), "{place}: {part:?} is not in {all:?}");
    }
}

/// Starts a server with a stream that plays a bundled song and ends.
async fn stream() -> (Origin, String) {
    let song = root().join("testdata/songs/03-woven-avenue.ogg");
    let clips = encode(&song, SegmentContainer::Ts, 2.0).unwrap().clips;
    let origin = Origin::start().await.unwrap();
    let options = LiveOptions { window: 100, end: true, kind: Some("VOD"), ..LiveOptions::default() };
    let published = clips.len() as u64;
    let url = origin.live("/live", &LiveStream::manual(clips, published, options));
    (origin, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_readme_work() {
    let (_origin, url) = stream().await;
    let reader = Reader::new(url);
    reader.run_document("README.md");
    assert!(responses(&reader.sandbox.path("results")).len() >= 2, "no start and final response");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_guide_work() {
    let (_origin, url) = stream().await;
    let reader = Reader::new(url);
    reader.run_document("docs/guide.md");
    assert_eq!(responses(&reader.sandbox.path("out")).len(), 1, "identifyStream wrote no response");
    let output = Running::start(&mut reader.bash("refrain identify --json clip.ogg")).end().expect(0);
    let shown =
        blocks("docs/guide.md").into_iter().find(|block| block.text.contains("\"file\":\"clip.ogg\""));
    // The id of the track, the path of its file and exact counts differ between runs and versions.
    let comparable = |text: &str| {
        let mut response: Value = serde_json::from_str(text).unwrap();
        let found = response["matches"][0].as_object_mut().unwrap();
        found.remove("amItemID").unwrap();
        let evidence = found.remove("evidence").unwrap();
        (response, evidence.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(comparable(&output.stdout), comparable(&shown.unwrap().text));
}

#[test]
fn grants_of_the_document_let_roles_do_their_work() {
    let (sandbox, name, url) = postgres::with_songs();
    postgres::run(&sandbox, &url, &["--search", "database", "tracks", "reindex"]).expect(0);
    let block = blocks("docs/postgresql.md").into_iter().find(|block| block.language == "sql").unwrap();
    // The last two groups of grants are in addition to those of `searcher` and `indexer`.
    let sql = format!(
        "CREATE ROLE searcher LOGIN; CREATE ROLE indexer LOGIN; CREATE ROLE monitor LOGIN IN ROLE searcher; {}",
        block.text
    );
    postgres::server().run_sql(&name, &sql).unwrap();
    sandbox.clip("clip.wav", &crate::support::music().known[0], 5.0, 8.0);
    let run = |role: &str, args: &[&str]| {
        let url = url.replace("//postgres@", &format!("//{role}@"));
        postgres::run(&sandbox, &url, args)
    };
    for search in ["local", "database"] {
        run("searcher", &["--search", search, "identify", "clip.wav"]).expect(0);
    }
    run("searcher", &["index", "clip.wav"]).expect(2).stderr_contains("privilege");
    run("indexer", &["--search", "database", "index", "clip.wav"]).expect(0);
    run("indexer", &["--search", "database", "tracks", "reindex"]).expect(0);
    run("monitor", &["streams", "add", "one", "https://example.org/one.m3u8"]).expect(0);
    run("monitor", &["streams", "stop", "one"]).expect(0);
    run("monitor", &["outbox", "list"]).expect(0);
    run("searcher", &["streams", "add", "two", "https://example.org/two.m3u8"]).expect(2);
}

#[test]
fn backup_of_the_document_is_restored() {
    let (sandbox, name, url) = postgres::with_songs();
    let reader = Reader { sandbox, stream: String::new() };
    let block = blocks("docs/spread.md").into_iter().find(|block| block.text.starts_with("pg_dump")).unwrap();
    let restored = url.replace(&name, "restored");
    let script = block.text.replace("refrain.dump refrain\n", &format!("refrain.dump {name}\n"));
    let script = script.replace("postgres://…/restored", &restored);
    let port = postgres::server().port().to_string();
    let mut command = reader.bash(&script);
    command.env("PGHOST", "127.0.0.1").env("PGPORT", port).env("PGUSER", "postgres");
    CommandOutput::from(command.output().unwrap()).expect(0).stdout_contains("3 tracks are searchable");
}
