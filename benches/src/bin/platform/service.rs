//! The service, its database and the simulated cloud.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use refrain_benches::music::BenchError;
use refrain_testkit::{Moto, PostgresServer};

use super::PlatformOptions;

/// Maximum time that [`Service::until`] waits.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Clock ticks per second of processor times in `/proc` (USER_HZ, which is the same on all Linux systems).
const TICKS_PER_SECOND: f64 = 100.0;
/// Name of the database.
const DATABASE: &str = "platform";
/// End of an SQL query (`FROM` and `WHERE`) for the statements that were counted in this database.
const OURS: &str =
    "FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()";
/// Visibility timeout of the queues in seconds.
const VISIBILITY_TIMEOUT_SECONDS: u32 = 60;

/// Environment of the service: simulated cloud, database server, catalog and working folder.
pub(crate) struct PlatformSetup {
    pub(crate) moto: Moto,
    postgres: PostgresServer,
    folder: tempfile::TempDir,
    refrain: PathBuf,
    catalog: String,
    /// URL of the queue of stream events.
    pub(crate) streams: String,
    /// URL of the queue of events of files to check.
    pub(crate) check: String,
}

/// Bucket of the files to check.
pub(crate) const SOURCE: &str = "source";
/// Bucket of the results of streams.
pub(crate) const RESULTS: &str = "results";

impl PlatformSetup {
    /// Starts the simulated cloud and the database server, and indexes the music of the catalog.
    pub(crate) fn new(options: &PlatformOptions) -> Result<Self, BenchError> {
        let postgres =
            PostgresServer::builder().setting("shared_preload_libraries = 'pg_stat_statements'").start()?;
        let catalog = postgres.create_database(DATABASE)?;
        postgres.run_sql(DATABASE, "CREATE EXTENSION pg_stat_statements")?;
        let moto = Moto::start()?;
        for bucket in [SOURCE, RESULTS] {
            moto.make_bucket(bucket)?;
        }
        let (streams, check) = (
            moto.make_queue("streams", VISIBILITY_TIMEOUT_SECONDS)?.0,
            moto.make_queue("check", VISIBILITY_TIMEOUT_SECONDS)?.0,
        );
        let folder = tempfile::tempdir()?;
        let refrain = options.refrain.clone();
        let this = Self { moto, postgres, folder, refrain, catalog, streams, check };
        let music = options.catalog.as_ref().unwrap_or(&options.music);
        let indexed = this.command().arg("index").arg(music).stdout(Stdio::null()).status()?;
        if indexed.success() { Ok(this) } else { Err(format!("refrain index ended with {indexed}").into()) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.refrain);
        command
            .env("HOME", self.folder.path())
            .env("AWS_ACCESS_KEY_ID", "any")
            .env("AWS_SECRET_ACCESS_KEY", "any");
        command.args(["--catalog", &self.catalog]);
        command
    }

    /// Starts the service with `roles` (an argument of `--role`) and waits until the service is ready. `ivs` is the
    /// endpoint URL of IVS, and `more` contains further settings (TOML).
    pub(crate) fn serve(&self, roles: &str, ivs: &str, more: &str) -> Result<Service, BenchError> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = self.folder.path().join("service.toml");
        let text = format!(
            "[aws]\nregion = 'eu-west-1'\nendpoint_url = '{url}'\nendpoint_url_ivs = '{ivs}'\n\
             [queues]\nstreams = '{streams}'\ncheck = '{check}'\n\
             [bucket]\nsource = '{SOURCE}'\n[monitor]\nallow_private_addresses = true\n\
             [ivs]\ncalls_per_second = 100.0\n[log]\nlevel = 'warn'\n[http]\nlisten = '127.0.0.1:{port}'\n\
             [[sinks]]\nkind = 's3'\nbucket = '{RESULTS}'\nfrom = ['live']\n{more}",
            url = self.moto.url(),
            streams = self.streams,
            check = self.check,
        );
        fs::write(&config, text)?;
        let mut command = self.command();
        let child = command.arg("--config").arg(&config).args(["serve", "--role", roles]).spawn()?;
        let service = Service { child, port };
        service.until("ready", || Ok(service.get("/readyz").is_ok_and(|(status, _)| status == 200)))?;
        Ok(service)
    }

    /// Resets the statement counters.
    pub(crate) fn count_statements(&self) -> Result<(), BenchError> {
        self.sql("SELECT pg_stat_statements_reset()").map(drop)
    }

    /// Returns the number of statements since [`Self::count_statements`].
    pub(crate) fn statements(&self) -> Result<u64, BenchError> {
        Ok(self.sql(&format!("SELECT coalesce(sum(calls), 0) {OURS}"))?.parse()?)
    }

    /// Returns the 12 most frequent statements as text, one per line: the number of calls, and the first 100 characters
    /// of the statement.
    pub(crate) fn busiest(&self) -> Result<String, BenchError> {
        self.sql(&format!(
            "SELECT calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 100) {OURS} ORDER BY calls DESC LIMIT 12"
        ))
    }

    /// Runs SQL in the database of the service. Returns the output as text.
    pub(crate) fn sql(&self, sql: &str) -> Result<String, BenchError> {
        Ok(self.postgres.run_sql(DATABASE, sql)?.trim().to_owned())
    }
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    port: u16,
}

impl Service {
    /// Waits until `condition` returns true, and returns the waiting time. `what` names the condition in the error
    /// after [`TIMEOUT`].
    pub(crate) fn until(
        &self,
        what: &str,
        mut condition: impl FnMut() -> Result<bool, BenchError>,
    ) -> Result<Duration, BenchError> {
        let began = Instant::now();
        while !condition()? {
            if began.elapsed() > TIMEOUT {
                return Err(format!("not {what} after {TIMEOUT:?}").into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(began.elapsed())
    }

    /// Sends a GET request. Returns status and body of the response.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), BenchError> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("invalid HTTP response")?;
        Ok((head.split(' ').nth(1).ok_or("no status")?.parse()?, body.to_owned()))
    }

    /// Returns all values of the metric `name`, one for each combination of labels.
    pub(crate) fn metric(&self, name: &str) -> Result<Vec<f64>, BenchError> {
        let (_, body) = self.get("/metrics")?;
        let lines = body.lines().filter_map(|line| line.rsplit_once(' '));
        let ours = lines.filter(|(key, _)| key.split('{').next() == Some(name));
        Ok(ours.filter_map(|(_, value)| value.parse().ok()).collect())
    }

    /// Returns the processor time of the service so far, in seconds.
    pub(crate) fn processor(&self) -> Result<f64, BenchError> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name can contain any character, so fields are counted after its end: 14 and 15 are user and system time.
        let fields = text.rsplit_once(')').ok_or("no stat")?.1.split_whitespace();
        let times: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(times.iter().sum::<f64>() / TICKS_PER_SECOND)
    }

    /// Returns the memory of the service in MB: the current memory that is not mapped from files (`RssAnon`), and the
    /// maximum resident memory so far (`VmHWM`).
    pub(crate) fn memory(&self) -> Result<(f64, f64), BenchError> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let (own, max_resident) = (field("RssAnon:"), field("VmHWM:"));
        Ok((own.ok_or("no RssAnon")? / 1000.0, max_resident.ok_or("no VmHWM")? / 1000.0))
    }

    /// Sends SIGTERM and waits for the end of the process. Returns the time that it took.
    pub(crate) fn end(mut self) -> Result<Duration, BenchError> {
        let began = Instant::now();
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(began.elapsed())
        } else {
            Err(format!("the service ended with {status}").into())
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
