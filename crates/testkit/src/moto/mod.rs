//! A temporary moto server for tests, which simulates AWS queues, buckets and topics in memory.
//!
//! The server listens on a free port of 127.0.0.1. A shell process watches the process of the test: when that process
//! ends, even by a signal, the shell kills the server.

mod client;
mod policy;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use policy::AccessKey;

/// Timeout of starting the server. The timeout is long, because Python loads many modules before the server responds.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Timeout of one readiness check. With a server that hangs, the test fails after this time.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between two readiness checks. The start takes seconds, so shorter pauses would save little time.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Environment variable with the path of the server's program, if the program is not in `PATH`.
const VARIABLE: &str = "TEST_MOTO_SERVER";

/// Text that the server logs when it is listening. The address of the server follows this text.
const RUNNING: &str = "Running on http://";

/// Shell script that starts the server, waits for the end of its standard input, and kills the server. `$1` is the
/// program, `$2` the log file. If the server exits before, the script writes the exit status of the server to the log
/// file.
const WATCHER: &str = r#"
("$1" -H 127.0.0.1 -p 0 >>"$2" 2>&1 </dev/null & echo $! >"$2.id"; wait $!; echo "ended with status $?" >>"$2") &
read -r _
kill -KILL "$(cat "$2.id")"
wait
"#;

/// A moto server. It is killed and its data is lost when this value is dropped.
#[derive(Debug)]
pub struct Moto {
    address: String,
    watcher: Child,
    folder: tempfile::TempDir,
}

/// Error of starting the server.
#[derive(Debug)]
pub struct MotoError(String);

impl fmt::Display for MotoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MotoError {}

impl Moto {
    /// Starts a server and waits until it responds.
    ///
    /// # Errors
    /// Returns an error with instructions if moto is not installed, or with the server's log if the server does not
    /// start.
    pub fn start() -> Result<Self, MotoError> {
        let program = find_program()?;
        let folder = tempfile::tempdir().map_err(|error| failed("temporary folder", &error))?;
        let log = folder.path().join("log");
        // The standard input of the shell ends when this process ends, for any reason.
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCHER, "sh"]).arg(&program).arg(&log).stdin(Stdio::piped());
        let watcher = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let watcher = watcher.map_err(|error| failed("sh", &error))?;
        let mut server = Self { address: String::new(), watcher, folder };
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let log_text = std::fs::read_to_string(&log).unwrap_or_default();
            // The server chooses its port and logs it, so that tests can run in parallel.
            if server.address.is_empty() {
                server.address = address(&log_text).unwrap_or_default();
            } else if is_ready(&server.address).is_ok_and(|yes| yes) {
                return Ok(server);
            }
            if log_text.contains("ended with status") || Instant::now() > until {
                return Err(MotoError(format!("{} does not start: {log_text}", program.display())));
            }
            std::thread::sleep(CHECK_INTERVAL);
        }
    }

    /// Returns the URL of the server for all services: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Closing its standard input makes the shell kill the server.
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
            .ok_or_else(|| missing(&format!("{} is not a file", named.display())));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join("moto_server"));
    candidates.find(|place| place.is_file()).ok_or_else(|| missing("moto_server is not installed"))
}

fn address(log_text: &str) -> Option<String> {
    let (_, rest) = log_text.split_once(RUNNING)?;
    // Without the end of the line, the port number may be incomplete.
    let (line, _) = rest.split_once('\n')?;
    Some(line.trim().trim_end_matches('/').to_owned())
}

fn is_ready(address: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(CHECK_TIMEOUT))?;
    stream.write_all(b"GET /moto-api/data.json HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut response = [0; 12];
    stream.read_exact(&mut response)?;
    Ok(response.ends_with(b" 200"))
}

fn failed(what: &str, error: &io::Error) -> MotoError {
    MotoError(format!("{what}: {error}"))
}
