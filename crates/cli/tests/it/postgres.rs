//! Tests of a catalog in PostgreSQL, with both backends of its index: files and database.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use refrain_testkit::PostgresServer;
use serde_json::Value;

use crate::concurrency::{feed, until};
use crate::support::{CommandOutput, NAMES, Sandbox, best, music};

/// Returns the server that these tests share. It ends with the test process.
pub(crate) fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::new().unwrap())
}

/// Creates an empty database. Returns its name and URL.
fn database() -> (String, String) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("cli{}", MADE.fetch_add(1, Ordering::Relaxed));
    let url = server().create_database(&name).unwrap();
    (name, url)
}

/// Runs the binary with a catalog.
pub(crate) fn run(sandbox: &Sandbox, url: &str, args: &[&str]) -> CommandOutput {
    CommandOutput::from(sandbox.command(&["--catalog", url]).args(args).output().unwrap())
}

/// Creates a sandbox, and a database with its catalog of three songs. Returns the sandbox, and the database's name and URL.
pub(crate) fn with_songs() -> (Sandbox, String, String) {
    let (sandbox, (name, url)) = (Sandbox::with_catalog(), database());
    sandbox.run(&["tracks", "export", "songs.jsonl"]).expect(0);
    let output = run(&sandbox, &url, &["tracks", "import", "songs.jsonl"]).expect(0);
    assert!(output.stdout.starts_with("3 added"), "{output:#?}");
    (sandbox, name, url)
}

#[test]
fn all_index_backends_give_the_same_results() {
    let (sandbox, _, url) = with_songs();
    for (k, song) in music().known.iter().enumerate() {
        sandbox.clip(&format!("clips/{k}.wav"), song, 3.0 + k as f64, 7.0);
    }
    sandbox.clip("clips/9.wav", &music().unknown, 5.0, 10.0);
    let clips = ["clips/0.wav", "clips/1.wav", "clips/2.wav", "clips/9.wav"];
    let (expected, lines) = sandbox.identify(&clips);
    assert_eq!(lines.iter().filter_map(best).collect::<Vec<_>>(), NAMES);
    let identify = [&["identify", "--json"], &clips[..]].concat();
    let local = run(&sandbox, &url, &identify).expect(0);
    assert_eq!((&local.stdout, &local.stderr), (&expected.stdout, &expected.stderr));
    let database = run(&sandbox, &url, &[&["--search", "database"], &identify[..]].concat()).expect(0);
    assert_eq!((database.stdout, database.stderr), (expected.stdout, expected.stderr));
    // The export of the database equals that of the original catalog.
    run(&sandbox, &url, &["tracks", "export", "back.jsonl"]).expect(0);
    let bytes = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();
    let tracks = |name: &str| -> Vec<String> {
        let text = bytes(name);
        text.lines().filter(|line| line.contains("constellation")).map(without_times).collect()
    };
    assert_eq!(tracks("back.jsonl").len(), 3);
    assert!(tracks("back.jsonl") == tracks("songs.jsonl"));
}

/// Returns the track in a line of an export, without the time at which it was added.
fn without_times(line: &str) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    line["track"].as_object_mut().unwrap().remove("added_at");
    line["track"].to_string()
}

#[test]
fn tracks_are_added_and_removed_in_the_database_index() {
    let (sandbox, name, url) = with_songs();
    let clip = sandbox.clip("clip.wav", &music().known[0], 4.0, 8.0);
    let clip = clip.to_str().unwrap();
    let on_database = |args: &[&str]| run(&sandbox, &url, &[&["--search", "database"], args].concat());
    assert!(on_database(&["identify", clip]).expect(0).stdout.contains("one"));
    let rows = || -> u32 {
        let count = server().run_sql(&name, "SELECT count(*) FROM refrain.postings").unwrap();
        count.parse().unwrap()
    };
    assert!(rows() > 0);
    let cache = sandbox.path(".cache");
    std::fs::remove_dir_all(&cache).unwrap();
    let ids = on_database(&["tracks", "list", "--json", "--text", "one.wav"]).expect(0);
    let id = serde_json::from_str::<Value>(&ids.stdout).unwrap()["id"].as_str().unwrap().to_owned();
    on_database(&["tracks", "remove", &id]).expect(0);
    on_database(&["identify", clip]).expect(1);
    let songs = music().folder.join("songs");
    on_database(&["index", songs.to_str().unwrap()]).expect(0);
    assert!(on_database(&["identify", clip]).expect(0).stdout.contains("one"));
    server().run_sql(&name, "UPDATE refrain.postings SET packed = 'nonsense'").unwrap();
    let output = on_database(&["identify", clip]).expect(2);
    assert!(output.stderr.contains("refrain tracks reindex"), "{output:#?}");
    assert_eq!(on_database(&["tracks", "reindex"]).expect(0).stdout, "3 tracks are searchable\n");
    on_database(&["identify", clip]).expect(0);
    assert!(!cache.exists(), "no files may be kept on this machine");
    let output = sandbox.run(&["--search", "database", "identify", clip]).expect(2);
    output.stderr_contains("only a catalog in PostgreSQL has a search index in its database");
    assert_eq!(sandbox.run(&["tracks", "reindex"]).expect(0).stdout, "3 tracks are searchable\n");
}

