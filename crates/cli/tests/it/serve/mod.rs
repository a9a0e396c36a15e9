//! Tests of `refrain serve`, `healthcheck` and `streams` on a single machine: with SQLite, folders and HTTP.

mod api;
mod end_to_end;
mod metrics;
mod reload;
mod start;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::Running;
use crate::support::{CommandOutput, Sandbox};

/// Timeout of waiting for an expected state.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A service that is running in a sandbox.
pub(crate) struct Service<'a> {
    sandbox: &'a Sandbox,
    running: Running,
    port: u16,
    config: PathBuf,
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct ServiceResponse {
    status: u16,
    head: String,
    pub(crate) body: String,
}

impl ServiceResponse {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl<'a> Service<'a> {
    /// Starts the service with these settings, the catalog of the sandbox, and a free port.
    pub(crate) fn start(
        sandbox: &'a Sandbox,
        settings: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::on(sandbox, &sandbox.catalog(), settings, args, variables)
    }

    pub(crate) fn on(
        sandbox: &'a Sandbox,
        catalog: &str,
        settings: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let port = free_port();
        let text = format!("catalog = '{catalog}'\n{settings}\n[http]\nlisten = '127.0.0.1:{port}'\n");
        let config = sandbox.file(&format!("service-{port}.toml"), text);
        let mut command = sandbox.command(&["--config", config.to_str().unwrap(), "serve"]);
        let running = Running::start(command.args(args).envs(variables.iter().copied()));
        Self { sandbox, running, port, config }
    }

    /// Waits until `path` returns this status.
    pub(crate) fn wait(&mut self, path: &str, status: u16) -> ServiceResponse {
        let began = Instant::now();
        loop {
            if self.running.is_over() {
                let running = std::mem::replace(&mut self.running, Running::start(&mut Command::new("true")));
                panic!("the service exited: {:#?}", running.end());
            }
            match request(self.port, "GET", path, &[], "") {
                Ok(response) if response.status == status => return response,
                last => assert!(began.elapsed() < TIMEOUT, "{path} is not {status}: {last:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> ServiceResponse {
        request(self.port, method, path, headers, body).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> ServiceResponse {
        self.request("GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> ServiceResponse {
        self.request("POST", path, &["content-type: application/json"], body)
    }

    /// Runs another command with the same settings.
    pub(crate) fn command(&self, args: &[&str]) -> CommandOutput {
        let mut command = self.sandbox.command(&["--config", self.config.to_str().unwrap()]);
        CommandOutput::from(command.args(args).output().unwrap())
    }

    /// Kills the process (SIGKILL).
    pub(crate) fn kill(self) {
        drop(self.running);
    }

    /// Sends SIGTERM and waits until the process exits.
    pub(crate) fn end(mut self) -> CommandOutput {
        self.running.terminate();
        self.running.end()
    }
}

/// Returns a port that no other test uses. The system can assign the same free port twice, so the tests count ports themselves.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 500) as u16 * 20;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> std::io::Result<ServiceResponse> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let host = if headers.iter().any(|header| header.starts_with("host:")) {
        String::new()
    } else {
        format!("host: 127.0.0.1:{port}\r\n")
    };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(ServiceResponse { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}
