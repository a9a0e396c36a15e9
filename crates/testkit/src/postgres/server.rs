//! The server and its builder.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::{PostgresError, checked, failed};
use super::host::{find_programs, free_port, make_folder, server_user};

/// Timeout of starting a server. The timeout is long, so that tests also pass on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Shell script that starts the server, waits for a line or the end of its standard input, and stops the server. The
/// line `kill` kills the server instead. After an empty line, or the end without a line, the script also deletes the
/// folder of the server. `$1` is the folder of PostgreSQL's programs, `$2` the folder of the server.
const WATCHER: &str = r#"
"$1/postgres" -D "$2/data" >>"$2/log" 2>&1 </dev/null &
read -r word
case $word in kill) kill -KILL $! ;; *) kill -INT $! ;; esac
wait $!
[ -n "$word" ] || rm -rf "$2"
"#;

/// Configuration of a server.
#[derive(Debug, Clone, Default)]
pub struct PostgresBuilder {
    settings: Vec<String>,
    password: Option<String>,
    tls: Option<(String, String)>,
}

/// A temporary PostgreSQL server with one superuser, `postgres`. When this value is dropped, the server is stopped and
/// its data is deleted.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
    /// Ids of the user and the group that the server runs as if this process runs as root, because PostgreSQL refuses
    /// to run as root. Otherwise `None`.
    user: Option<(u32, u32)>,
    port: u16,
    password: Option<String>,
    watcher: Option<Child>,
}

impl PostgresBuilder {
    /// Adds a line to `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// Requires password authentication (SCRAM) and sets the password of `postgres`. The default is to trust all
    /// connections.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Offers TLS with this certificate and key (PEM).
    #[must_use]
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.tls = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Creates and starts the server, and waits until it accepts connections.
    ///
    /// # Errors
    /// Returns an error if PostgreSQL is not installed or does not start, with the failed program's output or the
    /// server's log.
    pub fn start(self) -> Result<PostgresServer, PostgresError> {
        let programs = find_programs()?;
        let folder = make_folder()?;
        let mut server = PostgresServer {
            programs,
            folder,
            user: None,
            port: free_port()?,
            password: self.password.clone(),
            watcher: None,
        };
        server.user = server_user(&server.folder)?;
        server.make_cluster(&self)?;
        server.start()?;
        Ok(server)
    }
}

impl PostgresServer {
    /// Starts a server that accepts all connections without a password.
    ///
    /// # Errors
    /// As [`PostgresBuilder::start`].
    pub fn new() -> Result<Self, PostgresError> {
        Self::builder().start()
    }