#[test]
fn search_needs_only_a_read_only_database_role() {
    let (sandbox, name, url) = with_songs();
    let clip = sandbox.clip("clip.wav", &music().known[1], 4.0, 8.0);
    let clip = clip.to_str().unwrap();
    server()
        .run_sql(
            &name,
            "CREATE ROLE reader LOGIN PASSWORD 'geheim'; GRANT USAGE ON SCHEMA refrain TO reader; \
             GRANT SELECT ON ALL TABLES IN SCHEMA refrain TO reader",
        )
        .unwrap();
    let reader = url.replace("//postgres@", "//reader:geheim@");
    let doctor = |args: &[&str]| run(&sandbox, &reader, &[args, &["doctor"]].concat());
    doctor(&["--search", "database"]).expect(3).has_check("index in the database", "changes behind");
    for home in ["local", "database"] {
        // The index in the database is still empty, because no role with write access has searched. A reader cannot fill it.
        let output = run(&sandbox, &reader, &["--search", home, "identify", clip]);
        if home == "database" {
            output.expect(1).stderr_contains("the newest tracks are not found");
            run(&sandbox, &url, &["--search", home, "tracks", "reindex"]).expect(0);
        }
        let output = run(&sandbox, &reader, &["--search", home, "identify", clip]).expect(0);
        assert_eq!(output.stderr, "", "{output:#?}");
    }
    doctor(&["--search", "database"])
        .expect(3)
        .has_check("index in the database", "3 tracks in 1 runs, up to date");
    let songs = music().folder.join("songs");
    let output = run(&sandbox, &reader, &["index", "--rule", "block", songs.to_str().unwrap()]).expect(2);
    assert!(output.stderr.contains("lacks a privilege") && !output.stderr.contains("geheim"), "{output:#?}");
}

#[test]
fn wrong_password_error_does_not_contain_the_password() {
    let server = PostgresServer::builder().password("right").start().unwrap();
    let sandbox = Sandbox::new();
    let url = server.url("postgres").replace(":right@", ":wr0ng-secret@");
    let output = run(&sandbox, &url, &["tracks", "list"]).expect(2);
    assert!(output.stderr.contains("password") && !output.stderr.contains("wr0ng-secret"), "{output:#?}");
    assert!(output.stdout.is_empty());
}

/// Waits until a process connects to the port of a stopped server.
fn wait_for_connection(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    until("a connection", || listener.accept().is_ok());
}

/// Waits until a process is connected or has exited.
fn until_connected(child: &mut std::process::Child, mut is_connected: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() && !is_connected() {
        assert!(Instant::now() < until, "the process does not reconnect");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn index_completes_despite_database_server_kills() {
    let mut server = PostgresServer::new().unwrap();
    let url = server.create_database("songs").unwrap();
    let sandbox = Sandbox::new();
    for k in 0..12 {
        sandbox.clip(&format!("m/{k:02}.wav"), &music().known[k % 3], (k / 3) as f64 * 6.0, 6.0);
    }
    let mut child = sandbox.command(&["--catalog", &url, "index", "--jobs", "1", "m"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The process can be at any step: opening the catalog, writing, or between two batches.
    let until = Instant::now() + Duration::from_secs(60);
    while server.run_sql("songs", "SELECT count(*) FROM refrain.tracks").is_err() {
        assert!(Instant::now() < until, "the catalog is not created");
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..3 {
        server.kill().unwrap();
        server.start().unwrap();
        // Wait until the run is connected again or has exited.
        let connections =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'songs' AND pid <> pg_backend_pid()";
        until_connected(&mut child, || server.run_sql("songs", connections).is_ok_and(|count| count != "0"));
    }
    let output = CommandOutput::from(child.wait_with_output().unwrap()).expect(0);
    assert!(output.stdout.starts_with("12 added, 0 unchanged, 0 replaced, 0 failed"), "{output:#?}");
    let counts = "SELECT count(*), count(DISTINCT source), max(number) FROM refrain.tracks";
    assert_eq!(server.run_sql("songs", counts).unwrap(), "12|12|12");
    for k in 0..12 {
        let clip = format!("m/{k:02}.wav");
        let output = run(&sandbox, &url, &["identify", "--json", &clip]).expect(0);
        assert_eq!(best(&serde_json::from_str(&output.stdout).unwrap()), clip.strip_prefix("m/"));
    }
}

#[test]
fn identify_reconnects_after_database_server_kills() {
    let mut server = PostgresServer::new().unwrap();
    let url = server.create_database("songs").unwrap();
    let sandbox = Sandbox::with_catalog();
    sandbox.run(&["tracks", "export", "songs.jsonl"]).expect(0);
    run(&sandbox, &url, &["tracks", "import", "songs.jsonl"]).expect(0);
    let clips = [0, 1, 2].map(|k| sandbox.clip(&format!("{k}.wav"), &music().known[k], 4.0, 8.0));
    for home in ["local", "database"] {
        let pipes = [0, 1, 2, 3].map(|k| sandbox.path(format!("{home}{k}")));
        assert!(std::process::Command::new("mkfifo").args(&pipes).status().unwrap().success());
        let args = ["--catalog", &url, "--search", home, "identify", "--json", "--jobs", "1"];
        let mut child = sandbox
            .command(&args)
            .args(&pipes)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut pipes = pipes.iter();
        let mut identify_clip = |clip: &Path| -> Value {
            feed(pipes.next().unwrap(), clip);
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
        };
        assert_eq!(best(&identify_clip(&clips[0])), Some(NAMES[0]));
        server.kill().unwrap();
        let answer = std::thread::scope(|scope| {
            // The process tries to connect until the server is started.
            let answer = scope.spawn(|| identify_clip(&clips[1]));
            wait_for_connection(server.port());
            server.start().unwrap();
            answer.join().unwrap()
        });
        assert_eq!(best(&answer), Some(NAMES[1]));
        assert_eq!(best(&identify_clip(&clips[0])), Some(NAMES[0]));
        assert_eq!(best(&identify_clip(&clips[2])), Some(NAMES[2]));
        let stderr = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert!(!stderr.contains("panic"), "{stderr}");
    }
}
