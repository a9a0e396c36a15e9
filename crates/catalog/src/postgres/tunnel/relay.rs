//! The socket of the tunnel, and the forwarding of its connections to the server.

use std::io;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::verifier;
use crate::CatalogError;
use crate::postgres::error::PostgresName;

/// Requests TLS from a server (`SSLRequest` of the PostgreSQL protocol): length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Response of a server that supports TLS. A server without TLS responds with `N`.
const TLS_ACCEPTED: u8 = b'S';

/// A Unix socket whose connections are forwarded to a server through TLS. Dropping the tunnel closes the socket and
/// these connections.
#[derive(Debug)]
pub(in crate::postgres) struct Tunnel {
    task: AbortHandle,
    /// Folder that contains the socket; deleted on drop.
    _folder: TempDir,
}

impl Tunnel {
    /// Opens a tunnel to the server of `options`, and returns the options with which sqlx connects through the tunnel.
    pub(in crate::postgres) async fn open(
        options: &PgConnectOptions,
        name: &PostgresName,
    ) -> Result<(Self, PgConnectOptions), CatalogError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            name.cannot_open(format!("its certificate needs a local socket for TLS; cannot {what}: {error}"))
        };
        // tempfile creates the folder for this user only, which matters because every client of the socket reaches the
        // server.
        let folder = tempfile::Builder::new().prefix("refrain-").tempdir();
        let folder = folder.map_err(|error| failed("create a temporary folder", &error))?;
        let path = folder.path().join(format!(".s.PGSQL.{}", options.get_port()));
        let listener = UnixListener::bind(path).map_err(|error| failed("open the socket", &error))?;
        let config = verifier::config(options).map_err(|error| failed("set up TLS", &error))?;
        // The brackets of an IPv6 address belong to the URL, not to the host name.
        let host = options.get_host().trim_matches(['[', ']']).to_owned();
        let server =
            ServerName::try_from(host.clone()).map_err(|error| failed("use the name of the host", &error))?;
        let relay = Arc::new(Relay {
            server,
            host,
            port: options.get_port(),
            connector: TlsConnector::from(config),
            plain: matches!(options.get_ssl_mode(), PgSslMode::Prefer),
        });
        let task = tokio::spawn(accept(listener, relay)).abort_handle();
        let tunnel_options = options.clone().socket(folder.path()).ssl_mode(PgSslMode::Disable);
        Ok((Self { task, _folder: folder }, tunnel_options))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server to which connections are forwarded, and how to connect to it.
struct Relay {
    server: ServerName<'static>,
    host: String,
    port: u16,
    connector: TlsConnector,
    /// True if a server without TLS is accepted as well (`sslmode=prefer`).
    plain: bool,
}

/// Accepts and forwards connections until the task is aborted.
async fn accept(listener: UnixListener, relay: Arc<Relay>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let relay = Arc::clone(&relay);
                    // An error closes the connection: sqlx reports that and tries again.
                    connections.spawn(async move { relay.forward(stream).await });
                }
                // No file descriptor is free; one becomes free when a connection ends.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Pause after a connection could not be accepted. Without a pause the loop would use a whole processor until a file
/// descriptor is free. At half or twice this value, a new connection waits 50 ms less or 100 ms more in this case.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

impl Relay {
    async fn forward(&self, mut local: UnixStream) -> io::Result<()> {
        let mut remote = TcpStream::connect((&*self.host, self.port)).await?;
        // Requests are small and wait for their response, so Nagle's algorithm would delay each of them.
        remote.set_nodelay(true)?;
        remote.write_all(&SSL_REQUEST).await?;
        // Exactly one byte is read: more would be data from before the handshake, which could be injected.
        if remote.read_u8().await? == TLS_ACCEPTED {
            let mut remote = self.connector.connect(self.server.clone(), remote).await?;
            copy_bidirectional(&mut local, &mut remote).await?;
        // With `sslmode=require`, the connection is closed without data, and sqlx reports that.
        } else if self.plain {
            copy_bidirectional(&mut local, &mut remote).await?;
        }
        Ok(())
    }
}