    /// Returns a builder, for a server with other settings than the default.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Returns the port on 127.0.0.1. It does not change when the server is restarted.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a database, with the superuser's name and password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let password = self.password.as_ref().map_or_else(String::new, |password| format!(":{password}"));
        format!("postgres://postgres{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates an empty database and returns its URL.
    ///
    /// # Errors
    /// Returns the error of PostgreSQL.
    pub fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        self.run_sql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.url(name))
    }

    /// Runs SQL in a database as the superuser. Returns the result as text, without headers and alignment.
    ///
    /// # Errors
    /// Returns the error of PostgreSQL.
    pub fn run_sql(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        self.psql(database, |psql| psql.args(["-c", sql]))
    }

    /// Runs the SQL file `script` with psql in a database as the superuser. `variables` are names and values of psql
    /// variables. Returns the output.
    ///
    /// # Errors
    /// Returns the error of PostgreSQL.
    pub fn run_script(
        &self,
        database: &str,
        script: &Path,
        variables: &[(&str, &str)],
    ) -> Result<String, PostgresError> {
        let variables =
            variables.iter().flat_map(|(name, value)| ["-v".to_owned(), format!("{name}={value}")]);
        self.psql(database, |psql| psql.args(variables).arg("-f").arg(script))
    }

    fn psql(
        &self,
        database: &str,
        work: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<String, PostgresError> {
        let mut psql = Command::new(self.programs.join("psql"));
        // `-X` ignores the configuration of the user who runs the tests.
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database)]);
        let output = checked(work(&mut psql))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Stops the server with a fast shutdown: it disconnects all clients. Committed data is available after the next
    /// start.
    ///
    /// # Errors
    /// Returns an error if waiting for the shell process fails.
    pub fn stop(&mut self) -> Result<(), PostgresError> {
        self.end("stop")
    }

    /// Kills the server (SIGKILL), to simulate a power failure.
    ///
    /// # Errors
    /// Returns an error if waiting for the shell process fails.
    pub fn kill(&mut self) -> Result<(), PostgresError> {
        self.end("kill")
    }

    /// Starts a stopped or killed server again, on the same port.
    ///
    /// # Errors
    /// Returns an error if the server does not start within 60 s. The error contains the server's log.
    pub fn start(&mut self) -> Result<(), PostgresError> {
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            let mut shell = self.command("sh");
            shell.args(["-c", WATCHER, "sh"]).arg(&self.programs).arg(&self.folder);
            let running = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            self.watcher = Some(running.map_err(|error| failed("sh", &error))?);
            // After a kill, the first start can fail while the last processes of the old server are still exiting.
            if self.is_ready_before(until.min(Instant::now() + START_TIMEOUT / 6))? {
                return Ok(());
            }
            self.end("kill")?;
        }
        Err(PostgresError(format!("PostgreSQL does not start: {}", self.log())))
    }

    fn is_ready_before(&self, until: Instant) -> Result<bool, PostgresError> {
        while Instant::now() < until {
            let mut probe = Command::new(self.programs.join("pg_isready"));
            probe.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-d", "postgres"]);
            if probe.status().map_err(|error| failed("pg_isready", &error))?.success() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    /// Sends `word` to the shell, which then stops the server; the word `kill` kills the server. An empty word also
    /// deletes the folder.
    fn end(&mut self, word: &str) -> Result<(), PostgresError> {
        let Some(mut watcher) = self.watcher.take() else { return Ok(()) };
        if let Some(mut stdin) = watcher.stdin.take() {
            // The write fails if the shell has already exited. Then only the exit status has to be collected.
            let _ = writeln!(stdin, "{word}");
        }
        watcher.wait().map(drop).map_err(|error| failed("sh", &error))
    }

    fn make_cluster(&self, builder: &PostgresBuilder) -> Result<(), PostgresError> {
        self.set_owner_and_mode(&self.folder, 0o700)?;
        let mut initdb = self.command(self.programs.join("initdb"));
        initdb.arg("-D").arg(self.folder.join("data"));
        initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        if let Some(password) = &builder.password {
            let file = self.put("password", password)?;
            initdb.args(["-A", "scram-sha-256", "--pwfile"]).arg(file);
        } else {
            initdb.args(["-A", "trust"]);
        }
        checked(&mut initdb)?;
        let mut lines = vec![
            format!("port = {}", self.port),
            "listen_addresses = '127.0.0.1'".to_owned(),
            "unix_socket_directories = ''".to_owned(),
            // The page cache of the system survives a killed server, so nothing has to be synchronized.
            "fsync = off".to_owned(),
            "full_page_writes = off".to_owned(),
            "shared_buffers = 32MB".to_owned(),
        ];
        if let Some((certificate, key)) = &builder.tls {
            let certificate = self.put("server.crt", certificate)?;
            let key = self.put("server.key", key)?;
            lines.push("ssl = on".to_owned());
            lines.push(format!("ssl_cert_file = '{}'", certificate.display()));
            lines.push(format!("ssl_key_file = '{}'", key.display()));
        }
        lines.extend(builder.settings.iter().cloned());
        self.put("data/postgresql.auto.conf", &(lines.join("\n") + "\n")).map(drop)
    }

    /// Writes a file that only the server's user can read.
    fn put(&self, name: &str, text: &str) -> Result<PathBuf, PostgresError> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(name, &error))?;
        self.set_owner_and_mode(&path, 0o600)?;
        Ok(path)
    }

    fn set_owner_and_mode(&self, path: &Path, mode: u32) -> Result<(), PostgresError> {
        let name = path.display().to_string();
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).map_err(|error| failed(&name, &error))?;
        }
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).map_err(|error| failed(&name, &error))
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        // The user of the server may lack the permission to enter the current folder.
        command.current_dir("/");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Errors are ignored, because the end of a test must not fail. At worst a temporary folder remains.
        let _ = self.end("");
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
