//! `refrain healthcheck`: requests the health of the service on this machine over HTTP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::args::HealthcheckArgs;
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Timeout of the connection attempt, and of each read and write. The `HEALTHCHECK` of the Dockerfile and of
/// template.yml kills this command after 5 s. With 4 s, the command can print the reason before that. With 2 s, a busy
/// machine would more often count as unhealthy.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Maximum size of a response in bytes. The rest of a longer response is ignored. Responses of the service are short;
/// the limit protects against another program on the same port.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// Runs `refrain healthcheck`.
pub(crate) fn run(args: &HealthcheckArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let Some(listen) = settings.listen()? else {
        bail!("http.listen is empty, so the service has no HTTP server; set it to an address and a port");
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    match get(connect_address(listen), path) {
        Ok((200, _)) => Ok(CommandOutcome::Done),
        Ok((status, text)) => {
            output.note(&format!("refrain: {path} returned status {status}: {}", text.trim()));
            Ok(CommandOutcome::Unhealthy)
        }
        Err(error) => {
            output.note(&format!("refrain: {error:#}"));
            Ok(CommandOutcome::Unhealthy)
        }
    }
}

/// Returns the address to which the command connects: the address of the service, or the loopback address if the
/// service listens on all addresses.
fn connect_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Sends a GET request and returns the status code and the body of the response.
fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let connected = TcpStream::connect_timeout(&address, TIMEOUT);
    let mut stream = connected
        .with_context(|| format!("cannot connect to {address}; check that the service is running"))?;
    let exchange = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        // With `Connection: close`, the response ends when the connection is closed, so no HTTP client is needed.
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut response = Vec::new();
        stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut response)?;
        std::io::Result::Ok(response)
    };
    let response = exchange(&mut stream)
        .with_context(|| format!("no response from {address}; check that the service listens there"))?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| {
        format!("{address} returned an invalid HTTP response; check that the service listens there")
    })?;
    Ok((status, body.to_owned()))
}
