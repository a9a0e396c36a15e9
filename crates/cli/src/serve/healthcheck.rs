//! `refrain healthcheck`: requests the health of the service on this machine.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::args::HealthcheckArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;

/// Timeout of the connection attempt, and of each read and write.
const PATIENCE: Duration = Duration::from_secs(4);

/// Maximum size of a response in bytes. A longer response is truncated.
const LONGEST: u64 = 64 * 1024;

/// Runs the command.
pub(crate) fn run(args: &HealthcheckArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let Some(listen) = settings.listen()? else {
        bail!("http.listen is empty, so the service has no HTTP server; set it to an address and a port");
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    match ask(here(listen), path) {
        Ok((200, _)) => Ok(Outcome::Done),
        Ok((status, text)) => {
            output.note(&format!("refrain: {path} returned status {status}: {}", text.trim()));
            Ok(Outcome::Unwell)
        }
        Err(error) => {
            output.note(&format!("refrain: {error:#}"));
            Ok(Outcome::Unwell)
        }
    }
}

/// Returns the address to connect to. If the service listens on all addresses, that is the loopback address.
fn here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Sends a GET request and returns the status code and the body of the response.
fn ask(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let connected = TcpStream::connect_timeout(&address, PATIENCE);
    let mut stream = connected
        .with_context(|| format!("cannot connect to {address}; check that the service is running"))?;
    let talk = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    let answer = talk(&mut stream).with_context(|| format!("{address} does not answer"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("{address} returned an invalid HTTP response"))?;
    Ok((status, body.to_owned()))
}
