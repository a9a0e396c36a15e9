//! The tables `[service]`, `[outbox]`, `[keep]`, `[http]`, `[log]` and `[metrics]`.

use std::path::PathBuf;

use super::words::Role;
use crate::settings::declare::settings;
use crate::settings::limit::Limit::{Any, Between, Chars, NotEmpty};

settings! {
    /// The process: its roles, its name and its share of the streams.
    "service" ServiceTable {
        /// Roles of this process; --role overrides them. A named role without its queue or address is an error.
        /// - monitor: follows live streams, reads queues.streams and queues.medialive
        /// - check: identifies files in the source bucket, reads queues.check
        /// - index: indexes files in the source bucket, reads queues.index
        /// - api: serves the HTTP API, in addition to the paths of `[http]` that every process serves
        roles: Vec<Role>, default(none "monitor, and all other roles whose queue or address is set"),
            NotEmpty("one or more of monitor, check, index and api"),
            example "[\"monitor\", \"check\", \"index\", \"api\"]";
        /// Name of this process in logs and `refrain streams list`. For display only: leases belong to a random id.
        name: String, default(none "host name, hyphen and eight random characters"), Chars(1.0, 100.0),
            example "\"worker-1\"";
        /// Maximum number of streams of this process; further streams wait for another process. 0: none.
        capacity: u32, default(200), Between(0.0, 5_000.0);
        /// Lease duration in seconds. A stream whose lease has expired is reassigned. A worker renews three times in this
        /// time. A take-over after a kill takes at most the lease duration and 2 s more.
        lease_seconds: u32, default(10), Between(3.0, 60.0);
        /// Time from SIGTERM to the exit, in seconds: the queue consumers stop, leases are released, open results and
        /// deliveries are finished. The supervisor must wait longer before it kills the process (stopTimeout of ECS,
        /// stop_grace_period of Compose).
        drain_seconds: u32, default(25), Between(1.0, 110.0);
    }
}

settings! {
    /// Retries of deliveries: after 1 s, 2 s, 4 s …, with jitter.
    "outbox" OutboxTable {
        /// Maximum pause between two attempts, in seconds.
        longest_pause_seconds: u32, default(300), Between(1.0, 86_400.0);
        /// A message that was not delivered within this time, in hours, is dead: `refrain outbox list` lists it, `retry`
        /// retries it.
        give_up_hours: u32, default(72), Between(1.0, 720.0);
        /// Concurrent deliveries of one process, per sink.
        parallel: u32, default(16), Between(1.0, 256.0);
    }
}

/// Maximum of all retention times in days: 100 years, which cannot overflow a timestamp.
const MAX_DAYS: f64 = 36_500.0;

settings! {
    /// Retention in the database.
    "keep" KeepTable {
        /// Retention of detections in days. 0: never deleted.
        detections_days: u32, default(0), Between(0.0, MAX_DAYS);
        /// Retention of delivered and dead messages in days. 0: never deleted.
        deliveries_days: u32, default(7), Between(0.0, MAX_DAYS);
    }
}

settings! {
    /// The HTTP server. A quarter of the open files that the process may have (ulimit -n) is for connections, at most 512.
    /// Above that, the connection that has been idle longest is closed. Time limits: 10 s for a request head, 20 s for a
    /// body, 60 s for a response, 75 s between two requests, 20 s for a client that does not read.
    "http" HttpTable {
        /// Address and port of /healthz, /readyz, /metrics, and with the role api of the API. Empty: no server. In a
        /// container 0.0.0.0:8080. `refrain healthcheck` requests /healthz.
        /// - /healthz: 200 while the process works; 503 if only a restart helps: its threads hang, or the database has
        ///   refused the password for 5 minutes (a restarted process reads the new password)
        /// - /readyz: 200 if database, index and queue consumers are ready; 503 with the reasons, also during the drain
        /// - /metrics: Prometheus
        listen: String, default(text "127.0.0.1:8080"), Any;
        /// File with the bearer token that requests to the API must carry (Authorization: Bearer …). Without it the API
        /// accepts loopback addresses only. The three paths above need no token.
        api_token_file: PathBuf, default(none "no token"), Any, example "\"/run/secrets/api-token\"";
    } secrets {
        /// The token itself, instead of its file.
        api_token;
    }
}

settings! {
    /// The log on standard error.
    "log" LogTable {
        /// True to write one JSON object per line.
        json: bool, default(false), Any;
        /// error, warn, info, debug or trace; also per crate: "info,refrain_stream=debug".
        level: String, default(text "info"), Any;
    }
}

settings! {
    /// Metrics for CloudWatch, as log lines in embedded metric format; this needs no permission.
    "metrics" MetricsTable {
        /// True to write the metrics.
        emf: bool, default(false), Any;
        /// Namespace of the metrics.
        namespace: String, default(text "Refrain"), Chars(1.0, 255.0);
        /// Value of the CloudWatch dimension Service of all metrics.
        service: String, default(text "refrain"), Chars(1.0, 255.0);
        /// Interval in which each process writes each metric, in seconds.
        interval_seconds: u32, default(60), Between(10.0, 300.0);
        /// True to write metrics per stream too, with the dimensions Service and Channel. CloudWatch charges for each
        /// metric of each channel per month.
        per_channel: bool, default(false), Any;
    }
}
