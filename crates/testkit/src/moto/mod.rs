//! AWS for the time of a test: moto's server, which keeps queues, buckets and topics in memory.
//!
//! It listens on a port of 127.0.0.1 that it chooses itself. A small shell watches over it: when this process ends, in
//! whatever way, so does the server.

mod client;
mod policy;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use policy::AccessKey;

/// How long the server may take to come up; Python reads much before it answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long one question whether it answers may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Names the server's program, where it is not found on the path.
const VARIABLE: &str = "TEST_MOTO_SERVER";

/// What the server writes once it listens; the address follows.
const RUNNING: &str = "Running on http://";

/// Starts the server, waits for the end of whoever holds the other end, kills the server. `$1` is the program, `$2` the
/// file for what it says. Should it end by itself, the file says so.
const WATCHER: &str = r#"
("$1" -H 127.0.0.1 -p 0 >>"$2" 2>&1 </dev/null & echo $! >"$2.id"; wait $!; echo "ended with status $?" >>"$2") &
read -r _
kill -KILL "$(cat "$2.id")"
wait
"#;

/// A moto server. It ends when it is dropped, and forgets everything.
#[derive(Debug)]
pub struct Moto {
    address: String,
    watcher: Child,
    folder: tempfile::TempDir,
}

/// Why there is no server.
#[derive(Debug)]
pub struct MotoError(String);

impl fmt::Display for MotoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MotoError {}

impl Moto {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// Where moto is not installed, says how to get it; where it does not start, what it said.
    pub fn start() -> Result<Self, MotoError> {
        let program = find_program()?;
        let folder = tempfile::tempdir().map_err(|error| failed("temporary folder", &error))?;
        let log = folder.path().join("log");
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCHER, "sh"]).arg(&program).arg(&log).stdin(Stdio::piped());
        let watcher = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let watcher = watcher.map_err(|error| failed("sh", &error))?;
        let mut server = Self { address: String::new(), watcher, folder };
        let until = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if server.address.is_empty() {
                server.address = address(&said).unwrap_or_default();
            } else if answers(&server.address).is_ok_and(|yes| yes) {
                return Ok(server);
            }
            if said.contains("ended with status") || Instant::now() > until {
                return Err(MotoError(format!("{} does not start: {said}", program.display())));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Its URL, for every service: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // The shell reads the end of its input.
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn find_program() -> Result<PathBuf, MotoError> {
    let missing = |what: &str| {
        MotoError(format!(
            "{what}: scripts/test installs moto; by hand: pip install 'moto[server]', and moto_server on the path or \
             named by {VARIABLE}"
        ))
    };
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        let found = named.is_file();
        return found
            .then(|| named.clone())
            .ok_or_else(|| missing(&format!("{} is no file", named.display())));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("moto_server"));
    places.find(|place| place.is_file()).ok_or_else(|| missing("moto_server is not installed"))
}

fn address(said: &str) -> Option<String> {
    let (_, rest) = said.split_once(RUNNING)?;
    // Else the number may not be written whole yet.
    let (line, _) = rest.split_once('\n')?;
    Some(line.trim().trim_end_matches('/').to_owned())
}

fn answers(address: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"GET /moto-api/data.json HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer.ends_with(b" 200"))
}

fn failed(what: &str, error: &io::Error) -> MotoError {
    MotoError(format!("{what}: {error}"))
}
