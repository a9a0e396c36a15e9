//! Converts SQLSTATEs and lost connections to [`CatalogError`].

use std::io::ErrorKind;

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError};

use crate::CatalogError;

/// Name of the catalog in error messages: its URL without password and query string.
#[derive(Debug, Clone)]
pub(super) struct PostgresName {
    pub(super) url: String,
    /// True if the connection uses a Unix socket. The URL then contains the folder of the socket instead of a host.
    socket: bool,
}

impl PostgresName {
    pub(super) fn new(options: &PgConnectOptions) -> Self {
        let database = options.get_database().unwrap_or(options.get_username());
        let host = options.get_socket().map(|folder| folder.display().to_string().replace('/', "%2F"));
        // sqlx has two forms for a socket: a folder in a separate option, or a host that begins with a slash.
        let socket = host.is_some() || options.get_host().starts_with('/');
        let host = host.unwrap_or_else(|| options.get_host().replace('/', "%2F"));
        let (user, port) = (options.get_username(), options.get_port());
        Self { url: format!("postgres://{user}@{host}:{port}/{database}"), socket }
    }

    pub(super) fn error(&self, error: Error) -> CatalogError {
        match error {
            Error::Database(database) => self.server_error(database),
            // rustls reports invalid certificates as I/O errors of this kind.
            Error::Io(reason) if reason.kind() == ErrorKind::InvalidData => self.tls(&reason.to_string()),
            // For a remote server, the only files involved are those of the certificates.
            Error::Io(reason)
                if matches!(reason.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
                    && !self.socket =>
            {
                self.tls(&format!("cannot read a file that sslrootcert, sslcert or sslkey names: {reason}"))
            }
            Error::Io(reason) => self.unreachable(reason.to_string()),
            // A message that violates the protocol makes the connection unusable, like a loss of the connection.
            Error::Protocol(reason) => self.unreachable(reason),
            Error::Tls(reason) => self.tls(&reason.to_string()),
            Error::Configuration(reason) => self.cannot_open(format!("{reason}; check its URL")),
            Error::PoolTimedOut => CatalogError::Busy { catalog: self.url.clone() },
            Error::ColumnDecode { .. } | Error::Decode(_) => self.corrupt(error.to_string()),
            error => CatalogError::Database { catalog: self.url.clone(), source: error.into() },
        }
    }

    /// Converts an error of the server. SQLSTATEs: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn server_error(&self, error: Box<dyn DatabaseError>) -> CatalogError {
        let catalog = self.url.clone();
        let detail = error.message().to_owned();
        let code = error.code().unwrap_or_default().into_owned();
        match code.as_str() {
            // Only codes that need different advice or a retry are distinguished; all others keep the text of the
            // server.
            "28000" | "28P01" => CatalogError::LoginRefused { catalog, detail },
            "3D000" | "57P04" => CatalogError::NoSuchDatabase { catalog, detail },
            "42501" => CatalogError::NotAllowed { catalog, detail },
            "25006" => self.read_only(),
            "53100" => CatalogError::DiskFull { catalog },
            "53300" => CatalogError::TooManyConnections { catalog, detail },
            "40001" | "40P01" | "55P03" => CatalogError::Locked { catalog },
            "57014" => CatalogError::TimedOut { catalog, detail },
            // 57P01 to 57P03: the server shuts down, crashes or starts. 57P05, 25P03: the server ended an idle session
            // or transaction.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => self.unreachable(detail),
            // The sequence of track numbers has reached its maximum of 32 bits.
            "2200H" => CatalogError::TooManyTracks { catalog },
            "22021" | "22P05" | "54000" => self.invalid(detail),
            // A prepared statement is missing or exists already: a pooler has changed the connection of the server.
            "26000" | "42P05" => self.cannot_open(format!(
                "{detail}; behind PgBouncer, add statement-cache-capacity=0 to the parameters of its URL"
            )),
            "42P01" | "3F000" | "XX001" | "XX002" => self.corrupt(detail),
            "58030" => CatalogError::Io { catalog, detail },
            // 08000, 08003, 08006: also reported by postgres_fdw, for its connection to another server.
            code if code.starts_with("08") => self.unreachable(with_detail(detail, &*error)),
            _ => CatalogError::Database { catalog, source: Error::Database(error).into() },
        }
    }

    pub(super) fn cannot_open(&self, reason: impl Into<String>) -> CatalogError {
        CatalogError::CannotOpen { catalog: self.url.clone(), reason: reason.into() }
    }

    pub(super) fn corrupt(&self, detail: impl Into<String>) -> CatalogError {
        CatalogError::Corrupt { catalog: self.url.clone(), detail: detail.into() }
    }

    pub(super) fn invalid(&self, what: impl Into<String>) -> CatalogError {
        CatalogError::Invalid { catalog: self.url.clone(), what: what.into() }
    }

    pub(super) fn read_only(&self) -> CatalogError {
        CatalogError::ReadOnly {
            catalog: self.url.clone(),
            advice: "its server is a standby, or default_transaction_read_only is on; name the primary server",
        }
    }

    pub(super) fn unreachable(&self, detail: impl Into<String>) -> CatalogError {
        CatalogError::Unreachable { catalog: self.url.clone(), detail: detail.into() }
    }

    fn tls(&self, detail: &str) -> CatalogError {
        // These are texts of rustls; sqlx passes on only the text of the error.
        let contains = |word: &str| detail.contains(word);
        let advice = if contains("xpired") || contains("NotValidYet") || contains("not valid yet") {
            "renew the server's certificate, or set this machine's clock"
        } else if contains("UnsupportedCertVersion") {
            "issue a certificate of X.509 version 3 for the server, or use sslmode=require, which does not verify it"
        } else if contains("UnknownIssuer") {
            "name the file of the authority that issued the server's certificate with sslrootcert"
        } else if contains("not valid for name") || contains("NotValidForName") {
            "name the host as the certificate does, or use sslmode=verify-ca"
        } else {
            "check sslmode, sslrootcert, sslcert and sslkey in its URL"
        };
        CatalogError::Tls { catalog: self.url.clone(), detail: detail.to_owned(), advice }
    }
}

/// Adds the first line of the server's details, if there are any, to a message. If a server lost its connection to
/// another server through postgres_fdw, the details name that server and the reason.
fn with_detail(message: String, error: &dyn DatabaseError) -> String {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    match error.and_then(PgDatabaseError::detail).and_then(|detail| detail.lines().next()) {
        Some(reason) => format!("{message}: {reason}"),
        None => message,
    }
}
